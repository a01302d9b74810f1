"""Since when a mean has been beyond its limit, though its window of days moves on."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from include.core.project import DriftPolicy
from include.core.records import DAY, DayOfSeries
from include.monitoring.skill import LEAST_AFTER, MOST_AFTER, came_after

JudgedDays = Sequence[DayOfSeries]


@dataclass(frozen=True, kw_only=True)
class LimitedMean:
    """A mean over days that has a limit: ``beyond`` says of any days whether theirs lies there.

    ``above`` is by how much one day lies above the limit, or below 0; ``None``: it has no such figure.
    """

    beyond: Callable[[JudgedDays], bool]
    above: Callable[[DayOfSeries], float | None]


def began(
    limited: LimitedMean, days: JudgedDays, last: date, *, policy: DriftPolicy, first: Mapping[int, date]
) -> date | None:
    """Since when what moves the mean over ``policy.days`` days, which is beyond its limit on *last*, has done so.

    *days* are all sorted ones that have the figure, *first* tells of each champion the first day that it judged. Of the
    windows that lie beyond the limit up to *last* without a gap, the first tells: since the day from which on its days
    lie above the limit by most together (where a cumulative sum rises from). 14 days or more by champions that took
    over since then and lie within it are the end of that: only what came later counts from there on. ``None``: nothing
    did.
    """
    dates = [each.day for each in days]
    ends = [*dates, *([last] if not dates or last > dates[-1] else ())]

    def window(end: date, after: date | None) -> JudgedDays:
        start = bisect_right(dates, max(end - policy.days * DAY, after or date.min))
        return days[start : bisect_right(dates, end)]

    def is_beyond(found: JudgedDays) -> bool:
        return len(found) >= policy.minimum_days and limited.beyond(found)

    place = len(ends) - 1
    while place and is_beyond(window(ends[place - 1], None)):
        place -= 1
    since, over = None, None
    for end in ends[place:]:
        found = window(end, over)
        if since is None and is_beyond(found):
            since = _rises_from(limited, found)
        if since is not None and end < last:
            later = days[bisect_left(dates, since) : bisect_right(dates, end)]
            after = [each for each in later if came_after(since, first, each.champion)]
            if len(after) >= LEAST_AFTER and not limited.beyond(after[-MOST_AFTER:]):
                since, over = None, end
    return since


def _rises_from(limited: LimitedMean, days: JudgedDays) -> date:
    sums = list(accumulate(limited.above(each) or 0.0 for each in reversed(days)))
    return days[len(days) - 1 - max(range(len(sums)), key=lambda place: (sums[place], -place))].day
