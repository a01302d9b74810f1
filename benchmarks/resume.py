"""What a kill costs a search: 16 trials in two shards and the refit, each task killed once, beside none killed.

    python benchmarks/resume.py [--rows 300000] [--output benchmarks/resume.json]

Rows are drawn at random. Each task is a process of its own, which is killed by SIGKILL once half of its rounds are
trained and started again, with imports and loading of rows. Prints each figure as it comes, and writes all of them as
JSON. Wall times are worth something on a machine that does nothing else.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include.core.canonical import decode, encode, record_digest  # noqa: E402  # needs the path above
from include.core.project import Objective  # noqa: E402
from include.core.records import FeatureSpec, PlannedTrial, Refit, Shard, Trial, Winner  # noqa: E402
from include.core.search import LearnerName  # noqa: E402
from include.learner import learner  # noqa: E402
from include.store import Store  # noqa: E402
from include.training.checkpoints import Checkpoints  # noqa: E402
from include.training.progress import rounds_of  # noqa: E402
from include.training.refit import refit  # noqa: E402
from include.training.trial import train_shard  # noqa: E402

FEATURES, TRIALS, SHARDS, RUNGS, SEED = 50, 16, 2, (200, 400, 800), 7
BOOSTED = LearnerName.BOOSTED_TREES
MEANING = {
    "undisturbed_seconds": "wall time of two shards beside each other and then the refit",
    "disturbed_seconds": "the same, each task killed once and started again",
    "rounds_again": "how many rounds were trained a second time, all tasks together",
    "lost_seconds": "what those rounds took when they were lost: on the longest way, that of the slower shard and the "
    "refit",
    "ratio": "(disturbed_seconds - lost_seconds) / undisturbed_seconds",
    "same": "whether outcomes and model have the same bytes",
}


def prepared(folder: Path, rows: int) -> tuple[Store, str]:
    import numpy as np

    draw = np.random.default_rng(SEED)
    matrix = draw.normal(size=(rows, FEATURES)).astype(np.float32)
    score = matrix[:, :8].sum(axis=1) + matrix[:, 0] * matrix[:, 1]
    label = (draw.uniform(size=rows) < 1 / (1 + np.exp(-score))).astype(float)
    features = [
        FeatureSpec(name=f"f{number}", group="g", definition="sha256:g", categories=None) for number in range(FEATURES)
    ]
    store = Store(folder / "store")
    return store, store.put_made(learner(BOOSTED).prepare(matrix, label, features, {}, threads=2))


def shard(number: int, binned: str, rows: int) -> Shard:
    each = TRIALS // SHARDS
    trials = []
    for place in range(number * each, (number + 1) * each):
        params = {"learning_rate": 0.02 + 0.01 * place, "num_leaves": 31, "feature_fraction": 0.6}
        trials.append(PlannedTrial(trial_id=record_digest((binned, params)), params=params))
    return Shard(
        objective=Objective.BINARY, binned=binned, training_rows=int(rows * 0.9), trials=tuple(trials), rungs=RUNGS,
        reduction=3, seed=SEED,
    )  # fmt: skip


def work_of(task: str, binned: str, rows: int) -> Shard | Refit:
    if task != "refit":
        return shard(int(task), binned, rows)
    first = shard(0, binned, rows).trials[0]
    names = tuple(f"f{number}" for number in range(FEATURES))
    best = Winner(
        trial_id=first.trial_id, params=first.params, rounds=RUNGS[-1], objective=Objective.BINARY, seed=SEED,
        features=names,
    )  # fmt: skip
    return Refit(winner=best, binned=binned)


def task(name: str, folder: Path, binned: str, rows: int, kill_at: int) -> None:
    """In a process of its own: one task, until it has trained *kill_at* rounds (0: to its end)."""
    store, work = Store(folder / "store"), work_of(name, binned, rows)
    trained, began = 0, time.monotonic()
    rounds = (folder / f"rounds-{name}").open("a", buffering=1)

    def allowed() -> None:
        nonlocal trained
        if trained == kill_at and kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        trained += 1
        rounds.write(f"{time.monotonic() - began:.3f}\n")

    checkpoints = Checkpoints(store)
    if isinstance(work, Refit):
        made = refit(
            work, opened=store, threads=2, allowed=allowed, checkpoints=checkpoints, name=record_digest("refit")
        )
        (folder / "made-refit").write_bytes(made)
        return
    path = folder / f"recorded-{name}"
    recorded = decode(dict[str, Trial], path.read_bytes()) if path.exists() else {}

    def record(trial: Trial) -> None:
        recorded[trial.trial_id] = trial
        path.write_bytes(encode(recorded))

    train_shard(work, opened=store, recorded=dict(recorded), record=record, allowed=allowed, checkpoints=checkpoints)
    (folder / f"made-{name}").write_bytes(encode(recorded))


def search(folder: Path, binned: str, rows: int, kill_at: Callable[[str], int]) -> float:
    """Wall seconds of all tasks; each is killed after so many rounds as *kill_at* says, and started again."""

    def started(name: str, at: int) -> "subprocess.Popen[bytes]":
        words = ["--task", name, "--folder", str(folder), "--binned", binned, "--rows", str(rows), "--kill-at", str(at)]
        return subprocess.Popen([sys.executable, __file__, *words], env={**os.environ, "OMP_WAIT_POLICY": "passive"})

    began = time.monotonic()
    for together in ([str(number) for number in range(SHARDS)], ["refit"]):
        running = {name: started(name, kill_at(name)) for name in together}
        while running:
            time.sleep(0.01)
            for name, process in list(running.items()):
                if process.poll() == -signal.SIGKILL:
                    running[name] = started(name, 0)
                elif process.poll() is not None:
                    if process.returncode != 0:
                        raise SystemExit(f"task {name} ended with status {process.returncode}")
                    del running[name]
    return time.monotonic() - began


def lost(folder: Path, name: str, whole: int) -> tuple[int, float]:
    """How many rounds of a task were trained twice, and about how long those took."""
    seconds = [float(line) for line in (folder / f"rounds-{name}").read_text().split()]
    again = len(seconds) - whole
    half = seconds[: whole // 2]
    return again, again * (half[-1] - half[0]) / max(1, len(half) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "resume.json")
    for hidden in ("task", "folder", "binned"):
        parser.add_argument(f"--{hidden}", help=argparse.SUPPRESS)
    parser.add_argument("--kill-at", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        task(given.task, Path(given.folder), given.binned, given.rows, given.kill_at)
        return
    figures: dict[str, Any] = {"rows": given.rows, "load_average_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in ("undisturbed", "disturbed")}
        for name, folder in folders.items():
            folder.mkdir()
            _, binned = prepared(folder, given.rows)
            rounds = {"refit": RUNGS[-1]}
            rounds |= {str(number): rounds_of(shard(number, binned, given.rows)) for number in range(SHARDS)}
            half = {each: count // 2 if name == "disturbed" else 0 for each, count in rounds.items()}
            figures[f"{name}_seconds"] = round(search(folder, binned, given.rows, half.__getitem__), 2)
            print(f"{name}_seconds {figures[f'{name}_seconds']}: {MEANING[f'{name}_seconds']}", flush=True)
        losses = {each: lost(folders["disturbed"], each, count) for each, count in rounds.items()}
        made = {name: [(folder / f"made-{each}").read_bytes() for each in rounds] for name, folder in folders.items()}
        shards = max(losses[str(number)][1] for number in range(SHARDS))
        figures |= {
            "rounds_again": sum(again for again, _ in losses.values()),
            "lost_seconds": round(shards + losses["refit"][1], 2),
            "same": made["undisturbed"] == made["disturbed"],
        }
    beyond = figures["disturbed_seconds"] - figures["lost_seconds"]
    figures["ratio"] = round(beyond / figures["undisturbed_seconds"], 3)
    for name in ("rounds_again", "lost_seconds", "same", "ratio"):
        print(f"{name} {figures[name]}: {MEANING[name]}", flush=True)
    given.output.write_text(json.dumps({"figures": figures, "meaning": MEANING}, indent=2) + "\n")


if __name__ == "__main__":
    main()
