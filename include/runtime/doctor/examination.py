"""Checks that run beside each other, each in its own time: what one finds, and what one that does not answer costs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from include.core.errors import TrainyardError
from include.settings import Settings


class Health(StrEnum):
    """How well it is: as it should be; worth knowing, and no night fails by it; a night would fail, or nobody hear."""

    GOOD = "good"
    ADVICE = "advice"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was tried, and what came of it: of what is not good, with its remedy. No secret, no value of the data."""

    what: str
    sign: Health
    text: str


Check = Callable[[Settings], Iterator[Finding]]


def examine(settings: Settings, checks: Mapping[str, Check], *, patience_seconds: float) -> Iterator[Finding]:
    """What each of *checks* finds, in their order; one that has not ended within *patience_seconds* is bad.

    An error of ours is shown as it stands, of another only the type, and the file: its text may quote a secret.
    """
    deadline = time.monotonic() + patience_seconds
    running = {name: _RunningCheck(name, check, settings) for name, check in checks.items()}
    for name, each in running.items():
        each.thread.join(max(0.0, deadline - time.monotonic()))
        yield from tuple(each.found)
        if each.thread.is_alive():
            told = f"no answer within {patience_seconds:g} s. See whether what it names can be reached from here."
            yield Finding(what=name, sign=Health.BAD, text=told)


class _RunningCheck:
    """One check, in a thread that ends with the process: it may hang."""

    def __init__(self, name: str, check: Check, settings: Settings) -> None:
        self.found: list[Finding] = []
        self._name, self._check, self._settings = name, check, settings
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for finding in self._check(self._settings):
                self.found.append(finding)
        except TrainyardError as error:
            self.found.append(Finding(what=self._name, sign=Health.BAD, text=str(error)))
        except Exception as error:  # whatever a library raises is a finding, and takes the other checks nothing
            file = getattr(error, "filename", None)
            where = f" ({file})" if isinstance(error, OSError) and file else ""
            told = f"{type(error).__name__}{where}. See whether it is there, and may be used by this account."
            self.found.append(Finding(what=self._name, sign=Health.BAD, text=told))
