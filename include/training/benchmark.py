"""The benchmark of a search: a simple model of the same rows and features, beside which every candidate stands."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.core.canonical import encode, record_digest
from include.core.errors import TrainingError
from include.core.gates import Benchmark
from include.core.records import FeatureSet, FeatureSpec, Params, PlannedBenchmark, Shard, TrialState, Winner
from include.core.search import LearnerName
from include.learner import learner
from include.learner import load as load_model
from include.learner.port import Learner, ParametersRefused, Training
from include.training import engine
from include.training.artifacts import Artifacts
from include.training.meter import ShardMeter
from include.training.trial import NOT_FINITE

if TYPE_CHECKING:
    import pyarrow as pa

    from include.data.labelled import LabelledRows
    from include.training.metrics import Numbers

#: One for few rows or features that say something, one for many rows or features that say little: each more costs a
#: fit, and the loss of those between differs in the third digit.
PENALTIES = (10.0, 1_000.0)
#: As many steps come near enough to the best coefficients.
ROUNDS = 5


class RowsVault(Protocol):
    """Where the benchmark's rows go (:class:`include.governance.vault.Vault`)."""

    def put_made(self, write: Callable[[Path], None]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class BenchmarkFit:
    """What training a benchmark comes to: validation losses by penalty, and the text of the best one's model.

    Where it failed there is no model, and ``error`` says why.
    """

    penalties: tuple[float, ...]
    losses: tuple[float, ...]
    model: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkModel:
    """A benchmark's model with its feature columns."""

    features: Sequence[FeatureSpec]
    text: str

    def predict(self, table: "pa.Table") -> "Numbers":
        from include.data.encoding import encode_features

        return load_model(self.text).predict(encode_features(table, self.features))


def planned(
    kind: Benchmark | None, rows: "LabelledRows", training_rows: int, features: FeatureSet, vault: RowsVault
) -> PlannedBenchmark | None:
    """The benchmark that a plan of *rows* trains, the first *training_rows* of which train; ``None``: none is declared.

    The same arguments give the same one, and the same rows in the *vault*.
    """
    if kind is None:
        return None
    from include.training.matrix import encoded  # not where benchmarks are trained: it reads features

    write = _learner_of(kind).prepare(encoded(rows, features.features), rows.label, features.features, {})
    kept = vault.put_made(write)
    names = tuple(feature.name for feature in features.features)
    identity = ("benchmark", kind, features.objective, kept, training_rows, PENALTIES, ROUNDS, engine.digest())
    return PlannedBenchmark(kind=kind, trial_id=record_digest(identity), rows=kept, features=names)


def train(
    shard: Shard,
    *,
    opened: Artifacts,
    threads: int = 1,
    allowed: Callable[[], None] = lambda: None,
    meter: ShardMeter | None = None,
) -> BenchmarkFit:
    """The benchmark of *shard*, its penalty chosen by validation, then trained on all rows: the same bytes each time.

    *opened* holds its rows. *allowed* is called before each round, and ends the training by raising. *meter* counts
    what it takes.

    Raises:
        MachineFault: nothing can be trained here.
    """
    benchmark, meter = _of(shard), meter or ShardMeter()
    path, fit = opened.path(benchmark.rows), _Fit(shard, _learner_of(benchmark.kind), threads, allowed)
    with meter.training(benchmark.trial_id, accelerators=0):
        found = fit.found(path)
    meter.end(benchmark.trial_id, TrialState.FAILED if found.error else TrialState.COMPLETE)
    return found


def _of(shard: Shard) -> PlannedBenchmark:
    assert shard.benchmark is not None  # noqa: S101  # who trains one has it
    return shard.benchmark


def _learner_of(kind: Benchmark) -> Learner:
    return learner(LearnerName(kind.value))


@dataclass(frozen=True)
class _Fit:
    """How one benchmark is trained."""

    shard: Shard
    learner: Learner
    threads: int
    allowed: Callable[[], None]

    def found(self, path: Path) -> BenchmarkFit:
        losses = list[float]()
        rows = self.learner.open(path, {}, training_rows=self.shard.training_rows, threads=self.threads)
        try:
            for penalty in PENALTIES:
                loss = self._trained(rows, penalty).loss()
                if not isfinite(loss):
                    return _failed(losses, NOT_FINITE)
                losses.append(loss)
            whole = self.learner.open(path, {}, threads=self.threads)
            model = self._trained(whole, PENALTIES[losses.index(min(losses))]).text()
        except ParametersRefused:
            self.learner.probe(rows, _params(PENALTIES[-1]), objective=self.shard.objective, threads=self.threads)
            return _failed(losses, self.learner.refused)
        return BenchmarkFit(penalties=PENALTIES, losses=tuple(losses), model=model, error=None)

    def _trained(self, rows: Any, penalty: float) -> Training:
        training = self.learner.start(
            rows, _params(penalty), objective=self.shard.objective, seed=self.shard.seed, threads=self.threads
        )
        for _ in range(ROUNDS):
            self.allowed()
            training.advance()
        return training


def _params(penalty: float) -> Params:
    return {"l2": penalty}


def _failed(losses: Sequence[float], error: str) -> BenchmarkFit:
    return BenchmarkFit(penalties=PENALTIES, losses=tuple(losses), model=None, error=error)


def largest_bytes(benchmark: PlannedBenchmark) -> int:
    """What is larger is no result of *benchmark*."""
    return 2 * _learner_of(benchmark.kind).largest_bytes  # its text as a text of JSON, and some losses


def written(fit: BenchmarkFit) -> bytes:
    """*fit* as the result of an order."""
    return encode(fit)


def verified(shard: Shard, data: bytes) -> BenchmarkFit:
    """What the bytes *data*, written by another process, say of the benchmark of *shard*, if it can come to that.

    Raises:
        TrainingError: they are not the canonical bytes of such an outcome; names the rule.
    """
    benchmark = _of(shard)
    if len(data) > largest_bytes(benchmark):
        raise _refused("the result of a benchmark is no larger than one can be", benchmark, "a larger one")
    try:
        fields = json.loads(data)
        fit = BenchmarkFit(
            penalties=PENALTIES, losses=tuple(fields["losses"]), model=fields["model"], error=fields["error"]
        )
        canonical = written(fit) == data and _is_sound(fit, _learner_of(benchmark.kind))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused("a result is the outcome of a benchmark", benchmark, type(error).__name__) from None
    if not canonical:
        raise _refused("a result is the canonical outcome of its own benchmark", benchmark, "other bytes")
    if fit.model is None:
        return fit
    winner = Winner(
        trial_id=benchmark.trial_id,
        params=_params(PENALTIES[fit.losses.index(min(fit.losses))]),
        rounds=ROUNDS,
        objective=shard.objective,
        seed=shard.seed,
        features=benchmark.features,
        learner=_learner_of(benchmark.kind).name,
    )
    return replace(fit, model=_learner_of(benchmark.kind).verify(winner, fit.model.encode()).decode())


def _is_sound(fit: BenchmarkFit, learner: Learner) -> bool:
    """Whether losses, model and error agree with each other."""
    finite = all(type(loss) is float and isfinite(loss) for loss in fit.losses)
    if fit.error is None:
        return finite and len(fit.losses) == len(PENALTIES) and isinstance(fit.model, str)
    return finite and len(fit.losses) <= len(PENALTIES) and fit.model is None and _says(fit.error, learner)


def _says(error: object, learner: Learner) -> bool:
    return error in (learner.refused, NOT_FINITE)


def load(text: bytes, features: Sequence[FeatureSpec]) -> BenchmarkModel:
    """The benchmark's model of *text*."""
    return BenchmarkModel(features=features, text=text.decode())


def _refused(rule: str, benchmark: PlannedBenchmark, found: str) -> TrainingError:
    return TrainingError(
        rule,
        value=f"benchmark {benchmark.trial_id}: {found}",
        remedy="Find out what wrote it, then run the shard again.",
    )
