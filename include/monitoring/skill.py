"""What a recipe knows, watched over the series of its days: has it lost more than may be lost?

A cumulative sum (Page, Continuous Inspection Schemes, Biometrika 1954): each day adds by how much its skill lies below
the usual one, less half of what may be lost, and the sum never falls below 0. Its limit is drawn from whole weeks of
the usual days (:func:`include.monitoring.chance.chance`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean

from include.core.project import DriftPolicy, SkillPolicy
from include.core.records import DayOfSeries
from include.monitoring.chance import NIGHTS, Chance, Usual, chance, floor

#: So many days by champions that came after a change tell whether a retraining brought it back; no more than so many
#: of the last are asked.
LEAST_AFTER, MOST_AFTER = 14, 28


@dataclass(frozen=True, kw_only=True)
class Level:
    """The skill that is usual, by the ``days`` that tell, and how much of it may be lost (``drop``).

    ``floor``: a day counts as no worse than that, so that one freak day is no change. ``chance`` is what weeks like
    these bring though nothing changes.
    """

    days: tuple[date, ...]
    usual: float
    drop: float
    floor: float
    chance: Chance

    def missing(self, skill: float) -> float:
        """What a day of *skill* adds to what is missing."""
        return self.usual - max(skill, self.floor) - self.drop / 2

    @property
    def guarantee(self) -> str:
        """How often the policy asks though nothing changed, by which rules, for how many projects that holds, and what
        it costs.
        """
        share = self.chance.false_asks
        often = f"{share:.1%} of them ask" if share else "fewer than 0.1% of them ask"
        together = f"; {int(1 / share)} watched so ask falsely about once together" if 0 < share < 0.5 else ""
        lost = self.missing(0.0)
        shown = f"about {math.ceil(self.chance.limit / lost)}" if lost > 0 else "no number of"
        best = (
            "the loss beside the best champion's"
            if self.chance.best
            else "no loss beside the best champion's, which fewer than half of these days have"
        )
        return (
            f"of stretches of {NIGHTS} nights whose weeks are like those from {self.days[0]} to {self.days[-1]}, "
            f"{often} though nothing changed, by missing or mean skill, or by excess loss or calibration gap where "
            f"these are judged, and {best}; inputs, which only warn, are not counted. That is for one "
            f"project{together}. Were all skill lost, {shown} days would show it"
        )


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Where the watch of a recipe stands after the last day: ``missing`` is the sum, above 0 ``since`` that day.

    ``alarm``: it has been above the level's limit, and neither came down to 0 nor was brought back by a retraining.
    """

    level: Level
    missing: float
    since: date | None
    alarm: bool


def level_of(policy: DriftPolicy, series: Sequence[DayOfSeries], evaluated: float | None) -> Level | None:
    """What is usual, by the first days of the sorted *series* that tell of a skill; ``None``: they are too few.

    *evaluated* is the loss that models which do not say what they expect are held against. Without any usual skill
    there is nothing to lose: ``None`` too.
    """
    skill = policy.skill
    told = () if skill is None else tuple(_told(skill, series, evaluated))[: skill.usual_days]
    usual = fmean(each.skill for each in told) if told else 0.0
    if skill is None or len(told) < skill.usual_days or usual <= 0:
        return None
    drop = usual / 2 if skill.drop is None else skill.drop
    return Level(
        days=tuple(each.day for each in told),
        usual=usual,
        drop=drop,
        floor=floor(told, usual - drop),
        chance=chance(told, policy, skill),
    )


def watch(level: Level, series: Sequence[DayOfSeries]) -> Watched:
    """Fold the days of the sorted *series* after those of *level*."""
    first = first_days(series)
    missing, since, alarm = 0.0, None, False
    after: list[float] = []  # since it began: what the days of champions that took over since added
    for each in series:
        if each.skill is None or each.day <= level.days[-1]:
            continue
        added = level.missing(each.skill)
        missing = max(0.0, missing + added)
        if not missing:
            since, alarm, after = None, False, []
            continue
        since = since or each.day
        if came_after(since, first, each.champion):
            after.append(added)
        alarm = alarm or missing > level.chance.limit
        if alarm and len(after) >= LEAST_AFTER and fmean(after[-MOST_AFTER:]) <= 0:  # a retraining brought it back
            missing, since, alarm, after = 0.0, None, False, []
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


def _told(policy: SkillPolicy, series: Sequence[DayOfSeries], evaluated: float | None) -> Iterator[Usual]:
    for each in series:
        if each.skill is None or each.loss is None or (policy.since is not None and each.day < policy.since):
            continue
        expected = evaluated if each.expected_loss is None else each.expected_loss
        yield Usual(
            day=each.day,
            skill=each.skill,
            excess=None if expected is None else each.loss - expected,
            gap=(each.mean_score or 0.0) - (each.mean_label or 0.0),
            behind=None if each.best_loss is None else each.loss - each.best_loss,
        )
