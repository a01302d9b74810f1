"""What happens to an Airflow, and to the night in it, when the process that started it dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.core.errors import DeclarationError
from include.runtime.embedded import process, process_sessions
from tests.runtime.conftest import free_port, settings_in
from tests.runtime.nights import INSTANT, approve, declare, hold, reaches, task, until
from tests.runtime.starter import ROOT


def test_a_port_in_use_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    import socket

    settings = settings_in(tmp_path, tmp_path / "production")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DeclarationError, match=rf"port {port} is in use.*--port"):
            process.start(settings, port=port)
    assert process.attach(settings) is None


@pytest.mark.airflow
@pytest.mark.long
def test_a_killed_starter_leaves_no_process_and_its_night_goes_on_after_the_next_start(
    tmp_path: Path, production: Path
) -> None:
    settings, port = settings_in(tmp_path, production), free_port()
    dag_id = declare(settings.projects, "survivor")
    starter = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.runtime.starter",
            str(settings.home),
            str(settings.projects),
            str(production),
            str(port),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert starter.stdout is not None
        assert starter.stdout.readline().strip() == "ready"
        airflow = process.attach(settings)
        assert airflow is not None
        held = hold(settings.projects, "survivor", "features")
        held.touch()
        with airflow.client("dana") as dana, airflow.client("steward") as steward:
            until(lambda: dana.has_dag(dag_id), seconds=60, what="the project has a DAG")
            run_id = dana.trigger(dag_id, instant=INSTANT)
            reaches(dana, dag_id, run_id, "gate", "deferred")
            approve(steward, "survivor")
            reaches(dana, dag_id, run_id, "features", "running")
        living = process_sessions.processes(settings)
        assert len(living) >= 8  # the four, the executor's workers, the triggerer's runner, the task
    finally:
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    until(lambda: not any(_lives(pid) for pid in living), seconds=40, what=f"they end: {living}")
    held.unlink()

    with process.running(settings, port=port) as again, again.client("dana") as dana:
        assert dana.wait(dag_id, run_id, timeout_seconds=180) == "success"
        assert task(dana, dag_id, run_id, "snapshot").try_number == 1
        assert task(dana, dag_id, run_id, "features").try_number == 2


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
