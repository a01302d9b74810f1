"""How a command that started something ends when it is told to."""

import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from include.ledger import Ledger, lease
from include.settings import ROOT
from tests.cli.conftest import Shop

#: The block of the demo, with a sleep in the place of Airflow.
COMMAND = """
import signal, sys, time
import typer
from include.cli import __main__ as command
from include.cli.signals import unwound_by_signals

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores them
signal.signal(signal.SIGHUP, signal.SIG_DFL)
app = typer.Typer()

@app.command()
def demo():
    with unwound_by_signals():
        try:
            print("up", flush=True)
            time.sleep(60)
        finally:
            print("unwound", flush=True)

command.app = app
command.main()
"""


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_unwinds_what_was_started_and_the_status_tells_which(ending: signal.Signals, status: int) -> None:
    started = subprocess.Popen([sys.executable, "-c", COMMAND], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    started.send_signal(ending)
    assert started.stdout.read() == "unwound\n"
    assert started.wait(timeout=20) == status


#: The command, its first step so slow that it is at work when the signal comes.
NIGHT = """
import signal, sys, time
from include.cli import __main__ as command
from include.steps import data

def snapshot(*given, **named):
    print("at work", flush=True)
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
data.snapshot = snapshot
sys.argv = ["trainyard", "run", "returns", "--instant", "2024-05-20"]
command.main()
"""


@pytest.mark.long
@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_night_that_is_ended_by_a_signal_gives_its_lease_back_at_once(
    adopted: Shop, ending: signal.Signals, status: int
) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    adopted.call("run", "returns", "--instant", "2024-05-20")
    assert adopted.call("approve", "--as", "maria").returncode == 0
    night = subprocess.Popen(
        [sys.executable, "-c", NIGHT], cwd=ROOT, env=adopted.environment(), stdout=subprocess.PIPE, text=True
    )
    assert night.stdout is not None
    assert "at work\n" in iter(night.stdout.readline, "")
    ledger = Ledger.open(f"sqlite:///{adopted.folder}/home/ledger.db")
    assert lease.held_by(ledger, "returns", now=datetime.now(UTC)) is not None
    night.send_signal(ending)
    night.stdout.read()
    assert night.wait(timeout=20) == status
    assert lease.held_by(ledger, "returns", now=datetime.now(UTC)) is None
