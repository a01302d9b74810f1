"""Who judges which day: the champion that was in force before it, beside those that it is held against.

Pure functions of the tenures of a project's champions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from include.core.records import DAY, DayOfSeries, Interval, day_start
from include.registry.champions import Tenure, in_force_before

#: The best champion is that of this many days before a day.
BEST_OF_DAYS = 180
#: Skill on few days may be luck: it counts as if this many days without any stood beside them.
_LUCK_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Judges:
    """The version that judges ``day``, the ``predecessor`` that it replaced, and the other champions before the day.

    ``best`` are those, the one with most skill first. ``refused``: why ``champion`` may not be used; no other here is
    one that may not.
    """

    day: date
    champion: int
    predecessor: int | None
    best: tuple[int, ...]
    refused: str | None


def judges_of(
    tenures: Sequence[Tenure], days: Iterable[date], *, skill: Mapping[int, float], refused: Mapping[int, str]
) -> tuple[Judges, ...]:
    """Who judges each of *days*: whoever was in force before it, or, before anybody was, the first champion.

    Nobody judges a day that began while no version was in force, since the last had been retired. *skill* ranks the
    versions; one that it does not hold is never the best. *refused* are those that may not be used.
    """
    places = {id(tenure): place for place, tenure in enumerate(tenures)}
    began = min((tenure.since for tenure in tenures), default=None)
    known: dict[date, int | None] = {}

    def place(day: date) -> int | None:
        if day not in known:
            tenure = in_force_before(tenures, day)
            first = 0 if began is not None and day_start(day) < began else None
            known[day] = first if tenure is None else places[id(tenure)]
        return known[day]

    versions = [tenure.version.number for tenure in tenures]
    found = []
    for day in days:
        at = place(day)
        if at is None:
            continue
        champion = versions[at]
        before = next((each for each in reversed(versions[:at]) if each != champion), None)
        lately = {place(day - back * DAY) for back in range(1, BEST_OF_DAYS + 1)}
        rivals = {versions[each] for each in lately if each is not None} - {champion}
        found.append(
            Judges(
                day=day,
                champion=champion,
                predecessor=None if before in refused else before,
                best=tuple(sorted((rivals & skill.keys()) - refused.keys(), key=lambda each: (-skill[each], -each))),
                refused=refused.get(champion),
            )
        )
    return tuple(found)


def skill_of(series: Iterable[DayOfSeries], evaluated: Mapping[int, Interval]) -> Mapping[int, float]:
    """By how much each version's loss lay below that of the constant, on the days that it scored and in its evaluation.

    *evaluated* is its skill there, if it is known. A version that scored few days is taken to have less than these
    show.
    """
    sums = {version: (skill.estimate * skill.days, skill.days) for version, skill in evaluated.items()}
    for day in series:
        losses = {day.champion: day.loss, day.predecessor: day.predecessor_loss, day.best: day.best_loss}
        for version, loss in losses.items():
            if version is not None and loss is not None and day.constant_loss is not None:
                total, days = sums.get(version, (0.0, 0))
                sums[version] = (total + day.constant_loss - loss, days + 1)
    return {version: total / (days + _LUCK_DAYS) for version, (total, days) in sums.items()}
