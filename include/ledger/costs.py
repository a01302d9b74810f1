"""What a run took: a fold of what its attempts recorded, those that failed or were repeated too."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.events import StepMeasured
from include.ledger.journal import cost_stream

if TYPE_CHECKING:
    from include.ledger.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of so many *attempts* of steps. Those that were killed recorded nothing, and pods of training are not in it."""

    attempts: int
    wall_seconds: float
    cpu_seconds: float

    def in_words(self) -> str:
        """A sentence's end."""
        return (
            f"{self.cpu_seconds:,.1f} s of processor and {self.wall_seconds:,.1f} s of time in {self.attempts} "
            "attempts of its steps (without pods, and without what was killed)"
        )


def costs(ledger: "Ledger", project: str) -> dict[str, Cost]:
    """What each run of *project* took, by its id; runs of before this was recorded have none."""
    found: dict[str, list[StepMeasured]] = {}
    for entry in ledger.read(cost_stream(project)):
        if isinstance(entry.event, StepMeasured):
            found.setdefault(entry.event.run_id, []).append(entry.event)
    return {
        run_id: Cost(
            attempts=len(events),
            wall_seconds=sum(event.wall_seconds for event in events),
            cpu_seconds=sum(event.cpu_seconds for event in events),
        )
        for run_id, events in found.items()
    }
