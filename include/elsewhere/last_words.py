"""What a trainer says of its own cost, in its container's termination message: it outlives a process that is killed.

The message is a view of what a pod took. Nothing is decided by it, and it is no part of a result.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from include.core.clocks import clocks
from include.core.records import TrainerCost, TrialCost, TrialState
from include.training.meter import ShardMeter

#: Where Kubernetes reads a container's termination message from.
FILE = Path("/dev/termination-log")
#: All that Kubernetes keeps of one.
_LARGEST_BYTES = 4096
#: So much of what a trainer took may be unsaid when it is killed.
EVERY_SECONDS = 10.0


@contextmanager
def saying(path: Path, meter: ShardMeter) -> Iterator[None]:
    """Write what the process took into the file *path*, every :data:`EVERY_SECONDS` and at the end of the block.

    Where there is no such file, nothing reads it, and none is made.
    """
    began, _ = clocks()
    stopped = threading.Event()

    def say(*, ended: bool) -> None:
        now, cpu = clocks()
        data = _message(TrainerCost(wall_seconds=now - began, cpu_seconds=cpu, ended=ended, trials=meter.all()))
        with suppress(OSError):
            file = os.open(path, os.O_WRONLY)
            try:
                os.pwrite(
                    file, data, 0
                )  # at once, and as long as each before: whoever is killed now leaves one of both
            finally:
                os.close(file)

    def repeat() -> None:
        while not stopped.wait(EVERY_SECONDS):
            say(ended=False)

    thread = threading.Thread(target=repeat, name="last words", daemon=True)
    thread.start()
    try:
        say(ended=False)
        yield
    finally:
        stopped.set()
        thread.join()
        say(ended=True)


def read(message: str) -> TrainerCost | None:
    """What a termination *message* says; ``None``: it is not one that a trainer wrote."""
    try:
        said = json.loads(message)
        trials = tuple(_trial(*each) for each in said["trials"])
        wall, cpu, ended = _seconds(said["wall"]), _seconds(said["cpu"]), said["ended"] is True
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return TrainerCost(wall_seconds=wall, cpu_seconds=cpu, ended=ended, trials=trials)


def _message(cost: TrainerCost) -> bytes:
    """As many bytes as a message may have; of the trials those that find room in it, the first first."""
    said: dict[str, Any] = {"wall": round(cost.wall_seconds, 2), "cpu": round(cost.cpu_seconds, 2), "ended": cost.ended}
    trials = [
        (each.trial, each.ended, *(round(x, 2) for x in (each.wall_seconds, each.cpu_seconds, each.gpu_seconds)))
        for each in cost.trials
    ]
    while True:
        data = json.dumps({**said, "trials": trials}, separators=(",", ":")).encode()
        if len(data) <= _LARGEST_BYTES:
            return data.ljust(_LARGEST_BYTES)
        trials.pop()


def _trial(trial: str, ended: str | None, wall: float, cpu: float, gpu: float) -> TrialCost:
    if not isinstance(trial, str) or len(trial) != 12 or not set(trial) <= set("0123456789abcdef"):
        raise ValueError("a trial is told by 12 digits of its id")
    return TrialCost(
        trial=trial,
        ended=None if ended is None else TrialState(ended),
        wall_seconds=_seconds(wall),
        cpu_seconds=_seconds(cpu),
        gpu_seconds=_seconds(gpu),
    )


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ValueError("seconds are a finite number that is not negative")
    return float(value)
