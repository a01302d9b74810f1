"""Trials, what was trained elsewhere, and the models."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from include.core.canonical import LATER
from include.core.events.event import Event, RunEvent
from include.core.project import Gates
from include.core.records import Days, Evaluation, Gate, Override, Trial, TrialCost, Verdict


@dataclass(frozen=True, kw_only=True)
class TrialRecorded(RunEvent):
    """Stream ``trials/<project>``, key ``trial/<trial_id>``. ``instant`` is the night's: warm starts look back only.

    Of what a backtest trained, stream ``trials-beside/<project>``, key ``trial-beside/<trial_id>``: its outcome is
    known to whoever would train the same, and no search of a night starts from it.
    """

    kind: ClassVar[str] = "trial_recorded"
    plan: str
    instant: datetime
    trial: Trial


@dataclass(frozen=True, kw_only=True)
class TrainingOrdered(RunEvent):
    """A *step* was handed to a process elsewhere, with addresses in the vault until ``expires_at``.

    Stream ``run/<project>/<run_id>``. ``document`` is the digest of the order's document, which holds them: it is kept
    nowhere. The receipt of opening what they reach stands before it. The kind is called as when only shards of a search
    were ordered.
    """

    kind: ClassVar[str] = "shard_ordered"
    version: ClassVar[int] = 2
    plan: str
    step: str
    order_id: str
    document: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class TrainerImageNamed(RunEvent):
    """The image that the run's training pods ask for.

    Stream ``run/<project>/<run_id>``, key ``image/<project>/<run_id>``.
    """

    kind: ClassVar[str] = "trainer_image_named"
    image: str


@dataclass(frozen=True, kw_only=True)
class TrialsMeasured(RunEvent):
    """What an attempt of a step, or a pod, took to train trials. Stream ``cost/<project>/<run_id>``.

    ``attempt`` is the attempt's id or, ``in_pod``, the pod's name, of whose seconds these are a part.
    """

    kind: ClassVar[str] = "trials_measured"
    step: str
    attempt: str
    in_pod: bool
    trials: tuple[TrialCost, ...]


@dataclass(frozen=True, kw_only=True)
class PodMeasured(RunEvent):
    """What a pod took, however it ended. Stream ``cost/<project>/<run_id>``.

    Its trainer ran for ``wall_seconds``, as the cluster says, and had ``cpu_seconds`` of processors, as it says itself
    (``None``: it said nothing); it held accelerators for ``gpu_seconds`` in all. ``at_least``: nobody saw its end, or
    it was killed after its last word. In version 1, stream ``cost/<project>``.
    """

    kind: ClassVar[str] = "pod_measured"
    version: ClassVar[int] = 2
    step: str
    pod: str
    wall_seconds: float
    gpu_seconds: float
    cpu_seconds: float | None = field(default=None, metadata=LATER)
    at_least: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class PodEnded(RunEvent):
    """A pod in which a *step* was done ended, or could never be made: the first to see it knows best.

    Stream ``run/<project>/<run_id>``, key ``pod_ended/<project>/<run_id>/<pod>``. ``outcome`` and ``message`` say how;
    it is no result. ``image_digest`` and ``code_digest`` are what ran; what nobody saw is ``None``. ``image`` is what
    it asked for: by the digest that ran, where its registry has it under that.
    """

    kind: ClassVar[str] = "pod_ended"
    version: ClassVar[int] = 2
    step: str
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
class TrainingWaits(RunEvent):
    """Ops got a report that training waits for slots of its pool.

    Stream ``run/<project>/<run_id>``, key ``waits/<project>/<run_id>/<reason>``. So many ``tasks`` wait for ``slots``
    each, in vain or for too long: ``reason``.
    """

    kind: ClassVar[str] = "training_waits"
    pool: str
    slots: int
    tasks: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class ModelEvaluated(RunEvent):
    """Stream ``evaluations/<project>``, key ``evaluated/<project>/<evaluation>``."""

    kind: ClassVar[str] = "model_evaluated"
    version: ClassVar[int] = 2
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True)
class HoldoutBacktested(RunEvent):
    """A backtest looked at days: a promotion that rests on them later is not the first to.

    Stream ``looks/<project>``, key ``backtested/<project>/<run_id>``: the same declaration at the same instant looks
    once. ``backtested`` is the digest of the :class:`~include.core.records.BacktestResult`.
    """

    kind: ClassVar[str] = "holdout_backtested"
    instant: datetime
    days: Days
    backtested: str


@dataclass(frozen=True, kw_only=True)
class ModelRegistered(RunEvent):
    """Stream ``model/<project>``: its version is the model's.

    ``verdict`` is what training makes of the gates. Whether the version becomes champion is the authority's to decide:
    :class:`PromotionDecided`. Before :class:`PromotionsSigned` this event decided by itself.
    """

    kind: ClassVar[str] = "model_registered"
    version: ClassVar[int] = 2
    model_version: int
    evaluation: str
    bundle: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class GatesDeclared(RunEvent):
    """By which gates the model of a run is decided about.

    Stream ``run/<project>/<run_id>``, key ``gates/<project>/<run_id>``. ``watched``: whether the project declared a
    drift policy; ``None``: begun before that was recorded.
    """

    kind: ClassVar[str] = "gates_declared"
    version: ClassVar[int] = 3
    gates: Gates
    watched: bool | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class PromotionsSigned(Event):
    """From here on a version is champion only by the authority's signature. Stream ``promotions``, key ``promotions``.

    Whoever writes it: the first one counts, and it takes the power to promote from every later unsigned event.
    """

    kind: ClassVar[str] = "promotions_signed"


@dataclass(frozen=True, kw_only=True)
class PromotionDecided(Event):
    """The authority decided about a registered version, on the recorded figures. Stream ``promotion/<project>``.

    ``envelope`` is a DSSE envelope over :class:`include.registry.signed_decisions.Decision`.
    """

    kind: ClassVar[str] = "promotion_decided"
    project: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class ChampionRolledBack(Event):
    """The authority decided that an earlier champion, or none, is in force. Stream ``promotion/<project>``.

    ``envelope`` is a DSSE envelope over :class:`include.registry.rollback.Rollback`.
    """

    kind: ClassVar[str] = "champion_rolled_back"
    project: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class GateOverridden(Event):
    """A person lets models through a gate for a time. Stream ``override/<project>``: the last about a gate counts.

    ``envelope`` is a DSSE envelope (JSON) over all of it and its place.
    """

    kind: ClassVar[str] = "gate_overridden"
    override: Override
    envelope: str


@dataclass(frozen=True, kw_only=True)
class GateOverrideEnded(Event):
    """A person ends the override of a gate before its time. Stream ``override/<project>``, after what it ends.

    ``envelope`` is a DSSE envelope (JSON) over all of it and its place.
    """

    kind: ClassVar[str] = "gate_override_ended"
    project: str
    gate: Gate
    by: str
    reason: str
    envelope: str
