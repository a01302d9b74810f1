"""How sure a mean of paired differences is, where rows come in groups that are not independent within."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from include.core.records import Interval
from include.data.losses import Numbers

#: With which error probability each bound of an interval is wrong.
ONE_SIDED = 0.05


def paired_interval(
    difference: Numbers, day: NDArray[np.int32], *, seed: int, resamples: int = 10_000
) -> Interval | None:
    """The mean of *difference* (one a row) and its one-sided 95 % bounds, whole days resampled; ``None``: one day only.

    Rows of a day are not independent, so days are drawn with replacement, *resamples* times. With few days the
    percentiles of a bootstrap are too narrow; they are moved outwards as Hesterberg (What Teachers Should Know About
    the Bootstrap, 2015, section 4.1) derives from Student's t. *day* may number any other groups that are drawn whole.
    """
    from scipy.stats import norm, t

    _, position = np.unique(day, return_inverse=True)
    sums, counts = np.bincount(position, weights=difference), np.bincount(position)
    days = len(counts)
    if days < 2:
        return None
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=resamples)
    means = (drawn @ sums) / (drawn @ counts)
    level = norm.cdf(np.sqrt(days / (days - 1)) * t.ppf(ONE_SIDED, days - 1))
    lower, upper = np.quantile(means, [level, 1 - level])
    return Interval(estimate=float(sums.sum() / counts.sum()), lower=float(lower), upper=float(upper), days=days)


def at_error(interval: Interval, error: float) -> Interval:
    """*interval* with bounds that are each wrong with the probability *error*: as far out as Student's t says.

    Its own, of :func:`paired_interval`, are so with 0.05.
    """
    if error == ONE_SIDED:
        return interval
    from scipy.stats import t

    factor = float(t.ppf(1 - error, interval.days - 1) / t.ppf(1 - ONE_SIDED, interval.days - 1))
    lower, upper = (
        interval.estimate + factor * (bound - interval.estimate) for bound in (interval.lower, interval.upper)
    )
    return replace(interval, lower=lower, upper=upper)
