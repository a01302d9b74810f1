"""The one process that may start Airflow in a home, and the guard that ends what it started when it is gone."""

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil  # type: ignore[import-untyped]  # it publishes no types

from include.core.errors import DeclarationError
from include.runtime import deployment
from include.runtime.embedded.environment import airflow_home, environment_of
from include.settings import ROOT, Settings

#: The longest that a start waits for the guard of a killed one: several times what ending an Airflow takes.
_GUARD_SECONDS = 30


@dataclass(kw_only=True)
class StarterLock:
    """Held by this process until it leaves it, or is gone and its guard has ended what it started."""

    settings: Settings
    lock: TextIO
    guardian: "subprocess.Popen[bytes] | None" = None

    def guard(self) -> None:
        """Start a process that waits for the other end of a pipe to close, which it does however this process ends."""
        self.guardian = subprocess.Popen(
            [sys.executable, "-m", "include.runtime.embedded.guard"],
            env={**environment_of("guard", self.settings, port=0, base=os.environ)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[self.lock.fileno()],
        )

    def leave(self) -> None:
        """Let another process start Airflow here: what was started has ended. Harmless when it was left."""
        if self.guardian is not None:
            with self.guardian as guardian:  # or else it ends, with this process, what another has started since
                guardian.kill()
        if not self.lock.closed:
            fcntl.flock(self.lock, fcntl.LOCK_UN)
            self.lock.close()


def await_guard(settings: Settings) -> None:
    """Wait while the guard of a starter that is gone still ends what that one started."""
    file = _file(settings)
    deadline = time.monotonic() + _GUARD_SECONDS
    while file.exists() and time.monotonic() < deadline:
        with file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if _lives(lock.read()):
                    return
        time.sleep(0.1)


def take(settings: Settings) -> StarterLock:
    """Take the place, if no other process holds it.

    Raises:
        DeclarationError: another does; or other users can enter the home.
    """
    deployment.make_home(settings)
    file = _file(settings)
    file.parent.mkdir(exist_ok=True, mode=0o700)
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read()
        lock.close()
        raise DeclarationError(
            "one process at a time starts Airflow in a home",
            value=f"process {holder} does in {settings.home}, or what it started is ending",
            remedy="Wait until it is ready, or has ended.",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return StarterLock(settings=settings, lock=lock)


def _file(settings: Settings) -> Path:
    return airflow_home(settings) / "starter"


def _lives(pid: str) -> bool:
    with suppress(ValueError, psutil.NoSuchProcess):
        return bool(psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE)
    return False
