"""A project and a variant of it, compared on the same days: at which instants, and what may be said of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from include.core.errors import DataError
from include.core.records import DAY, BacktestResult, DayFigures, Interval
from include.data.resampling import paired_interval

#: Days of one week are too alike to be resampled one by one, as soon as there are weeks enough to resample.
BLOCK_DAYS = 7
#: The interval of the same figures is the same each time.
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class BacktestOrigin:
    """A project at one instant and, if there is one, its variant: on the days that both were scored on."""

    day: date
    own: tuple[DayFigures, ...]
    other: tuple[DayFigures, ...] | None

    @property
    def loss(self) -> float:
        """Each day counts once."""
        return _mean(self.own)

    @property
    def other_loss(self) -> float | None:
        return None if self.other is None else _mean(self.other)

    @property
    def differences(self) -> list[float]:
        """The variant's loss minus the project's, a number a day."""
        pairs = zip(self.own, self.other or (), strict=False)
        return [other.loss - own.loss for own, other in pairs]


def origins_between(first: date, last: date, *, count: int, apart_days: int) -> tuple[date, ...]:
    """*count* days from *first* to *last* (both inclusive), spread evenly, *apart_days* at least between two.

    One day is the last. Raises:
        DataError: fewer fit; the message says how many.
    """
    fit = (last - first).days // apart_days + 1 if first <= last else 0
    if count > fit:
        raise DataError(
            f"origins lie {apart_days} days apart at least, so that no day is held out twice",
            value=f"{count} origins wanted, {fit} fit" + (f" from {first} to {last}" if fit else ""),
            remedy=f"Ask for --origins {fit}."
            if fit
            else "Wait for more history, or shorten the window or what features look back.",
        )
    step = (last - first).days / (count - 1) if count > 1 else 0
    return tuple(last - round(step * back) * DAY for back in reversed(range(count)))


def earliest(first: date, last: date, fits: Callable[[date], bool]) -> date:
    """The first day from *first* to *last* that *fits*, all later ones fitting too; the day after *last* if none."""
    low, high = first.toordinal(), last.toordinal() + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(date.fromordinal(middle)) else (middle + 1, high)
    return date.fromordinal(low)


def paired(day: date, own: BacktestResult, other: BacktestResult | None) -> BacktestOrigin:
    """What both made of the days that both held out.

    Raises:
        DataError: there are none with figures, or not the same rows.
    """
    if other is None:
        return BacktestOrigin(day=day, own=_required(day, own.figures), other=None)
    theirs = {each.day: each for each in other.figures}
    common = _required(day, tuple(each for each in own.figures if each.day in theirs))
    uneven = [each.day for each in common if each.rows != theirs[each.day].rows]
    if uneven:
        raise DataError(
            "project and variant predict for the same rows",
            value=f"{len(uneven)} of {len(common)} days have others, {uneven[0]} the first",
            remedy="Let both have the same population and label.",
        )
    return BacktestOrigin(day=day, own=common, other=tuple(theirs[each.day] for each in common))


def pooled(origins: Sequence[BacktestOrigin]) -> Interval | None:
    """The mean daily difference of all *origins* and its one-sided 95 % bounds; ``None``: one day only.

    Whole days are resampled; with more than one origin blocks of 7 days, each within one holdout.
    """
    differences = [each for origin in origins for each in origin.differences]
    if len(origins) == 1:
        blocks = list(range(len(differences)))
    else:
        blocks = [
            place * 1000 + (figures.day - origin.own[0].day).days // BLOCK_DAYS
            for place, origin in enumerate(origins)
            for figures in origin.own
        ]
    return paired_interval(np.array(differences), np.array(blocks, dtype=np.int32), seed=_SEED)


def _mean(figures: Sequence[DayFigures]) -> float:
    return sum(each.loss for each in figures) / len(figures)


def _required(day: date, figures: tuple[DayFigures, ...]) -> tuple[DayFigures, ...]:
    if not figures:
        raise DataError(
            "a holdout has days with 20 labelled rows or more, of which figures are kept",
            value=f"none at the origin {day}",
            remedy="Choose a longer holdout that both share, or a population with more rows a day.",
        )
    return figures
