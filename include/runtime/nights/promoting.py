"""Has the authority decide about what training registered: it alone holds the key that makes a champion.

    TRAINYARD_LEDGER=URL python -m include.runtime.nights.promoting --authority-keys FOLDER

is the authority for a moment, for nights without Airflow: it signs a checkpoint of the ledger, decides about what waits
in it, and ends. In Airflow the API server does both, in a thread of its own.
"""

import argparse
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import TrainyardError
from include.governance.signing import PRIVATE_KEY_FILE, Signer
from include.ledger import Ledger
from include.runtime.deployment import places_of
from include.settings import ROOT, Process, Settings

if TYPE_CHECKING:
    from include.audit.checkpoints import Checkpointer
    from include.registry.authority import PromotionAuthority

log = logging.getLogger(__name__)

#: How long training waits for a decision, and a process of our own may take for it.
PATIENCE_SECONDS = 60
#: How often an authority looks at the ledger where nobody wakes it.
_LOOK_SECONDS = 2.0
_POLL_SECONDS = 0.05


def beside(settings: Settings) -> Callable[[Callable[[], bool]], None]:
    """What waits for the authority's decision: where its key lies here, one of our own is started for the moment."""

    def wait(decided: Callable[[], bool]) -> None:
        if os.access(settings.authority_keys / PRIVATE_KEY_FILE, os.R_OK):
            _decide_once(settings)
        else:
            until(decided)

    return wait


def sign_now(settings: Settings) -> None:
    """Have a checkpoint signed of all that was recorded, where the authority's key lies here; else it comes soon."""
    if os.access(settings.authority_keys / PRIVATE_KEY_FILE, os.R_OK):
        _decide_once(settings)


def until(decided: Callable[[], bool], *, wake: Callable[[], object] = lambda: None) -> None:
    """Wait for an authority elsewhere, which *wake* may make look at once; for a minute at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wake()
    while not decided() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


class Decider:
    """Decides about what is registered, in a thread of the process that holds the key, until that ends.

    It keeps the checkpoints of the ledger up to date there, too.
    """

    def __init__(self, promotions: "PromotionAuthority", checkpoints: "Checkpointer | None" = None) -> None:
        self._work: dict[str, Callable[[], object]] = {"promotions": promotions.decide}
        if checkpoints is not None:
            self._work["checkpoints"] = checkpoints.keep_up
        self._woken = threading.Event()
        self._told: dict[str, str | None] = {}

    def start(self) -> None:
        threading.Thread(target=self._keep_deciding, name="promotions", daemon=True).start()

    def wake(self) -> None:
        """Look now. Harmless, however often and whoever asks: nothing else is decided than would be soon."""
        self._woken.set()

    def _keep_deciding(self) -> None:
        while True:
            self._woken.clear()
            self.look()
            self._woken.wait(_LOOK_SECONDS)

    def look(self) -> None:
        """Decide about what waits. What stands against it is logged when it changes, however often that is tried."""
        for what, work in self._work.items():
            self._told[what] = self._failure(what, work, self._told.get(what))

    def _failure(self, what: str, work: Callable[[], object], before: str | None) -> str | None:
        try:
            work()
        except TrainyardError as error:  # what waits stays in the ledger
            if str(error) != before:
                log.warning("%s: %s", what, error)
            return str(error)
        except Exception as error:  # nobody would start another thread: nothing would be decided or signed any more
            if repr(error) != before:
                log.exception("%s: what is recorded cannot be decided about, or signed", what)
            return repr(error)
        if before is not None:
            log.info("%s: done again", what)
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Decide about what waits, and sign before and after; the exit status."""
    from include.audit.checkpoints import Checkpointer, trusted_keys
    from include.registry.authority import PromotionAuthority

    parser = argparse.ArgumentParser(prog="python -m include.runtime.nights.promoting", description=__doc__)
    parser.add_argument("--authority-keys", required=True, type=Path, help="folder of the private key")
    parser.add_argument("--keys", type=Path, help="folder of the public key, and of former ones")
    asked = parser.parse_args(arguments)
    try:
        signer, settings = Signer.load(asked.authority_keys / PRIVATE_KEY_FILE), Settings.from_environment()
        publics = trusted_keys(asked.keys) if asked.keys else ()
        ledger = Ledger.open(settings.ledger)
        checkpoints = Checkpointer(ledger, signer, places_of(settings), publics)
        PromotionAuthority(ledger, signer, checkpoint=checkpoints.sign).decide()
        checkpoints.sign()
    except TrainyardError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _decide_once(settings: Settings) -> None:
    """In a process of its own: the key is never in that of training. What fails is told by the missing decision."""
    command = [sys.executable, "-m", "include.runtime.nights.promoting"]
    command += ["--authority-keys", str(settings.authority_keys), "--keys", str(settings.keys)]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 -- our own module, our own arguments
            command,
            cwd=ROOT,
            env={**os.environ, **settings.environment(Process.AUTHORITY)},
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


if __name__ == "__main__":
    sys.exit(main())
