"""A read that a steward would want to know of is found in the receipts, once a run and reason."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.events import DataOpened, DataRead, Event, RunStarted, RunTriggered
from include.core.records import DatasetScope, Run, Trigger
from include.governance.unusual_reads import KINDS, READS, unusual_reads
from include.ledger import Entry, Ledger

FIRST = date(2024, 5, 1)
SCOPE = DatasetScope(dataset="flights", contract_digest="sha256:c", columns=(), window_days=30)


def entries(*events: Event) -> list[Entry]:
    return [
        Entry(
            position=place,
            stream="s",
            stream_version=place,
            recorded_at=datetime(2024, 5, 1, tzinfo=UTC),
            key=None,
            event=event,
            leaf_hash="",
        )
        for place, event in enumerate(events, start=1)
    ]


def triggered(run_id: str, trigger: Trigger = Trigger.SCHEDULE) -> RunTriggered:
    return RunTriggered(project="p", run_id=run_id, trigger=trigger, who="")


def read(run_id: str, *, days: int = 10, rows: int = 100) -> Iterator[Event]:
    last = FIRST + timedelta(days=days - 1)
    named = {"project": "p", "run_id": run_id, "grant_id": "g", "scope": SCOPE, "first": FIRST, "last": last}
    yield DataOpened(**named)  # type: ignore[arg-type]
    yield DataRead(**named, rows=rows, files=days, reused=0)  # type: ignore[arg-type]


def kinds(*events: Event) -> list[tuple[str, str]]:
    return [(found.run_id, found.kind) for found in unusual_reads(entries(*events))]


def test_the_first_read_of_a_dataset_is_unusual_and_no_other_like_it() -> None:
    assert kinds(triggered("a"), *read("a"), *read("a"), triggered("b"), *read("b")) == [("a", "first")]


@given(
    past=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 1000)), min_size=1, max_size=40),
    days=st.integers(1, 100),
    rows=st.integers(0, 3000),
)
def test_a_read_is_unusual_if_it_is_more_than_one_and_a_half_times_the_largest_of_the_thirty_before(
    past: list[tuple[int, int]], days: int, rows: int
) -> None:
    events: list[Event] = []
    for place, (some, many) in enumerate(past):
        events += [triggered(f"{place}"), *read(f"{place}", days=some, rows=many)]
    found = [
        kind for run, kind in kinds(*events, triggered("last"), *read("last", days=days, rows=rows)) if run == "last"
    ]
    recent = past[-READS:]
    expected = ["days"] if 2 * days > 3 * max(some for some, _ in recent) else []
    assert found == expected + (["rows"] if 2 * rows > 3 * max(many for _, many in recent) else [])


def test_a_read_by_a_run_that_nobody_known_started_is_unusual_and_one_of_before_that_was_recorded_is_not() -> None:
    earlier = RunStarted(run=run("earlier"), separation_of_duties="")
    direct = RunStarted(run=run("direct"), separation_of_duties="")
    found = kinds(
        *(earlier, *read("earlier")),
        *(triggered("night"), *read("night")),
        *(triggered("by hand", Trigger.LOGIN), *read("by hand")),
        *(triggered("unknown", Trigger.UNKNOWN), *read("unknown")),
        *(direct, *read("direct")),
        *read("never begun"),
        *read("earlier"),
    )
    assert found == [("earlier", "first"), ("unknown", "nobody"), ("direct", "nobody"), ("never begun", "nobody")]


def run(run_id: str) -> Run:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    return Run(project="p", run_id=run_id, instant=at, code_digest="c", declaration_digest="d", fence=0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_is_found_in_the_ledger(tmp_path: Path, kind: type[Event]) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    for event in (triggered("a"), RunStarted(run=run("a"), separation_of_duties=""), *read("a")):
        ledger.record("s", event)
    assert kind in {type(entry.event) for entry in ledger.read_all(kinds=KINDS)}
    assert [found.kind for found in unusual_reads(ledger.read_all(kinds=KINDS))] == ["first"]
