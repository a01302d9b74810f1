"""The days of a project's series: how each champion did on its day, beside those that it is held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from include.core.project import Objective
from include.core.records import DAY, FEW_ROWS, DayFigures, DayOfSeries, Days, DueDay
from include.data.losses import Numbers, row_losses
from include.monitoring.figures import day_figures
from include.monitoring.profile import LEAST_GROUP

#: The constant that knows no feature is the mean label of this many days.
CONSTANT_DAYS = 28


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """``score``: one number for each of the ``rows`` that are True."""

    rows: NDArray[np.bool_]
    score: Numbers


def judged_days(
    objective: Objective,
    due: Sequence[DueDay],
    *,
    day: NDArray[np.int32],
    label: Numbers,
    predictions: Mapping[int, Prediction],
    matures_after_days: int,
    before: Sequence[DayFigures] = (),
) -> tuple[DayOfSeries, ...]:
    """The figures of each of *due*, in their order.

    *day* (ordinals) and *label* hold one number a row, *predictions* those of each version that *due* names, for some
    of the rows. The constant of a day is the mean label of the rows of the last 28 days that had matured when it began,
    as far as these have 20 rows or more; of the others, *before* tells.
    """
    figures = {
        version: {
            each.day: each
            for each in day_figures(objective, day=day[found.rows], label=label[found.rows], score=found.score)
        }
        for version, found in predictions.items()
    }

    def loss(version: int | None, of: date) -> float | None:
        known = None if version is None else figures[version].get(of)
        return None if known is None else known.loss

    constants = _Constants(day, label, before, matures_after_days)
    judged = []
    for each in due:
        own = None if each.unjudged is not None else figures[each.champion].get(each.day)
        if own is None:
            why = each.unjudged or FEW_ROWS
            judged.append(DayOfSeries(day=each.day, champion=each.champion, rows=0, unjudged=why))
            continue
        judged.append(
            DayOfSeries(
                **vars(own),
                champion=each.champion,
                constant_loss=constants.loss(objective, each.day),
                predecessor=each.predecessor,
                predecessor_loss=loss(each.predecessor, each.day),
                best=each.best,
                best_loss=loss(each.best, each.day),
            )
        )
    return tuple(judged)


class _Constants:
    """The loss of whoever predicts for each row of a day what came, on average, in the weeks before."""

    def __init__(
        self, day: NDArray[np.int32], label: Numbers, before: Sequence[DayFigures], matures_after_days: int
    ) -> None:
        known = ~np.isnan(label)
        self._day, self._label = day[known], label[known]
        self._matures_after_days = matures_after_days
        days, position, rows = np.unique(self._day, return_inverse=True, return_counts=True)
        sums = np.bincount(position, weights=self._label, minlength=len(days))
        self._counted = {each.day.toordinal(): (each.rows, each.rows * each.mean_label) for each in before}
        told = rows >= LEAST_GROUP  # from the loss of the constant, which is in the open, one learns the constant
        counted = zip(rows[told].tolist(), sums[told].tolist(), strict=True)
        self._counted |= dict(zip(days[told].tolist(), counted, strict=True))

    def loss(self, objective: Objective, day: date) -> float | None:
        last = day - (self._matures_after_days + 1) * DAY
        window = Days(first=last - (CONSTANT_DAYS - 1) * DAY, last=last)
        counts = [self._counted[each.toordinal()] for each in window if each.toordinal() in self._counted]
        rows = sum(count for count, _ in counts)
        if not rows:
            return None
        first, end = np.searchsorted(self._day, [day.toordinal(), day.toordinal() + 1])
        label = self._label[first:end]
        constant = np.full(len(label), sum(total for _, total in counts) / rows)
        return float(row_losses(objective, label, constant).mean())


def skill_score(days: Sequence[DayOfSeries]) -> float | None:
    """1 - loss / the constant's, of those *days* together that have both; ``None``: there are none, or it lost nothing.

    Murphy, Skill scores based on the mean square error, Monthly Weather Review 1988.
    """
    both = [each for each in days if each.skill is not None]
    constant = sum(each.constant_loss or 0.0 for each in both)
    return sum(each.skill or 0.0 for each in both) / constant if constant > 0 else None
