"""What the page "Drift" shows, folded from the ledger: verdicts by day, figures over time, retrainings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from include.core import streams
from include.core.canonical import decode
from include.core.events import DriftJudged
from include.core.project import DriftPolicy
from include.core.records import DAY, DriftState, LiveFigures, Override, RetrainingOutcome
from include.ledger import Ledger
from include.monitoring import page
from include.retraining import asks
from include.runtime.airflow.names import watch_path
from include.runtime.server.pages.drift_features import Features, features_of
from include.runtime.server.pages.drift_recipe import Recipe, mean_skill, recipe_of
from include.runtime.server.pages.drift_watches import ProjectWatches, Watches
from include.store import Store

#: What a state is called, and its class in the style sheet.
WORDS: Mapping[DriftState, tuple[str, str]] = {
    DriftState.STABLE: ("stable", "good"),
    DriftState.WARNING: ("a human looks", "care"),
    DriftState.RETRAIN: ("asks for a retraining", "bad"),
    DriftState.FAILING: ("FAILING: a human is asked", "bad"),
    DriftState.TOO_FEW_TO_KNOW: ("too few days to know", "quiet"),
}
_OUTCOMES: Mapping[RetrainingOutcome, str] = {
    RetrainingOutcome.PROMOTED: "its model is champion",
    RetrainingOutcome.KEPT: "the gates kept the champion",
    RetrainingOutcome.FAILED: "the night failed",
}
_WEEK = 7
#: This many verdicts, the last ones, stand in the list, the newest of them open to view; the calendar shows all.
LISTED, OPEN = 60, 10


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A day of the calendar. ``style`` is empty where no verdict covers it; ``asked``: a retraining was asked for."""

    day: date
    style: str
    told: str
    asked: bool


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month of the calendar: weeks from Monday to Sunday, ``None`` outside the month."""

    title: str
    weeks: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, kw_only=True)
class VerdictLine:
    """A verdict as a line of the list, and what came of what it asked for.

    ``link`` is the path, below where Airflow's UI is served, of its run; empty where it was made outside Airflow.
    ``report``: there is one.
    """

    judged: DriftJudged
    word: str
    style: str
    link: str
    report: bool
    answer: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A project on the page of all: ``last`` is its last verdict, ``waiting`` whether a retraining is in flight.

    ``skill`` is the series' mean of its last four weeks; ``None``: no day of these has one.
    ``notes`` are said beside the champion; ``retired`` says why nothing is in force any more.
    ``not_rebuildable`` are the versions of whose rows some were removed when their time was over.
    """

    project: str
    champion: int | None
    notes: tuple[str, ...]
    retired: str | None
    last: DriftJudged | None
    word: str
    style: str
    skill: float | None
    waiting: bool
    retrainings: int
    not_rebuildable: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class View:
    """All of a project's page."""

    summary: Summary
    policy: DriftPolicy | None
    policy_digest: str
    months: tuple[Month, ...]
    recipe: Recipe
    overrides: tuple[Override, ...]
    features: Features
    lines: tuple[VerdictLine, ...]


def view_of(watches: Watches, project: str, *, wanted: str = "") -> View:
    """What *project*'s page shows, of its features those whose names hold *wanted*.

    Reads no artifact that holds personal data.
    """
    watched = watches.of(project)
    verdicts, known, declared = watched.verdicts, watched.known, watched.policy
    live = watches.figures(verdicts[-1]) if verdicts else None
    return View(
        summary=summary_of(project, watched),
        policy=decode(DriftPolicy, declared.policy.encode()) if declared else None,
        policy_digest=declared.digest if declared else "",
        months=_months(verdicts, known),
        recipe=recipe_of(watched, watches.helped(project, watched)),
        overrides=watches.overrides(project),
        features=features_of(live, watched, wanted=wanted),
        lines=tuple(_line(each, known, report=watches.has_report(each)) for each in reversed(verdicts[-LISTED:])),
    )


def report_of(ledger: Ledger, store: Store, project: str, run_id: str) -> bytes | None:
    """The report that the watch *run_id* made; ``None``: it made none, it was removed since, or it is no watch."""
    found = ledger.fact(streams.judged_key(project, run_id), DriftJudged)
    if found is None:
        return None
    report = decode(LiveFigures, store.get(found.live)).report
    return page.load(store, report) if report and store.has(report) else None


def summary_of(project: str, watched: ProjectWatches) -> Summary:
    """What the page of all projects shows of *project*."""
    champion, known = watched.champion, watched.known
    last = watched.verdicts[-1] if watched.verdicts else None
    word, style = WORDS[last.verdict.state] if last else ("not judged yet", "quiet")
    return Summary(
        project=project,
        champion=champion.number if champion else None,
        notes=champion.notes if champion else (),
        retired=watched.retired,
        last=last,
        word=word,
        style=style,
        skill=mean_skill(day for _, day in sorted(watched.days.items())),
        waiting=any(each.in_flight for each in known.retrainings),
        retrainings=len(known.retrainings),
        not_rebuildable=watched.not_rebuildable,
    )


# ── the calendar ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _months(verdicts: Sequence[DriftJudged], known: asks.RetrainingHistory) -> tuple[Month, ...]:
    asked = {each.ask.run_id for each in known.retrainings}
    covered: dict[date, Cell] = {}
    for event in verdicts:
        word, style = WORDS[event.verdict.state]
        for day in event.days:
            last = day == event.days.last
            told = f"{day}: {word} (version {event.model_version}, judged {event.days.first} to {event.days.last})"
            covered[day] = Cell(day=day, style=style, told=told, asked=last and event.run_id in asked)
    if not covered:
        return ()
    return tuple(_month(first, covered) for first in _firsts(min(covered), max(covered)))


def _firsts(first: date, last: date) -> Iterable[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=31)).replace(day=1)


def _month(first: date, covered: Mapping[date, Cell]) -> Month:
    after = (first + timedelta(days=31)).replace(day=1)
    days: list[Cell | None] = [None] * first.weekday()
    for offset in range((after - first).days):
        day = first + offset * DAY
        days.append(covered.get(day) or Cell(day=day, style="", told=f"{day}: not judged", asked=False))
    days += [None] * (-len(days) % _WEEK)
    weeks = tuple(tuple(days[start : start + _WEEK]) for start in range(0, len(days), _WEEK))
    return Month(title=f"{first:%B %Y}", weeks=weeks)


# ── the list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _line(event: DriftJudged, known: asks.RetrainingHistory, *, report: bool) -> VerdictLine:
    word, style = WORDS[event.verdict.state]
    return VerdictLine(
        judged=event,
        word=word,
        style=style,
        link=watch_path(event.project, event.run_id),
        report=report,
        answer=_answer(event, known),
    )


def _answer(event: DriftJudged, known: asks.RetrainingHistory) -> str:
    for each in known.retrainings:
        if each.ask.run_id == event.run_id:
            return _progress(each)
    declined = next((each for each in known.declined if each.run_id == event.run_id), None)
    return f"no retraining: {declined.reason}" if declined else ""


def _progress(each: asks.Retraining) -> str:
    if each.outcome is RetrainingOutcome.SUPERSEDED:
        return "no night ran: the champion had been replaced"
    if each.outcome is not None:
        return f"retrained in {each.started}: {_OUTCOMES[each.outcome]}"
    return f"being retrained in {each.started}" if each.started else "a retraining waits for its night"
