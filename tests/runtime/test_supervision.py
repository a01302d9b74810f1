"""A process of Airflow that ends by itself is started again and told, and never once somebody has stopped Airflow."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from include.cli import status
from include.runtime.embedded import process_sessions
from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import PROCESSES, SCHEDULER, TRIGGERER
from include.runtime.embedded.health import pulses, silent
from include.runtime.embedded.new_projects import Beginnings, paused_dags
from include.runtime.embedded.process import RunningAirflow
from include.runtime.embedded.process_sessions import CHILDREN, StartedProcess
from include.runtime.embedded.supervision import Supervision, endings
from include.settings import Settings
from tests.runtime.conftest import NIGHT_SECONDS, Listener, free_port
from tests.runtime.nights import INSTANT, declare, reaches, until

#: With a child, as a scheduler has its workers.
LASTING = "sleep 600 & wait"


@dataclass
class Watched:
    """An Airflow whose processes are shells."""

    settings: Settings
    command: str = LASTING
    spawned: list[str] = field(default_factory=list)
    leaders: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    supervision: Supervision | None = None

    def start(self, *names: str) -> "Watched":
        process_sessions.begin(self.settings, 1)
        for name in names:
            self.spawn(name, process_sessions.recall(self.settings)[1])
        self.spawned.clear()
        self.supervision = Supervision(
            self.settings, "http://127.0.0.1:1", spawn=self.spawn, progress=self.told.append, look_seconds=0.02
        )
        return self

    def spawn(self, name: str, beside: Sequence[StartedProcess]) -> StartedProcess:
        process = subprocess.Popen(["/bin/sh", "-c", self.command], start_new_session=True)
        CHILDREN[process.pid] = process
        self.leaders.append(process.pid)
        started = StartedProcess.of(name, process.pid)
        process_sessions.remember(self.settings, 1, [*beside, started])
        self.spawned.append(name)
        return started

    def kill(self, name: str) -> int:
        """Kill the process, not what it started; its number."""
        (leader,) = [each for each in process_sessions.recall(self.settings)[1] if each.name == name]
        os.kill(leader.pid, signal.SIGKILL)
        return leader.pid


@pytest.fixture
def watched(tmp_path: Path, listener: Listener) -> Iterator[Watched]:
    alerts = tmp_path / "alerts.txt"
    alerts.write_text(listener.address)
    settings = replace(Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")}), alerts_file=alerts)
    (tmp_path / "home" / "airflow").mkdir(parents=True)
    made = Watched(settings=settings)
    yield made
    if made.supervision:
        made.supervision.end()
    process_sessions.stop(settings, patience_seconds=0.2)


def test_a_killed_process_is_started_again_without_what_it_left_and_ops_are_told(
    watched: Watched, listener: Listener
) -> None:
    watched.start(SCHEDULER, TRIGGERER)
    listener.heard.clear()
    dead = watched.kill(SCHEDULER)
    until(lambda: watched.spawned == [SCHEDULER], seconds=5, what="it is started again")
    until(lambda: listener.titles() == ["Airflow: the scheduler ended"], seconds=10, what="ops are told")
    assert not [pid for pid in psutil.pids() if _session(pid) == dead], "its workers went on beside the new one"
    assert sorted(each.name for each in process_sessions.recall(watched.settings)[1]) == [SCHEDULER, TRIGGERER]
    assert [(each.name, each.time) for each in endings(watched.settings)] == [(SCHEDULER, 1)]
    assert watched.told[0].startswith("The scheduler ended, and is started again. Its log is ")


def test_what_ends_again_and_again_is_started_again_after_pauses_and_told_twice(
    watched: Watched, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener.heard.clear()
    watched.command = "exit 1"
    watched.start(TRIGGERER)
    until(lambda: watched.spawned == [TRIGGERER], seconds=5, what="it is started again at once")
    until(lambda: len(watched.spawned) == 2, seconds=5, what="and again")
    until(lambda: len(endings(watched.settings)) == 2, seconds=5, what="both are remembered")
    first, second = endings(watched.settings)
    assert (second.at - first.at).total_seconds() > 0.8, "no pause between them"
    monkeypatch.setattr("include.runtime.embedded.supervision._LONGEST_PAUSE_SECONDS", 0)
    until(lambda: len(watched.spawned) >= 6, seconds=15, what="it is tried on")
    until(lambda: len(listener.heard) == 2, seconds=5, what="ops are told")
    assert listener.titles() == ["Airflow: the triggerer ended", "Airflow: the triggerer ends again and again"]
    assert watched.told[1].startswith("The triggerer ended 2 times in a row, and is started again. Its log is ")


def test_what_cannot_be_written_down_on_a_full_disk_keeps_nobody_from_watching_on_and_telling_ops(
    watched: Watched, listener: Listener
) -> None:
    listener.heard.clear()
    watched.start(SCHEDULER)
    assert watched.supervision is not None
    (watched.settings.home / "airflow" / "endings.draft").mkdir()  # stands in for a disk that takes nothing
    watched.kill(SCHEDULER)
    until(lambda: listener.titles() == ["Airflow: the scheduler ended"], seconds=5, what="ops are told all the same")
    watched.kill(SCHEDULER)
    until(lambda: len(watched.spawned) == 2, seconds=5, what="it is started again once more")
    assert not watched.supervision.wait(0.1), "who watches would be taken for one who was told to stop"


def test_whatever_a_look_raises_is_told_once_and_the_next_look_is_made(watched: Watched) -> None:
    def unable(name: str, beside: Sequence[StartedProcess]) -> StartedProcess:
        raise RuntimeError(name)

    watched.start(SCHEDULER)
    assert watched.supervision is not None
    watched.supervision._spawn = unable
    watched.kill(SCHEDULER)
    until(lambda: len(watched.told) == 1, seconds=5, what="it is told")
    watched.supervision._spawn = watched.spawn
    until(lambda: watched.spawned == [SCHEDULER], seconds=5, what="it is started again")
    assert watched.told[0].startswith("Watching over Airflow met RuntimeError; it goes on.")


@pytest.mark.parametrize("stopped_by", ["another process", "this one"])
def test_once_somebody_stops_airflow_nothing_is_started_again(watched: Watched, stopped_by: str) -> None:
    """Not even what was seen to have ended just before."""
    watched.start(*PROCESSES)
    assert watched.supervision is not None
    with process_sessions.one_writer(watched.settings):
        watched.kill(SCHEDULER)
        lives = watched.supervision._lives
        until(lambda: SCHEDULER in lives and lives[SCHEDULER].due is not None, seconds=5, what="it is seen")
        if stopped_by == "this one":
            stopping = threading.Thread(
                target=RunningAirflow(settings=watched.settings, port=1, supervision=watched.supervision).stop
            )
            stopping.start()
            until(watched.supervision._over.is_set, seconds=5, what="it is told to end")
        else:
            process_sessions._ending_file(watched.settings).touch()
            stopping = threading.Thread(target=lambda: process_sessions.stop(watched.settings))
            stopping.start()
    watched.supervision.wait()
    stopping.join()
    assert watched.spawned == []
    assert not [pid for pid in watched.leaders if _session(pid)]


def test_an_alert_that_nobody_takes_in_does_not_hold_up_who_ends_airflow(watched: Watched, tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        (tmp_path / "alerts.txt").write_text(f"json://127.0.0.1:{deaf.getsockname()[1]}")
        watched.start(SCHEDULER)
        assert watched.supervision is not None
        watched.kill(SCHEDULER)
        deaf.settimeout(10)
        connection, _ = deaf.accept()
        with connection:
            began = time.monotonic()
            watched.supervision.end()
            assert time.monotonic() - began < 2.5


@pytest.fixture
def health() -> Iterator[tuple[str, Callable[[dict[str, object]], None]]]:
    """An API server, and what it is made to say."""
    said: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class looks for this name
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", said.update
    server.shutdown()
    server.server_close()


def _answer(scheduler: str) -> dict[str, object]:
    """As Airflow 3.3.2 answers at `/api/v2/monitor/health`."""
    beat = "2026-03-01T04:00:00.123456+00:00"
    return {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": beat},
        "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": beat},
        "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": beat},
    }


def test_who_gives_no_sign_of_life_is_named_with_its_last_one(
    health: tuple[str, Callable[[dict[str, object]], None]],
) -> None:
    url, says = health
    says(_answer("healthy"))
    assert silent(pulses(url)) == ()
    says(_answer("unhealthy"))
    assert silent(pulses(url)) == ("scheduler (last heartbeat 2026-03-01 04:00:00Z)",)
    assert silent(pulses(f"http://127.0.0.1:{free_port()}")) == ("api-server",)


def test_a_process_that_lives_and_is_silent_is_told_once_and_left_alone(
    watched: Watched, listener: Listener, health: tuple[str, Callable[[dict[str, object]], None]]
) -> None:
    listener.heard.clear()
    url, says = health
    watched.start(SCHEDULER)
    assert watched.supervision is not None
    watched.supervision._url = url
    says(_answer("unhealthy"))
    for _ in range(6):
        watched.supervision._ask()
    assert listener.titles() == ["Airflow: the scheduler gives no sign of life"]
    says(_answer("healthy"))
    watched.supervision._ask()
    assert watched.told[-1] == "The scheduler gives signs of life again."
    assert watched.spawned == []


def _session(pid: int) -> int:
    """That of a living process: what nobody buries keeps its number."""
    try:
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else 0
    except (ProcessLookupError, psutil.NoSuchProcess):
        return 0


@pytest.mark.airflow
def test_scheduler_and_triggerer_come_back_after_a_kill_and_the_night_that_waits_goes_on(
    airflow: RunningAirflow, dana: Client, steward: Client, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    beginnings = Beginnings(airflow.settings)
    dag_id = declare(airflow.settings.projects, "bereft")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    for begun in (True, False):  # as it begins under `start`; then somebody pauses it
        dana.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": True})
        assert not [*beginnings.look(dana)]
        assert (dag_id in paused_dags(dana)) is not begun
    status._show_airflow(airflow.settings, airflow)
    assert f"  paused: {dag_id}" in capsys.readouterr().out
    dana.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "gate", "deferred")
    for name in (SCHEDULER, TRIGGERER):
        (leader,) = [each for each in process_sessions.recall(airflow.settings)[1] if each.name == name]
        os.kill(leader.pid, signal.SIGKILL)
    until(lambda: len(endings(airflow.settings)) == 2, seconds=60, what="both are seen")
    told = {f"Airflow: the {name} ended" for name in (SCHEDULER, TRIGGERER)}
    until(lambda: told <= set(listener.titles()), seconds=30, what="ops are told")
    (asked,) = [one for one in steward.call("GET", "/trainyard/requests") if one["project"] == "bereft"]
    steward.call("POST", f"/trainyard/contracts/{asked['dataset']}/adopt", {})
    steward.call("POST", f"/trainyard/requests/{asked['request_id']}/deny", {"reason": "it was only to be woken"})
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    assert "it was only to be woken" in dana.log(dag_id, run_id, "gate")
    until(lambda: not silent(pulses(airflow.url)), seconds=60, what="all give signs of life")
    status._show_airflow(airflow.settings, airflow)
    shown = capsys.readouterr().out
    assert f"{airflow.url}; all its processes give signs of life" in shown
    assert "the scheduler ended at" in shown
    assert "the triggerer ended at" in shown
