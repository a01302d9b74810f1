"""What runs made and took up, when, as the ledger says."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from include.core.events import (
    ArtifactsRemoved,
    BenchmarkTrained,
    Event,
    ModelRegistered,
    PartitionsMade,
    ReferenceMade,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from include.ledger import Entry, Ledger, lease

#: What says that a run of a project goes on.
SIGNS: tuple[type[Event], ...] = (StepStarted, StepFinished, StepReused, StepFailed)
_KINDS = (*SIGNS, PartitionsMade, ModelRegistered, BenchmarkTrained, ReferenceMade, ArtifactsRemoved)
#: An attempt of whose end there is no word goes on no longer than that.
_LONGEST_ATTEMPT = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ArtifactUse:
    """An entry by which something was made or taken up."""

    position: int
    at: datetime
    run_id: str

    @classmethod
    def by(cls, entry: Entry, run_id: str) -> "ArtifactUse":
        return cls(position=entry.position, at=entry.recorded_at, run_id=run_id)


@dataclass(kw_only=True)
class Uses:
    """The fold of the ledger: of each output of a step the last use, what was recorded of partitions and of models, of
    benchmarks apart, attempts without an end by project, and the place of each removed artifact's last tombstone.
    """

    position: int = 0
    outputs: dict[tuple[str, str, str], ArtifactUse] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], str] = field(default_factory=dict)
    partitions: dict[tuple[str, str], tuple[ArtifactUse, str]] = field(default_factory=dict)
    benchmarks: dict[tuple[str, str], ArtifactUse] = field(default_factory=dict)
    models: dict[str, list[tuple[ArtifactUse, ModelRegistered]]] = field(default_factory=dict)
    reference_of: dict[tuple[str, str], str] = field(default_factory=dict)
    attempts: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    tombstones: list[tuple[int, ArtifactsRemoved]] = field(default_factory=list)

    @classmethod
    def of(cls, ledger: Ledger) -> "Uses":
        uses = cls()
        for entry in ledger.read_all(kinds=_KINDS):
            uses._take(entry)
        return uses

    def _take(self, entry: Entry) -> None:
        self.position, event = entry.position, entry.event
        if isinstance(event, StepStarted):
            self.attempts[event.attempt] = (event.project, entry.recorded_at)
        elif isinstance(event, StepFailed):
            self.attempts.pop(event.attempt, None)
        elif isinstance(event, StepFinished | StepReused):
            self.attempts.pop(event.attempt, None)
            self.outputs[event.project, event.step, event.output] = ArtifactUse.by(entry, event.run_id)
            if event.step == "snapshot":
                self.snapshots[event.project, event.run_id] = event.output
        else:
            self._take_artifacts(entry)

    def _take_artifacts(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, PartitionsMade):
            use = ArtifactUse.by(entry, event.run_id)
            self.partitions |= {(event.project, part.content): (use, part.table) for part in event.partitions}
        elif isinstance(event, BenchmarkTrained) and event.benchmark.model is not None:
            self.benchmarks[event.project, event.benchmark.model] = ArtifactUse.by(entry, event.run_id)
        elif isinstance(event, ModelRegistered):
            self.models.setdefault(event.project, []).append((ArtifactUse.by(entry, event.run_id), event))
        elif isinstance(event, ReferenceMade):
            self.reference_of[event.project, event.evaluation] = event.reference
        elif isinstance(event, ArtifactsRemoved):
            self.removed |= dict.fromkeys(event.artifacts, entry.position)
            self.tombstones.append((entry.position, event))

    def running(self, ledger: Ledger, *, now: datetime) -> frozenset[str]:
        """The projects that something runs of: a night that holds the lease, or an attempt of the last day."""
        open_ones = {project for project, at in self.attempts.values() if now < at + _LONGEST_ATTEMPT}
        known = {project for project, _, _ in self.outputs} | {project for project, _ in self.partitions}
        return frozenset(open_ones).union(
            project for project in known - open_ones if lease.held_by(ledger, project, now=now)
        )
