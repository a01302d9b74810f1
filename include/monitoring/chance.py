"""How far chance goes: histories of nights drawn from the whole weeks of a stretch in which nothing changed."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

#: The stretch that a guarantee speaks of, and how many such are drawn.
NIGHTS, HISTORIES = 180, 2_000
_WEEK = 7

Numbers = NDArray[np.float64]


@lru_cache(maxsize=512)
def limit(told: tuple[tuple[date, float], ...], *, drop: float | None, floor: float, share: float) -> float:
    """Above which number the cumulative sum of missing skill comes in at most *share* of the stretches of 180 nights.

    *told* are the days that tell what is usual, and their skill, sorted. What is usual is itself drawn from them for
    each history, as it would have been told by other days of the same kind: few or restless days make the limit greater
    by that. *drop* and *floor* as in :class:`include.monitoring.skill.Level`; the same days, the same limit.
    """
    weeks = by_week([day for day, _ in told], np.array([[skill] for _, skill in told]))
    random = np.random.default_rng(_seed(weeks))
    usual = np.nanmean(drawn(weeks, random, nights=len(weeks) * _WEEK)[:, :, 0], axis=1)
    lost = np.maximum(usual, 0.0) / 2 if drop is None else np.full(HISTORIES, drop)
    skill = np.maximum(drawn(weeks, random)[:, :, 0], floor)
    missing = np.nan_to_num((usual - lost / 2)[:, None] - skill)
    return float(np.quantile(greatest_sum(missing), 1 - share, method="higher"))


def by_week(days: Sequence[date], figures: Numbers) -> Numbers:
    """Shape (weeks, 7, figures): the *figures*, a row a day, in weeks from the first day on; NaN for no day."""
    place = np.array([(day - days[0]).days for day in days])
    weeks = np.full((int(place[-1]) // _WEEK + 1, _WEEK, figures.shape[1]), np.nan)
    weeks[place // _WEEK, place % _WEEK] = figures
    return weeks


def drawn(weeks: Numbers, random: np.random.Generator, *, nights: int = NIGHTS) -> Numbers:
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
    return int.from_bytes(sha256(weeks.tobytes()).digest()[:8])
