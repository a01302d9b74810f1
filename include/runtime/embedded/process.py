"""An embedded Airflow: its four processes started, watched and ended by us.

``airflow standalone`` orphans its children when it is stopped, and opens log servers on every interface. Here each
process leads a session of its own, listens on the loopback address or not at all, and a guard ends all of them when the
process that started them dies, whatever killed it.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx

from include.core.errors import DeclarationError, TrainyardError
from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import (
    API_SERVER,
    PROCESSES,
    SCHEDULER,
    TRIGGERER,
    airflow_home,
    environment_of,
    secrets_of,
)
from include.runtime.embedded.health import Heartbeat, pulses
from include.runtime.embedded.pools import make_pools
from include.runtime.embedded.process_sessions import (
    CHILDREN,
    StartedProcess,
    alive,
    begin,
    ended,
    recall,
    remember,
    stop,
)
from include.runtime.embedded.starter_lock import StarterLock, await_guard, take
from include.runtime.embedded.supervision import Supervision
from include.settings import Settings

#: Where an embedded Airflow listens unless told otherwise.
DEFAULT_PORT = 8080

Progress = Callable[[str], None]

_AIRFLOW = [sys.executable, "-m", "airflow"]
_LOG_SERVERS = (SCHEDULER, TRIGGERER)
_POLL_SECONDS = 0.25
#: Becomes the command that it is given, unless standard input ends before a line has come.
_ONCE_TOLD = 'read -r told && exec "$@" </dev/null'


class AirflowError(TrainyardError):
    """The embedded Airflow did not start, or one of its processes ended."""


@dataclass(frozen=True, kw_only=True)
class RunningAirflow:
    """A healthy embedded Airflow. ``url`` is where its UI and API answer.

    Where this process started it, it has its ``place``, and watches over it.
    """

    settings: Settings
    port: int
    place: StarterLock | None = field(default=None, repr=False, compare=False)
    supervision: Supervision | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, user: str) -> Client:
        """Speaks to the API as *user*.

        Raises:
            DeclarationError: nobody is called so here.
        """
        passwords = secrets_of(self.settings).passwords
        if user not in passwords:
            raise DeclarationError(
                "who signs in is a person of the demo, or a steward that a contract names",
                value=user,
                remedy=f"Use `--as` with one of {sorted(passwords)}.",
            )
        return Client(self.url, user=user, password=passwords[user])

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until somebody has stopped it, or the time is over; whether somebody has."""
        return self.supervision is None or self.supervision.wait(timeout_seconds)

    def stop(self) -> None:
        """End every process. Harmless if they are gone."""
        if self.supervision is not None:
            self.supervision.end()
        stop(self.settings)
        if self.place is not None:
            self.place.leave()


def start(
    settings: Settings,
    *,
    port: int = DEFAULT_PORT,
    timeout_seconds: float = 240,
    progress: Progress = lambda message: None,
    new_paused: bool = False,
) -> RunningAirflow:
    """Start Airflow on *port* of the loopback address and return once all four processes are healthy.

    What an earlier one left in this home is taken up again. All processes end with this one, also when it is killed;
    one that ends by itself is started again. *progress* gets what happens, a line at a time, also later.
    *new_paused*: the DAGs of a project that is new begin paused.

    Raises:
        DeclarationError: the port is taken, or an Airflow of this home runs or is being started already.
        AirflowError: a process ended, or was not healthy within *timeout_seconds*; nothing is left running.
    """
    place = _take(settings, port)
    spawn = partial(_spawn, settings=settings, port=port, new_paused=new_paused)
    try:
        begin(settings, port)
        place.guard()
        _migrate(settings, port, progress, place)
        progress("Starting Airflow's API server, scheduler, DAG processor and triggerer")
        asked_at = time.time()
        started: list[StartedProcess] = []
        for name in PROCESSES:
            started.append(spawn(name, started))
        airflow = RunningAirflow(settings=settings, port=port, place=place)
        _await_health(airflow, started, since=asked_at, timeout_seconds=timeout_seconds)
        with airflow.client("ada") as client:
            client.call("GET", "/trainyard/health")  # the authority makes its key, without which no task can start
            make_pools(settings, client)
    except BaseException:
        progress("Stopping Airflow")
        stop(settings)
        place.leave()
        raise
    progress(f"Airflow is ready at {airflow.url}")
    return replace(airflow, supervision=Supervision(settings, airflow.url, spawn=spawn, progress=progress))


@contextmanager
def running(
    settings: Settings, *, port: int = DEFAULT_PORT, progress: Progress = lambda _: None, new_paused: bool = False
) -> Iterator[RunningAirflow]:
    """An Airflow that ends with the block."""
    airflow = start(settings, port=port, progress=progress, new_paused=new_paused)
    try:
        yield airflow
    finally:
        progress("Stopping Airflow")
        airflow.stop()


def attach(settings: Settings) -> RunningAirflow | None:
    """The Airflow that runs in this home, if one does."""
    return RunningAirflow(settings=settings, port=recall(settings)[0]) if alive(settings) else None


def require_startable(settings: Settings, *, port: int) -> None:
    """Check that :func:`start` finds its place, before anything long is done for it.

    Raises:
        DeclarationError: the port is taken, or an Airflow of this home runs or is being started already.
    """
    _take(settings, port).leave()


def _take(settings: Settings, port: int) -> StarterLock:
    await_guard(settings)
    if alive(settings):
        raise DeclarationError(
            "one Airflow runs in a home",
            value=f"{settings.home} has one on port {recall(settings)[0]}",
            remedy="Use it, or end it with `./trainyard stop`.",
        )
    _require_free(port)
    return take(settings)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DeclarationError(
                "Airflow needs a free port on the loopback address",
                value=f"port {port} is in use ({error.strerror})",
                remedy="Choose another with `--port`, or end the program that listens there.",
            ) from error


def _migrate(settings: Settings, port: int, progress: Progress, place: StarterLock) -> None:
    """Make or upgrade Airflow's database, once per version of Airflow. If we are killed it ends all the same."""
    marker = airflow_home(settings) / f"migrated-{version('apache-airflow-core')}"
    if marker.exists():
        return
    progress("Preparing Airflow's database")
    log = _log_file("db-migrate", settings)
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            [*_AIRFLOW, "db", "migrate"],
            env=environment_of("db", settings, port=port, base=os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            pass_fds=[place.lock.fileno()],  # the place is not free before it has ended
            check=False,
        )
    if done.returncode:
        raise AirflowError(
            "Airflow's database can be prepared",
            value=f"`airflow db migrate` ended with {done.returncode}: {_last_line(log)}",
            remedy=f"Read {log}.",
        )
    marker.touch()


def _spawn(
    name: str, beside: Sequence[StartedProcess], *, settings: Settings, port: int, new_paused: bool
) -> StartedProcess:
    """Start the process, and write it down *beside* the others before it does anything: a kill of ours loses none."""
    # Logs are read from the disk; the servers that would hand them to other machines listen on every interface.
    arguments = [name, "--skip-serve-logs"] if name in _LOG_SERVERS else [name]
    with _log_file(name, settings).open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
            ["/bin/sh", "-c", _ONCE_TOLD, name, *_AIRFLOW, *arguments],
            env=environment_of(name, settings, port=port, base=os.environ, new_paused=new_paused),
            cwd=airflow_home(settings),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    CHILDREN[process.pid] = process
    started = StartedProcess.of(name, process.pid)
    remember(settings, port, [*beside, started])
    assert process.stdin is not None  # noqa: S101  # it is a pipe
    with suppress(BrokenPipeError), process.stdin as told:  # one that was ended meanwhile is seen to have
        told.write(b"go\n")
    return started


def _await_health(
    airflow: RunningAirflow, started: Sequence[StartedProcess], *, since: float, timeout_seconds: float
) -> None:
    deadline = time.monotonic() + timeout_seconds
    missing, warm = set(PROCESSES), False
    while missing:
        for leader in started:
            if ended(leader):
                log = _log_file(leader.name, airflow.settings)
                raise AirflowError(
                    "Airflow's processes stay up",
                    value=f"the {leader.name} ended: {_last_line(log)}",
                    remedy=f"Read {log}.",
                )
        if time.monotonic() > deadline:
            raise AirflowError(
                f"Airflow is healthy within {timeout_seconds:.0f} s",
                value=f"not yet: {sorted(missing)}",
                remedy=f"Read the logs in {_log_file(API_SERVER, airflow.settings).parent}.",
            )
        time.sleep(_POLL_SECONDS)
        found = pulses(airflow.url)
        missing = {name for name in PROCESSES if not _fresh(found.get(name), name, since)}
        if not warm and API_SERVER not in missing:
            # The server builds the tasks' API when it is first asked: seconds, which the first task need not wait.
            asked = httpx.get(f"{airflow.url}/execution/health", timeout=60, trust_env=False)
            warm = asked.is_success


def _fresh(pulse: Heartbeat | None, name: str, since: float) -> bool:
    """Whether it has reported since *since*: a heartbeat of an earlier life may look fresh. The API server has none."""
    beats = pulse is not None and pulse.beat is not None and pulse.beat.timestamp() >= since
    return pulse is not None and pulse.healthy and (name == API_SERVER or beats)


def _log_file(name: str, settings: Settings) -> Path:
    folder = airflow_home(settings) / "logs" / "processes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"
