"""The best trial, refitted, on days that nobody has touched, beside the champion on the same rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from include.core.errors import TrainingError
from include.core.records import Evaluation, FeatureSet, FeatureSpec, Interval, Plan, Trial, TrialState
from include.training.booster import booster_settings, dataset_settings, model_text
from include.training.matrix import Artifacts, Rows, binned, rows_of
from include.training.metrics import Numbers, metrics, row_losses

if TYPE_CHECKING:
    import pyarrow as pa

_RESAMPLES = 10_000
_ONE_SIDED = 0.05


class Model(Protocol):
    """A model with its feature columns (:class:`include.registry.bundle.Champion`)."""

    @property
    def features(self) -> Sequence[FeatureSpec]: ...

    def predict(self, table: "pa.Table") -> Numbers: ...


class Vault(Protocol):
    """Where the model text goes (:class:`include.governance.vault.Vault`)."""

    def put(self, data: bytes) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion and its version."""

    version: int
    model: Model


def evaluate(
    *,
    plan: Plan,
    plan_digest: str,
    features: FeatureSet,
    trials: Iterable[Trial],
    opened: Artifacts,
    vault: Vault,
    champion: Rival | None = None,
    threads: int = 1,
) -> Evaluation:
    """Refit the trial with the lowest last loss on training and validation days, and score it on the holdout.

    *trials* are the recorded outcomes of the plan. *opened* holds ``matrix.contents`` of all three
    stretches. The difference to the champion is in the deciding loss (log loss or mean absolute error), on the same
    rows. A champion that needs a feature which is not built any more has no metrics and no difference. *threads*
    changes no result.

    Raises:
        TrainingError: a planned trial has no recorded outcome, or none is complete.
        DataError: rows or labels that cannot be scored.
    """
    best = best_trial(plan, trials)
    train, validation, holdout = (
        rows_of(features, days, opened, stretch=stretch)
        for days, stretch in (
            (features.split.train, "training"),
            (features.split.validation, "validation"),
            (features.split.holdout, "holdout"),
        )
    )
    booster = _refit(best, plan, features, train + validation, threads)
    prediction = booster.predict(holdout.matrix(features.features), num_threads=threads)
    champion_metrics: Mapping[str, float] = {}
    difference = None
    if champion is not None and _buildable(champion.model, holdout):
        rival = champion.model.predict(holdout.table)
        champion_metrics = metrics(plan.objective, holdout.label, rival)
        losses = row_losses(plan.objective, holdout.label, prediction)
        gain = losses - row_losses(plan.objective, holdout.label, rival)
        difference = paired_interval(gain, holdout.day, seed=plan.seed)
    return Evaluation(
        plan=plan_digest,
        features=plan.features,
        objective=plan.objective,
        trial_id=best.trial_id,
        params=best.params,
        model=vault.put(model_text(booster).encode()),
        metrics=metrics(plan.objective, holdout.label, prediction),
        champion=None if champion is None else champion.version,
        champion_metrics=champion_metrics,
        difference=difference,
        holdout=features.split.holdout,
        rows=len(holdout.label),
    )


def best_trial(plan: Plan, outcomes: Iterable[Trial]) -> Trial:
    """The complete trial of *plan* with the lowest last loss, equal ones told apart by id.

    Raises:
        TrainingError: an outcome is missing, or no trial is complete.
    """
    trials = {trial.trial_id: trial for trial in outcomes}
    planned = [trial.trial_id for trial in plan.trials]
    if missing := [trial_id for trial_id in planned if trial_id not in trials]:
        raise TrainingError(
            "every planned trial is recorded before the evaluation",
            value=f"{len(missing)} of {len(planned)} have no outcome",
            remedy="Run the shards of this plan again: they skip what is recorded.",
        )
    complete = [
        (loss, trial_id)
        for trial_id in planned
        if trials[trial_id].state is TrialState.COMPLETE and (loss := trials[trial_id].loss) is not None
    ]
    if not complete:
        errors = sorted({trials[trial_id].error or "pruned" for trial_id in planned})
        raise TrainingError(
            "at least one trial of a search is complete",
            value=f"none of {len(planned)}: {'; '.join(errors)}",
            remedy="Narrow the search space to parameters that LightGBM accepts.",
        )
    return trials[min(complete)[1]]


def _refit(best: Trial, plan: Plan, features: FeatureSet, rows: Rows, threads: int) -> Any:
    import lightgbm

    data = binned(rows, features.features, dataset_settings(best.params, threads=threads))
    settings = booster_settings(best.params, objective=plan.objective, seed=plan.seed, threads=threads)
    booster = lightgbm.Booster(settings, data)
    for _ in range(best.rounds):
        booster.update()
    return booster


def _buildable(model: Model, rows: Rows) -> bool:
    return all(feature.name in rows.table.column_names for feature in model.features)


def paired_interval(difference: Numbers, day: NDArray[np.int32], *, seed: int) -> Interval | None:
    """The mean of *difference* (one a row) and its one-sided 95 % bounds, whole days resampled; ``None``: one day only.

    Rows of a day are not independent, so days are drawn with replacement, 10,000 times. With few days the percentiles
    of a bootstrap are too narrow; they are moved outwards as Hesterberg (What Teachers Should Know About the Bootstrap,
    2015, section 4.1) derives from Student's t.
    """
    from scipy.stats import norm, t

    _, position = np.unique(day, return_inverse=True)
    sums, counts = np.bincount(position, weights=difference), np.bincount(position)
    days = len(counts)
    if days < 2:
        return None
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=_RESAMPLES)
    means = (drawn @ sums) / (drawn @ counts)
    level = norm.cdf(np.sqrt(days / (days - 1)) * t.ppf(_ONE_SIDED, days - 1))
    lower, upper = np.quantile(means, [level, 1 - level])
    return Interval(estimate=float(sums.sum() / counts.sum()), lower=float(lower), upper=float(upper), days=days)
