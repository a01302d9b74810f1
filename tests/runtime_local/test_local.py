"""A night in this process: it is the only one of its project, and its death ends all that it started."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from include.core.errors import LeaseHeld
from include.core.project import Project
from include.projects import flight_delay
from include.runtime.nights import local
from include.runtime.trainers import processes
from include.settings import Settings
from include.training.progress import TrainingProgress

ROOT = Path(__file__).parents[2]

HOLDING = """
import sys, time
from include.runtime.nights.alone import alone
from include.settings import Settings
with alone(Settings.from_environment({"TRAINYARD_HOME": sys.argv[1]}), sys.argv[2], "theirs"):
    print("ready", flush=True)
    time.sleep(60)
"""

#: Two workers, both at work; the process then waits for them, as a night does.
WORKING = """
import time
from include.runtime.trainers import processes
if __name__ == "__main__":
    with processes._workers(2) as pool:
        held = [pool.submit(time.sleep, 60) for _ in range(2)]
        while len(pool._processes) < 2 or not all(each.running() for each in held):
            time.sleep(0.01)
        print(*pool._processes, flush=True)
        held[0].result()
"""


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def test_a_second_process_of_the_same_run_is_told_who_runs_it_until_that_one_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    monkeypatch.setattr(local, "open_platform", lambda settings: None)
    monkeypatch.setattr(local, "steps", SimpleNamespace(begin=lambda *given, **named: None))
    doing = SimpleNamespace(gate=lambda: None, perform=lambda chain: {"evaluate": "", "promote": ""})
    monkeypatch.setattr(local, "Steps", lambda *given, **named: doing)
    monkeypatch.setattr(local, "night_of", lambda *given, **named: "theirs")

    def run(project: str = "flight_delay") -> object:
        declared = flight_delay.PROJECT.varied(name=project)
        return local.run_night(settings, declared, run_id="theirs", instant=datetime(2013, 6, 1, tzinfo=UTC))

    with process("-c", HOLDING, str(tmp_path), "flight_delay") as holder:
        assert line(holder) == "ready"
        with pytest.raises(LeaseHeld, match=rf"process {holder.pid} \(run 'theirs'\) runs 'flight_delay'"):
            run()
        assert run("another") == "theirs"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert run() == "theirs"
        assert run() == "theirs", "it is given back at the end of a night"


def test_a_killed_night_leaves_no_worker() -> None:
    with process("-c", WORKING) as night:
        workers = [psutil.Process(int(pid)) for pid in line(night).split()]
        assert len(workers) == 2
        assert all(worker.is_running() for worker in workers)
        os.kill(night.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs(workers, timeout=20)
        for worker in alive:
            worker.kill()
        assert (len(gone), alive) == (2, [])


def test_a_night_is_told_how_far_the_training_in_each_of_its_workers_is() -> None:
    told: list[tuple[str, TrainingProgress]] = []
    said = [
        (f"train-{shard}", TrainingProgress(trials=2, ended=1, best=0.5, rounds=7, all_rounds=9, seconds=1.0))
        for shard in range(2)
    ]
    with (
        processes._heard(lambda step, progress: told.append((step, progress))) as reports,
        processes._workers(1, reports) as pool,
    ):
        for each in said:
            pool.submit(processes._tell, *each).result()
    assert told == said


def read_without_its_group(project: Project, field: str) -> int:
    """How many warnings of it are shown where nobody asked for any."""
    with warnings.catch_warnings(record=True) as shown:
        getattr(project, field)
    return len(shown)


def test_what_a_night_says_of_a_flat_declaration_is_not_said_again_by_each_of_its_workers() -> None:
    with processes._workers(1) as pool:
        assert pool.submit(read_without_its_group, flight_delay.PROJECT, "owner").result() == 0


#: A night at its training, whose shards take long.
TRAINING = """
import os, sys, time
sys.path.insert(0, os.getcwd())
from types import SimpleNamespace
from include.cli.signals import unwound_by_signals
from include.runtime.trainers import processes

def shard(*given):
    print(os.getpid(), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    processes._train_shard = shard
    with unwound_by_signals():
        processes.ProcessTrainer(None).train(SimpleNamespace(run_id="r"), "plan", [0, 1, 2], None, print)
"""


def test_a_night_that_is_told_to_end_while_it_trains_ends_at_once_with_its_workers(tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text(TRAINING)
    with process(str(tmp_path / "training.py")) as night:
        worker = psutil.Process(int(line(night)))
        night.terminate()
        assert night.wait(timeout=20) == 128 + signal.SIGTERM
        assert psutil.wait_procs([worker], timeout=20)[1] == []
