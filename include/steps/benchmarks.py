"""The benchmark of a plan: trained beside the trials of one of its shards, and known by what the ledger says of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.core import streams
from include.core.errors import TrainingError
from include.core.events import BenchmarkTrained, Event
from include.core.records import BenchmarkTrial, FeatureSet, Plan, PlannedBenchmark, Run, Shard
from include.core.runs import RunKind
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.steps.platform import Platform

if TYPE_CHECKING:
    from include.governance.vault import OpenedArtifacts
    from include.training.benchmark import BenchmarkFit
    from include.training.evaluation import BenchmarkRival


def recorded(ledger: Ledger, drawn: Plan | Shard) -> BenchmarkTrial | None:
    """What became of the benchmark of *drawn*; ``None``: it has none, or none that was trained."""
    if drawn.benchmark is None:
        return None
    entry = ledger.find(streams.benchmark_key(drawn.benchmark.trial_id))
    return entry.event.benchmark if entry is not None and isinstance(entry.event, BenchmarkTrained) else None


def to_train(platform: Platform, run: Run, drawn: Shard) -> PlannedBenchmark | None:
    """The benchmark of *drawn* that has no outcome yet, or whose model is lost; ``None``: there is none to train.

    What a backtest draws is held against none.
    """
    if drawn.benchmark is None or run.kind is not RunKind.NIGHT:
        return None
    known = recorded(platform.ledger, drawn)
    kept = known is not None and (known.model is None or platform.vault.has(known.model))
    return None if kept else drawn.benchmark


def record(
    platform: Platform,
    run: Run,
    plan: str,
    planned: PlannedBenchmark,
    fit: "BenchmarkFit",
    *,
    beside: Sequence[tuple[str, Event]] = (),
) -> None:
    """Keep the model of *fit* and record the outcome, unless it is known, and what it took *beside* it."""
    outcome = BenchmarkTrial(
        trial_id=planned.trial_id,
        penalties=fit.penalties,
        losses=fit.losses,
        model=None if fit.model is None else platform.vault.put(fit.model.encode()),
        error=fit.error,
    )
    event = BenchmarkTrained(project=run.project, run_id=run.run_id, plan=plan, benchmark=outcome)
    key = streams.benchmark_key(planned.trial_id)
    Journal(platform.ledger, run).fact(streams.benchmarks(run.project), event, key=key, beside=beside)


def outcome_of(platform: Platform, drawn: Plan) -> BenchmarkTrial | None:
    """What became of the benchmark of *drawn*; ``None``: it has none.

    Raises:
        TrainingError: it has one that was not trained.
    """
    known = recorded(platform.ledger, drawn)
    if drawn.benchmark is not None and known is None:
        raise TrainingError(
            "the benchmark of a plan is trained before a model is held against it",
            value=f"no outcome of {drawn.benchmark.trial_id}",
            remedy=f"Clear the task `train` of shard {drawn.benchmark_shard}: it skips what is recorded.",
        )
    return known


def kept_model(platform: Platform, outcome: BenchmarkTrial | None) -> list[str]:
    """The digest of the model that training left, if it left one that is still there."""
    model = outcome.model if outcome is not None else None
    return [model] if model is not None and platform.vault.has(model) else []


def rival(
    drawn: Plan, outcome: BenchmarkTrial | None, features: FeatureSet, model: list[str], opened: "OpenedArtifacts"
) -> "BenchmarkRival | None":
    """The benchmark of *drawn* as a candidate meets it; *opened* holds *model*, which :func:`kept_model` found."""
    from include.training import benchmark
    from include.training.evaluation import BenchmarkRival

    if drawn.benchmark is None or outcome is None:
        return None
    loaded = benchmark.load(opened.bytes(model[0]), features.features) if model else None
    return BenchmarkRival(kind=drawn.benchmark.kind, trained=outcome, model=loaded)
