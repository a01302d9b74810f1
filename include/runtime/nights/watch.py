"""The watch in this process, and the training night that it asks for, without Airflow."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from include import steps
from include.core.errors import DeclarationError, NothingToWatch
from include.core.events import DriftJudged, RetrainingAsked, RetrainingDeclined
from include.core.project import Project
from include.core.records import RetrainingOutcome, Trigger
from include.core.runs import RunKind, retraining_here
from include.ledger import Ledger
from include.retraining import asks, series, verdicts
from include.runtime.nights.aliases import put_back
from include.runtime.nights.local import UNSEEN, Display, NightResult, Steps, run_night
from include.runtime.nights.platform import open_platform, signed_in_here, utc_now
from include.settings import Settings
from include.steps import Platform, backlog
from include.steps.chain import WATCH


@dataclass(frozen=True, kw_only=True)
class WatchResult:
    """What a watch came to: the verdict and the answer to what it asked for, or why there was ``nothing`` to watch.

    ``alias`` says what was wrong with MLflow's, which is put back, ``unjudged`` which days have no figures, and why.
    """

    run_id: str
    judged: DriftJudged | None = None
    alias: str | None = None
    answer: RetrainingAsked | RetrainingDeclined | None = None
    nothing: str | None = None
    unjudged: tuple[str, ...] = ()


def run_watch(
    settings: Settings,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    display: Display = UNSEEN,
    clock: Callable[[], datetime] = utc_now,
) -> WatchResult:
    """Judge *project* on the days that matured by *instant*, beside whatever night runs.

    Raises:
        AccessDenied: no grant covers what the project reads; the requests are filed.
        TrainyardError: whatever rule the watch broke. Run it again with the same *run_id* to go on.
    """
    platform = open_platform(settings)
    found = put_back(platform, project.name)
    alias = found.text if found else None
    due = backlog.due(platform, project, run_id=run_id, instant=instant)
    if isinstance(due, str):
        return WatchResult(run_id=run_id, alias=alias, nothing=due)
    run = steps.begin(
        platform,
        project,
        run_id=run_id,
        instant=instant,
        now=clock(),
        kind=RunKind.WATCH,
        start=signed_in_here(),
    )
    doing = Steps(settings, platform, project, run, display=display, clock=clock)
    doing.gate()
    try:
        doing.perform(WATCH)
    except NothingToWatch as overtaken:
        return WatchResult(run_id=run_id, alias=alias, nothing=str(overtaken.value))
    return replace(watched(platform.ledger, project.name, run_id), alias=alias)


def watched(ledger: Ledger, project: str, run_id: str) -> WatchResult:
    """What the watch *run_id* came to, as recorded."""
    judged = next((each for each in verdicts.judged(ledger, project) if each.run_id == run_id), None)
    known = asks.known(ledger, project)
    answers: list[RetrainingAsked | RetrainingDeclined] = [each.ask for each in known.retrainings]
    answer = next((each for each in (*answers, *known.declined) if each.run_id == run_id), None)
    nothing = "Nothing was judged" if judged is None else None
    unjudged = series.unjudged_in_words(ledger, project, run_id)
    return WatchResult(run_id=run_id, judged=judged, answer=answer, nothing=nothing, unjudged=unjudged)


def unfinished(platform: Platform, project: str) -> RetrainingAsked | None:
    """The last ask, of the champion in force, that :func:`retrain` may answer; ``None``: another night does, or did."""
    asked, champion = asks.known(platform.ledger, project).retrainings, platform.champions.in_force(project)
    if not asked or champion is None or asked[-1].ask.model_version != champion.number:
        return None
    last = asked[-1]
    waits = last.started is None and last.in_flight
    ours = last.started == retraining_here(last.ask.ask_id) and last.outcome in (None, RetrainingOutcome.FAILED)
    return last.ask if waits or ours else None


def retrain(
    settings: Settings,
    project: Project,
    ask_id: str,
    *,
    display: Display = UNSEEN,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[RetrainingAsked, NightResult]:
    """Run the training night that drift asked for as *ask_id*, in this process, at the instant of the ask.

    The night has an id of its own, so that no night of Airflow's is taken over. One that failed or was interrupted goes
    on when this is called again.

    Raises:
        DeclarationError: the ask is unknown, was answered, or is answered by another night or a newer champion.
        AccessDenied: no grant covers what the project reads; the ask still waits for this night.
        LeaseHeld: another night of the project runs; likewise.
        TrainyardError: whatever rule the night broke.
    """
    platform = open_platform(settings)
    ledger = platform.ledger
    run_id = retraining_here(ask_id)
    _require_open(ledger, project.name, ask_id, run_id)
    champion = platform.champions.in_force(project.name)
    ask = asks.start(ledger, project.name, run_id, champion=champion.number if champion else None)
    if ask is None or ask.ask_id != ask_id:
        _require_open(ledger, project.name, ask_id, run_id)
        raise _taken(f"an earlier ask than {ask_id} waits")
    night = run_night(
        settings,
        project,
        run_id=run_id,
        instant=ask.instant,
        display=display,
        clock=clock,
        start=signed_in_here(Trigger.DRIFT),
    )
    return ask, night


def _require_open(ledger: Ledger, project: str, ask_id: str, run_id: str) -> None:
    """Refuse an ask that the night *run_id* may not answer."""
    asked = asks.known(ledger, project).retrainings
    found = next((each for each in asked if each.ask.ask_id == ask_id), None)
    if found is None:
        raise DeclarationError(
            "a retraining answers what drift asked for", value=f"no ask {ask_id}", remedy="See `./trainyard watch`."
        )
    if found.started not in (None, run_id):
        raise _taken(f"{found.started} answers {ask_id}")
    if found.outcome not in (None, RetrainingOutcome.FAILED):
        raise DeclarationError(
            "an ask is answered once",
            value=f"{ask_id} ended: {found.outcome.value}",
            remedy="Wait for the next verdict, or start a night with `./trainyard run`.",
        )


def _taken(what: str) -> DeclarationError:
    return DeclarationError("one night answers an ask", value=what, remedy="See it in Airflow.")
