"""One process of a home runs nights of a project at a time: the kernel lets go when that one dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from include.core.errors import LeaseHeld
from include.settings import Settings


def require_idle(settings: Settings) -> None:
    """Check that no process runs a night in this home.

    Raises:
        LeaseHeld: one does.
    """
    for file in sorted((settings.home / "running").glob("*")):
        require_not_running(settings, file.name)


def require_not_running(settings: Settings, project: str) -> None:
    """Check that no process runs a night of *project* in this home.

    Raises:
        LeaseHeld: one does.
    """
    if (settings.home / "running" / project).is_file():
        with alone(settings, project, "none"):
            pass


@contextmanager
def alone(settings: Settings, project: str, run_id: str) -> Iterator[None]:
    """Keep other processes of this home from running *project* meanwhile; the kernel lets go when this one dies.

    The lease does not do it alone: the same run may take its lease twice, since that is how its steps go on.
    """
    folder = settings.home / "running"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / project).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LeaseHeld(
                "one night of a project runs at a time",
                value=f"{file.read() or 'another process'} runs {project!r}",
                remedy="Wait until it ends, or end that process: what it recorded is not computed again.",
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} (run {run_id!r})")
        file.flush()
        yield
