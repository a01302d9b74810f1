"""The series: every matured day once, in the order of the days, whoever recorded it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from include.core import streams
from include.core.events import DriftJudged, Event
from include.core.records import DAY, DayFigures, DayOfSeries, Days, DriftState, DriftVerdict, Run
from include.ledger import Entry, Fence, Ledger
from include.retraining import series

FIRST = date(2013, 6, 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def run(name: str = "watch") -> Run:
    instant = datetime(2013, 7, 1, tzinfo=UTC)
    return Run(project="p", run_id=name, instant=instant, code_digest="c", declaration_digest="d", fence=0)


def judged(offset: int, *, champion: int = 1, loss: float = 0.5) -> DayOfSeries:
    return DayOfSeries(day=FIRST + offset * DAY, champion=champion, rows=100, loss=loss, constant_loss=0.6)


def verdict_of_before(ledger: Ledger, name: str, days: Days, *, champion: int, known: list[int]) -> None:
    """What watches recorded before there was a series."""
    figures = tuple(
        DayFigures(day=FIRST + each * DAY, rows=50, loss=0.4, expected_loss=0.3, mean_score=0.2, mean_label=0.1)
        for each in known
    )
    event = DriftJudged(
        project="p",
        run_id=name,
        instant=run().instant,
        model_version=champion,
        policy="policy",
        live="live",
        days=days,
        figures=figures,
        verdict=DriftVerdict(state=DriftState.STABLE, reasons=(), figures={}, days=(), inputs=()),
    )
    ledger.record(streams.drift("p"), event, key=f"judged/p/{name}")


def test_the_series_holds_the_days_in_their_order_whatever_the_order_of_their_recording(ledger: Ledger) -> None:
    days = [judged(offset) for offset in range(4)]
    series.record(ledger, run(), [days[2], days[3]])
    series.record(ledger, run("late"), [days[1], days[0]])
    assert series.series_of(ledger, "p") == tuple(days)
    assert series.series_of(ledger, "q") == ()
    assert series.series_of(ledger, "p", without="late") == tuple(days[2:]), "what the watch itself recorded"


def test_a_day_that_another_watch_recorded_first_keeps_its_figures(ledger: Ledger) -> None:
    series.record(ledger, run(), [judged(0), judged(1)])
    series.record(ledger, run("second"), [judged(1, loss=9.0), judged(2)])
    assert series.series_of(ledger, "p") == (judged(0), judged(1), judged(2))
    assert len(ledger.read(streams.drift("p"))) == 3


def test_of_watches_that_record_at_once_the_first_record_of_each_day_counts(ledger: Ledger) -> None:
    """The second looks before the first writes, and writes after it."""

    class Overtaken(Ledger):
        def record_all(
            self, stream: str, events: Sequence[tuple[Event, str | None]], *, fence: Fence | None = None
        ) -> list[Entry]:
            if not overtaken:
                overtaken.append(True)
                series.record(ledger, run("quicker"), [judged(0, loss=0.1), judged(1, loss=0.1)])
            return super().record_all(stream, events, fence=fence)

    overtaken: list[bool] = []
    late = Overtaken(ledger._database)
    series.record(late, run(), [judged(1), judged(2)])
    assert overtaken
    assert series.series_of(ledger, "p") == (judged(0, loss=0.1), judged(1, loss=0.1), judged(2))


def test_days_that_verdicts_of_before_judged_are_days_of_the_series(ledger: Ledger) -> None:
    verdict_of_before(ledger, "old", Days(first=FIRST, last=FIRST + 2 * DAY), champion=4, known=[0, 2])
    first, second, third = series.series_of(ledger, "p")
    assert (first.champion, first.loss, first.expected_loss, first.mean_score, first.mean_label) == (
        4,
        0.4,
        0.3,
        0.2,
        0.1,
    )
    assert (first.constant_loss, first.skill) == (None, None)
    assert (second.champion, second.rows, second.loss) == (4, 0, None)
    assert second.unjudged is not None
    series.record(ledger, run(), [judged(1), judged(3)])
    assert series.series_of(ledger, "p") == (first, second, third, judged(3)), "no day is judged twice"


def test_the_first_event_of_a_day_counts_between_old_verdicts_and_the_series(ledger: Ledger) -> None:
    series.record(ledger, run(), [judged(0)])
    verdict_of_before(ledger, "own", Days(first=FIRST, last=FIRST), champion=4, known=[0])
    assert series.series_of(ledger, "p") == (judged(0),)


def test_a_day_that_nobody_judged_is_none_of_the_series_though_the_verdict_lies_over_it(ledger: Ledger) -> None:
    series.record(ledger, run("watch"), [judged(0), judged(2)])
    verdict_of_before(ledger, "watch", Days(first=FIRST, last=FIRST + 2 * DAY), champion=4, known=[0, 2])
    assert series.series_of(ledger, "p") == (judged(0), judged(2))


def test_what_the_recipe_knows_is_told_over_all_days_and_the_last_four_weeks(ledger: Ledger) -> None:
    assert series.skill_in_words(ledger, "p") == "recipe skill: no day was judged beside the constant yet"
    series.record(ledger, run(), [judged(offset, loss=0.4 if offset < 28 else 0.7) for offset in range(56)])
    told = series.skill_in_words(ledger, "p")
    assert told.endswith("+0.0500 over 56 judged days, -0.1000 over the last 28")
    assert series.did_it_help(ledger, "p").endswith("no retraining has a day yet that both champions scored")


def test_days_that_a_watch_could_not_judge_are_told_with_the_reason(ledger: Ledger) -> None:
    barred = [DayOfSeries(day=FIRST + offset * DAY, champion=2, rows=0, unjudged="in quarantine") for offset in (1, 2)]
    series.record(ledger, run(), [judged(0), *barred])
    told = ("not judged: 2 days, 2013-06-02 to 2013-06-03; version 2: in quarantine",)
    assert series.unjudged_in_words(ledger, "p", "watch") == told
    assert series.unjudged_in_words(ledger, "p", "another") == ()
