"""The watch in this process, and the training night that it asks for, without Airflow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from include import steps
from include.core.errors import DeclarationError
from include.core.events import DriftJudged, RetrainingAsked, RetrainingDeclined
from include.core.project import Project
from include.core.records import RetrainingOutcome
from include.ledger import Ledger
from include.runtime.local import Night, Progress, open_platform, run_night, utc_now
from include.settings import Settings
from include.steps import retraining, watch


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a watch came to: the verdict and the answer to what it asked for, or why there was ``nothing`` to watch."""

    run_id: str
    judged: DriftJudged | None = None
    answer: RetrainingAsked | RetrainingDeclined | None = None
    nothing: str | None = None


def run_watch(
    settings: Settings,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    on_step: Progress = lambda step, digest: None,
    clock: Callable[[], datetime] = utc_now,
) -> Watched:
    """Judge *project*'s champion on the days that matured by *instant*, beside whatever night runs.

    Raises:
        AccessDenied: no grant covers what the project reads; the requests are filed.
        TrainyardError: whatever rule the watch broke. Run it again with the same *run_id* to go on.
    """
    platform = open_platform(settings)
    due = watch.due(platform, project, run_id=run_id, instant=instant)
    if isinstance(due, str):
        return Watched(run_id=run_id, nothing=due)
    run = steps.begin(platform, project, run_id=run_id, instant=instant, now=clock(), exclusive=False)
    on_step("gate", None)
    steps.request_access(platform, run, requester=settings.user, now=clock())
    platform.access.require(steps.scope_of(platform, run), now=clock())
    on_step("gate", "")
    digest = ""
    chain: Sequence[tuple[str, Callable[[str], str]]] = (
        ("snapshot", lambda _: steps.snapshot(platform, project, run, now=clock())),
        ("score", lambda snapshot: watch.score(platform, project, run, snapshot, now=clock())),
        ("drift", lambda scored: watch.drift(platform, project, run, scored, now=clock())),
        ("verdict", lambda live: watch.verdict(platform, project, run, live, now=clock())),
    )
    for name, step in chain:
        on_step(name, None)
        digest = step(digest)
        on_step(name, digest)
    return watched(platform.ledger, project.name, run_id)


def watched(ledger: Ledger, project: str, run_id: str) -> Watched:
    """What the watch *run_id* came to, as recorded."""
    judged = next((each for each in watch.judged(ledger, project) if each.run_id == run_id), None)
    known = retraining.known(ledger, project)
    answers: list[RetrainingAsked | RetrainingDeclined] = [each.ask for each in known.retrainings]
    answer = next((each for each in (*answers, *known.declined) if each.run_id == run_id), None)
    nothing = "Nothing was judged" if judged is None else None
    return Watched(run_id=run_id, judged=judged, answer=answer, nothing=nothing)


def retrain(
    settings: Settings, project: Project, *, on_step: Progress = lambda step, digest: None
) -> tuple[RetrainingAsked, Night]:
    """Run the training night that drift asked for and that waits, in this process, at the instant of the ask.

    Raises:
        DeclarationError: no ask waits.
        TrainyardError: whatever rule the night broke. Call it again to go on with the same night.
    """
    ledger = open_platform(settings).ledger
    waiting = [each for each in retraining.known(ledger, project.name).retrainings if each.in_flight]
    if not waiting:
        raise DeclarationError(
            "a retraining answers an ask that waits", value="none waits", remedy="See `./trainyard watch`."
        )
    run_id = waiting[-1].started or f"retraining__{waiting[-1].ask.ask_id}"
    ask = retraining.start(ledger, project.name, run_id)
    if ask is None or ask.ask_id != waiting[-1].ask.ask_id:
        raise DeclarationError(
            "one night answers an ask", value=f"another took {waiting[-1].ask.ask_id}", remedy="See it in Airflow."
        )
    try:
        night = run_night(settings, project, run_id=run_id, instant=ask.instant, on_step=on_step)
    except Exception:
        retraining.end(ledger, project.name, run_id, RetrainingOutcome.FAILED)
        raise
    promoted = night.promotion.verdict.promote
    outcome = RetrainingOutcome.PROMOTED if promoted else RetrainingOutcome.KEPT
    retraining.end(ledger, project.name, run_id, outcome)
    return ask, night
