"""The best trial, refitted, on days that nobody has touched, beside the champion on the same rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from include.core.errors import TrainingError
from include.core.project import Objective
from include.core.records import (
    DAY,
    Days,
    Evaluation,
    FeatureSet,
    FeatureSpec,
    Interval,
    Plan,
    Trial,
    TrialState,
)
from include.training.artifacts import Artifacts
from include.training.booster import booster_settings, dataset_settings, model_text
from include.training.matrix import Rows, binned, rows_of
from include.training.metrics import Numbers, metrics, row_losses, scorable

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
    """The champion, its version, and what it was made for: its objective and the digest of its label's definition.

    ``learnt_until`` is the last day (inclusive) that it learnt.
    """

    version: int
    model: Model
    objective: Objective
    label: str
    learnt_until: date


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
    allowed: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Refit the trial with the lowest loss on training and validation days, and score it on the holdout.

    It is trained to the rung where its loss was lowest, its rows cut into the bins of the search. *trials* are the
    recorded outcomes of the plan. *opened* holds ``plan.binned`` and ``matrix.contents`` of all three stretches.

    The difference to the champion is in the deciding loss (log loss or mean absolute error), on the same rows: those of
    the holdout's days after the last that the champion learnt. A champion of another objective or label, or that needs
    a feature which is not built any more or is defined otherwise, has no metrics and no difference.
    *threads* changes no result. *allowed* is called before each boosting round, and ends the refit by raising.

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
    data = _binned_as_searched(train + validation, plan, best, features, opened, threads)
    booster = _refit(best, plan, data, threads, allowed)
    prediction = booster.predict(holdout.matrix(features.features), num_threads=threads)
    comparison = _compare(champion, features, holdout, prediction, seed=plan.seed)
    return Evaluation(
        plan=plan_digest,
        features=plan.features,
        objective=plan.objective,
        trial_id=best.trial_id,
        params=best.params,
        model=vault.put(model_text(booster).encode()),
        metrics=metrics(plan.objective, holdout.label, prediction),
        champion=None if champion is None else champion.version,
        compared=comparison.days,
        compared_metrics=comparison.candidate,
        champion_metrics=comparison.champion,
        difference=comparison.difference,
        holdout=features.split.holdout,
        rows=len(holdout.label),
    )


def best_trial(plan: Plan, outcomes: Iterable[Trial]) -> Trial:
    """The complete trial of *plan* with the lowest loss at any rung, equal ones told apart by id.

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


def best_rounds(plan: Plan, trial: Trial) -> int:
    """The rung at which *trial* had its lowest loss; of equal ones the first."""
    return min(zip(trial.losses, plan.rungs, strict=False))[1]


def _binned_as_searched(
    rows: Rows, plan: Plan, best: Trial, features: FeatureSet, opened: Artifacts, threads: int
) -> Any:
    """*rows* cut into the bins in which the trials learnt: half the time of finding others."""
    import lightgbm

    settings = dataset_settings(best.params, threads=threads)
    searched = lightgbm.Dataset(str(opened.path(plan.binned)), params=settings).construct()
    return binned(rows, features.features, settings, reference=searched)


def _refit(best: Trial, plan: Plan, data: Any, threads: int, allowed: Callable[[], None]) -> Any:
    import lightgbm

    settings = booster_settings(best.params, objective=plan.objective, seed=plan.seed, threads=threads)
    booster = lightgbm.Booster(settings, data)
    for _ in range(best_rounds(plan, best)):
        allowed()
        booster.update()
    return booster


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    days: Days | None = None
    candidate: Mapping[str, float] = field(default_factory=dict)
    champion: Mapping[str, float] = field(default_factory=dict)
    difference: Interval | None = None


def _compare(
    champion: Rival | None, features: FeatureSet, holdout: Rows, prediction: Numbers, *, seed: int
) -> _Comparison:
    """Both models on the holdout's days that the champion has not learnt; no figures where these have no rows."""
    if champion is None or not _comparable(champion, features):
        return _Comparison()
    days = replace(features.split.holdout, first=max(features.split.holdout.first, champion.learnt_until + DAY))
    unseen = holdout.day >= days.first.toordinal()
    label, day, own = holdout.label[unseen], holdout.day[unseen], prediction[unseen]
    if not scorable(features.objective, label):
        return _Comparison(days=days)
    rival = champion.model.predict(holdout.table.filter(unseen))
    gain = row_losses(features.objective, label, own) - row_losses(features.objective, label, rival)
    return _Comparison(
        days=days,
        candidate=metrics(features.objective, label, own),
        champion=metrics(features.objective, label, rival),
        difference=paired_interval(gain, day, seed=seed),
    )


def _comparable(champion: Rival, features: FeatureSet) -> bool:
    built = {(feature.name, feature.definition) for feature in features.features}
    return (champion.objective, champion.label) == (features.objective, features.label) and all(
        (feature.name, feature.definition) in built for feature in champion.model.features
    )


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
