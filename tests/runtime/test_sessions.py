"""Whole sessions end, whoever started them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from include.runtime.embedded.process_sessions import StartedProcess, alive, remember, stop
from include.settings import Settings

#: Starts a session, tells its number, and never asks what became of it.
CARELESS = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
#: Leads a session, starts a member of it, tells its number, and ends when it is told to.
PASSING = """
import subprocess
print(subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid, flush=True)
input()
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("command", [["sleep", "600"], [sys.executable, "-c", STUBBORN]])
def test_stopping_does_not_wait_for_a_starter_that_buries_nobody(tmp_path: Path, command: list[str]) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with subprocess.Popen([sys.executable, "-c", CARELESS, *command], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        time.sleep(0.5)  # until the stubborn one ignores the signal
        remember(settings, 1, [StartedProcess.of("scheduler", child.pid)])
        assert alive(settings)
        began = time.monotonic()
        stop(settings, patience_seconds=1)
        assert time.monotonic() - began < 10
        assert not alive(settings)
        assert child.status() == psutil.STATUS_ZOMBIE
        starter.kill()


@pytest.mark.parametrize("step_seconds", [-1, 1, 86_400])
def test_a_step_of_the_system_clock_hides_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_seconds: int
) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        remember(settings, 1, [StartedProcess.of("scheduler", child.pid)])
        # Linux tells the boot as seconds since the epoch: a step of the clock moves it, and every birth with it.
        boot = psutil.boot_time() + step_seconds
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot)
        assert alive(settings)
        stop(settings)
        assert child.wait(timeout=1)


@contextmanager
def orphan(settings: Settings) -> Iterator[psutil.Process]:
    """The member of a recorded session whose leader has gone."""
    with subprocess.Popen(
        [sys.executable, "-c", PASSING],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as leader:
        assert leader.stdout is not None
        member = psutil.Process(int(leader.stdout.readline()))
        remember(settings, 1, [StartedProcess.of("scheduler", leader.pid)])
        leader.communicate("\n")
    try:
        yield member
    finally:
        if _lives(member):
            member.kill()


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_what_a_leader_left_in_its_session_ends(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with orphan(settings) as member:
        stop(settings)
        assert not _lives(member)


def test_a_number_from_before_the_reboot_is_nobodys(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with orphan(settings) as member:
        file = tmp_path / "airflow" / "processes.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "boot": "another"}))
        stop(settings)
        assert _lives(member)
