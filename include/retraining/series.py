"""The one series of a project: every matured day, judged once by the champion that was in force before it."""

from collections.abc import Iterable, Sequence
from datetime import date
from statistics import fmean

from include.core import streams
from include.core.errors import LedgerError
from include.core.events import DayJudged, DriftJudged, Event
from include.core.records import FEW_ROWS, DayFigures, DayOfSeries, Days, Run
from include.ledger import Entry, Fence, Ledger

#: This many days are the last ones.
_LATELY_DAYS = 28


def series_of(ledger: Ledger, project: str, *, without: str | None = None) -> tuple[DayOfSeries, ...]:
    """The judged days of *project*, in their order; those that the watch *without* recorded are left out.

    The first record of a day counts. Verdicts of before the series judged days too, by the champion that they were on:
    these have no loss of a constant.
    """
    return fold(ledger.read(streams.drift(project)), without=without)


def fold(entries: Iterable[Entry], *, without: str | None = None) -> tuple[DayOfSeries, ...]:
    """As :func:`series_of`, of the entries of the project's stream in their order."""
    found: dict[object, DayOfSeries] = {}
    said = {without}  # the verdict of a watch that recorded its days tells of no other
    for entry in entries:
        event = entry.event
        if isinstance(event, DayJudged) and event.run_id != without:
            said.add(event.run_id)
            found.setdefault(event.judged.day, event.judged)
        elif isinstance(event, DriftJudged) and event.run_id not in said:
            for each in of_before(event.model_version, event.days, event.figures):
                found.setdefault(each.day, each)
    return tuple(sorted(found.values(), key=lambda each: each.day))


def did_it_help(ledger: Ledger, project: str) -> str:
    """One line of what may be said about *project*'s retrainings: whether they helped."""
    from include.retraining.helped import helped

    return helped(series_of(ledger, project)).in_words()


def skill_in_words(ledger: Ledger, project: str) -> str:
    """One line of what the recipe of *project* knows: by how much its champions' losses lie below the constant's."""
    skill = [each.skill for each in series_of(ledger, project) if each.skill is not None]
    if not skill:
        return "recipe skill: no day was judged beside the constant yet"
    lately = skill[-_LATELY_DAYS:]
    return (
        f"recipe skill (the constant's loss less the champions'): {fmean(skill):+.4f} over {len(skill)} judged days, "
        f"{fmean(lately):+.4f} over the last {len(lately)}"
    )


def unjudged_in_words(ledger: Ledger, project: str, run_id: str) -> tuple[str, ...]:
    """Which days the watch *run_id* recorded as not judged, a line for each reason."""
    days: dict[str, list[date]] = {}
    for event in ledger.events(streams.drift(project), DayJudged):
        if event.run_id == run_id and event.judged.unjudged is not None:
            days.setdefault(f"version {event.judged.champion}: {event.judged.unjudged}", []).append(event.judged.day)
    return tuple(f"not judged: {len(each)} days, {min(each)} to {max(each)}; {why}" for why, each in days.items())


def figures_of(days: Iterable[DayOfSeries]) -> tuple[DayFigures, ...]:
    """The figures of each day's champion, on the days that have some."""
    return tuple(
        DayFigures(
            day=each.day,
            rows=each.rows,
            loss=each.loss,
            expected_loss=each.expected_loss,
            mean_score=each.mean_score,
            mean_label=each.mean_label,
        )
        for each in days
        if each.loss is not None and each.mean_score is not None and each.mean_label is not None
    )


def record(ledger: Ledger, run: Run, days: Sequence[DayOfSeries]) -> None:
    """Record each of *days* as judged by the watch *run*; a day that another recorded first keeps that record.

    Raises:
        LedgerError: the ledger refuses them for another reason.
    """
    left = _unheld(ledger, run.project, days)
    while left:
        try:
            ledger.record_all(streams.drift(run.project), [_fact(run, each) for each in left], fence=Fence.of(run))
            return
        except LedgerError:  # another watch recorded one of them in between, and so none of these is
            before, left = left, _unheld(ledger, run.project, left)
            if left == before:
                raise


def _unheld(ledger: Ledger, project: str, days: Sequence[DayOfSeries]) -> list[DayOfSeries]:
    held = {each.day for each in series_of(ledger, project)}
    return [each for each in days if each.day not in held]


def _fact(run: Run, judged: DayOfSeries) -> tuple[Event, str]:
    event = DayJudged(project=run.project, run_id=run.run_id, instant=run.instant, judged=judged)
    return event, streams.day_key(run.project, judged.day)


def of_before(champion: int, days: Days, figures: Iterable[DayFigures]) -> Iterable[DayOfSeries]:
    """What a watch of before the series judged: *days* by *champion*, who has *figures* on some."""
    counted = {each.day: each for each in figures}
    for day in days:
        if day in counted:
            yield DayOfSeries(champion=champion, **vars(counted[day]))
        else:
            yield DayOfSeries(day=day, champion=champion, rows=0, unjudged=FEW_ROWS)
