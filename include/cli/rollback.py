"""``rollback``, ``retire`` and ``served``: an earlier champion in force again, and which one was when."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from include.cli.console import bold, console, line
from include.cli.night import Instant, ProjectName, parse_instant
from include.cli.stewards import Reason, Steward, as_steward
from include.core.errors import DeclarationError
from include.core.records import DAY, day_start
from include.registry.champions import NOT_SIGNED, Tenure, in_force_at
from include.retraining import verdicts
from include.runtime.nights.aliases import put_back
from include.runtime.nights.platform import open_platform
from include.runtime.nights.runs import require_known
from include.settings import Settings
from include.steps import Platform

Back = Annotated[int | None, typer.Argument(help="Version to go back to. Default: the one that the champion replaced.")]
Retired = Annotated[int | None, typer.Argument(help="Version to retire. Default: the champion.")]
Day = Annotated[str, typer.Argument(metavar="DATE", help="A day (UTC), as 2013-07-01.")]

#: A night that is decided about so long after its instant replays the past.
_REPLAYED = timedelta(days=2)


def rollback(
    project: ProjectName, reason: Reason, version: Back = None, steward: Steward = None, instant: Instant = None
) -> None:
    """Have an earlier champion of PROJECT in force again, as a steward of what the project reads.

    It holds from INSTANT on, of what the data knew. Default: now, or the last night's where nights are replayed. The
    same once more changes nothing: without VERSION nobody goes back twice from one promotion.
    """
    from include.registry.going_back import way_back

    platform = _opened()
    way = way_back(platform.champions.known(project), project, version)
    _roll_back(platform, project, way.version, way.left, reason=reason, steward=steward, instant=instant)
    if way.again:
        console.say(f"  · it went back from version {way.left} already; name a version to go back further")


def retire(
    project: ProjectName, reason: Reason, version: Retired = None, steward: Steward = None, instant: Instant = None
) -> None:
    """Have a version of PROJECT never in force again; where it is the champion, nothing is until the next promotion."""
    from include.registry.going_back import require_left

    platform = _opened()
    left = version if version is not None else require_left(platform.champions.known(project), project)
    _roll_back(platform, project, None, left, reason=reason, steward=steward, instant=instant)


def served(project: ProjectName, day: Day) -> None:
    """Which version of PROJECT served on DATE, since when, by which decision, and who signed it.

    In the time of the data: a night that stands for an earlier instant serves from that on.
    """
    platform = _opened()
    asked, tenures = _day(day), platform.champions.tenures(project)
    require_known(Settings.from_environment(), platform.ledger, project)
    begin, end = day_start(asked), day_start(asked + DAY)
    moments = {each for tenure in tenures for each in (tenure.since, tenure.until) if each and begin < each < end}
    for moment in (begin, *sorted(moments)):
        found = in_force_at(tenures, moment)
        told = f"version {found.version.number} of {project}" if found else f"nothing of {project} was in force"
        console.say(line(bold(f"{moment:%Y-%m-%d %H:%M}Z  "), told))
        if found is not None:
            for told in _decision(platform, project, found):
                console.say(f"  {told}")


def _opened() -> "Platform":
    return open_platform(Settings.from_environment())


def _roll_back(
    platform: "Platform",
    project: str,
    version: int | None,
    left: int,
    *,
    reason: str,
    steward: str | None,
    instant: str | None,
) -> None:
    at = parse_instant(instant) if instant else _instant_of_now(platform, project)
    with as_steward(steward) as client:
        signed = client.roll_back(project, version=version, left=left, reason=reason, instant=at)
    moved = put_back(platform, project)
    since = f"from {datetime.fromisoformat(signed['instant']):%Y-%m-%d %H:%M}Z on, in the time of the data"
    champion = platform.champions.in_force(project)
    if version is None:
        console.say(f"{project}: version {left} is retired; nobody goes back to it")
    now = "nothing is in force" if champion is None else f"version {champion.number} is champion"
    console.say(f"{project}: {now} {since}")
    for told in (moved.text if moved else None, "`./trainyard served` says what served when"):
        if told is not None:
            console.say(f"  · {told}")


def _instant_of_now(platform: "Platform", project: str) -> datetime:
    """Now or, where the nights of *project* replay the past, the last instant that any of its runs stood for."""
    tenures = platform.champions.tenures(project)
    if not tenures or tenures[-1].change.decided_at - tenures[-1].since < _REPLAYED:
        return parse_instant(None)
    judged = [each.instant for each in verdicts.judged(platform.ledger, project)]
    return max([*(each.since for each in tenures), *judged])


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise DeclarationError("a day is a date", value=text, remedy="Write 2013-07-01.") from None
    if found > datetime.now(UTC).date():
        raise DeclarationError("what served is asked of days that have come", value=text, remedy="Name an earlier day.")
    return found


def _decision(platform: "Platform", project: str, tenure: "Tenure") -> "tuple[str, ...]":
    change, back = tenure.change, tenure.change.rollback
    how = f"promoted by the night {tenure.version.registered.run_id}" if back is None else back.in_words()
    since = f"since {tenure.since:%Y-%m-%d %H:%M}Z, in the time of the data: {how}"
    decided = f"{change.decided_at:%Y-%m-%d %H:%M}Z"
    if not change.position:
        return since, f"decided {decided}; {NOT_SIGNED}"
    signer = platform.champions.signed_by(project, change.position)
    return (
        since,
        f"decided {decided}: entry {change.position} of promotion/{project}, signed by the authority ({signer})",
    )
