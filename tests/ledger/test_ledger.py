"""The ledger's contract, over SQLite and PostgreSQL."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.canonical import encode
from include.core.errors import LedgerConflict, LedgerError, LedgerUnavailable
from include.core.events import Event, LeaseReleased, LineageEmitted, RequestDenied
from include.ledger import Entry, Ledger
from include.ledger.entry import leaf_hash
from tests.ledger.processes import fail_when_a_file_grows_to, in_child, start, wait

STREAMS = ("run/a", "run/b")
streams = st.sampled_from(STREAMS)
texts = st.text(max_size=20)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(LineageEmitted, event=texts),
    st.builds(LeaseReleased, run_id=texts),
    st.builds(RequestDenied, request_id=texts, steward=texts, reason=texts),
)
operations = st.one_of(
    st.tuples(st.just("receive"), streams, events),
    st.tuples(st.just("record"), streams, events),
    st.tuples(st.just("append"), streams, st.lists(events, max_size=3)),
    st.tuples(st.just("read"), streams, st.none()),
)


def lineage(text: str) -> LineageEmitted:
    return LineageEmitted(event=text)


def said(entries: list[Entry]) -> list[str]:
    return [entry.event.event for entry in entries if isinstance(entry.event, LineageEmitted)]


@given(steps=st.lists(operations, max_size=12))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_stream_is_what_was_appended_recorded_and_received_in_that_order(
    ledger: Ledger, steps: list[tuple[str, str, object]]
) -> None:
    prefix = f"{os.urandom(8).hex()}/"  # each example has streams of its own: nothing is ever deleted
    start_position = max((entry.position for entry in ledger.read_all()), default=0)
    expected: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
    received: set[tuple[str, str, bytes]] = set()
    order: list[tuple[str, Event]] = []
    for what, stream, argument in steps:
        if what == "receive":
            assert isinstance(argument, Event)
            ledger.receive(prefix + stream, argument)
            identity = (stream, argument.kind, encode(argument))
            new = [] if identity in received else [argument]
            received.add(identity)
        elif what == "record":
            assert isinstance(argument, Event)
            assert ledger.record(prefix + stream, argument).event == argument
            new = [argument]
        elif what == "append":
            assert isinstance(argument, list)
            version = len(expected[stream])
            new = argument
            assert ledger.append(prefix + stream, argument, expected_version=version) == version + len(argument)
        else:
            new = []
            assert [entry.event for entry in ledger.read(prefix + stream)] == expected[stream]
        expected[stream] += new
        order += [(prefix + stream, event) for event in new]
    entries = ledger.read_all(after=start_position)
    assert [(entry.stream, entry.event) for entry in entries] == order
    assert [entry.position for entry in entries] == list(range(start_position + 1, start_position + 1 + len(order)))
    for stream in STREAMS:
        own = ledger.read(prefix + stream)
        assert [entry.event for entry in own] == expected[stream]
        assert [entry.stream_version for entry in own] == list(range(1, len(own) + 1))
        assert ledger.version(prefix + stream) == len(own)


def test_reading_is_by_version_within_a_stream_and_by_position_across_streams(ledger: Ledger) -> None:
    ledger.append("run/a", [lineage("1"), lineage("2")], expected_version=0)
    ledger.record("run/b", LeaseReleased(run_id="r"))
    ledger.record("run/a", lineage("3"))
    assert said(ledger.read("run/a", after=1)) == ["2", "3"]
    assert [entry.position for entry in ledger.read_all(after=2)] == [3, 4]
    assert [entry.position for entry in ledger.read_all(limit=2)] == [1, 2]
    assert [entry.position for entry in ledger.read_all(kinds=[LeaseReleased])] == [3]
    assert ledger.read_all(kinds=[]) == []
    assert ledger.read("run/nothing") == []
    assert ledger.version("run/nothing") == 0


def test_streams_below_another_are_read_with_it_between_two_positions(ledger: Ledger) -> None:
    streams = ("cost/p", "cost/p/a", "cost/P/a", "cost/p%/a", "cost/pq", "cost/p/b_", "other")
    event = LineageEmitted(event="x")
    placed = [(ledger.record(stream, event).position, stream) for _ in range(2) for stream in streams]
    wanted = [each for each in placed if each[1] in ("cost/p", "cost/p/a", "cost/p/b_")]

    def read(**between: int | None) -> list[tuple[int, str]]:
        return [(entry.position, entry.stream) for entry in ledger.read_below("cost/p", **between)]

    assert read(after=0) == wanted
    first, last = wanted[0][0], wanted[-1][0]
    assert read(after=first, before=last) == wanted[1:-1]


def test_an_append_at_another_version_than_the_stream_has_appends_nothing(ledger: Ledger) -> None:
    ledger.append("run/a", [lineage("1")], expected_version=0)
    for expected in (0, 2):
        with pytest.raises(LedgerConflict, match=f"stands at 1, expected {expected}"):
            ledger.append("run/a", [lineage("x"), lineage("y")], expected_version=expected)
    assert said(ledger.read_all()) == ["1"]


def test_an_append_loses_against_an_event_that_was_received_since_it_read(ledger: Ledger) -> None:
    version = ledger.version("run/a")
    ledger.receive("run/a", lineage("first"))
    with pytest.raises(LedgerConflict):
        ledger.append("run/a", [lineage("second")], expected_version=version)
    assert said(ledger.read("run/a")) == ["first"]


def test_of_threads_that_append_at_the_same_version_exactly_one_wins(ledger: Ledger) -> None:
    for version in range(3):
        outcomes: list[str] = []
        barrier = threading.Barrier(8)

        def race(name: str, version: int, barrier: threading.Barrier, outcomes: list[str]) -> None:
            barrier.wait()
            try:
                ledger.append("run/a", [lineage(name)], expected_version=version)
                outcomes.append(name)
            except LedgerConflict:
                outcomes.append("lost")

        threads = [threading.Thread(target=race, args=(str(number), version, barrier, outcomes)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [outcome for outcome in outcomes if outcome != "lost"]
        assert len(outcomes) == 8
        assert said(ledger.read("run/a", after=version)) == winners
        assert len(winners) == 1


def test_of_processes_that_append_at_the_same_version_exactly_one_wins(ledger_url: str, ledger: Ledger) -> None:
    def race(name: str) -> Callable[[], None]:
        def append() -> None:
            own = Ledger.open(ledger_url)
            for version in range(5):
                try:
                    own.append("run/a", [lineage(name)], expected_version=version)
                except LedgerConflict:
                    own.record("run/lost", lineage(name))

        return append

    assert [wait(child) for child in [start(race(str(number))) for number in range(4)]] == [0] * 4
    assert ledger.version("run/a") == 5
    assert ledger.version("run/lost") == 15


def test_a_ledger_that_was_used_before_a_fork_works_on_both_sides_of_it(ledger: Ledger) -> None:
    ledger.record("run/a", lineage("before"))

    def use() -> None:
        for number in range(20):
            ledger.record("run/a", lineage(f"child {number}"))
        assert ledger.read("run/a")[0].event == lineage("before")

    children = [start(use) for _ in range(3)]
    for number in range(20):
        ledger.record("run/a", lineage(f"parent {number}"))
    assert [wait(child) for child in children] == [0, 0, 0]
    assert ledger.version("run/a") == 81
    ledger.record("run/a", lineage("after"))


def test_a_fork_while_other_threads_write_loses_nothing(ledger: Ledger) -> None:
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not stop.is_set():
            written.append(ledger.record("run/a", lineage("thread")).position)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        statuses = [in_child(lambda: ledger.record("run/b", lineage("child"))) for _ in range(8)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 8
    assert ledger.version("run/a") == len(written) == len(set(written))
    assert ledger.version("run/b") == 8


def test_a_fact_is_recorded_once_and_gives_the_same_entry_ever_after(ledger: Ledger) -> None:
    first = ledger.record("run/a", lineage("fact"), key="key")
    assert ledger.record("run/a", lineage("fact"), key="key") == first
    assert ledger.find("key") == first
    assert ledger.find("another") is None
    assert ledger.read_all() == [first]


@pytest.mark.parametrize(
    ("stream", "event"),
    [
        ("run/a", LineageEmitted(event="other")),
        ("run/b", LineageEmitted(event="fact")),
        ("run/a", LeaseReleased(run_id="fact")),
    ],
)
def test_another_fact_under_a_key_in_use_is_refused(ledger: Ledger, stream: str, event: Event) -> None:
    ledger.record("run/a", lineage("fact"), key="key")
    with pytest.raises(LedgerError, match="stands for one fact"):
        ledger.record_all(stream, [(lineage("beside"), None), (event, "key")])
    assert said(ledger.read_all()) == ["fact"]


def test_facts_and_observations_of_one_call_come_back_in_their_order(ledger: Ledger) -> None:
    known = ledger.record("run/a", lineage("known"), key="k0")
    entries = ledger.record_all(
        "run/a",
        [
            (lineage("seen"), None),
            (lineage("known"), "k0"),
            (lineage("new"), "k1"),
            (lineage("seen"), None),
            (lineage("new"), "k1"),
        ],
    )
    assert said(entries) == ["seen", "known", "new", "seen", "new"]
    assert entries[1] == known
    assert entries[2] == entries[4]
    assert [entry.position for entry in entries] == [2, 1, 3, 4, 3]
    assert ledger.record_all("run/a", []) == []


def test_processes_that_record_the_same_facts_record_each_once(ledger_url: str, ledger: Ledger) -> None:
    def record() -> None:
        own = Ledger.open(ledger_url)
        for number in range(10):
            own.record("run/a", lineage(str(number)), key=f"key {number}")

    assert [wait(child) for child in [start(record) for _ in range(4)]] == [0] * 4
    assert sorted(said(ledger.read_all())) == [str(number) for number in range(10)]


def test_a_reader_sees_every_event_whose_receipt_was_acknowledged(ledger_url: str, ledger: Ledger) -> None:
    def receive(name: str, pipe: int) -> Callable[[], None]:
        def work() -> None:
            own = Ledger.open(ledger_url)
            for number in range(15):
                own.receive("lineage", lineage(f"{name} {number}"))
                os.write(pipe, f"{name} {number}\n".encode())

        return work

    readable, writable = os.pipe()
    children = [start(receive(str(number), writable)) for number in range(4)]
    os.close(writable)
    acknowledged: list[str] = []
    with open(readable) as pipe:  # noqa: PTH123  # a descriptor, no path
        for line in pipe:
            acknowledged.append(line.rstrip("\n"))
            if len(acknowledged) % 6 == 0:
                assert set(acknowledged) <= set(said(ledger.read("lineage")))
    assert [wait(child) for child in children] == [0] * 4
    seen = said(ledger.read("lineage"))
    assert sorted(seen) == sorted(acknowledged)
    for name in range(4):  # what was received first stands first
        assert [text for text in seen if text.startswith(f"{name} ")] == [f"{name} {number}" for number in range(15)]


def test_the_same_bytes_are_received_once_a_stream(ledger: Ledger) -> None:
    for stream in ("lineage", "lineage", "other"):
        ledger.receive(stream, lineage("same"))
    assert [(entry.stream, entry.stream_version) for entry in ledger.read_all()] == [("lineage", 1), ("other", 1)]


def test_the_leaf_hash_covers_stream_kind_key_time_and_event(ledger_url: str) -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    ledger = Ledger.open(ledger_url, clock=lambda: moment)
    entry = ledger.record("run/a", lineage("x"), key="k")
    raw = (
        b'{"key":"k","kind":"lineage_emitted","recorded_at":"2026-03-01T12:00:00+00:00","stream":"run/a","version":1}\n'
        b'{"event":"x"}'
    )
    assert entry.leaf_hash == leaf_hash(raw)
    assert entry.recorded_at == moment
    ledger.close()


def test_the_leaf_hash_is_that_of_rfc_9162() -> None:
    assert leaf_hash(b"") == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@pytest.mark.parametrize("table", ["ledger_inbox", "ledger_log"])
def test_no_row_is_ever_changed_or_removed(ledger_url: str, ledger: Ledger, table: str) -> None:
    ledger.record("run/a", lineage("1"), key="k")
    before = ledger.read_all()
    engine = sa.create_engine(ledger_url, poolclass=sa.NullPool)
    own = {
        "sqlite": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",  # noqa: S608  # a constant above
        "postgresql": f"TRUNCATE {table} CASCADE",
    }
    for change in (f"UPDATE {table} SET stream = 'x'", f"DELETE FROM {table}", own[engine.dialect.name]):  # noqa: S608
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(change)
        assert ledger.read_all() == before


def test_a_row_that_was_altered_behind_the_triggers_is_refused(sqlite_ledger_url: str) -> None:
    ledger = Ledger.open(sqlite_ledger_url)
    ledger.record("run/a", lineage("1"))
    ledger.close()
    engine = sa.create_engine(sqlite_ledger_url, poolclass=sa.NullPool)
    for change in ("raw = CAST(replace(raw, '1\"', '2\"') AS BLOB)", "kind = 'lease_released'"):
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS ledger_inbox_no_update")
            connection.exec_driver_sql(f"UPDATE ledger_inbox SET {change}")  # noqa: S608  # constants above
        with pytest.raises(LedgerError, match="position 1 was altered"):
            Ledger.open(sqlite_ledger_url).read("run/a")


def test_an_event_of_an_unknown_kind_or_with_a_wrong_field_is_refused_before_it_is_written(ledger: Ledger) -> None:
    class Rumour(Event):
        kind = "rumour"

    for event in (Rumour(), LineageEmitted(event=3), LineageEmitted(event="\ud800")):  # type: ignore[arg-type]
        for write in (
            lambda event: ledger.record("run/a", event),
            lambda event: ledger.receive("run/a", event),
            lambda event: ledger.append("run/a", [event], expected_version=0),
        ):
            with pytest.raises(LedgerError):
                write(event)
    assert ledger.read_all() == []


def test_opening_at_once_from_many_processes_makes_one_ledger(ledger_url: str) -> None:
    def work() -> None:
        Ledger.open(ledger_url).record("run/a", lineage("x"))

    assert [wait(child) for child in [start(work) for _ in range(6)]] == [0] * 6
    assert Ledger.open(ledger_url).version("run/a") == 6


def test_a_ledger_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="folder exists"):
        Ledger.open(f"sqlite:///{tmp_path}/missing/ledger.db")
    with pytest.raises(LedgerUnavailable, match="can be reached") as raised:
        Ledger.open(f"postgresql+psycopg://me:secret@/none?host={tmp_path}")
    assert "secret" not in str(raised.value)
    assert raised.value.retry_heals


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///relative.db", "mysql://host/db", "nonsense", ""])
def test_a_url_that_names_no_ledger_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="sqlite:////absolute"):
        Ledger.open(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a letter to my grandmother, long enough to be no header" * 40)
    before = path.read_bytes()
    with pytest.raises(LedgerUnavailable):
        Ledger.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_on_a_full_disk_an_event_is_refused_whole_and_a_retry_succeeds(sqlite_ledger_url: str) -> None:
    Ledger.open(sqlite_ledger_url).close()

    def write() -> None:
        ledger = Ledger.open(sqlite_ledger_url)
        ledger.record("run/a", lineage("before"))
        fail_when_a_file_grows_to(100_000)
        with pytest.raises(LedgerUnavailable):
            ledger.record_all("run/a", [(lineage("x" * 10_000), f"k{number}") for number in range(30)])
        assert said(ledger.read("run/a")) == ["before"]

    assert in_child(write) == 0
    ledger = Ledger.open(sqlite_ledger_url)
    ledger.record_all("run/a", [(lineage("x"), f"k{number}") for number in range(30)])
    assert ledger.version("run/a") == 31
    ledger.close()


def test_naming_the_ledger_imports_neither_sqlalchemy_nor_pydantic() -> None:
    program = (
        "import sys; from include.ledger import Ledger, lease, delivery, projection; "
        "assert not {'sqlalchemy', 'pydantic', 'httpx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_opening_a_ledger_that_is_there_writes_nothing(ledger_url: str, ledger: Ledger) -> None:
    ledger.record("run/a", lineage("x"))
    said: list[str] = []

    def hear(*heard: object) -> None:
        said.append(str(heard[2]))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        Ledger.open(ledger_url).close()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    assert said
    assert not [each for each in said if each.split()[0].upper() in ("CREATE", "INSERT", "UPDATE", "DELETE", "ALTER")]


def test_a_stream_is_read_in_one_transaction_where_every_event_has_its_place(ledger: Ledger) -> None:
    ledger.record("run/a", lineage("x"))
    begun: list[object] = []
    sa.event.listen(ledger._database._engine(), "begin", begun.append)
    assert said(ledger.read("run/a")) == ["x"]
    assert len(begun) == 1


def test_a_statement_is_built_and_rendered_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.record("run/a", lineage("x"), key="x")
    monkeypatch.setattr("include.ledger.statement.Statement.render", None)
    ledger.record("run/a", lineage("y"), key="y")
    assert said(ledger.read("run/a")) == ["x", "y"]


def test_what_is_observed_beside_an_event_is_recorded_with_it_and_not_where_it_is_refused_or_known(
    ledger: Ledger,
) -> None:
    fact, beside = LeaseReleased(run_id="fact"), [("elsewhere", LeaseReleased(run_id="observed"))]
    for _ in range(2):
        entry = ledger.record("here", fact, key="key", beside=beside)
        assert (entry.stream, entry.event) == ("here", fact)
    with pytest.raises(LedgerError):
        ledger.record("here", LeaseReleased(run_id="another"), key="key", beside=beside)
    assert [entry.event for entry in ledger.read("elsewhere")] == [beside[0][1]]
    ledger.record("here", fact, beside=beside)
    assert len(ledger.read("elsewhere")) == 2
