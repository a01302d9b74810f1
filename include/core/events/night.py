"""A run of a project: its lease, its steps, and the data that they made."""

from dataclasses import field
from datetime import datetime

from include.core.canonical import LATER
from include.core.card import Card
from include.core.events.event import Event, RunEvent
from include.core.project import Severity
from include.core.records import Partition, Run


class LeaseTaken(Event, kind="lease_taken"):
    """Stream ``lease/<project>``. The fencing token is the stream's version at this event."""

    run_id: str
    expires_at: datetime


class LeaseReleased(Event, kind="lease_released"):
    """Stream ``lease/<project>``."""

    run_id: str


class LeaseShortened(Event, kind="lease_shortened"):
    """The run's lease ended later than a lease lasts, by the clock of who found it: clocks were set meanwhile.

    Stream ``lease/<project>``.
    """

    run_id: str
    expires_at: datetime


class LeaseFreed(Event, kind="lease_freed"):
    """Somebody ended the lease of a run that they know to be dead: *by*, for a *reason*. Stream ``lease/<project>``."""

    run_id: str
    by: str
    reason: str


class RunStarted(Event, kind="run_started"):
    """Stream ``run/<project>/<run_id>``, key ``run/<project>/<run_id>``."""

    run: Run
    separation_of_duties: str


class CardDeclared(RunEvent, kind="card_declared"):
    """Who answers for the model of a night, and what they say of it; ``card`` ``None``: nothing.

    Stream ``run/<project>/<run_id>``, key ``card/<project>/<run_id>``.
    """

    owner: str
    purpose: str
    card: Card | None


class EnvironmentRecorded(RunEvent, kind="environment_recorded"):
    """In what a night began: ``environment`` is the digest of an :class:`~include.core.records.Environment`.

    Stream ``run/<project>/<run_id>``, key ``environment/<project>/<run_id>``.
    """

    environment: str


class CodeKept(Event, kind="code_kept"):
    """The code of digest ``code``, which a run of the project began with, was copied: into files of these digests.

    Stream ``code/<project>``, key ``code_kept/<project>/<copied>``: the digest of both.
    """

    project: str
    code: str
    copies: tuple[str, ...]


class RunLate(RunEvent, kind="run_late"):
    """Ops got a report that the run is late. Stream ``run/<project>/<run_id>``, key ``late/<project>/<run_id>``."""

    own_minutes: float
    waited_minutes: float


class StepStarted(RunEvent, kind="step_started"):
    """An attempt began. One without an end is closed by the next attempt as ``StepFailed``.

    Stream ``run/<project>/<run_id>``.
    """

    step: str
    attempt: str


class StepFinished(RunEvent, kind="step_finished"):
    """*inputs* make *output*: what is computed once is kept.

    Stream ``run/<project>/<run_id>``, key ``step/<project>/<step>/<inputs>``.
    """

    step: str
    attempt: str
    inputs: str
    output: str


class StepReused(RunEvent, kind="step_reused"):
    """A later run took a recorded output instead of computing it, its grants verified again.

    Stream ``run/<project>/<run_id>``.
    """

    step: str
    attempt: str
    output: str


class StepFailed(RunEvent, kind="step_failed"):
    """Stream ``run/<project>/<run_id>``. ``message`` is our own error's text, or only the type's name for another."""

    step: str
    attempt: str
    error: str
    message: str


class StepMeasured(RunEvent, kind="step_measured", version=2):
    """What an attempt took since what was told of it before. Stream ``cost/<project>/<run_id>``.

    ``wall_seconds`` passed, and its process and the children that that waited for had ``cpu_seconds`` of processors.
    What training pods took is not in it. ``so_far``: it goes on, and if nothing follows it was cut off, and took that
    at least. In version 1, stream ``cost/<project>``, an attempt told once, at its end.
    """

    step: str
    attempt: str
    wall_seconds: float
    cpu_seconds: float
    so_far: bool = field(default=False, metadata=LATER)


class PartitionsMade(RunEvent, kind="partitions_made"):
    """A batch of snapshot or feature partitions that later nights may reuse.

    Stream ``partitions/<project>``, key ``partitions/<project>/<run_id>/<partitions>``.
    """

    partitions: tuple[Partition, ...]


class DataValidated(RunEvent, kind="data_validated"):
    """Stream ``validated/<project>``, key ``validated/<project>/<validation>``.

    ``covered`` and ``expectations`` are those of the :class:`~include.core.records.Validation`: a partition is checked
    once, unless the worst failure (``worst``) was critical.
    """

    snapshot: str
    validation: str
    expectations: str
    covered: tuple[str, ...]
    worst: Severity | None


class LineageEmitted(Event, kind="lineage_emitted"):
    """One OpenLineage event (JSON text), to be delivered. Stream ``lineage``, key ``received/<body>``."""

    event: str


class LineageSetAside(Event, kind="lineage_set_aside"):
    """An endpoint refused the lineage event at ``position`` after so many ``tries``, the last time with ``status``.

    It is passed over. Stream ``lineage set aside``, key ``lineage-set-aside/<endpoint>/<position>``.
    """

    endpoint: str
    position: int
    status: int
    tries: int


class LineageSentAgain(Event, kind="lineage_sent_again"):
    """The endpoint took it after all.

    Stream ``lineage set aside``, key ``lineage-sent-again/<endpoint>/<position>``.
    """

    endpoint: str
    position: int
