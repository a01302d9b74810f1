"""The refitted model on days that nobody has touched, beside the champion on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

import numpy as np

from include.core.records import (
    DAY,
    Days,
    Evaluation,
    FeatureSet,
    FeatureSpec,
    Interval,
    Plan,
    Winner,
)
from include.data.resampling import paired_interval
from include.training.artifacts import Artifacts
from include.training.matrix import Rows, rows_of
from include.training.metrics import Numbers, metrics, row_losses, scorable

if TYPE_CHECKING:
    import pyarrow as pa


class Model(Protocol):
    """A model with its feature columns (:class:`include.registry.bundle.Champion`)."""

    @property
    def features(self) -> Sequence[FeatureSpec]: ...

    def predict(self, table: "pa.Table") -> Numbers: ...


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion and its version.

    ``changed`` says what is declared otherwise now than when it was made: its objective, its label, features.
    ``learnt_until`` is the last day (inclusive) that it learnt.
    """

    version: int
    model: Model
    learnt_until: date
    changed: Sequence[str] = ()


def evaluate(
    *,
    plan: Plan,
    plan_digest: str,
    features: FeatureSet,
    best: Winner,
    model: str,
    opened: Artifacts,
    champion: Rival | None = None,
    threads: int = 1,
) -> Evaluation:
    """Score the model of *best*, the winner of *plan*, on the holdout.

    *model* is the digest of its text. *opened* holds that and ``matrix.contents`` of the holdout.

    The difference to the champion is in the deciding loss (log loss or mean absolute error), on the same rows: those of
    the holdout's days after the last that the champion learnt. A champion of another objective or label, or that needs
    a feature which is not built any more or is defined otherwise, has no metrics and no difference.
    Beside it stands its skill: by how much it costs less than the constant of *plan* on the whole holdout.
    *threads* changes no result.

    Raises:
        DataError: rows or labels that cannot be scored.
    """
    import lightgbm

    holdout = rows_of(features, features.split.holdout, opened, stretch="holdout")
    booster = lightgbm.Booster(model_str=opened.path(model).read_text())
    prediction = booster.predict(holdout.matrix(features.features), num_threads=threads)
    comparison = _compare(champion, features, holdout, prediction, seed=plan.seed)
    constant_loss, skill = _skill(plan, holdout, prediction)
    return Evaluation(
        plan=plan_digest,
        features=plan.features,
        objective=plan.objective,
        trial_id=best.trial_id,
        params=best.params,
        model=model,
        metrics=metrics(plan.objective, holdout.label, prediction),
        champion=None if champion is None else champion.version,
        compared=comparison.days,
        compared_metrics=comparison.candidate,
        champion_metrics=comparison.champion,
        difference=comparison.difference,
        holdout=features.split.holdout,
        rows=len(holdout.label),
        constant_loss=constant_loss,
        skill=skill,
    )


def _skill(plan: Plan, holdout: Rows, prediction: Numbers) -> tuple[float | None, Interval | None]:
    """The loss of the plan's constant on the holdout, and by how much the model's lies below it."""
    if plan.constant is None:
        return None, None
    constant = row_losses(plan.objective, holdout.label, np.full(len(holdout.label), plan.constant))
    gain = constant - row_losses(plan.objective, holdout.label, prediction)
    return float(constant.mean()), paired_interval(gain, holdout.day, seed=plan.seed)


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
    if champion is None or champion.changed:
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
