"""An embedded Airflow: its four processes started, watched and ended by us.

``airflow standalone`` orphans its children when it is stopped, and opens log servers on every interface. Here each
process leads a session of its own, listens on the loopback address or not at all, and a guard ends all of them when the
process that started them dies, whatever killed it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # it publishes no types

from include.core.errors import DeclarationError, TrainyardError
from include.runtime.airflow.client import Client
from include.runtime.airflow.environment import (
    API_SERVER,
    PROCESSES,
    SCHEDULER,
    TRIGGERER,
    airflow_home,
    environment_of,
    secrets_of,
)
from include.settings import ROOT, Settings

#: Where an embedded Airflow listens unless told otherwise.
DEFAULT_PORT = 8080

#: The pools of the training DAGs and their slots. A deferred training task (a pod that runs elsewhere) keeps its slot;
#: a gate has a pool of its own, so that waiting for a person never keeps a training task from starting.
POOLS = {"training": (2, True), "gates": (16, False)}

Progress = Callable[[str], None]

_LOG_SERVERS = (SCHEDULER, TRIGGERER)
_POLL_SECONDS = 0.25


class AirflowError(TrainyardError):
    """The embedded Airflow did not start, or one of its processes ended."""


@dataclass(frozen=True, kw_only=True)
class _Started:
    """One of our processes. ``created`` (seconds since the epoch) tells it from a later process of the same number."""

    name: str
    pid: int
    created: float


@dataclass(frozen=True, kw_only=True)
class RunningAirflow:
    """A healthy embedded Airflow. ``url`` is where its UI and API answer."""

    settings: Settings
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, user: str) -> Client:
        """Speaks to the API as *user*, one of :data:`~include.runtime.airflow.environment.USERS`."""
        return Client(self.url, user=user, password=secrets_of(self.settings).passwords[user])

    def stop(self) -> None:
        """End every process. Harmless if they are gone."""
        stop(self.settings)


def start(
    settings: Settings,
    *,
    port: int = DEFAULT_PORT,
    detach: bool = False,
    timeout_seconds: float = 240,
    progress: Progress = lambda message: None,
) -> RunningAirflow:
    """Start Airflow on *port* of the loopback address and return once all four processes are healthy.

    What an earlier one left in this home is taken up again. Unless *detach*, all processes end with this one, also when
    it is killed. *progress* is told what happens, a line at a time.

    Raises:
        DeclarationError: the port is taken, or an Airflow of this home runs already.
        AirflowError: a process ended, or was not healthy within *timeout_seconds*; nothing is left running.
    """
    if _alive(settings):
        raise DeclarationError(
            "one Airflow runs in a home",
            value=f"{settings.home} has one on port {running_port(settings)}",
            remedy="Use it, or end it with `./trainyard stop`.",
        )
    _require_free(port)
    _remember(settings, port, [])
    if not detach:
        _start_guard(settings)
    try:
        _migrate(settings, port, progress)
        progress("Starting Airflow's API server, scheduler, DAG processor and triggerer")
        asked_at = time.time()
        started: list[_Started] = []
        for name in PROCESSES:
            started.append(_spawn(name, settings, port))
            _remember(settings, port, started)
        airflow = RunningAirflow(settings=settings, port=port)
        _await_health(airflow, started, since=asked_at, timeout_seconds=timeout_seconds)
        with airflow.client("ada") as client:
            client.call("GET", "/trainyard/health")  # the authority makes its key, without which no task can start
            for pool, (slots, include_deferred) in POOLS.items():
                client.put_pool(pool, slots=slots, include_deferred=include_deferred)
    except BaseException:
        stop(settings)
        raise
    progress(f"Airflow is ready at {airflow.url}")
    return airflow


@contextmanager
def running(
    settings: Settings, *, port: int = DEFAULT_PORT, progress: Progress = lambda _: None
) -> Iterator[RunningAirflow]:
    """An Airflow that ends with the block."""
    airflow = start(settings, port=port, progress=progress)
    try:
        yield airflow
    finally:
        airflow.stop()


def attach(settings: Settings) -> RunningAirflow | None:
    """The Airflow that runs in this home, if one does."""
    return RunningAirflow(settings=settings, port=running_port(settings)) if _alive(settings) else None


def running_port(settings: Settings) -> int:
    """The port that the last Airflow of this home was started on (0: none was)."""
    return _recall(settings)[0]


def stop(settings: Settings, *, patience_seconds: float = 8) -> None:
    """End every process of this home's Airflow: asked first, then, after *patience_seconds*, killed.

    Whole sessions end, the tasks that run in them too; a night that was cut off goes on after the next start. It ends
    only processes that :func:`start` recorded, by number and time of birth, and what those started.
    """
    started = _recall(settings)[1]
    sessions = {leader.pid for leader in started}
    born = min((leader.created for leader in started), default=0.0)
    doomed = _members(sessions, born)
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _gone, alive = psutil.wait_procs(doomed, timeout=patience_seconds)
    # Whoever was forked meanwhile is in the same sessions: look until nobody is left.
    while alive := {*alive, *_members(sessions, born)}:
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _gone, alive = psutil.wait_procs(alive, timeout=patience_seconds)
    _process_file(settings).unlink(missing_ok=True)


def processes(settings: Settings) -> dict[int, str]:
    """Every living process of this home's Airflow, with its command line: the four and all that they started."""
    started = _recall(settings)[1]
    living = _members({leader.pid for leader in started}, min((leader.created for leader in started), default=0.0))
    found = {}
    for process in living:
        with suppress(psutil.Error):
            found[process.pid] = " ".join(process.cmdline())
    return found


# ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def _migrate(settings: Settings, port: int, progress: Progress) -> None:
    """Make or upgrade Airflow's database, once per version of Airflow."""
    marker = airflow_home(settings) / f"migrated-{version('apache-airflow-core')}"
    if marker.exists():
        return
    progress("Preparing Airflow's database")
    log = _log_file("db-migrate", settings)
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            [*_airflow(), "db", "migrate"],
            env=environment_of("db", settings, port=port, base=os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            check=False,
        )
    if done.returncode:
        raise AirflowError(
            "Airflow's database can be prepared",
            value=f"`airflow db migrate` ended with {done.returncode}: {_last_line(log)}",
            remedy=f"Read {log}.",
        )
    marker.touch()


def _spawn(name: str, settings: Settings, port: int) -> _Started:
    # Logs are read from the disk; the servers that would hand them to other machines listen on every interface.
    arguments = [name, "--skip-serve-logs"] if name in _LOG_SERVERS else [name]
    with _log_file(name, settings).open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
            [*_airflow(), *arguments],
            env=environment_of(name, settings, port=port, base=os.environ),
            cwd=airflow_home(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    _children[process.pid] = process
    return _Started(name=name, pid=process.pid, created=psutil.Process(process.pid).create_time())


#: Our own children: asking them whether they ended also buries them.
_children: dict[int, subprocess.Popen[bytes]] = {}


def _start_guard(settings: Settings) -> None:
    """A process that waits for the other end of a pipe to close, which it does however this process ends."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "include.runtime.airflow.guard"],
        env={**environment_of("guard", settings, port=0, base=os.environ)},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _children[guard.pid] = guard


def _await_health(
    airflow: RunningAirflow, started: Sequence[_Started], *, since: float, timeout_seconds: float
) -> None:
    deadline = time.monotonic() + timeout_seconds
    missing = set(PROCESSES)
    with httpx.Client(base_url=airflow.url, timeout=5, trust_env=False) as http:
        while missing:
            for leader in started:
                if _ended(leader):
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
            missing = _unhealthy(http, since)


def _unhealthy(http: httpx.Client, since: float) -> set[str]:
    """The processes that have not reported since *since* (a heartbeat of an earlier life may look fresh)."""
    from datetime import datetime

    try:
        answer = http.get("/api/v2/monitor/health")
    except httpx.TransportError:
        return set(PROCESSES)
    if answer.status_code != httpx.codes.OK:
        return set(PROCESSES)
    missing = set()
    for name, report in answer.json().items():
        if name == "metadatabase":
            continue
        beat = report.get(f"latest_{name}_heartbeat")
        if report.get("status") != "healthy" or not beat or datetime.fromisoformat(beat).timestamp() < since:
            missing.add(name)
    return missing


def _airflow() -> list[str]:
    return [sys.executable, "-m", "airflow"]


def _log_file(name: str, settings: Settings) -> Path:
    folder = airflow_home(settings) / "logs" / "processes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"


# ── remembering and ending ────────────────────────────────────────────────────────────────────────────────────────────


def _process_file(settings: Settings) -> Path:
    return airflow_home(settings) / "processes.json"


def _remember(settings: Settings, port: int, started: Sequence[_Started]) -> None:
    path = _process_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"port": port, "processes": [[one.name, one.pid, one.created] for one in started]}))
    draft.replace(path)


def _recall(settings: Settings) -> tuple[int, list[_Started]]:
    try:
        kept = json.loads(_process_file(settings).read_text())
    except FileNotFoundError:
        return 0, []
    return kept["port"], [_Started(name=name, pid=pid, created=created) for name, pid, created in kept["processes"]]


def _alive(settings: Settings) -> bool:
    return any(not _ended(leader) for leader in _recall(settings)[1])


def _ended(leader: _Started) -> bool:
    child = _children.get(leader.pid)
    if child is not None and child.poll() is not None:
        return True
    try:
        process = psutil.Process(leader.pid)
        return bool(process.create_time() != leader.created or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _members(sessions: set[int], born: float) -> list[psutil.Process]:
    """The living processes of the sessions, whoever leads them still or not, born at *born* or later."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) not in sessions:
                continue
            process = psutil.Process(pid)
            if process.create_time() >= born - 0.01 and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            continue
    for child in _children.values():
        child.poll()
    return found
