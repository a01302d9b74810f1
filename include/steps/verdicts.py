"""What is due to be judged of a project's champions, what was judged, and the retrainings that verdicts ask for.

All of it is read from the ledger: no data is opened here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.core import streams
from include.core.canonical import decode, encode, record_digest
from include.core.errors import DeclarationError, StoreError, StoreUnavailable
from include.core.events import DriftJudged, PolicyDeclared, RetrainingAsked, RetrainingDeclined
from include.core.project import DriftPolicy, Project
from include.core.records import DAY, Days, DriftState, Interval, Run, last_day
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.retraining import asks
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
    if project.drift is None:
        return f"Nothing to watch: {project.name} declares no drift policy"
    tenures = platform.champions.tenures(project.name)
    if not tenures:
        return f"Nothing to watch: {project.name} has no champion yet"
    contract = contract_in_effect(platform, project.target.dataset)
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


def judged(ledger: Ledger, project: str) -> list[DriftJudged]:
    """All verdicts on *project*'s champions, in the order of their recording."""
    events = (entry.event for entry in ledger.read(streams.drift(project)))
    return [event for event in events if isinstance(event, DriftJudged)]


def policy_of(project: Project) -> DriftPolicy:
    """The declared policy.

    Raises:
        DeclarationError: there is none.
    """
    if project.drift is None:
        raise DeclarationError(
            "a watched project declares a drift policy", value=project.name, remedy="Add `drift=DriftPolicy(…)`."
        )
    return project.drift


def declare_policy(platform: Platform, project: Project, run: Run) -> str | None:
    """Record the declared policy, once; its digest. ``None``: the project declares none."""
    if project.drift is None:
        return None
    digest = record_digest(project.drift)
    event = PolicyDeclared(project=project.name, digest=digest, policy=encode(project.drift).decode())
    Journal(platform.ledger, run).fact(streams.drift(project.name), event, key=streams.policy_key(project.name, digest))
    return digest


def record(ledger: Ledger, policy: DriftPolicy, run: Run, verdict: DriftJudged, *, champion: int | None) -> None:
    """Record the *verdict* of the watch *run*, unless it has one, and ask for the retraining that its verdict asks for.

    As :func:`ask`.
    """
    key = streams.judged_key(verdict.project, verdict.run_id)
    Journal(ledger, run).fact(streams.drift(verdict.project), verdict, key=key)
    entry = ledger.find(key)
    recorded = entry.event if entry is not None and isinstance(entry.event, DriftJudged) else verdict
    if recorded.verdict.state is DriftState.RETRAIN:
        ask(ledger, policy, recorded, champion=champion)


def ask(
    ledger: Ledger, policy: DriftPolicy, verdict: DriftJudged, *, champion: int | None
) -> RetrainingAsked | RetrainingDeclined:
    """Ask for the training night that *verdict* asks for, at its instant; the same verdict gets the same answer.

    *champion* is the version in force.
    """
    wanted = RetrainingAsked(
        project=verdict.project,
        ask_id=_ask_id(verdict),
        run_id=verdict.run_id,
        model_version=verdict.model_version,
        instant=verdict.instant,
    )
    later = None
    if champion is not None and champion != verdict.model_version:
        later = f"version {champion} is champion by now"
    return asks.ask(ledger, policy, wanted, needless=later)


def ask_late(ledger: Ledger, project: str, *, champion: int | None) -> RetrainingAsked | RetrainingDeclined | None:
    """Ask in place of a watch that was killed between its verdict and the ask, under the policy that it judged by.

    Only for the newest verdict on *champion*, the version in force, that came to RETRAIN. ``None``: it is answered, or
    none did.
    """
    wanting = [
        each
        for each in judged(ledger, project)
        if each.verdict.state is DriftState.RETRAIN and each.model_version == champion
    ]
    if not wanting or asks.known(ledger, project).of(_ask_id(wanting[-1])) is not None:
        return None
    return ask(ledger, _declared(ledger, project, wanting[-1].policy), wanting[-1], champion=champion)


def _ask_id(verdict: DriftJudged) -> str:
    return record_digest((verdict.project, verdict.run_id)).removeprefix("sha256:")[:12]


def _declared(ledger: Ledger, project: str, digest: str) -> DriftPolicy:
    """The policy *digest*, as it was recorded before the first verdict under it."""
    entry = ledger.find(streams.policy_key(project, digest))
    if entry is None or not isinstance(entry.event, PolicyDeclared):
        raise DeclarationError(
            "a verdict is judged under a recorded policy", value=digest, remedy="Run the watch of the project again."
        )
    return decode(DriftPolicy, entry.event.policy.encode())
