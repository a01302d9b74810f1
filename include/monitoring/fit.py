"""How predictions and labels lie together on a holdout, in groups that tell of nobody: what plots are drawn from."""

import numpy as np
from numpy.typing import NDArray

from include.core.project import Objective
from include.core.records import DayFigures, Days, Fit, FitGroup
from include.data.losses import Numbers
from include.monitoring.figures import day_figures, without_remainder
from include.monitoring.profile import LEAST_GROUP

#: At most this many groups, of about the same size.
GROUPS = 40


def in_the_open(
    objective: Objective, days: Days, *, day: NDArray[np.int32], label: Numbers, score: Numbers
) -> tuple[Fit, tuple[DayFigures, ...]]:
    """The fit, and the figures of each day, as whoever also knows figures of all rows may see them.

    Days with fewer than 20 rows have no figures. Where these days together have so few, no group holds their rows, nor
    those of the smallest other day. Arguments as for :func:`day_figures`.
    """
    daily = day_figures(objective, day=day, label=label, score=score)
    shown = without_remainder(daily, rows=int(np.count_nonzero(~np.isnan(label))))
    if len(shown) < len(daily):
        within = np.isin(day, [each.day.toordinal() for each in shown])
        label = np.where(within, label, np.nan)
    return fit_of(objective, days, label=label, score=score), shown


def fit_of(objective: Objective, days: Days, *, label: Numbers, score: Numbers) -> Fit:
    """The fit of predictions *score* to *label*, one number a row each; rows whose label is NaN are left out.

    The rows' order changes no group, and its means but by rounding.
    """
    known = ~np.isnan(label)
    order = np.argsort(score[known], kind="stable")
    label, score = label[known][order], score[known][order]
    edges = _edges(score)
    rows = np.diff(edges)

    def means(values: Numbers) -> list[float]:
        return [float(each) for each in np.add.reduceat(values, edges[:-1]) / rows] if len(rows) else []

    told = zip(rows.tolist(), means(score), means(label), means((label - score) ** 2), strict=True)
    return Fit(
        objective=objective,
        days=days,
        groups=tuple(
            FitGroup(rows=count, mean_score=scores, mean_label=labels, mean_squared_error=errors)
            for count, scores, labels, errors in told
        ),
    )


def _edges(score: Numbers) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Where the groups of the sorted *score* begin, and the last ends; no edge parts equal scores."""
    rows = len(score)
    size = max(LEAST_GROUP, -(-rows // GROUPS))
    edges = [0]
    while rows - edges[-1] >= LEAST_GROUP:
        last = score[min(edges[-1] + size, rows) - 1]
        end = int(np.searchsorted(score, last, side="right"))
        edges.append(rows if rows - end < LEAST_GROUP else end)
    return np.array(edges, dtype=np.int64)
