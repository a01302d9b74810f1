"""The holdout by categories: where a model does well for all rows together, and badly for some."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from include.core.records import Interval, Slice
from include.data.labelled import LabelledRows
from include.training.metrics import Numbers

#: Of fewer rows nothing is told: they could be one person's.
LEAST_ROWS = 20
_RESAMPLES = 2_000
_TWO_SIDED = 0.05

#: One number a row, NaN where it has none.
Figures = Mapping[str, Numbers | None]


def slices(
    holdout: LabelledRows,
    features: Sequence[str],
    loss: Numbers,
    *,
    skill: Numbers | None,
    difference: Numbers | None,
    seed: int,
) -> tuple[Slice, ...]:
    """The mean *loss* of each category of *features* with at least 20 rows, by feature and then category.

    Where the other rows of a feature would be fewer than 20, its smallest category stays among them.
    *skill* and *difference* are one number a row, NaN where a row has none. Their intervals hold for all slices at
    once, with 95 % confidence: whole days are resampled, and the largest deviation of any slice in units of its own
    standard error decides how wide they all are (max-t: Westfall and Young, Resampling-Based Multiple Testing, 1993).
    """
    groups = [group for name in features for group in _groups(holdout, name)]
    found = [
        Slice(
            feature=name,
            category=category,
            rows=int(within.sum()),
            days=len(np.unique(holdout.day[within])),
            loss=float(loss[within].mean()),
        )
        for name, category, within in groups
    ]
    masks = [within for _, _, within in groups]
    skills = _intervals(skill, masks, holdout.day, seed=seed)
    differences = _intervals(difference, masks, holdout.day, seed=seed)
    both = zip(found, skills, differences, strict=True)
    return tuple(replace(each, skill=skilled, difference=differs) for each, skilled, differs in both)


def _groups(holdout: LabelledRows, name: str) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = holdout.table.column(name).cast(pa.string())
    counted = [(each["counts"], each["values"]) for each in column.drop_null().value_counts().to_pylist()]
    told = sorted(pair for pair in counted if pair[0] >= LEAST_ROWS)
    if 0 < len(column) - sum(count for count, _ in told) < LEAST_ROWS:
        told = told[1:]  # what all rows cost, less what these do, would tell of the few others
    for value in sorted(value for _, value in told):
        yield name, value, pc.fill_null(pc.equal(column, value), False).to_numpy()


def _intervals(
    figure: Numbers | None, masks: Sequence[NDArray[np.bool_]], day: NDArray[np.int32], *, seed: int
) -> list[Interval | None]:
    """The mean of *figure* within each of *masks*, with bounds for all of them at once; ``None``: too little to say."""
    from scipy.stats import norm, t

    if figure is None or not masks:
        return [None] * len(masks)
    known = ~np.isnan(figure)
    _, position = np.unique(day, return_inverse=True)
    days = int(position.max()) + 1
    rows = [mask & known for mask in masks]
    sums = np.array([np.bincount(position[each], weights=figure[each], minlength=days) for each in rows]).T
    counts = np.array([np.bincount(position[each], minlength=days) for each in rows]).T
    seen = (counts > 0).sum(axis=0)
    usable = np.flatnonzero((seen >= 2) & (counts.sum(axis=0) >= LEAST_ROWS))
    found: list[Interval | None] = [None] * len(masks)
    if not len(usable):
        return found
    sums, counts = sums[:, usable], counts[:, usable]
    estimate = sums.sum(axis=0) / counts.sum(axis=0)
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=_RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = (drawn @ sums) / (drawn @ counts) - estimate
        away = away[~np.isnan(away).all(axis=1)]  # a draw may hold no day of any slice
        error = np.maximum(np.nanstd(away, axis=0), np.finfo(float).tiny)
        widest = float(np.quantile(np.nanmax(np.abs(away) / error, axis=1), 1 - _TWO_SIDED))
    # As for one interval: few days make the percentiles of a bootstrap too narrow.
    few = np.sqrt(days / (days - 1)) * t.ppf(1 - _TWO_SIDED / 2, days - 1) / norm.ppf(1 - _TWO_SIDED / 2)
    for place, middle, half in zip(usable, estimate, error * widest * few, strict=True):
        lower, upper = float(middle - half), float(middle + half)
        found[place] = Interval(estimate=float(middle), lower=lower, upper=upper, days=int(seen[place]))
    return found
