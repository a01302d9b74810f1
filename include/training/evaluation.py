"""The refitted model on days that nobody has touched, beside the champion on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

import numpy as np

from include.core.gates import Benchmark
from include.core.records import (
    DAY,
    BenchmarkFigures,
    BenchmarkTrial,
    Days,
    Evaluation,
    FeatureSet,
    FeatureSpec,
    Interval,
    Plan,
    Winner,
)
from include.data.labelled import LabelledRows
from include.data.resampling import paired_interval
from include.learner import load
from include.training.matrix import rows_of
from include.training.metrics import Numbers, metrics, row_losses, scorable
from include.training.slices import slices

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts


_NOT_KEPT = "its model is not kept any more"


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


@dataclass(frozen=True, kw_only=True)
class BenchmarkRival:
    """What became of the project's benchmark, and its model; ``None``: it has none, or that is not kept any more."""

    kind: Benchmark
    trained: BenchmarkTrial
    model: Model | None


def evaluate(
    *,
    plan: Plan,
    plan_digest: str,
    features: FeatureSet,
    best: Winner,
    model: str,
    opened: "OpenedArtifacts",
    champion: Rival | None = None,
    frozen: Rival | None = None,
    benchmark: BenchmarkRival | None = None,
    recipe: str | None = None,
    sliced: Sequence[str] = (),
    threads: int = 1,
) -> Evaluation:
    """Score the model of *best*, the winner of *plan*, on the holdout.

    *model* is the digest of its text. *opened* holds that and ``matrix.contents`` of the holdout.

    The difference to the champion is in the deciding loss (log loss or mean absolute error), on the same rows: those of
    the holdout's days after the last that the champion learnt. A champion of another objective or label, or that needs
    a feature which is not built any more or is defined otherwise, has no metrics and no difference.
    So is *frozen*, the champion that is kept for comparison, if it is another, and on all rows the *benchmark*.
    *recipe* is recorded as it is.
    Beside it stands its skill: by how much it costs less than the constant of *plan* on the whole holdout, and both for
    each category of the features *sliced*.
    *threads* changes no result.

    Raises:
        DataError: rows or labels that cannot be scored.
    """
    holdout = rows_of(features, features.split.holdout, opened, stretch="holdout")
    loaded = load(opened.path(model).read_text())
    prediction = loaded.predict(holdout.matrix(features.features), threads=threads)
    comparison = _compare(champion, features, holdout, prediction, seed=plan.seed)
    reference = _compare(frozen, features, holdout, prediction, seed=plan.seed).difference
    loss = row_losses(plan.objective, holdout.label, prediction)
    constant = _constant_losses(plan, holdout)
    gain = None if constant is None else constant - loss
    by_slice = slices(holdout, sliced, loss, skill=gain, difference=comparison.rows, seed=plan.seed) if sliced else ()
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
        constant_loss=None if constant is None else float(constant.mean()),
        skill=None if gain is None else paired_interval(gain, holdout.day, seed=plan.seed),
        recipe=recipe,
        reference=frozen.version if frozen is not None and reference is not None else None,
        reference_difference=reference,
        calibration_gap=float((prediction - holdout.label).mean()),
        slices=by_slice,
        benchmark=None if benchmark is None else _beside(benchmark, plan, holdout, loss, comparison),
    )


def _beside(
    rival: BenchmarkRival, plan: Plan, holdout: LabelledRows, loss: Numbers, comparison: "_Comparison"
) -> BenchmarkFigures:
    """The benchmark on the rows on which the candidate has the *loss*, a number a row."""
    trained, figures, compared, difference = rival.trained, dict[str, float](), dict[str, float](), None
    error = trained.error
    if rival.model is not None:
        prediction = rival.model.predict(holdout.table)
        figures = dict(metrics(plan.objective, holdout.label, prediction))
        if comparison.rows is not None:
            same = ~np.isnan(comparison.rows)
            compared = dict(metrics(plan.objective, holdout.label[same], prediction[same]))
        gain = loss - row_losses(plan.objective, holdout.label, prediction)
        difference = paired_interval(gain, holdout.day, seed=plan.seed)
    elif error is None:
        error = _NOT_KEPT
    return BenchmarkFigures(
        kind=rival.kind,
        trial_id=trained.trial_id,
        penalty=trained.penalty,
        validation_loss=trained.loss,
        model=trained.model,
        metrics=figures,
        compared_metrics=compared,
        difference=difference,
        error=error,
    )


def _constant_losses(plan: Plan, holdout: LabelledRows) -> Numbers | None:
    """What predicting the plan's constant costs, row by row; ``None``: the plan is of before it was recorded."""
    if plan.constant is None:
        return None
    return row_losses(plan.objective, holdout.label, np.full(len(holdout.label), plan.constant))


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """``rows`` is the difference of each of the holdout's rows, NaN where the champion has learnt its day."""

    days: Days | None = None
    candidate: Mapping[str, float] = field(default_factory=dict)
    champion: Mapping[str, float] = field(default_factory=dict)
    difference: Interval | None = None
    rows: Numbers | None = None


def _compare(
    champion: Rival | None, features: FeatureSet, holdout: LabelledRows, prediction: Numbers, *, seed: int
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
    rows = np.full(len(unseen), np.nan)
    rows[unseen] = gain
    return _Comparison(
        days=days,
        rows=rows,
        candidate=metrics(features.objective, label, own),
        champion=metrics(features.objective, label, rival),
        difference=paired_interval(gain, day, seed=seed),
    )
