"""A run's journal: what was computed once is known, and every attempt has an end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.errors import AccessDenied, LedgerError
from include.core.events import RunStarted, StepFailed, StepFinished, StepReused, StepStarted
from include.core.records import Run
from include.ledger import Ledger, lease
from include.ledger.journal import Journal, close_lost, run_stream

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def journal(ledger: Ledger, run_id: str = "night") -> Journal:
    fence = lease.take(ledger, "p", run_id=run_id, now=NOW, duration=timedelta(hours=1))
    run = Run(project="p", run_id=run_id, instant=NOW, code_digest="code", declaration_digest="said", fence=fence.token)
    return Journal(ledger, run)


def kinds(ledger: Ledger, run_id: str = "night") -> list[str]:
    return [entry.event.kind for entry in ledger.read(run_stream("p", run_id))]


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
    failed = [entry.event for entry in ledger.read(run_stream("p", "night")) if isinstance(entry.event, StepFailed)]
    assert [event.error for event in failed] == ["AccessDenied"] * 3
    assert failed[0].message == "a grant covers it; found: none. Ask."


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
    looks = iter([None, "sha256:made"])
    monkeypatch.setattr(second, "output", lambda step, inputs: next(looks))
    second.finish("plan", "b", inputs="in", output="sha256:made")
    assert kinds(ledger) == [StepFinished.kind, StepReused.kind]


def test_two_attempts_that_made_something_else_are_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same inputs make the same: whatever broke that must not pass."""
    first, second = journal(ledger), journal(ledger)
    first.finish("plan", "a", inputs="in", output="sha256:made")
    looks = iter([None, "sha256:made"])
    monkeypatch.setattr(second, "output", lambda step, inputs: next(looks))
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
    (failed,) = [entry.event for entry in ledger.read(run_stream("p", "night")) if isinstance(entry.event, StepFailed)]
    assert (failed.error, failed.message) == ("ValueError", "ValueError")


HOUR = timedelta(hours=1)


def begun(ledger: Ledger) -> Run:
    fence = lease.take(ledger, "p", run_id="night", now=NOW, duration=HOUR)
    run = Run(
        project="p", run_id="night", instant=NOW, code_digest="code", declaration_digest="said", fence=fence.token
    )
    stream = run_stream("p", "night")
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
