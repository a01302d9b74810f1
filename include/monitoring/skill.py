"""What a recipe knows, watched over the series of its days: has it lost more than may be lost?

A cumulative sum (Page, Continuous Inspection Schemes, Biometrika 1954): each day adds by how much its skill lies below
the usual one, less half of what may be lost, and the sum never falls below 0. Its limit is drawn from whole weeks of
the usual days (:func:`include.monitoring.chance.limit`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean

from include.core.project import SkillPolicy
from include.core.records import DayOfSeries
from include.monitoring import chance

#: So many days by champions that came after a change tell whether a retraining brought it back; no more than so many
#: of the last are asked.
LEAST_AFTER, MOST_AFTER = 14, 28


@dataclass(frozen=True, kw_only=True)
class Level:
    """The skill that is usual, by the ``days`` that tell, and how much of it may be lost (``drop``).

    ``floor``: a day counts as no worse than that, so that one freak day is no change.
    """

    days: tuple[date, ...]
    usual: float
    drop: float
    floor: float
    limit: float

    def missing(self, skill: float) -> float:
        """What a day of *skill* adds to what is missing."""
        return self.usual - max(skill, self.floor) - self.drop / 2


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Where the watch of a recipe stands after the last day: ``missing`` is the sum, above 0 ``since`` that day.

    ``alarm``: it has been above the level's limit, and neither came down to 0 nor was brought back by a retraining.
    """

    level: Level
    missing: float
    since: date | None
    alarm: bool


def level_of(policy: SkillPolicy, series: Sequence[DayOfSeries]) -> Level | None:
    """What is usual, by the first days of the sorted *series* that tell of a skill; ``None``: they are too few.

    Without any usual skill there is nothing to lose: ``None`` too.
    """
    told = _told(policy, series)[: policy.usual_days]
    values = [skill for _, skill in told]
    if len(values) < policy.usual_days or fmean(values) <= 0:
        return None
    usual, floor = fmean(values), min(0.0, *values)
    drop = usual / 2 if policy.drop is None else policy.drop
    drawn = chance.limit(tuple(told), drop=policy.drop, floor=floor, share=policy.false_asks)
    least = 2 * (usual - floor - drop / 2)  # two days, however bad, are no change
    return Level(days=tuple(day for day, _ in told), usual=usual, drop=drop, floor=floor, limit=max(drawn, least))


def watch(level: Level, series: Sequence[DayOfSeries]) -> Watched:
    """Fold the days of the sorted *series* after those of *level*."""
    first = first_days(series)
    missing, since, alarm = 0.0, None, False
    passed: list[tuple[date, int, float]] = []  # since it began: day, champion, what it added
    for each in series:
        if each.skill is None or each.day <= level.days[-1]:
            continue
        added = level.missing(each.skill)
        missing = max(0.0, missing + added)
        if not missing:
            since, alarm, passed = None, False, []
            continue
        since = since or each.day
        passed.append((each.day, each.champion, added))
        alarm = alarm or missing > level.limit
        if alarm and _brought_back(since, first, passed):
            missing, since, alarm, passed = 0.0, None, False, []
    return Watched(level=level, missing=missing, since=since, alarm=alarm)


def first_days(series: Sequence[DayOfSeries]) -> Mapping[int, date]:
    """Of each champion the first day that it judged."""
    first: dict[int, date] = {}
    for each in series:
        first.setdefault(each.champion, each.day)
    return first


def came_after(began: date, first: Mapping[int, date], champion: int, *, days: int = 0) -> bool:
    """Whether *champion* took over more than so many *days* after the day on which something *began*."""
    return first[champion] > began + timedelta(days=days)


def _brought_back(since: date, first: Mapping[int, date], passed: Sequence[tuple[date, int, float]]) -> bool:
    after = [added for _, champion, added in passed if came_after(since, first, champion)]
    return len(after) >= LEAST_AFTER and fmean(after[-MOST_AFTER:]) <= 0


def _told(policy: SkillPolicy, series: Sequence[DayOfSeries]) -> list[tuple[date, float]]:
    return [
        (each.day, each.skill)
        for each in series
        if each.skill is not None and (policy.since is None or each.day >= policy.since)
    ]
