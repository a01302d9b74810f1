"""Trials, what was trained elsewhere, and the models."""

from dataclasses import field
from datetime import datetime

from include.core.canonical import LATER
from include.core.events.event import Event, RunEvent
from include.core.project import Gates
from include.core.records import BenchmarkTrial, Days, Evaluation, Gate, Override, Trial, TrialCost, Verdict


class TrialRecorded(RunEvent, kind="trial_recorded"):
    """Stream ``trials/<project>``, key ``trial/<trial_id>``. ``instant`` is the night's: warm starts look back only.

    Of what a backtest trained, stream ``trials-beside/<project>``, key ``trial-beside/<trial_id>``: its outcome is
    known to whoever would train the same, and no search of a night starts from it.
    """

    plan: str
    instant: datetime
    trial: Trial


class BenchmarkTrained(RunEvent, kind="benchmark_trained"):
    """Stream ``benchmarks/<project>``, key ``benchmark/<trial_id>``: no search starts from it."""

    plan: str
    benchmark: BenchmarkTrial


class TrainingOrdered(RunEvent, kind="shard_ordered", version=2):
    """A *step* was handed to a process elsewhere, with addresses in the vault until ``expires_at``.

    Stream ``run/<project>/<run_id>``. ``document`` is the digest of the order's document, which holds them: it is kept
    nowhere. The receipt of opening what they reach stands before it. The kind is called as when only shards of a search
    were ordered.
    """

    plan: str
    step: str
    order_id: str
    document: str
    expires_at: datetime


class TrainerImageNamed(RunEvent, kind="trainer_image_named"):
    """The image that the run's training pods ask for.

    Stream ``run/<project>/<run_id>``, key ``image/<project>/<run_id>``.
    """

    image: str


class TrialsMeasured(RunEvent, kind="trials_measured"):
    """What an attempt of a step, or a pod, took to train trials. Stream ``cost/<project>/<run_id>``.

    ``attempt`` is the attempt's id or, ``in_pod``, the pod's name, of whose seconds these are a part.
    """

    step: str
    attempt: str
    in_pod: bool
    trials: tuple[TrialCost, ...]


class PodMeasured(RunEvent, kind="pod_measured", version=2):
    """What a pod took, however it ended. Stream ``cost/<project>/<run_id>``.

    Its trainer ran for ``wall_seconds``, as the cluster says, and had ``cpu_seconds`` of processors, as it says itself
    (``None``: it said nothing); it held accelerators for ``gpu_seconds`` in all. ``at_least``: nobody saw its end, or
    it was killed after its last word. In version 1, stream ``cost/<project>``.
    """

    step: str
    pod: str
    wall_seconds: float
    gpu_seconds: float
    cpu_seconds: float | None = field(default=None, metadata=LATER)
    at_least: bool = field(default=False, metadata=LATER)


class PodEnded(RunEvent, kind="pod_ended", version=2):
    """A pod in which a *step* was done ended, or could never be made: the first to see it knows best.

    Stream ``run/<project>/<run_id>``, key ``pod_ended/<project>/<run_id>/<pod>``. ``outcome`` and ``message`` say how;
    it is no result. ``image_digest`` and ``code_digest`` are what ran; what nobody saw is ``None``. ``image`` is what
    it asked for: by the digest that ran, where its registry has it under that.
    """

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


class TrainingWaits(RunEvent, kind="training_waits"):
    """Ops got a report that training waits for slots of its pool.

    Stream ``run/<project>/<run_id>``, key ``waits/<project>/<run_id>/<reason>``. So many ``tasks`` wait for ``slots``
    each, in vain or for too long: ``reason``.
    """

    pool: str
    slots: int
    tasks: int
    reason: str


class ModelEvaluated(RunEvent, kind="model_evaluated", version=2):
    """Stream ``evaluations/<project>``, key ``evaluated/<project>/<evaluation>``."""

    evaluation: Evaluation


class HoldoutBacktested(RunEvent, kind="holdout_backtested"):
    """A backtest looked at days: a promotion that rests on them later is not the first to.

    Stream ``looks/<project>``, key ``backtested/<project>/<run_id>``: the same declaration at the same instant looks
    once. ``backtested`` is the digest of the :class:`~include.core.records.BacktestResult`.
    """

    instant: datetime
    days: Days
    backtested: str


class ModelRegistered(RunEvent, kind="model_registered", version=2):
    """Stream ``model/<project>``: its version is the model's.

    ``verdict`` is what training makes of the gates. Whether the version becomes champion is the authority's to decide:
    :class:`PromotionDecided`. Before :class:`PromotionsSigned` this event decided by itself.
    """

    model_version: int
    evaluation: str
    bundle: str
    verdict: Verdict


class GatesDeclared(RunEvent, kind="gates_declared", version=3):
    """By which gates the model of a run is decided about.

    Stream ``run/<project>/<run_id>``, key ``gates/<project>/<run_id>``. ``watched``: whether the project declared a
    drift policy; ``None``: begun before that was recorded.
    """

    gates: Gates
    watched: bool | None = field(default=None, metadata=LATER)


class PromotionsSigned(Event, kind="promotions_signed"):
    """From here on a version is champion only by the authority's signature. Stream ``promotions``, key ``promotions``.

    Whoever writes it: the first one counts, and it takes the power to promote from every later unsigned event.
    """


class PromotionDecided(Event, kind="promotion_decided"):
    """The authority decided about a registered version, on the recorded figures. Stream ``promotion/<project>``.

    ``envelope`` is a DSSE envelope over :class:`include.registry.signed_decisions.Decision`.
    """

    project: str
    envelope: str


class ChampionRolledBack(Event, kind="champion_rolled_back"):
    """The authority decided that an earlier champion, or none, is in force. Stream ``promotion/<project>``.

    ``envelope`` is a DSSE envelope over :class:`include.registry.rollback.Rollback`.
    """

    project: str
    envelope: str


class GateOverridden(Event, kind="gate_overridden"):
    """A person lets models through a gate for a time. Stream ``override/<project>``: the last about a gate counts.

    ``envelope`` is a DSSE envelope (JSON) over all of it and its place.
    """

    override: Override
    envelope: str


class GateOverrideEnded(Event, kind="gate_override_ended"):
    """A person ends the override of a gate before its time. Stream ``override/<project>``, after what it ends.

    ``envelope`` is a DSSE envelope (JSON) over all of it and its place.
    """

    project: str
    gate: Gate
    by: str
    reason: str
    envelope: str
