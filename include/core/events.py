"""Everything that is ever written into the ledger, one frozen dataclass a kind.

``kind`` and ``version`` are what the ledger stores beside the canonical bytes. A kind's fields never change once it is
published: a change is a new ``version`` and an upcaster in :mod:`include.ledger`. Facts carry an idempotency key;
observations (opens, attempts, failures) are recorded each time. No event holds a personal value or a token.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from include.core.project import Severity
from include.core.records import (
    DatasetScope,
    DayFigures,
    Days,
    DriftVerdict,
    Evaluation,
    Partition,
    RetrainingOutcome,
    Run,
    Trial,
    Verdict,
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """The root of all kinds."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class ContractAdopted(Event):
    """Stream ``contract/<dataset>``. ``envelope`` is a DSSE envelope (JSON) over dataset, version, digest, stewards."""

    kind: ClassVar[str] = "contract_adopted"
    dataset: str
    contract_version: str
    digest: str
    stewards: tuple[str, ...]
    adopted_by: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class AccessRequested(Event):
    """Stream ``access/<project>/<dataset>``, as all events about access."""

    kind: ClassVar[str] = "access_requested"
    request_id: str
    project: str
    purpose: str
    scope: DatasetScope
    requester: str


@dataclass(frozen=True, kw_only=True)
class AccessGranted(Event):
    """``envelope`` is a DSSE envelope (JSON) whose payload is the canonical :class:`~include.core.records.Grant`."""

    kind: ClassVar[str] = "access_granted"
    request_id: str
    grant_id: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class AccessRefused(Event):
    """``envelope`` is a DSSE envelope (JSON) over the refusal; ``None``: recorded when refusals were not signed."""

    kind: ClassVar[str] = "access_refused"
    version: ClassVar[int] = 2
    request_id: str
    steward: str
    reason: str
    envelope: str | None


@dataclass(frozen=True, kw_only=True)
class AccessRevoked(Event):
    """``envelope`` is a DSSE envelope (JSON) over the revocation; ``None``: recorded when they were not signed."""

    kind: ClassVar[str] = "access_revoked"
    version: ClassVar[int] = 2
    grant_id: str
    steward: str
    reason: str
    envelope: str | None


@dataclass(frozen=True, kw_only=True)
class LeaseTaken(Event):
    """Stream ``lease/<project>``. The fencing token is the stream's version at this event."""

    kind: ClassVar[str] = "lease_taken"
    run_id: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class LeaseReleased(Event):
    kind: ClassVar[str] = "lease_released"
    run_id: str


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """Stream ``run/<project>/<run_id>``, as all events of a night. Its key is the stream's name."""

    kind: ClassVar[str] = "run_started"
    run: Run
    separation_of_duties: str


@dataclass(frozen=True, kw_only=True)
class RunLate(Event):
    """Ops were told that the run is late. Key ``late/<project>/<run_id>``."""

    kind: ClassVar[str] = "run_late"
    project: str
    run_id: str
    own_minutes: float
    waited_minutes: float


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """An observation: an attempt began. One without an end is closed by the next attempt as ``StepFailed``."""

    kind: ClassVar[str] = "step_started"
    project: str
    run_id: str
    step: str
    attempt: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    """A fact: *inputs* make *output*. Key ``step/<project>/<step>/<inputs>``: what is computed once is kept."""

    kind: ClassVar[str] = "step_finished"
    project: str
    run_id: str
    step: str
    attempt: str
    inputs: str
    output: str


@dataclass(frozen=True, kw_only=True)
class StepReused(Event):
    """An observation: a later run took a recorded output instead of computing it, its grants verified again."""

    kind: ClassVar[str] = "step_reused"
    project: str
    run_id: str
    step: str
    attempt: str
    output: str


@dataclass(frozen=True, kw_only=True)
class StepFailed(Event):
    """An observation. ``message`` is our own error's text, or only the type's name for a foreign one."""

    kind: ClassVar[str] = "step_failed"
    project: str
    run_id: str
    step: str
    attempt: str
    error: str
    message: str


@dataclass(frozen=True, kw_only=True)
class PartitionsMade(Event):
    """Stream ``partitions/<project>``: a batch of snapshot or feature partitions that later nights may reuse."""

    kind: ClassVar[str] = "partitions_made"
    project: str
    run_id: str
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, kw_only=True)
class DataOpened(Event):
    """The receipt of opening production data, written before the first open. Observation, stream ``receipt/<project>``.

    ``first`` and ``last`` are days, both inclusive (``None``: an undivided table). A :class:`DataRead` that tells what
    was read follows, unless the process died.
    """

    kind: ClassVar[str] = "data_opened"
    project: str
    run_id: str
    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None


@dataclass(frozen=True, kw_only=True)
class DataRead(Event):
    """What was read of production data, after it was. Observation, stream ``receipt/<project>``."""

    kind: ClassVar[str] = "data_read"
    project: str
    run_id: str
    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None
    rows: int
    files: int
    reused: int


@dataclass(frozen=True, kw_only=True)
class ArtifactOpened(Event):
    """The receipt of opening artifacts that hold personal data. Observation, stream ``receipt/<project>``.

    ``artifacts`` is the digest of the sorted list of the opened digests, ``count`` how many they were.
    """

    kind: ClassVar[str] = "artifact_opened"
    project: str
    run_id: str
    step: str
    grants: tuple[str, ...]
    artifacts: str
    count: int


@dataclass(frozen=True, kw_only=True)
class DataValidated(Event):
    """Stream ``validated/<project>``. Key ``validated/<validation>``.

    ``covered`` and ``expectations`` are those of the :class:`~include.core.records.Validation`: a partition is checked
    once, unless the worst failure (``worst``) was critical.
    """

    kind: ClassVar[str] = "data_validated"
    project: str
    run_id: str
    snapshot: str
    validation: str
    expectations: str
    covered: tuple[str, ...]
    worst: Severity | None


@dataclass(frozen=True, kw_only=True)
class TrialRecorded(Event):
    """Stream ``trials/<project>``. Key ``trial/<trial_id>``. ``instant`` is the night's: warm starts look back only."""

    kind: ClassVar[str] = "trial_recorded"
    project: str
    run_id: str
    plan: str
    instant: datetime
    trial: Trial


@dataclass(frozen=True, kw_only=True)
class ShardOrdered(Event):
    """An observation: a shard was handed to a process elsewhere, with addresses in the vault until ``expires_at``.

    ``document`` is the digest of the order's document, which holds them: it is kept nowhere. The receipt of opening
    what they reach stands before it.
    """

    kind: ClassVar[str] = "shard_ordered"
    project: str
    run_id: str
    plan: str
    shard: int
    order_id: str
    document: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PodEnded(Event):
    """An observation, in the run's stream: a pod in which a shard was trained ended, or could never be made.

    ``outcome`` and ``message`` say how; it is no result. ``image_digest`` and ``code_digest`` are what ran; what nobody
    saw is ``None``.
    """

    kind: ClassVar[str] = "pod_ended"
    project: str
    run_id: str
    shard: int
    order_id: str
    pod: str
    node: str | None
    image: str
    image_digest: str | None
    code_digest: str
    outcome: str
    exit_code: int | None
    message: str


@dataclass(frozen=True, kw_only=True)
class ModelEvaluated(Event):
    """Key ``evaluated/<plan>/<champion version or none>``."""

    kind: ClassVar[str] = "model_evaluated"
    project: str
    run_id: str
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True)
class ModelRegistered(Event):
    """Stream ``model/<project>``: its version is the model's. Key ``registered/<project>/<evaluation>``.

    ``promoted``: the version became champion with this event.
    """

    kind: ClassVar[str] = "model_registered"
    project: str
    run_id: str
    model_version: int
    evaluation: str
    bundle: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class ReferenceMade(Event):
    """What a model's live rows are held against. Stream ``drift/<project>``. Key ``reference/<project>/<evaluation>``.

    ``reference`` is the vault's digest of a :class:`~include.core.records.Reference`.
    """

    kind: ClassVar[str] = "reference_made"
    project: str
    run_id: str
    model_version: int
    evaluation: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class PolicyDeclared(Event):
    """Stream ``drift/<project>``. Key ``policy/<project>/<digest>``: recorded before any verdict under it.

    ``policy`` is the declaration as canonical JSON, ``digest`` that of these bytes.
    """

    kind: ClassVar[str] = "policy_declared"
    project: str
    digest: str
    policy: str


@dataclass(frozen=True, kw_only=True)
class DriftJudged(Event):
    """Stream ``drift/<project>``. Key ``judged/<project>/<run_id>``.

    ``policy`` is the digest of the policy, ``live`` that of the :class:`~include.core.records.LiveFigures`. ``days``
    are those that no earlier verdict on this version covered, ``figures`` the champion's on them.
    """

    kind: ClassVar[str] = "drift_judged"
    project: str
    run_id: str
    instant: datetime
    model_version: int
    policy: str
    live: str
    days: Days
    figures: tuple[DayFigures, ...]
    verdict: DriftVerdict


@dataclass(frozen=True, kw_only=True)
class RetrainingAsked(Event):
    """A verdict asked for a training night at ``instant``. Stream ``retraining/<project>``, as all about retraining.

    ``ask_id`` is a digest of the verdict: a verdict asks once. ``run_id`` is the watch's, ``model_version`` the
    champion that it judged.
    """

    kind: ClassVar[str] = "retraining_asked"
    project: str
    ask_id: str
    run_id: str
    model_version: int
    instant: datetime


@dataclass(frozen=True, kw_only=True)
class RetrainingDeclined(Event):
    """A verdict asked for a training night and gets none, for ``reason``: one is in flight, cooldown, budget."""

    kind: ClassVar[str] = "retraining_declined"
    project: str
    ask_id: str
    run_id: str
    model_version: int
    instant: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class RetrainingStarted(Event):
    """The training night ``run_id`` answers the ask, and no other ever does."""

    kind: ClassVar[str] = "retraining_started"
    project: str
    ask_id: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class RetrainingEnded(Event):
    """The night that answered the ask is over. ``outcome`` is what became of it: promoted, kept or failed.

    Superseded: ``run_id`` came for the ask when another champion than the judged one was in force; no night answers it.
    """

    kind: ClassVar[str] = "retraining_ended"
    project: str
    ask_id: str
    run_id: str
    outcome: RetrainingOutcome


@dataclass(frozen=True, kw_only=True)
class LineageEmitted(Event):
    """One OpenLineage event (JSON text), to be delivered. Stream ``lineage``."""

    kind: ClassVar[str] = "lineage_emitted"
    event: str
