"""How a command that started something ends when it is told to."""

import signal
import subprocess
import sys

import pytest

from include.settings import ROOT

#: The block of the demo, with a sleep in the place of Airflow.
COMMAND = """
import signal, sys, time
import typer
from include.cli import __main__ as command
from include.cli.demo import _ended_by_sigterm

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
app = typer.Typer()

@app.command()
def demo():
    with _ended_by_sigterm():
        try:
            print("up", flush=True)
            time.sleep(60)
        finally:
            print("unwound", flush=True)

command.app = app
command.main()
"""


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_unwinds_what_was_started_and_the_status_tells_which(ending: signal.Signals, status: int) -> None:
    started = subprocess.Popen([sys.executable, "-c", COMMAND], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    started.send_signal(ending)
    assert started.stdout.read() == "unwound\n"
    assert started.wait(timeout=20) == status
