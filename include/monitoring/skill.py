"""What a recipe knows, watched over the series of its days: has it lost more than may be lost?

Days are not equally hard: where the constant itself loses less, there is less to know, and a model that knows as much
as before lies less far below it. So the recipe is watched by its *skill score*, 1 - loss / the constant's loss (Murphy,
Skill scores based on the mean square error, Monthly Weather Review 1988). That of a day is its skill divided by the
constant's mean loss over the 28 judged days up to it: no single day is so easy or so hard that its score means nothing.
Here scores are written in the unit of the loss, times the constant's mean loss over the usual days.

A cumulative sum (Page, Continuous Inspection Schemes, Biometrika 1954): each day adds by how much its skill lies below
the usual one, less half of what may be lost, and the sum never falls below 0. Its limit is drawn from whole weeks of
the usual days (:func:`include.monitoring.chance.chance`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, islice
from statistics import fmean

from include.core.project import DriftPolicy, SkillPolicy
from include.core.records import DayOfSeries
from include.monitoring.chance import NIGHTS, Chance, UsualDay, chance, floor
from include.monitoring.series import CONSTANT_DAYS

#: This many days by champions that came after a change show whether a retraining brought it back; no more than so many
#: of the last are asked.
LEAST_AFTER, MOST_AFTER = 14, 28


@dataclass(frozen=True, kw_only=True)
class Level:
    """The skill that is usual, by the ``days`` that tell, and how much of it may be lost (``drop``).

    ``constant`` is the constant's mean loss over them. ``hardness`` says of each day of the series how hard the days up
    to it were beside these: 1 where the constant lost as much. All skill here is as on days as hard as the usual ones.

    ``floor``: a day counts as no worse than that, so that one freak day is no change. ``chance`` is what weeks like
    these bring though nothing changes.
    """

    days: tuple[date, ...]
    usual: float
    drop: float
    floor: float
    chance: Chance
    constant: float
    hardness: Mapping[date, float]

    @property
    def tolerated(self) -> float:
        """Down to which mean skill no more is lost than may be."""
        return self.usual - self.drop

    def of_usual(self, day: date, figure: float) -> float:
        """A difference of losses on *day*, as on a day as hard as the usual ones."""
        return figure / self.hardness.get(day, 1.0)

    def score(self, figure: float) -> float:
        """*figure*, as on days as hard as the usual ones, as a skill score."""
        return figure / self.constant

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
class SkillWatch:
    """Where the watch of a recipe stands after the last day: ``missing`` is the sum, above 0 ``since`` that day.

    ``alarm``: it has been above the level's limit, and neither came down to 0 nor was brought back by a retraining, nor
    by itself over four weeks.
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
    days = () if skill is None else usual_days(skill, series)
    if skill is None or len(days) < skill.usual_days:
        return None
    constant = fmean(each.constant_loss or 0.0 for each in days)
    hardness = hardness_of(series, constant)
    told = usual_of(days, hardness, evaluated)
    usual = fmean(each.skill for each in told)
    if usual <= 0:
        return None
    drop = usual / 2 if skill.drop is None else skill.drop
    return Level(
        days=tuple(each.day for each in told),
        usual=usual,
        drop=drop,
        floor=floor(told, usual - drop),
        chance=chance(told, policy, skill),
        constant=constant,
        hardness=hardness,
    )


def watch(level: Level, series: Sequence[DayOfSeries]) -> SkillWatch:
    """Fold the days of the sorted *series* after those of *level*."""
    first = first_days(series)
    missing, since, alarm = 0.0, None, False
    lately: list[float] = []  # since it began: what the days added
    after: list[float] = []  # of these the days of champions that took over since
    for each in series:
        if each.skill is None or each.day <= level.days[-1]:
            continue
        added = level.missing(level.of_usual(each.day, each.skill))
        missing = max(0.0, missing + added)
        if not missing:
            since, alarm, lately, after = None, False, [], []
            continue
        since = since or each.day
        lately.append(added)
        if came_after(since, first, each.champion):
            after.append(added)
        alarm = alarm or missing > level.chance.limit
        helped = len(after) >= LEAST_AFTER and fmean(after[-MOST_AFTER:]) <= 0
        passed = len(lately) >= MOST_AFTER and fmean(lately[-MOST_AFTER:]) <= 0  # the sum alone remembers for ever
        if alarm and (helped or passed):
            missing, since, alarm, lately, after = 0.0, None, False, [], []
    return SkillWatch(level=level, missing=missing, since=since, alarm=alarm)


def first_days(series: Sequence[DayOfSeries]) -> Mapping[int, date]:
    """Of each champion the first day that it judged."""
    first: dict[int, date] = {}
    for each in series:
        first.setdefault(each.champion, each.day)
    return first


def came_after(began: date, first: Mapping[int, date], champion: int, *, days: int = 0) -> bool:
    """Whether *champion* took over more than so many *days* after the day on which something *began*."""
    return first[champion] > began + timedelta(days=days)


def usual_days(policy: SkillPolicy, series: Sequence[DayOfSeries]) -> Sequence[DayOfSeries]:
    """The days of the sorted *series* that tell what is usual, as far as they are there."""
    told = (each for each in series if each.skill is not None and (policy.since is None or each.day >= policy.since))
    return tuple(islice(told, policy.usual_days))


def usual_of(
    days: Sequence[DayOfSeries], hardness: Mapping[date, float], evaluated: float | None
) -> tuple[UsualDay, ...]:
    """What *days*, which have a skill, tell; models that say nothing to expect are held against *evaluated*."""
    found = []
    for each in days:
        loss, hard = each.loss or 0.0, hardness[each.day]
        expected = evaluated if each.expected_loss is None else each.expected_loss
        found.append(
            UsualDay(
                day=each.day,
                skill=(each.skill or 0.0) / hard,
                excess=None if expected is None else loss - expected,
                gap=(each.mean_score or 0.0) - (each.mean_label or 0.0),
                behind=None if each.best_loss is None else (loss - each.best_loss) / hard,
            )
        )
    return tuple(found)


def hardness_of(series: Sequence[DayOfSeries], constant: float) -> Mapping[date, float]:
    """Of each day of the sorted *series* with a skill, the constant's mean loss over the 28 such up to it (the first 28
    are taken together), over *constant*; 1 where either is 0.
    """
    days = [each.day for each in series if each.skill is not None]
    sums = list(accumulate((each.constant_loss or 0.0 for each in series if each.skill is not None), initial=0.0))
    found = {}
    for place, day in enumerate(days, start=1):
        end = min(max(place, CONSTANT_DAYS), len(days))
        first = max(end - CONSTANT_DAYS, 0)
        mean = (sums[end] - sums[first]) / (end - first)
        found[day] = mean / constant if mean > 0 and constant > 0 else 1.0
    return found
