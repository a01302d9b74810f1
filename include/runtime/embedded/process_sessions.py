"""The sessions of an embedded Airflow's processes: remembered in a file, and ended as a whole."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types

from include.runtime.embedded.environment import airflow_home
from include.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StartedProcess:
    """One of our processes. ``identity`` tells it from another process of the same number."""

    name: str
    pid: int
    identity: int

    @classmethod
    def of(cls, name: str, pid: int) -> "StartedProcess":
        return cls(name=name, pid=pid, identity=_identity(pid))


def stop(settings: Settings, *, patience_seconds: float = 2) -> None:
    """End every process of this home's Airflow: asked first, then, after *patience_seconds*, killed.

    More patience gains nothing: the API server would wait 19 s for clients that are ending too, the scheduler 14 s for
    its workers. Whatever is killed here is as a crash, after which the next start goes on all the same.
    Whole sessions end, the tasks that run in them too; a night that was cut off goes on after the next start. It ends
    only processes that were recorded when they started, by number and time of birth, and what those started. From now
    on none of them is started again, whoever watches over them.
    """
    with one_writer(settings):
        if _process_file(settings).exists():
            _ending_file(settings).touch()
    end(recall(settings)[1], patience_seconds=patience_seconds)
    _process_file(settings).unlink(missing_ok=True)
    _ending_file(settings).unlink(missing_ok=True)


def end(started: Sequence[StartedProcess], *, patience_seconds: float = 2) -> None:
    """End the sessions that *started* lead, whether these live or not: asked first, then killed."""
    doomed = _members(started)
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _await_end(doomed, patience_seconds)
    # Whoever was forked meanwhile is in the same sessions: look until nobody is left.
    while left := _members(started):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _await_end(left, patience_seconds)


def _await_end(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Wait until all have ended. A dead one that its parent, another process, has not buried yet has ended."""
    deadline = time.monotonic() + seconds
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    child = CHILDREN.get(process.pid)
    if child is not None:
        child.poll()
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def processes(settings: Settings) -> dict[int, str]:
    """Every living process of this home's Airflow, with its command line: the four and all that they started."""
    started = recall(settings)[1]
    found = {}
    for process in _members(started):
        with suppress(psutil.Error):
            found[process.pid] = " ".join(process.cmdline())
    return found


#: Our own children: asking them whether they ended also buries them.
CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def _process_file(settings: Settings) -> Path:
    return airflow_home(settings) / "processes.json"


def _ending_file(settings: Settings) -> Path:
    return airflow_home(settings) / "ending"


@contextmanager
def one_writer(settings: Settings) -> Iterator[None]:
    """Keep others, threads of this process too, from starting or ending processes of this home meanwhile."""
    folder = airflow_home(settings)
    if not folder.is_dir():  # nothing was ever started here, and nothing is
        yield
        return
    with (folder / "processes.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ending(settings: Settings) -> bool:
    """Whether somebody ends, or has ended, what was started here."""
    return _ending_file(settings).exists() or not _process_file(settings).exists()


def begin(settings: Settings, port: int) -> None:
    """Write down that nothing is started yet, and nothing is being ended any more."""
    remember(settings, port, [])
    _ending_file(settings).unlink(missing_ok=True)


def remember(settings: Settings, port: int, started: Sequence[StartedProcess]) -> None:
    """Write down what was started so far, in place of what was written before."""
    path = _process_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".draft")
    processes = [[one.name, one.pid, one.identity] for one in started]
    draft.write_text(json.dumps({"port": port, "boot": _boot(), "processes": processes}))
    draft.replace(path)


def recall(settings: Settings) -> tuple[int, list[StartedProcess]]:
    """The port, and what was started last; 0 and nothing before the first start, after a stop and after a reboot."""
    try:
        kept = json.loads(_process_file(settings).read_text())
    except FileNotFoundError:
        return 0, []
    if kept.get("boot") != _boot():
        return 0, []
    return kept["port"], [
        StartedProcess(name=name, pid=pid, identity=identity) for name, pid, identity in kept["processes"]
    ]


def alive(settings: Settings) -> bool:
    """Whether one of the four processes of this home lives."""
    return any(not ended(leader) for leader in recall(settings)[1])


def ended(leader: StartedProcess) -> bool:
    """Whether the process is no more; a child of ours is buried by that."""
    child = CHILDREN.get(leader.pid)
    if child is not None and child.poll() is not None:
        return True
    try:
        return _identity(leader.pid) != leader.identity or psutil.Process(leader.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _members(started: Sequence[StartedProcess]) -> list[psutil.Process]:
    """The living processes of the sessions, whether their leaders live or not."""
    sessions = {leader.pid for leader in started if not _replaced(leader)}
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) in sessions and (process := psutil.Process(pid)).status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            continue
    for child in list(CHILDREN.values()):
        child.poll()
    return found


def _replaced(leader: StartedProcess) -> bool:
    """Whether the leader's number belongs to a later process by now. It cannot while its session has members."""
    try:
        return _identity(leader.pid) != leader.identity
    except psutil.NoSuchProcess:
        return False


def _identity(pid: int) -> int:
    """The same for as long as the process lives, in every process that asks.

    Psutil compares a process by its number and by a time of birth that no step of the system's clock moves; its
    ``create_time()`` moves by each.
    """
    return hash(psutil.Process(pid))


def _boot() -> str:
    """Since when processes have been numbered: this boot, and the container's own numbers. Empty where none is told."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
