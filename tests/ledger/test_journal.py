"""A run's journal: what was computed once is known, and every attempt has an end."""

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core import streams
from include.core.errors import AccessDenied, LedgerError, LedgerUnavailable
from include.core.events import (
    Event,
    LeaseTaken,
    RunStarted,
    StepFailed,
    StepFinished,
    StepMeasured,
    StepReused,
    StepStarted,
)
from include.core.records import Run
from include.ledger import Entry, Ledger, lease
from include.ledger.costs import cost_of
from include.ledger.holder import holder
from include.ledger.journal import Journal
from include.ledger.lost_attempts import close_lost

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW)


def journal(ledger: Ledger, run_id: str = "night") -> Journal:
    fence = lease.take(ledger, "p", run_id=run_id, now=NOW, duration=timedelta(hours=1))
    run = Run(project="p", run_id=run_id, instant=NOW, code_digest="code", declaration_digest="said", fence=fence.token)
    return Journal(ledger, run)


def kinds(ledger: Ledger, run_id: str = "night") -> list[str]:
    return [entry.event.kind for entry in ledger.read(streams.run("p", run_id))]


def computed() -> str:
    return "sha256:made"


def never() -> str:
    raise AssertionError("computed again")


def test_what_one_run_computed_another_takes(ledger: Ledger) -> None:
    assert journal(ledger).once("plan", ("in",), computed) == "sha256:made"
    lease.release(ledger, "p", run_id="night")
    assert journal(ledger, "next").once("plan", ("in",), never) == "sha256:made"
    assert kinds(ledger, "next") == [StepStarted.kind, StepReused.kind]


def test_other_inputs_or_another_step_are_computed(ledger: Ledger) -> None:
    made = journal(ledger)
    made.once("plan", ("in",), computed)
    for step, inputs in (("plan", ("other",)), ("train", ("in",))):
        with pytest.raises(AssertionError):
            made.once(step, inputs, never)


def test_what_may_not_be_used_is_neither_computed_nor_taken_and_that_is_recorded(ledger: Ledger) -> None:
    def allowed() -> None:
        raise AccessDenied("a grant covers it", value="none", remedy="Ask.")

    made = journal(ledger)
    for compute in (never, computed):
        with pytest.raises(AccessDenied):
            made.once("plan", ("in",), compute, allowed=allowed)
    made.once("plan", ("in",), computed)
    with pytest.raises(AccessDenied):
        made.once("plan", ("in",), never, allowed=allowed)
    failed = [entry.event for entry in ledger.read(streams.run("p", "night")) if isinstance(entry.event, StepFailed)]
    assert [event.error for event in failed] == ["AccessDenied"] * 3
    assert failed[0].message == "expected: a grant covers it; found: none. Ask."


def test_an_attempt_that_was_thought_dead_and_the_one_after_it_both_end_well(ledger: Ledger) -> None:
    slow, quick = journal(ledger), journal(ledger)

    def overtaken() -> str:
        assert quick.once("plan", ("in",), computed) == "sha256:made"
        return "sha256:made"

    assert slow.once("plan", ("in",), overtaken) == "sha256:made"
    assert kinds(ledger).count(StepFinished.kind) == 1


def test_two_attempts_that_finish_at_the_same_moment_both_end_well(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = journal(ledger), journal(ledger)
    first.finish("plan", "a", inputs="in", output="sha256:made")
    looks = iter([None, second.finished("plan", "in")])
    monkeypatch.setattr(second, "finished", lambda step, inputs: next(looks))
    second.finish("plan", "b", inputs="in", output="sha256:made")
    assert kinds(ledger) == [StepFinished.kind, StepReused.kind]


def test_an_attempt_whose_end_was_recorded_without_an_answer_has_ended_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, record = journal(ledger), Ledger.record

    def unanswered(ledger: Ledger, stream: str, event: Event, **named: Any) -> Entry:
        entry = record(ledger, stream, event, **named)
        if isinstance(event, StepFinished):
            raise LedgerUnavailable("the ledger answers", value="a lost connection", remedy="Try again.")
        return entry

    monkeypatch.setattr(Ledger, "record", unanswered)
    assert made.once("plan", ("in",), computed) == "sha256:made"
    assert kinds(ledger) == [StepStarted.kind, StepFinished.kind]


def test_two_attempts_that_made_something_else_are_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same inputs make the same: whatever broke that must not pass."""
    first, second = journal(ledger), journal(ledger)
    first.finish("plan", "a", inputs="in", output="sha256:made")
    looks = iter([None, second.finished("plan", "in")])
    monkeypatch.setattr(second, "finished", lambda step, inputs: next(looks))
    with pytest.raises(LedgerError):
        second.finish("plan", "b", inputs="in", output="sha256:other")


def test_an_attempt_that_was_thought_dead_and_made_something_else_is_told(ledger: Ledger) -> None:
    made = journal(ledger)

    def overtaken() -> str:
        journal(ledger).once("plan", ("in",), computed)
        return "sha256:other"

    with pytest.raises(LedgerError, match="the same inputs make the same output of 'plan'"):
        made.once("plan", ("in",), overtaken)


def test_a_foreign_error_is_recorded_by_its_type_alone(ledger: Ledger) -> None:
    def fails() -> str:
        raise ValueError("N12345 is no number")

    with pytest.raises(ValueError, match="N12345"):
        journal(ledger).once("plan", ("in",), fails)
    (failed,) = [entry.event for entry in ledger.read(streams.run("p", "night")) if isinstance(entry.event, StepFailed)]
    assert (failed.error, failed.message) == ("ValueError", "ValueError")


HOUR = timedelta(hours=1)


def begun(ledger: Ledger) -> Run:
    fence = lease.take(ledger, "p", run_id="night", now=NOW, duration=HOUR)
    run = Run(
        project="p", run_id="night", instant=NOW, code_digest="code", declaration_digest="said", fence=fence.token
    )
    stream = streams.run("p", "night")
    ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
    return run


def test_an_attempt_that_ended_without_a_word_is_closed_by_the_next(ledger: Ledger) -> None:
    journal = Journal(ledger, begun(ledger))
    lost = journal.attempt("plan")
    lost.__enter__()  # and never left, as when its process is killed
    journal.once("plan", ("a",), lambda: "out")
    assert kinds(ledger)[1:] == [StepStarted.kind, StepFailed.kind, StepStarted.kind, StepFinished.kind]


def test_what_nobody_tries_again_is_closed_once_its_run_holds_no_lease(ledger: Ledger) -> None:
    lost = Journal(ledger, begun(ledger)).attempt("plan")
    lost.__enter__()
    assert close_lost(ledger, now=NOW) == 0, "it may be running"
    assert close_lost(ledger, now=NOW + HOUR) == 1
    assert kinds(ledger)[1:] == [StepStarted.kind, StepFailed.kind]
    assert close_lost(ledger, now=NOW + HOUR) == 0


def test_what_a_run_left_open_that_never_began_is_closed_too(ledger: Ledger) -> None:
    journal(ledger).attempt("declare").__enter__()
    assert close_lost(ledger, now=NOW + HOUR) == 1
    assert kinds(ledger) == [StepStarted.kind, StepFailed.kind]


def test_what_runs_without_a_lease_is_not_lost_before_a_day_has_gone(ledger: Ledger) -> None:
    run = Run(project="p", run_id="watch", instant=NOW, code_digest="code", declaration_digest="said", fence=0)
    Journal(ledger, run).attempt("snapshot").__enter__()
    journal(ledger, "night")  # takes the project's lease beside it
    day = timedelta(days=1)
    assert close_lost(ledger, now=NOW + lease.DURATION) == 0, "no heartbeat would tell of it"
    assert close_lost(ledger, now=NOW + day - timedelta(seconds=1)) == 0
    assert close_lost(ledger, now=NOW + day) == 1


def test_what_ran_under_a_lease_is_lost_soon_after_it(ledger: Ledger) -> None:
    run = begun(ledger)
    Journal(ledger, run).attempt("plan").__enter__()
    lease.release(ledger, "p", run_id="night")
    assert close_lost(ledger, now=NOW + lease.DURATION - timedelta(seconds=1)) == 0
    assert close_lost(ledger, now=NOW + lease.DURATION) == 1


def test_what_has_ended_is_not_read_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journal(ledger)
    made.once("plan", ("in",), computed)
    lost = made.attempt("features")
    lost.__enter__()
    made.once("train", ("in",), computed)
    read: list[int] = []
    read_all = Ledger.read_all

    def counting(ledger: Ledger, **named: Any) -> list[Entry]:
        entries = read_all(ledger, **named)
        read.append(len(entries))
        return entries

    monkeypatch.setattr(Ledger, "read_all", counting)
    closed = [close_lost(ledger, now=now) for now in (NOW, NOW, NOW + HOUR, NOW + HOUR, NOW + HOUR)]
    assert closed == [0, 0, 1, 0, 0]
    assert read == [5, 3, 3, 1, 0], "from the open attempt on; then its end; then nothing"


BEAT = timedelta(milliseconds=30)


class Beaten:
    """A run whose lease lasts three beats of a clock that shows the time since NOW."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.started = ledger, time.monotonic()
        self.fence = lease.take(ledger, "p", run_id="night", now=NOW, duration=3 * BEAT)
        run = Run(
            project="p", run_id="night", instant=NOW, code_digest="c", declaration_digest="d", fence=self.fence.token
        )
        self.journal = Journal(ledger, run, duration=3 * BEAT, clock=self.now)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - self.started)

    def taken(self) -> int:
        return sum(isinstance(entry.event, LeaseTaken) for entry in self.ledger.read(streams.lease("p")))

    def until(self, beats: int) -> None:
        deadline = time.monotonic() + 20
        while self.taken() < beats and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.taken() >= beats


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "lease"]


def test_an_attempt_that_takes_long_keeps_its_lease_to_its_end(ledger: Ledger) -> None:
    beaten = Beaten(ledger)
    with beaten.journal.attempt("features") as attempt:
        beaten.until(4)
        beaten.journal.finish("features", attempt, inputs="in", output="out")
        assert len(threads()) == 1
    assert threads() == []
    ended = beaten.taken()
    time.sleep(3 * BEAT.total_seconds())
    assert beaten.taken() == ended
    held = holder(reversed(ledger.read(streams.lease("p"))))
    assert held is not None
    assert (held.run_id, held.token) == ("night", beaten.fence.token)


def test_an_attempt_that_fails_ends_its_heartbeat(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="no"), Beaten(ledger).journal.attempt("features"):
        raise ValueError("no")
    assert threads() == []


@pytest.mark.parametrize("then", ["nobody", "night", "other"])
def test_a_lease_that_was_given_back_or_taken_over_is_not_taken_again(ledger: Ledger, then: str) -> None:
    beaten = Beaten(ledger)
    later = NOW + 2 * HOUR
    with pytest.raises(LedgerError, match="only the holder"), beaten.journal.attempt("features") as attempt:  # noqa: PT012
        lease.release(ledger, "p", run_id="night")
        if then != "nobody":
            lease.take(ledger, "p", run_id=then, now=later, duration=HOUR)
        taken = beaten.taken()
        time.sleep(4 * BEAT.total_seconds())
        assert beaten.taken() == taken
        assert threads() == []
        beaten.journal.finish("features", attempt, inputs="in", output="out")


def test_a_process_that_forks_within_an_attempt_keeps_its_heartbeat_and_its_child_has_none(ledger: Ledger) -> None:
    beaten = Beaten(ledger)
    with beaten.journal.attempt("train-0"):
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(len(threads()) if ledger.find("nothing") is None else 9)
            assert os.waitpid(child, 0)[1] == 0
        beaten.until(beaten.taken() + 2)


def test_a_run_without_a_lease_has_no_heartbeat(ledger: Ledger) -> None:
    run = Run(project="p", run_id="night", instant=NOW, code_digest="c", declaration_digest="d", fence=0)
    with Journal(ledger, run, duration=3 * BEAT).attempt("snapshot"):
        assert threads() == []


def test_a_heartbeat_outlives_a_ledger_that_is_out_of_reach(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten, renew, failures = Beaten(ledger), lease.renew, iter(range(2))

    def unreachable(*given: Any, **named: Any) -> bool:
        if next(failures, None) is not None:
            raise LedgerUnavailable("it can be reached", value="no", remedy="Wait.")
        return renew(*given, **named)

    monkeypatch.setattr(lease, "renew", unreachable)
    with beaten.journal.attempt("features"):
        beaten.until(3)


def told(ledger: Ledger) -> list[tuple[str, bool]]:
    events = [entry.event for entry in ledger.read(streams.cost_of_run("p", "night"))]
    return [(event.attempt, event.so_far) for event in events if isinstance(event, StepMeasured)]


def test_an_attempt_tells_what_it_took_so_far_and_each_second_once(ledger: Ledger) -> None:
    beaten = Beaten(ledger)
    with beaten.journal.attempt("features") as attempt:
        beaten.until(4)
        began = time.monotonic()
        while len(told(ledger)) < 3 and time.monotonic() < began + 20:
            time.sleep(0.005)
        beaten.journal.finish("features", attempt, inputs="in", output="out")
        whole = time.monotonic() - beaten.started
        time.sleep(3 * BEAT.total_seconds())
    assert [so_far for _, so_far in told(ledger)][:2] == [True, True]
    assert [so_far for _, so_far in told(ledger)].count(False) == 1
    assert told(ledger)[-1] == (attempt, False), "nothing is told after the end"
    cost = cost_of(ledger, "p", "night")
    assert cost is not None
    assert (cost.attempts.times, cost.attempts.at_least) == (1, 0)
    assert 0 < cost.attempts.wall_seconds <= whole + 0.005


def test_an_attempt_that_was_killed_took_at_least_what_it_told_and_is_counted(ledger: Ledger) -> None:
    beaten = Beaten(ledger)
    child = os.fork()
    if child == 0:
        with beaten.journal.attempt("features"):
            began = time.monotonic()
            while not told(ledger) and time.monotonic() < began + 20:
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(told(ledger)) >= 1
    beaten.journal.once("features", ("in",), computed)
    beaten.journal.close_lost("features")
    cost = cost_of(ledger, "p", "night")
    assert cost is not None
    assert (cost.attempts.times, cost.attempts.at_least) == (2, 1)
    assert cost.attempts.wall_seconds >= BEAT.total_seconds() / 2
    assert kinds(ledger).count(StepFinished.kind) == 1


def test_an_attempt_that_was_lost_before_it_told_anything_is_counted_with_no_second(ledger: Ledger) -> None:
    made = journal(ledger)
    lost = StepStarted(project="p", run_id="night", step="plan", attempt="lost")
    ledger.record(streams.run("p", "night"), lost)
    assert made.under_way("plan") == "lost"
    made.close_lost("plan")
    cost = cost_of(ledger, "p", "night")
    assert cost is not None
    assert (cost.attempts.times, cost.attempts.at_least, cost.attempts.wall_seconds) == (1, 1, 0.0)
    assert made.under_way("plan") is None


def test_what_stands_beside_a_fact_is_recorded_also_where_the_fact_is_known(ledger: Ledger) -> None:
    made, fact = journal(ledger), LeaseTaken(run_id="any", expires_at=NOW)
    for attempt in ("first", "again"):
        event = StepMeasured(
            project="p", run_id="night", step="train-0", attempt=attempt, wall_seconds=1.0, cpu_seconds=1.0
        )
        made.fact("facts", fact, key="fact", beside=[(streams.cost_of_run("p", "night"), event)])
    assert len(ledger.read("facts")) == 1
    assert [attempt for attempt, _ in told(ledger)] == ["first", "again"]


def test_a_run_that_lost_its_lease_writes_no_fact(ledger: Ledger) -> None:
    old = begun(ledger)
    lease.take(ledger, "p", run_id="other", now=NOW + 2 * HOUR, duration=HOUR)
    with pytest.raises(LedgerError):
        Journal(ledger, old).once("plan", ("a",), lambda: "out")
    assert Journal(ledger, old).output("plan", "anything") is None
    assert StepFinished.kind not in kinds(ledger)


def test_an_output_that_was_lost_is_computed_again_and_stays_the_recorded_one(ledger: Ledger) -> None:
    made = journal(ledger)
    made.once("plan", ("in",), computed)
    again = []
    assert made.once("plan", ("in",), lambda: again.append(1) or computed(), kept=lambda output: False) == computed()
    assert again == [1]
    assert kinds(ledger).count(StepFinished.kind) == 1


def test_what_each_attempt_took_is_recorded_beside_its_end_failed_and_repeated_ones_too(ledger: Ledger) -> None:
    made = journal(ledger)

    def works() -> str:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        return "sha256:made"

    with pytest.raises(AssertionError):
        made.once("plan", ("in",), never)
    made.once("plan", ("in",), works)
    made.once("plan", ("in",), never)
    took = [entry.event for entry in ledger.read(streams.cost_of_run("p", "night"))]
    assert all(isinstance(event, StepMeasured) for event in took)
    ends = [entry.event for entry in ledger.read(streams.run("p", "night")) if not isinstance(entry.event, StepStarted)]
    assert [event.kind for event in ends] == [StepFailed.kind, StepFinished.kind, StepReused.kind]
    assert [event.attempt for event in took] == [event.attempt for event in ends]  # type: ignore[attr-defined]
    assert [event.cpu_seconds >= 0.05 for event in took] == [False, True, False]  # type: ignore[attr-defined]
    cost = cost_of(ledger, "p", "night")
    assert cost is not None
    assert (cost.attempts.times, round(cost.attempts.cpu_seconds, 2)) == (
        3,
        round(sum(event.cpu_seconds for event in took), 2),
    )  # type: ignore[attr-defined]
    assert cost_of(ledger, "p", "another") is None


def test_what_an_attempt_took_is_recorded_in_the_transaction_of_its_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends: list[list[str]] = []
    record_all = Ledger.record_all

    def counted(ledger: Ledger, stream: str, events: Any, **named: Any) -> list[Entry]:
        appends.append([event.kind for event, _ in events] + [event.kind for _, event in named.get("beside", ())])
        return record_all(ledger, stream, events, **named)

    made = journal(ledger)
    monkeypatch.setattr(Ledger, "record_all", counted)
    made.once("plan", ("in",), computed)
    assert appends == [[StepStarted.kind], [StepFinished.kind, StepMeasured.kind]]


def test_an_attempt_whose_end_is_refused_is_measured_once_as_the_failure_that_it_is(ledger: Ledger) -> None:
    stale = journal(ledger)

    def taken_over() -> str:
        lease.free(ledger, "p", by="ops", reason="dead", now=NOW)
        return "sha256:made"

    with pytest.raises(LedgerError):
        stale.once("plan", ("in",), taken_over)
    assert kinds(ledger) == [StepStarted.kind, StepFailed.kind]
    assert len(ledger.read(streams.cost_of_run("p", "night"))) == 1
