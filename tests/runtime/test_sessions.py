"""Whole sessions end, whoever started them."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from include.runtime.airflow.sessions import Started, alive, remember, stop
from include.settings import Settings

#: Starts a session, tells its number, and never asks what became of it.
CARELESS = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("command", [["sleep", "600"], [sys.executable, "-c", STUBBORN]])
def test_stopping_does_not_wait_for_a_starter_that_buries_nobody(tmp_path: Path, command: list[str]) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with subprocess.Popen([sys.executable, "-c", CARELESS, *command], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        time.sleep(0.5)  # until the stubborn one ignores the signal
        remember(settings, 1, [Started(name="scheduler", pid=child.pid, created=child.create_time())])
        assert alive(settings)
        began = time.monotonic()
        stop(settings, patience_seconds=1)
        assert time.monotonic() - began < 10
        assert not alive(settings)
        assert child.status() == psutil.STATUS_ZOMBIE
        starter.kill()
