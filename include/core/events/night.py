"""A run of a project: its lease, its steps, and the data that they made."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from include.core.canonical import LATER
from include.core.events.event import Event, RunEvent
from include.core.project import Severity
from include.core.records import Partition, Run


@dataclass(frozen=True, kw_only=True)
class LeaseTaken(Event):
    """Stream ``lease/<project>``. The fencing token is the stream's version at this event."""

    kind: ClassVar[str] = "lease_taken"
    run_id: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class LeaseReleased(Event):
    """Stream ``lease/<project>``."""

    kind: ClassVar[str] = "lease_released"
    run_id: str


@dataclass(frozen=True, kw_only=True)
class LeaseShortened(Event):
    """The run's lease ended later than a lease lasts, by the clock of who found it: clocks were set meanwhile.

    Stream ``lease/<project>``.
    """

    kind: ClassVar[str] = "lease_shortened"
    run_id: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class LeaseFreed(Event):
    """Somebody ended the lease of a run that they know to be dead: *by*, for a *reason*. Stream ``lease/<project>``."""

    kind: ClassVar[str] = "lease_freed"
    run_id: str
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """Stream ``run/<project>/<run_id>``, key ``run/<project>/<run_id>``."""

    kind: ClassVar[str] = "run_started"
    run: Run
    separation_of_duties: str


@dataclass(frozen=True, kw_only=True)
class CodeKept(Event):
    """The code of digest ``code``, which a run of the project began with, was copied: into files of these digests.

    Stream ``code/<project>``, key ``code_kept/<project>/<copied>``: the digest of both.
    """

    kind: ClassVar[str] = "code_kept"
    project: str
    code: str
    copies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunLate(RunEvent):
    """Ops got a report that the run is late. Stream ``run/<project>/<run_id>``, key ``late/<project>/<run_id>``."""

    kind: ClassVar[str] = "run_late"
    own_minutes: float
    waited_minutes: float


@dataclass(frozen=True, kw_only=True)
class StepStarted(RunEvent):
    """An attempt began. One without an end is closed by the next attempt as ``StepFailed``.

    Stream ``run/<project>/<run_id>``.
    """

    kind: ClassVar[str] = "step_started"
    step: str
    attempt: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(RunEvent):
    """*inputs* make *output*: what is computed once is kept.

    Stream ``run/<project>/<run_id>``, key ``step/<project>/<step>/<inputs>``.
    """

    kind: ClassVar[str] = "step_finished"
    step: str
    attempt: str
    inputs: str
    output: str


@dataclass(frozen=True, kw_only=True)
class StepReused(RunEvent):
    """A later run took a recorded output instead of computing it, its grants verified again.

    Stream ``run/<project>/<run_id>``.
    """

    kind: ClassVar[str] = "step_reused"
    step: str
    attempt: str
    output: str


@dataclass(frozen=True, kw_only=True)
class StepFailed(RunEvent):
    """Stream ``run/<project>/<run_id>``. ``message`` is our own error's text, or only the type's name for another."""

    kind: ClassVar[str] = "step_failed"
    step: str
    attempt: str
    error: str
    message: str


@dataclass(frozen=True, kw_only=True)
class StepMeasured(RunEvent):
    """What an attempt took since what was told of it before. Stream ``cost/<project>/<run_id>``.

    ``wall_seconds`` passed, and its process and the children that that waited for had ``cpu_seconds`` of processors.
    What training pods took is not in it. ``so_far``: it goes on, and if nothing follows it was cut off, and took that
    at least. In version 1, stream ``cost/<project>``, an attempt told once, at its end.
    """

    kind: ClassVar[str] = "step_measured"
    version: ClassVar[int] = 2
    step: str
    attempt: str
    wall_seconds: float
    cpu_seconds: float
    so_far: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class PartitionsMade(RunEvent):
    """A batch of snapshot or feature partitions that later nights may reuse.

    Stream ``partitions/<project>``, key ``partitions/<project>/<run_id>/<partitions>``.
    """

    kind: ClassVar[str] = "partitions_made"
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, kw_only=True)
class DataValidated(RunEvent):
    """Stream ``validated/<project>``, key ``validated/<project>/<validation>``.

    ``covered`` and ``expectations`` are those of the :class:`~include.core.records.Validation`: a partition is checked
    once, unless the worst failure (``worst``) was critical.
    """

    kind: ClassVar[str] = "data_validated"
    snapshot: str
    validation: str
    expectations: str
    covered: tuple[str, ...]
    worst: Severity | None


@dataclass(frozen=True, kw_only=True)
class LineageEmitted(Event):
    """One OpenLineage event (JSON text), to be delivered. Stream ``lineage``, key ``received/<body>``."""

    kind: ClassVar[str] = "lineage_emitted"
    event: str


@dataclass(frozen=True, kw_only=True)
class LineageSetAside(Event):
    """An endpoint refused the lineage event at ``position`` after so many ``tries``, the last time with ``status``.

    It is passed over. Stream ``lineage set aside``, key ``lineage-set-aside/<endpoint>/<position>``.
    """

    kind: ClassVar[str] = "lineage_set_aside"
    endpoint: str
    position: int
    status: int
    tries: int


@dataclass(frozen=True, kw_only=True)
class LineageSentAgain(Event):
    """The endpoint took it after all.

    Stream ``lineage set aside``, key ``lineage-sent-again/<endpoint>/<position>``.
    """

    kind: ClassVar[str] = "lineage_sent_again"
    endpoint: str
    position: int
