"""What a watch has to judge: the days that have matured and that nobody judged yet. Only the ledger is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.core.errors import StoreError, StoreUnavailable
from include.core.project import Project
from include.core.records import DAY, Days, Interval, last_day
from include.retraining.judges import Judges, judges_of, skill_of
from include.retraining.series import series_of
from include.steps.platform import Platform, contract_in_effect, evaluation_of

if TYPE_CHECKING:
    from include.registry.champions import ChampionInForce


@dataclass(frozen=True, kw_only=True)
class DueDays:
    """What a watch has to judge: the matured days that the series does not hold yet, in their order.

    ``champion`` is the one whose inputs are looked at: that in force or, where it may not be used, the last that judges
    one of ``days`` and may. ``versions`` are all that were ever champion, by number, from the first to the last.
    """

    champion: "ChampionInForce"
    days: tuple[Judges, ...]
    versions: Mapping[int, "ChampionInForce"]


def due(platform: Platform, project: Project, *, run_id: str, instant: datetime) -> DueDays | str:
    """What the watch *run_id* at *instant* has to judge, or in a sentence why there is nothing. Reads no data.

    What the watch itself recorded is due until it ends.
    """
    if project.quality.drift is None:
        return f"Nothing to watch: {project.name} declares no drift policy"
    tenures = platform.champions.tenures(project.name)
    if not tenures:
        return f"Nothing to watch: {project.name} has no champion yet"
    contract = contract_in_effect(platform, project.learning.target.dataset)
    last = last_day(instant) - contract.matures_after_days * DAY
    series = series_of(platform.ledger, project.name, without=run_id)
    first = evaluation_of(platform, project.name, tenures[0].version.registered.evaluation).holdout.last + DAY
    held = {each.day for each in series}
    days = [day for day in Days(first=first, last=last) if day not in held]
    seen = platform.champions.seen(project.name, [tenure.version for tenure in tenures])
    versions = {each.number: each for each in seen}
    refused = {each.number: each.refused for each in seen if each.refused is not None}
    skill = skill_of(series, _skill_when_evaluated(platform, project.name, seen)) if days else {}
    judges = judges_of(tenures, days, skill=skill, refused=refused)
    if not judges:
        return (
            f"Nothing to watch: {last} is the last day that had matured at {instant:%Y-%m-%d %H:%M}Z, and champions of "
            f"{project.name} were evaluated or judged on all days up to {max([first - DAY, *held])}"
        )
    now = platform.champions.known(project.name).champion()
    waits = now.number if now and now.number in refused else None  # a quarantine may be lifted: it judges its days then
    found = tuple(each for each in judges if each.champion != waits)
    wanted = [*([now.number] if now else []), *(each.champion for each in reversed(found))]
    champion = next((versions[each] for each in wanted if each in versions and each not in refused), None)
    if champion is None:
        barred = next(each for each in wanted if each in refused)
        return f"Nothing to watch: version {barred} may not be used; {refused[barred]}; {len(judges)} days wait"
    return DueDays(champion=champion, days=found, versions=versions)


def _skill_when_evaluated(
    platform: Platform, project: str, versions: Iterable["ChampionInForce"]
) -> dict[int, Interval]:
    """The skill of each version on its holdout, where its evaluation is kept and tells it."""
    found = {}
    for each in versions:
        try:
            skill = evaluation_of(platform, project, each.registered.evaluation).skill
        except StoreUnavailable:
            raise
        except StoreError:
            continue
        if skill is not None:
            found[each.number] = skill
    return found
