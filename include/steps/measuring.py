"""What trials take that are trained in this process, recorded beside their outcomes and without them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from include.core import streams
from include.core.errors import LedgerError
from include.core.events import Event, TrialsMeasured
from include.core.records import Run, TrialCost
from include.ledger.journal import Journal
from include.steps.platform import Platform
from include.training.meter import ShardMeter


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """A meter of the trials that an attempt trains, whose figures are recorded once each."""

    run: Run
    step: str
    attempt: str
    meter: ShardMeter = field(default_factory=ShardMeter)
    _told: set[str] = field(default_factory=set)

    def of(self, trial_id: str) -> list[tuple[str, Event]]:
        """The stream, and what the trial took, to be recorded beside its outcome."""
        cost = self.meter.of(trial_id)
        self._told.add(cost.trial)
        return [self._observed(cost)]

    def rest(self) -> list[tuple[str, Event]]:
        """The same of all others, if there are any."""
        left = [cost for cost in self.meter.all() if cost.trial not in self._told]
        return [self._observed(*left)] if left else []

    def _observed(self, *costs: TrialCost) -> tuple[str, Event]:
        project, run_id = self.run.project, self.run.run_id
        event = TrialsMeasured(
            project=project, run_id=run_id, step=self.step, attempt=self.attempt, in_pod=False, trials=costs
        )
        return streams.cost_of_run(project, run_id), event


@contextmanager
def measuring(platform: Platform, run: Run, step: str) -> Iterator[Measuring]:
    """Around what trains trials in the attempt of *step* that is under way.

    What was recorded beside no outcome is recorded at the end of the block, also where it raises.
    """
    attempt = Journal(platform.ledger, run).under_way(step) or ""
    found = Measuring(run=run, step=step, attempt=attempt)
    try:
        yield found
    finally:
        with suppress(LedgerError):  # what raised, if anything, says more; and a night ends well without its cost
            for stream, event in found.rest():
                platform.ledger.record(stream, event)
