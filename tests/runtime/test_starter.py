"""One process at a time starts Airflow in a home, and a kill of it loses no process that it started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.core.errors import DeclarationError
from include.runtime.embedded import process, process_sessions, starter_lock
from include.settings import ROOT, Settings
from tests.runtime.conftest import Listener, free_port

#: Takes the place, starts the guard and what does not end when asked to, and stays.
STARTING = """
import subprocess, sys, time
from include.runtime.embedded import process_sessions as sessions
from include.runtime.embedded import starter_lock as starter
from include.settings import Settings
settings = Settings.from_environment({"TRAINYARD_HOME": sys.argv[1], "TRAINYARD_ALERTS_FILE": sys.argv[3]})
place = starter.take(settings)
place.guard()
if sys.argv[2]:
    tough = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 600 & wait"], start_new_session=True)
    sessions.remember(settings, int(sys.argv[2]), [sessions.StartedProcess.of("scheduler", tough.pid)])
print("taken", flush=True)
time.sleep(600)
"""

#: Starts what makes a file in the place of Airflow; killed before it wrote down which process that is.
SPAWNING = """
import os, signal, sys
from include.runtime.embedded import process
from include.settings import Settings
process._AIRFLOW = ["touch"]
if sys.argv[2] == "killed":
    process.remember = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = Settings.from_environment({"TRAINYARD_HOME": sys.argv[1]})
process._spawn(process.API_SERVER, [], settings=settings, port=1, new_paused=False)
process.CHILDREN.popitem()[1].wait()
"""

#: Watches over a shell in the place of the scheduler, kills it, and is killed itself once another has been started.
SUPERVISED = """
import os, signal, sys, time
from include.runtime.embedded import process
from include.runtime.embedded import process_sessions as sessions
from include.runtime.embedded import starter_lock as starter
from include.runtime.embedded.supervision import Supervision
from include.settings import Settings
process._AIRFLOW = ["/bin/sh", "-c", "sleep 600 & wait"]
settings = Settings.from_environment({"TRAINYARD_HOME": sys.argv[1]})
place = starter.take(settings)
sessions.begin(settings, 1)
place.guard()

def spawn(name, beside):
    return process._spawn(name, beside, settings=settings, port=1, new_paused=False)

first = spawn(process.SCHEDULER, [])
Supervision(settings, "http://127.0.0.1:1", spawn=spawn, progress=lambda _: None, look_seconds=0.02)
os.kill(first.pid, signal.SIGKILL)
while (again := sessions.recall(settings)[1][0]).pid == first.pid:
    time.sleep(0.02)
print(again.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")})


def test_a_start_beside_another_is_refused_until_that_one_and_its_guard_have_ended(settings: Settings) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, str(settings.home), "", ""], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        for begin in (process.require_startable, process.start):
            with pytest.raises(DeclarationError, match=rf"process {other.pid} does .*Wait"):
                begin(settings, port=free_port())
        assert process_sessions.recall(settings) == (0, []), "what the other writes down stays as it is"
        other.send_signal(signal.SIGKILL)
    process.require_startable(settings, port=free_port())


def test_a_start_right_after_a_killed_one_waits_until_its_guard_has_ended_what_it_started_and_told_ops(
    settings: Settings, tmp_path: Path, listener: Listener
) -> None:
    port, alerts = free_port(), tmp_path / "alerts.txt"
    alerts.write_text(listener.address)
    listener.heard.clear()
    arguments = [str(settings.home), str(port), str(alerts)]
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        assert process_sessions.processes(settings)
        other.send_signal(signal.SIGKILL)
    process.require_startable(settings, port=port)
    assert not process_sessions.processes(settings)
    assert listener.titles() == ["Airflow: it was ended"]


def test_a_killed_starter_leaves_nothing_of_what_it_had_started_again(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISED, str(settings.home)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    again = int(done.stdout)
    process.require_startable(settings, port=free_port())  # waits for the guard
    assert not process_sessions.processes(settings)
    assert not psutil.pid_exists(again) or psutil.Process(again).status() == psutil.STATUS_ZOMBIE


def test_who_leaves_the_place_takes_its_guard_along(settings: Settings) -> None:
    place = starter_lock.take(settings)
    place.guard()
    place.leave()
    assert place.guardian is not None
    assert place.guardian.returncode == -signal.SIGKILL
    starter_lock.take(settings).leave()
    place.leave()


@pytest.mark.parametrize("end", ["killed", "lives"])
def test_what_was_not_written_down_before_a_kill_never_runs(settings: Settings, end: str) -> None:
    settings.home.mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-c", SPAWNING, str(settings.home), end], cwd=ROOT, env=dict(os.environ), check=False
    )
    assert done.returncode == (-signal.SIGKILL if end == "killed" else 0)
    ran = process.airflow_home(settings) / process.API_SERVER
    assert ran.exists() is (end == "lives")
