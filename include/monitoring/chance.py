"""How far chance goes: histories of nights drawn from the whole weeks of a stretch in which nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from include.core.project import DriftPolicy, SkillPolicy

#: The stretch that a guarantee speaks of, and how many such are drawn.
NIGHTS, HISTORIES = 180, 2_000
_WEEK = 7

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class UsualDay:
    """A day of a stretch in which nothing changed: its skill, excess loss and calibration gap, and how much more it
    cost than the best champion of the last 180 days; ``None``: not known.
    """

    day: date
    skill: float
    excess: float | None
    gap: float
    behind: float | None = None


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What chance brings: ``limit`` of the cumulative sum, and in which share of 180 nights the policy asks falsely.

    ``best``: the comparison with the best champion is in that share; half of the usual days or more have one.
    """

    limit: float
    false_asks: float
    best: bool


@lru_cache(maxsize=256)
def chance(usual: tuple[UsualDay, ...], policy: DriftPolicy, skill: SkillPolicy) -> Chance:
    """What chance brings in 180 nights whose weeks are like those of the sorted days *usual*, under *policy*.

    The cumulative sum of missing skill is above the limit in the share ``skill.false_asks`` of histories, at most. What
    is usual is itself drawn for each history, as other days of the same kind would have told it: few or restless days
    make the limit greater by that. The same days, the same result. About 0.1 s where it is not known yet.
    """
    weeks = by_week([each.day for each in usual], _rows(usual))
    random = np.random.default_rng(_seed(weeks))
    level = np.nanmean(drawn(weeks, random, nights=len(weeks) * _WEEK)[:, :, 0], axis=1)
    lost = np.maximum(level, 0.0) / 2 if skill.drop is None else np.full(HISTORIES, skill.drop)
    histories = drawn(weeks, random, nights=policy.days + NIGHTS)
    mean = float(np.mean([each.skill for each in usual]))
    drop = mean / 2 if skill.drop is None else skill.drop
    lowest = floor(usual, mean - drop)
    missing = (level - lost / 2)[:, None] - np.maximum(histories[:, policy.days :, 0], lowest)
    greatest = greatest_sum(np.nan_to_num(missing))
    least = 1.5 * (mean - lowest - drop / 2)  # one day, however bad, is no change
    histories[:, :, 0] = np.maximum(histories[:, :, 0], -mean)
    limit = max(float(np.quantile(greatest, 1 - skill.false_asks, method="higher")), least)
    best = 2 * sum(each.behind is not None for each in usual) >= len(usual)
    asks = (greatest > limit) | asked(histories, policy, drop if best else None).any(axis=1)
    return Chance(limit=limit, false_asks=float(asks.mean()), best=best)


def drawn_from(usual: Sequence[UsualDay], policy: DriftPolicy) -> Numbers:
    """Shape (histories, ``policy.days`` + 180, 4): the figures of nights like *usual*, in their order there."""
    weeks = by_week([each.day for each in usual], _rows(usual))
    return drawn(weeks, np.random.default_rng(_seed(weeks)), nights=policy.days + NIGHTS)


def floor(usual: Sequence[UsualDay], tolerated: float) -> float:
    """A day counts as no worse than the worst of the usual ones, or than one of the *tolerated* skill."""
    return min(tolerated, *(each.skill for each in usual))


def asked(histories: Numbers, policy: DriftPolicy, drop: float | None) -> NDArray[np.bool_]:
    """Shape (histories, nights): where a mean over the last ``policy.days`` is beyond its limit or knows nothing.

    *drop* is the limit beside the best champion; ``None``: that is left out.
    """
    means = running(histories, policy.days, policy.minimum_days)
    asks = (means[:, :, 0] <= 0) & (policy.skill is not None)
    if policy.excess_loss is not None:
        asks |= means[:, :, 1] > policy.excess_loss
    if policy.calibration_gap is not None:
        asks |= np.abs(means[:, :, 2]) > policy.calibration_gap
    if drop is not None:
        asks |= means[:, :, 3] > drop
    return asks


def running(histories: Numbers, days: int, least: int) -> Numbers:
    """The means of the last *days* at each night from the day *days* on; NaN where fewer than *least* have a figure."""
    known = np.cumsum(np.pad(~np.isnan(histories), ((0, 0), (1, 0), (0, 0))), axis=1)
    total = np.cumsum(np.pad(np.nan_to_num(histories), ((0, 0), (1, 0), (0, 0))), axis=1)
    count = known[:, days + 1 :] - known[:, 1:-days]
    means: Numbers = np.where(count >= least, (total[:, days + 1 :] - total[:, 1:-days]) / np.maximum(count, 1), np.nan)
    return means


def by_week(days: Sequence[date], figures: Numbers) -> Numbers:
    """Shape (weeks, 7, figures): the *figures*, a row a day, in weeks from the first day on; NaN for no day.

    A week without a day is none: a stretch that nobody judged is not usual.
    """
    place = np.array([(day - days[0]).days for day in days])
    weeks = np.full((int(place[-1]) // _WEEK + 1, _WEEK, figures.shape[1]), np.nan)
    weeks[place // _WEEK, place % _WEEK] = figures
    held: Numbers = weeks[np.unique(place // _WEEK)]
    return held


def drawn(weeks: Numbers, random: np.random.Generator, *, nights: int) -> Numbers:
    """Shape (``HISTORIES``, *nights*, figures): histories that are made of whole *weeks*, drawn with replacement."""
    picked = random.integers(len(weeks), size=(HISTORIES, -(-nights // _WEEK)))
    return weeks[picked].reshape(HISTORIES, -1, weeks.shape[2])[:, :nights]


def greatest_sum(added: Numbers) -> Numbers:
    """Of each history (a row) the greatest cumulative sum that never falls below 0."""
    total = np.cumsum(added, axis=1)
    lowest = np.minimum(np.minimum.accumulate(total, axis=1), 0.0)
    greatest: Numbers = np.maximum((total - lowest).max(axis=1), 0.0)
    return greatest


def _seed(weeks: Numbers) -> int:
    return int.from_bytes(sha256(weeks[:, :, :3].tobytes()).digest()[:8])


def _rows(usual: Sequence[UsualDay]) -> Numbers:
    figures = [[each.skill, each.excess, each.gap, each.behind] for each in usual]
    return np.array([[np.nan if figure is None else figure for figure in each] for each in figures])
