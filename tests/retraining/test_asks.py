"""Drift asks for a training night once, one at a time and within its budget, whatever runs at the same time."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.events import DriftJudged, Event, RetrainingAsked, RetrainingDeclined, RetrainingStarted
from include.core.project import DriftPolicy
from include.core.records import Days, DriftState, DriftVerdict, RetrainingOutcome, Run
from include.ledger import Fence, Ledger
from include.retraining import asks, verdicts

POLICY = DriftPolicy(excess_loss=0.1, calibration_gap=0.1, cooldown_days=20, monthly_budget=1)
DAY_0 = datetime(2013, 9, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def wanted(ask_id: str, day: int = 0) -> RetrainingAsked:
    """A verdict's ask at *day* days after the first instant."""
    return RetrainingAsked(
        project="p", ask_id=ask_id, run_id=f"watch-{ask_id}", model_version=1, instant=DAY_0 + timedelta(days=day)
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW)


def asked(ledger: Ledger, ask_id: str, day: int = 0, policy: DriftPolicy = POLICY) -> bool:
    return isinstance(asks.ask(ledger, policy, wanted(ask_id, day)), RetrainingAsked)


def run_through(ledger: Ledger, run_id: str, outcome: RetrainingOutcome = RetrainingOutcome.PROMOTED) -> None:
    assert asks.start(ledger, "p", run_id, champion=None) is not None
    asks.end(ledger, "p", run_id, outcome)


def test_a_verdict_is_answered_once_however_often_it_asks(ledger: Ledger) -> None:
    answers = [asks.ask(ledger, POLICY, wanted("a")) for _ in range(3)]
    assert answers == [wanted("a")] * 3
    assert len(ledger.read("retraining/p")) == 1
    run_through(ledger, "night")
    assert asks.ask(ledger, POLICY, wanted("a")) == wanted("a"), "what was answered stays answered"


@pytest.mark.parametrize("state", list(DriftState))
def test_a_verdict_of_retrain_asks_for_a_night_and_no_other_does_not_that_of_a_failing_recipe(
    ledger: Ledger, state: DriftState
) -> None:
    run = Run(project="p", run_id="w", instant=DAY_0, code_digest="", declaration_digest="", fence=0)
    event = DriftJudged(
        project="p", run_id="w", instant=DAY_0, model_version=1, policy="p", live="l", figures=(),
        days=Days(first=DAY_0.date(), last=DAY_0.date()),
        verdict=DriftVerdict(state=state, reasons=(), figures={}, days=(), inputs=()),
    )  # fmt: skip
    verdicts.record(ledger, POLICY, run, event, champion=1)
    known = asks.known(ledger, "p")
    assert (bool(known.retrainings), known.declined) == (state is DriftState.RETRAIN, ())


def test_while_one_is_in_flight_nothing_else_is_asked_for(ledger: Ledger) -> None:
    assert asked(ledger, "a")
    declined = asks.ask(ledger, POLICY, wanted("b", day=60))
    assert isinstance(declined, RetrainingDeclined)
    assert declined.reason == "the retraining a is in flight: it waits for a night"
    asks.start(ledger, "p", "night", champion=None)
    again = asks.ask(ledger, POLICY, wanted("c", day=61))
    assert isinstance(again, RetrainingDeclined)
    assert again.reason == "the retraining a is in flight: it runs as night"


@pytest.mark.parametrize("outcome", list(RetrainingOutcome))
def test_however_the_night_ended_the_cooldown_is_kept_to_the_day(ledger: Ledger, outcome: RetrainingOutcome) -> None:
    lenient = DriftPolicy(excess_loss=0.1, calibration_gap=None, cooldown_days=20, monthly_budget=2)
    assert asked(ledger, "a")
    run_through(ledger, "night", outcome)
    declined = asks.ask(ledger, lenient, wanted("b", day=19))
    assert isinstance(declined, RetrainingDeclined)
    assert "20 days lie between two" in declined.reason
    assert asked(ledger, "c", day=20, policy=lenient)


def test_the_budget_counts_the_asks_of_thirty_days(ledger: Ledger) -> None:
    assert asked(ledger, "a")
    run_through(ledger, "first")
    declined = asks.ask(ledger, POLICY, wanted("b", day=29))
    assert isinstance(declined, RetrainingDeclined)
    assert declined.reason == "the budget of 30 days is spent: 1 of 1"
    assert asked(ledger, "c", day=30)


def test_without_a_budget_nothing_is_ever_asked_for(ledger: Ledger) -> None:
    assert not asked(ledger, "a", policy=DriftPolicy(excess_loss=0.1, calibration_gap=None, monthly_budget=0))


def test_an_instant_before_the_last_ask_asks_for_nothing(ledger: Ledger) -> None:
    assert asked(ledger, "a", day=100)
    run_through(ledger, "night")
    assert not asked(ledger, "b", day=40)


def test_one_night_answers_an_ask_and_keeps_it_while_every_other_finds_nothing(ledger: Ledger) -> None:
    asked(ledger, "a")
    assert [asks.start(ledger, "p", "first", champion=None) for _ in range(2)] == [wanted("a")] * 2
    assert asks.start(ledger, "p", "second", champion=None) is None
    asks.end(ledger, "p", "second", RetrainingOutcome.PROMOTED)
    assert asks.known(ledger, "p").retrainings[0].outcome is None, "what answers nothing ends nothing"
    asks.end(ledger, "p", "first", RetrainingOutcome.KEPT)
    assert asks.start(ledger, "p", "first", champion=None) == wanted("a"), "its later steps still know what it answers"
    assert asks.start(ledger, "p", "third", champion=None) is None


def test_a_night_that_failed_and_was_repaired_ends_well_after_all_and_only_once(ledger: Ledger) -> None:
    asked(ledger, "a")
    asks.start(ledger, "p", "night", champion=None)
    for outcome in (RetrainingOutcome.FAILED, RetrainingOutcome.FAILED, RetrainingOutcome.PROMOTED):
        asks.end(ledger, "p", "night", outcome)
    asks.end(ledger, "p", "night", RetrainingOutcome.FAILED)
    assert asks.known(ledger, "p").retrainings[0].outcome is RetrainingOutcome.PROMOTED
    assert len(ledger.read("retraining/p")) == 4


def test_an_ask_whose_champion_was_replaced_gets_no_night_and_counts_in_the_pace(ledger: Ledger) -> None:
    asked(ledger, "a")
    assert [asks.start(ledger, "p", run_id, champion=2) for run_id in ("night", "night", "other")] == [None] * 3
    (known,) = asks.known(ledger, "p").retrainings
    assert (known.started, known.outcome, known.in_flight) == (None, RetrainingOutcome.SUPERSEDED, False)
    assert len(ledger.read("retraining/p")) == 2, "it ends once"
    assert asks.lost(ledger, "p", now=NOW + timedelta(days=9), patience=timedelta()) == ()
    assert not asked(ledger, "b", day=19)
    assert asked(ledger, "c", day=30)


def test_a_night_keeps_its_ask_when_it_has_replaced_the_champion_itself(ledger: Ledger) -> None:
    asked(ledger, "a")
    asks.start(ledger, "p", "night", champion=1)
    assert asks.start(ledger, "p", "night", champion=2) == wanted("a")


def test_an_ask_that_no_night_has_started_for_is_lost_after_a_while(ledger: Ledger) -> None:
    asked(ledger, "a")
    patience = timedelta(minutes=10)
    assert asks.lost(ledger, "p", now=NOW + patience - timedelta(seconds=1), patience=patience) == ()
    assert asks.lost(ledger, "p", now=NOW + patience, patience=patience) == (wanted("a"),)
    asks.start(ledger, "p", "night", champion=None)
    assert asks.lost(ledger, "p", now=NOW + patience, patience=patience) == ()


# ── under any interleaving ────────────────────────────────────────────────────────────────────────────────────────────


class Raced(Ledger):
    """The real ledger, but before an append somebody else may be quicker: the next of ``rivals`` runs first."""

    rivals: list[Callable[[], object]]

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int, fence: Fence | None = None) -> int:
        if self.rivals:
            self.rivals.pop(0)()
        return super().append(stream, events, expected_version=expected_version, fence=fence)


class Laws:
    """What holds after every event."""

    def __init__(self, policy: DriftPolicy) -> None:
        self.policy = policy

    def check(self, ledger: Ledger) -> None:
        entries = ledger.read("retraining/p")
        for length in range(len(entries) + 1):
            known = asks.fold(entries[:length])
            assert sum(each.in_flight for each in known.retrainings) <= 1, "never two in flight"
        instants = [each.ask.instant for each in known.retrainings]
        for position, instant in enumerate(instants):
            month = [one for one in instants[: position + 1] if one > instant - timedelta(days=30)]
            assert len(month) <= self.policy.monthly_budget, "the budget is never exceeded"
        for earlier, later in itertools.pairwise(instants):
            assert later - earlier >= timedelta(days=self.policy.cooldown_days)
        answers = [each.ask.ask_id for each in known.retrainings] + [each.ask_id for each in known.declined]
        assert len(answers) == len(set(answers)), "a verdict has one answer"
        started = [entry.event.ask_id for entry in entries if isinstance(entry.event, RetrainingStarted)]
        assert len(started) == len(set(started)), "an ask has one night"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


MOVES = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 12), st.integers(0, 120)),
    st.tuples(st.just("start"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("end"), st.integers(0, 4), st.integers(0, 2)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(moves=st.lists(MOVES, max_size=14), budget=st.integers(0, 3), cooldown=st.integers(1, 25))
def test_under_any_interleaving_one_is_in_flight_and_the_budget_is_kept(
    folder: Path, moves: list[tuple[str, int, int]], budget: int, cooldown: int
) -> None:
    file = folder / "raced.db"
    for leftover in folder.glob("raced.db*"):
        leftover.unlink()
    ledger = Raced.open(f"sqlite:///{file}")
    assert isinstance(ledger, Raced)
    policy = DriftPolicy(excess_loss=1.0, calibration_gap=None, cooldown_days=cooldown, monthly_budget=budget)

    def made(move: tuple[str, int, int]) -> Callable[[], object]:
        name, number, detail = move
        if name == "ask":
            return lambda: asks.ask(ledger, policy, wanted(f"v{number}", day=detail))
        if name == "start":
            return lambda: asks.start(ledger, "p", f"night-{number}", champion=None)
        return lambda: asks.end(ledger, "p", f"night-{number}", list(RetrainingOutcome)[detail])

    # Each move is overtaken, between its look and its write, by the one after it.
    ledger.rivals = [made(move) for move in moves[1::2]]
    for move in moves[::2]:
        made(move)()
    for rival in list(ledger.rivals):
        rival()
    Laws(policy).check(ledger)
    ledger.close()
