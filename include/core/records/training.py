"""A search, its trials, and what becomes of the best: manifests, as those of the night."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from include.core.canonical import LATER
from include.core.gates import Benchmark
from include.core.project import Objective
from include.core.search import LearnerName

Params = Mapping[str, float | int | str | bool]


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A trial before it runs. ``trial_id`` is a digest of all that decides its result.

    ``learner`` is what it trains. ``rows`` is the vault's digest of the rows that were prepared for it; ``None``: those
    of its plan.
    """

    trial_id: str
    params: Params
    learner: LearnerName = field(default=LearnerName.BOOSTED_TREES, metadata=LATER)
    rows: str | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class PlannedBenchmark:
    """The benchmark of a :class:`Plan` before it is trained. ``trial_id`` is a digest of all that decides its result.

    ``rows`` is the vault's digest of the rows of the plan as it learns them, ``features`` are their columns in their
    order.
    """

    kind: Benchmark
    trial_id: str
    rows: str
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """All that training one shard of a :class:`Plan` needs to know; the fields are those of the plan.

    ``benchmark`` is trained beside the trials and is none of them: it is not stopped, stops nobody, and never wins.
    """

    objective: Objective
    binned: str
    training_rows: int
    trials: tuple[PlannedTrial, ...]
    rungs: tuple[int, ...]
    reduction: int
    seed: int
    benchmark: PlannedBenchmark | None = field(default=None, metadata=LATER)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The vault's digests of all that its trials and its benchmark learn from."""
        return _artifacts(self.binned, (*self.trials, self.benchmark))


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best trial of a :class:`Plan`, and all that decides the model that it makes but the rows.

    It is of ``learner``, and learns ``features`` (in their order) with ``params``, for ``rounds`` rounds; ``objective``
    and ``seed`` are those of the plan.
    """

    trial_id: str
    params: Params
    rounds: int
    objective: Objective
    seed: int
    features: tuple[str, ...]
    learner: LearnerName = field(default=LearnerName.BOOSTED_TREES, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Refit:
    """All that making the winner's model needs to know; ``binned`` is what its trial learns from, all rows of which it
    learns.
    """

    winner: Winner
    binned: str

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The vault's digests of all that it learns from."""
        return (self.binned,)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One round of a search.

    ``binned`` is the vault's digest of the prepared rows of the trials that name no others: first ``training_rows``
    rows that train, then those that choose. ``profile`` is the vault's digest of the :class:`Profile` of all of them.

    ``task`` is the digest of what is learnt: losses of plans of one task may be compared. ``warm`` are the trial ids of
    earlier instants that the sampler had seen. ``shards`` cuts ``trials`` by index. ``constant`` is the mean label of
    all rows that the model learns: what knows no feature predicts it. ``None``: not recorded. ``benchmark`` is that of
    the project, if it declares one.
    """

    features: str
    task: str
    objective: Objective
    binned: str
    training_rows: int
    profile: str
    trials: tuple[PlannedTrial, ...]
    shards: tuple[tuple[int, ...], ...]
    rungs: tuple[int, ...]
    reduction: int
    seed: int
    warm: tuple[str, ...]
    constant: float | None = field(default=None, metadata=LATER)
    benchmark: PlannedBenchmark | None = field(default=None, metadata=LATER)

    @property
    def benchmark_shard(self) -> int:
        """The shard that trains the benchmark, if there is one: the first of those with the fewest trials."""
        return min(range(len(self.shards)), key=lambda number: len(self.shards[number]))

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The vault's digests of all that its trials and its benchmark learn from."""
        return _artifacts(self.binned, (*self.trials, self.benchmark))

    def shard(self, number: int) -> Shard:
        return Shard(
            objective=self.objective,
            binned=self.binned,
            training_rows=self.training_rows,
            trials=tuple(self.trials[index] for index in self.shards[number]),
            rungs=self.rungs,
            reduction=self.reduction,
            seed=self.seed,
            benchmark=self.benchmark if number == self.benchmark_shard else None,
        )


def _artifacts(binned: str, learning: Sequence[PlannedTrial | PlannedBenchmark | None]) -> tuple[str, ...]:
    others = {each.rows for each in learning if each is not None and each.rows is not None}
    return (binned, *sorted(others - {binned}))


class TrialState(StrEnum):
    COMPLETE = "complete"  # reached the last rung
    PRUNED = "pruned"  # halving stopped it
    FAILED = "failed"  # raised; the error is recorded


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial's outcome. ``losses`` are the validation losses by rung, in the rungs' order; lower is better.

    ``rounds`` is how far it trained, ``loss`` the lowest of its losses: more rounds may make a model worse.
    """

    trial_id: str
    params: Params
    state: TrialState
    losses: tuple[float, ...]
    rounds: int
    error: str | None

    @property
    def loss(self) -> float | None:
        return min(self.losses, default=None)


@dataclass(frozen=True, kw_only=True)
class BenchmarkTrial:
    """What became of a :class:`PlannedBenchmark`.

    ``losses`` are its validation losses by penalty, in the order of ``penalties``. ``model`` is the vault's digest of
    the model that the penalty with the lowest makes of all rows that are not held out. Where training failed there is
    no model, and ``error`` says why.
    """

    trial_id: str
    penalties: tuple[float, ...]
    losses: tuple[float, ...]
    model: str | None
    error: str | None

    @property
    def loss(self) -> float | None:
        return min(self.losses, default=None)

    @property
    def penalty(self) -> float | None:
        """The penalty with the lowest loss; of equal ones the first."""
        return min(zip(self.losses, self.penalties, strict=False), default=(None, None), key=lambda each: each[0])[1]


@dataclass(frozen=True, kw_only=True)
class TrialCost:
    """What one training of a trial took: an observation, and no part of its outcome.

    ``trial`` is the :func:`short_id` of its id. It was in training for ``wall_seconds``, in which its process had
    ``cpu_seconds`` of processors and it held accelerators for ``gpu_seconds`` in all. ``ended`` is how; ``None``: it
    was in training still when the attempt or the pod ended.
    """

    trial: str
    ended: TrialState | None
    wall_seconds: float
    cpu_seconds: float
    gpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainerCost:
    """What a trainer's process took since it began, as it says itself. ``ended``: these are its last words."""

    wall_seconds: float
    cpu_seconds: float
    ended: bool
    trials: tuple[TrialCost, ...]


def short_id(trial_id: str) -> str:
    """The first 12 digits of a trial's id, which tell it from all others that one meets."""
    return trial_id.removeprefix("sha256:")[:12]


@dataclass(frozen=True, kw_only=True)
class ResultAddresses:
    """Where one result is written, once (``PUT`` with the header ``If-None-Match: *``), and read. Secrets."""

    write: str = field(repr=False)
    read: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A step to be done by a process that reaches nothing but what the *document* names, until ``expires_at``.

    ``order_id`` is the same however often that step of this run and plan is ordered; ``digest`` is that of the
    document's bytes. The document is a secret, the only one that the process is given: it is in no log, event or file
    of ours.
    """

    order_id: str
    digest: str
    document: bytes = field(repr=False)
    expires_at: datetime
