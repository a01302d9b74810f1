"""What a run took: measured by its attempts and pods, and summed up, those that failed or were repeated too."""

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.core import streams
from include.core.events import Event, PodMeasured, StepMeasured
from include.core.records import Run

if TYPE_CHECKING:
    from include.ledger.ledger import Ledger


def _clocks() -> tuple[float, float]:
    """Seconds that passed, and seconds of processor of this process and of its children that have ended."""
    ended = os.times()  # to the hundredth of a second only, for which this process has a finer clock
    return time.perf_counter(), time.process_time() + ended.children_user + ended.children_system


@dataclass(frozen=True)
class Beginning:
    """When an attempt began, by the clocks of this process."""

    clocks: tuple[float, float] = field(default_factory=_clocks)

    def took(self, run: Run, step: str, attempt: str) -> tuple[str, Event]:
        """The stream, and the event that says what *attempt* of *step* took until now."""
        wall, cpu = (round(now - then, 3) for now, then in zip(_clocks(), self.clocks, strict=True))
        return streams.cost(run.project), StepMeasured(
            project=run.project, run_id=run.run_id, step=step, attempt=attempt, wall_seconds=wall, cpu_seconds=cpu
        )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of so many *attempts* of steps, and of *pods*, of which the time and accelerators are known, and no processors.

    Attempts that were killed recorded nothing.
    """

    attempts: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    pods: int = 0
    pod_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def in_words(self) -> str:
        """A sentence's end."""
        told = f"{self.cpu_seconds:,.1f} s of processor and {self.wall_seconds:,.1f} s of time in {self.attempts} "
        told += "attempts of its steps"
        if self.pods:
            told += f"; {self.pods} training pods took {self.pod_seconds:,.0f} s, "
            told += f"and {self.gpu_seconds:,.0f} s of accelerators"
        return told


def costs(ledger: "Ledger", project: str) -> dict[str, Cost]:
    """What each run of *project* took, by its id; runs of before this was recorded have none."""
    steps: dict[str, list[StepMeasured]] = {}
    pods: dict[str, list[PodMeasured]] = {}
    for entry in ledger.read(streams.cost(project)):
        if isinstance(entry.event, StepMeasured):
            steps.setdefault(entry.event.run_id, []).append(entry.event)
        elif isinstance(entry.event, PodMeasured):
            pods.setdefault(entry.event.run_id, []).append(entry.event)
    return {run_id: _sum(steps.get(run_id, []), pods.get(run_id, [])) for run_id in steps.keys() | pods.keys()}


def _sum(steps: list[StepMeasured], pods: list[PodMeasured]) -> Cost:
    return Cost(
        attempts=len(steps),
        wall_seconds=sum(each.wall_seconds for each in steps),
        cpu_seconds=sum(each.cpu_seconds for each in steps),
        pods=len(pods),
        pod_seconds=sum(each.wall_seconds for each in pods),
        gpu_seconds=sum(each.gpu_seconds for each in pods),
    )
