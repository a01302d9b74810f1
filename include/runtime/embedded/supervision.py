"""Watches over an embedded Airflow from the process that started it: what ended is started again, and ops are told.

Nothing of it needs Airflow: an alert goes out while scheduler, triggerer or all four are gone. What lives and gives no
sign of life is told and left alone: on a busy machine it may only be late, and what it runs would end with it.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from include.runtime.airflow import alerts
from include.runtime.embedded import process_sessions
from include.runtime.embedded.environment import airflow_home
from include.runtime.embedded.health import pulses
from include.runtime.embedded.process_sessions import StartedProcess
from include.settings import Settings

#: Starts the process of that name, written down beside the others.
Spawn = Callable[[str, Sequence[StartedProcess]], StartedProcess]

_LOOK_SECONDS = 1.0
#: What ends again within that time of its start has not recovered: the pauses before its next starts double.
_CALM_SECONDS = 600
_LONGEST_PAUSE_SECONDS = 300
#: This many times in a row are reported to ops at once; after that it is one matter, reported once.
_AGAIN_AND_AGAIN = 4
_ASK_EVERY_SECONDS = 15
#: An alert that nobody takes in holds nobody up who ends Airflow.
_END_SECONDS = 1.0
#: This many looks in a row without a sign of life are reported: a minute.
_SILENT_LOOKS = 4


@dataclass(frozen=True, kw_only=True)
class ProcessEnd:
    """A process of Airflow that ended by itself: its name, when that was seen (UTC), the ``time`` of how many."""

    name: str
    at: datetime
    time: int


@dataclass(kw_only=True)
class _Life:
    """What is known of one process. Times are the monotonic clock's; ``due``: when it is started again."""

    since: float
    times: int = 0
    due: float | None = None


class Supervision:
    """A thread that watches the processes of *settings*' Airflow until :meth:`end`, or until somebody stops them.

    *progress* gets what happens, a line at a time.
    """

    def __init__(
        self,
        settings: Settings,
        url: str,
        *,
        spawn: Spawn,
        progress: Callable[[str], None],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._settings, self._url, self._spawn, self._progress = settings, url, spawn, progress
        self._look_seconds = look_seconds
        self._lives: dict[str, _Life] = {}
        self._silent: dict[str, int] = {}
        self._met: set[str] = set()
        self._asked = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervision", daemon=True)
        _endings_file(settings).unlink(missing_ok=True)
        self._thread.start()

    def end(self) -> None:
        """Start nothing again from now on, though an alert may still be under way. Harmless when it has ended."""
        self._over.set()
        self._thread.join(_END_SECONDS)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until somebody has stopped Airflow, or the time is over; whether somebody has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _watch(self) -> None:
        while not self._over.wait(self._look_seconds) and not process_sessions.ending(self._settings):
            try:
                self._look()
            except Exception as error:  # whatever it is: who watches no more would be taken for one who was stopped
                self._tell_met(type(error).__name__)

    def _look(self) -> None:
        for leader in process_sessions.recall(self._settings)[1]:
            self._look_after(leader)
        if time.monotonic() >= self._asked + _ASK_EVERY_SECONDS:
            self._asked = time.monotonic()
            self._ask()

    def _tell_met(self, what: str) -> None:
        """Once for each kind: the next look, a second later, may meet it again."""
        if what not in self._met:
            self._met.add(what)
            self._progress(f"Watching over Airflow met {what}; it goes on. See whether the home's disk has room.")

    def _look_after(self, leader: StartedProcess) -> None:
        now = time.monotonic()
        life = self._lives.setdefault(leader.name, _Life(since=now))
        if life.due is None:
            if not process_sessions.ended(leader):
                return
            life.times = life.times + 1 if now < life.since + _CALM_SECONDS else 1
            life.due = now + (min(2.0 ** (life.times - 2), _LONGEST_PAUSE_SECONDS) if life.times > 1 else 0)
        if now >= life.due and self._start_again(leader, life):
            self._tell_ended(leader.name, life.times)

    def _start_again(self, leader: StartedProcess, life: _Life) -> bool:
        """Whether it was tried; not when somebody has ended Airflow meanwhile."""
        with process_sessions.one_writer(self._settings):
            if self._over.is_set() or process_sessions.ending(self._settings):
                return False
            process_sessions.end([leader])  # what it started would go on beside the new one
            others = [each for each in process_sessions.recall(self._settings)[1] if each.name != leader.name]
            with suppress(OSError):  # no process can be made now: it counts as one that ended, and is tried again
                self._spawn(leader.name, others)
        life.since, life.due = time.monotonic(), None
        return True

    def _tell_ended(self, name: str, times: int) -> None:
        with suppress(OSError):  # a full disk, say, which may be why it ended: ops are told all the same
            _remember(self._settings, ProcessEnd(name=name, at=datetime.now(UTC), time=times))
        log = f"Its log is {airflow_home(self._settings) / 'logs' / 'processes' / f'{name}.log'}."
        if times == 1:
            self._progress(f"The {name} ended, and is started again. {log}")
            alerts.deliver(self._settings, f"Airflow: the {name} ended", f"It is started again. {log}")
            return
        self._progress(f"The {name} ended {times} times in a row, and is started again. {log}")
        if times == _AGAIN_AND_AGAIN:
            told = f"{times} times in a row; it is tried again, with pauses of up to {_LONGEST_PAUSE_SECONDS} s. {log}"
            alerts.deliver(self._settings, f"Airflow: the {name} ends again and again", told)

    def _ask(self) -> None:
        """Tell once of each that lives and gives no sign of life, and of each that gives one again."""
        for name, pulse in pulses(self._url).items():
            before = self._silent.get(name, 0)
            self._silent[name] = 0 if pulse.healthy else before + 1
            if self._silent[name] == _SILENT_LOOKS:
                told = f"For {_SILENT_LOOKS * _ASK_EVERY_SECONDS} s. `./trainyard status` asks again."
                self._progress(f"The {name} gives no sign of life. {told}")
                alerts.deliver(self._settings, f"Airflow: the {name} gives no sign of life", told)
            elif pulse.healthy and before >= _SILENT_LOOKS:
                self._progress(f"The {name} gives signs of life again.")


def endings(settings: Settings) -> tuple[ProcessEnd, ...]:
    """What ended by itself since Airflow's last start here, in order."""
    try:
        kept = json.loads(_endings_file(settings).read_text())
    except FileNotFoundError:
        return ()
    return tuple(ProcessEnd(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in kept)


def _remember(settings: Settings, ending: ProcessEnd) -> None:
    kept = [{**asdict(one), "at": one.at.isoformat()} for one in (*endings(settings)[-99:], ending)]
    file = _endings_file(settings)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(kept))
    draft.replace(file)


def _endings_file(settings: Settings) -> Path:
    return airflow_home(settings) / "endings.json"
