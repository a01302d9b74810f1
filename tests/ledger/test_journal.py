"""What a run writes about its own steps."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.errors import DataError, LedgerError
from include.core.events import RunStarted, StepFailed, StepFinished, StepReused, StepStarted
from include.core.records import Run
from include.ledger import Ledger, lease
from include.ledger.journal import Journal, close_lost, run_stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


def begun(ledger: Ledger, run_id: str = "night", code: str = "sha256:1") -> Run:
    fence = lease.take(ledger, "p", run_id=run_id, now=NOW, duration=HOUR)
    run = Run(
        project="p", run_id=run_id, instant=NOW, code_digest=code, declaration_digest="sha256:2", fence=fence.token
    )
    stream = run_stream("p", run_id)
    ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
    return run


def kinds(ledger: Ledger, run_id: str = "night") -> list[type]:
    return [type(entry.event) for entry in ledger.read(run_stream("p", run_id))][1:]


def never() -> str:
    raise AssertionError("computed again")


def test_what_was_computed_once_is_taken_again_in_any_run_of_the_same_code(ledger: Ledger) -> None:
    assert Journal(ledger, begun(ledger)).once("plan", ("a",), lambda: "sha256:out") == "sha256:out"
    lease.release(ledger, "p", run_id="night")
    again = begun(ledger, "later")
    assert Journal(ledger, again).once("plan", ("a",), never) == "sha256:out"
    assert kinds(ledger, "later") == [StepStarted, StepReused]


def test_other_inputs_another_step_or_other_code_compute_anew(ledger: Ledger) -> None:
    run = begun(ledger)
    journal = Journal(ledger, run)
    assert [journal.once("plan", ("a",), lambda: "1"), journal.once("plan", ("b",), lambda: "2")] == ["1", "2"]
    assert journal.once("train", ("a",), lambda: "3") == "3"
    lease.release(ledger, "p", run_id="night")
    assert Journal(ledger, begun(ledger, "later", code="sha256:9")).once("plan", ("a",), lambda: "4") == "4"


def test_an_error_of_ours_is_recorded_with_its_sentence_and_a_foreign_one_by_its_type_alone(ledger: Ledger) -> None:
    journal = Journal(ledger, begun(ledger))
    with pytest.raises(DataError), journal.attempt("snapshot"):
        raise DataError("a day is whole", value="half", remedy="Land it again.")
    with pytest.raises(ValueError, match="N12345"), journal.attempt("snapshot"):
        raise ValueError("could not convert N12345")
    failed = [e.event for e in ledger.read(run_stream("p", "night")) if isinstance(e.event, StepFailed)]
    assert [(event.error, event.message) for event in failed] == [
        ("DataError", "a day is whole; found: half. Land it again."),
        ("ValueError", "ValueError"),
    ]


def test_an_attempt_that_ended_without_a_word_is_closed_by_the_next(ledger: Ledger) -> None:
    journal = Journal(ledger, begun(ledger))
    lost = journal.attempt("plan")
    lost.__enter__()  # and never left, as when its process is killed
    journal.once("plan", ("a",), lambda: "out")
    assert kinds(ledger) == [StepStarted, StepFailed, StepStarted, StepFinished]


def test_what_nobody_tries_again_is_closed_once_its_run_holds_no_lease(ledger: Ledger) -> None:
    lost = Journal(ledger, begun(ledger)).attempt("plan")
    lost.__enter__()
    assert close_lost(ledger, now=NOW) == 0, "it may be running"
    assert close_lost(ledger, now=NOW + HOUR) == 1
    assert kinds(ledger) == [StepStarted, StepFailed]
    assert close_lost(ledger, now=NOW + HOUR) == 0


def test_a_run_that_lost_its_lease_writes_no_fact(ledger: Ledger) -> None:
    old = begun(ledger)
    lease.take(ledger, "p", run_id="other", now=NOW + 2 * HOUR, duration=HOUR)
    with pytest.raises(LedgerError):
        Journal(ledger, old).once("plan", ("a",), lambda: "out")
    assert Journal(ledger, old).output("plan", "anything") is None
    assert StepFinished not in kinds(ledger)
