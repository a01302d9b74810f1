"""Trainings that are killed, in forks of a process of its own that never trains itself.

``python -m tests.training.killing FOLDER`` reads a line of JSON for each training, kills it by SIGKILL after so many
rounds, again and again, and says how often it was, how many rounds were trained in all, and what came of it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from include.core.canonical import decode, encode
from include.core.records import Refit, Shard, Trial
from include.learner.boosted import segments
from include.training.checkpoints import Checkpoints
from include.training.refit import refit
from include.training.trial import train_shard
from tests.training.flights import Folder

ROOT = Path(__file__).resolve().parent.parent.parent
#: Rounds of a segment, so that trainings of a few rounds have several.
SEGMENT = 3
NAME = "sha256:" + "f" * 64


@dataclass(frozen=True)
class Working:
    """Keeps states in a folder, each replaced whole."""

    folder: Path

    def working(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def keep_working(self, name: str, data: bytes) -> None:
        (self.folder / "aside").write_bytes(data)
        (self.folder / "aside").replace(self.folder / name)

    def remove_working(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)


def in_short_segments() -> None:
    segments.SEGMENT_CELLS, segments.FEWEST_ROUNDS = 0, SEGMENT


@dataclass(frozen=True)
class Killing:
    """The other end of such a process."""

    process: "subprocess.Popen[str]"
    folder: Path

    @classmethod
    def started(cls, folder: Path) -> "Killing":
        command = [sys.executable, "-P", "-m", "tests.training.killing", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        made = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return cls(made, folder)

    def train(self, work: Shard | Refit, vault: Folder, deaths: Sequence[int]) -> tuple[int, int, object]:
        """How often *work* was killed, each time after so many rounds as *deaths* say in turn, then no more; how many
        rounds were trained in all; and what it came to: outcomes by trial id, or a model.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        (self.folder / "work").write_bytes(encode(work))
        asked = {"refit": isinstance(work, Refit), "vault": str(vault.root), "deaths": list(deaths)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        killed, rounds = json.loads(self.process.stdout.readline())
        made = (self.folder / "outcome").read_bytes()
        return killed, rounds, made if isinstance(work, Refit) else decode(dict[str, Trial], made)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    import lightgbm  # noqa: F401  # once, for all forks

    in_short_segments()
    folder = Path(sys.argv[1])
    for asked in map(json.loads, sys.stdin):
        work = decode(Refit if asked["refit"] else Shard, (folder / "work").read_bytes())
        states = folder / "working"
        states.mkdir(exist_ok=True)
        for left in (*states.iterdir(), folder / "recorded", folder / "rounds"):
            left.unlink(missing_ok=True)
        (folder / "rounds").touch()
        killed = 0
        for after in (*asked["deaths"], None):
            child = os.fork()
            if child == 0:
                os.setpgid(0, 0)
                _train(work, Folder(Path(asked["vault"])), folder, after)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status == 0:
                break
            assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, status
            killed += 1
        sys.stdout.write(json.dumps([killed, (folder / "rounds").stat().st_size]) + "\n")
        sys.stdout.flush()


def _train(work: Refit | Shard, vault: Folder, folder: Path, after: int | None) -> None:
    """Train to the end, or until this group of processes is killed before a round."""
    rounds = (folder / "rounds").open("ab", buffering=0)
    left = after

    def allowed() -> None:
        nonlocal left
        if left == 0:
            os.killpg(0, signal.SIGKILL)
        left = None if left is None else left - 1
        rounds.write(b".")

    kept = Checkpoints(Working(folder / "working"), every_seconds=0.0)
    if isinstance(work, Refit):
        made = refit(work, opened=vault, allowed=allowed, checkpoints=kept, name=NAME)
        (folder / "outcome").write_bytes(made)
        return
    path = folder / "recorded"
    recorded = decode(dict[str, Trial], path.read_bytes()) if path.exists() else {}

    def record(trial: Trial) -> None:
        recorded[trial.trial_id] = trial
        (folder / "aside").write_bytes(encode(recorded))
        (folder / "aside").replace(path)

    train_shard(work, opened=vault, recorded=dict(recorded), record=record, allowed=allowed, checkpoints=kept)
    (folder / "outcome").write_bytes(encode(recorded))


if __name__ == "__main__":
    main()
