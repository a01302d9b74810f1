"""Ending what was started, and nothing else."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from include.runtime.airflow import sessions
from include.runtime.airflow.sessions import Started
from include.settings import Settings

#: Starts a child that ignores SIGTERM, and ends: its session goes on without it.
ORPHANING = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"])
"""


def test_a_session_is_ended_as_a_whole_also_when_its_leader_is_gone_and_a_member_ignores_the_request(
    tmp_path: Path,
) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    leader = subprocess.Popen([sys.executable, "-c", ORPHANING], start_new_session=True, stdout=subprocess.PIPE)
    started = Started(name="leader", pid=leader.pid, created=psutil.Process(leader.pid).create_time())
    sessions.remember(settings, 1, [started])
    assert leader.stdout is not None
    leader.stdout.readline()
    leader.wait()
    assert len(sessions.processes(settings)) == 1
    sessions.stop(settings, patience_seconds=0.5)
    assert sessions.processes(settings) == {}
    assert sessions.recall(settings) == (0, [])


def test_a_later_process_of_the_same_number_is_left_alone(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        sessions.remember(settings, 1, [Started(name="scheduler", pid=other.pid, created=time.time() - 3600)])
        assert not sessions.alive(settings)
        sessions.stop(settings, patience_seconds=0.5)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
