"""What a transaction reads and places; and the sequencer on PostgreSQL, where ids commit out of order."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from include.core.events import LeaseReleased, LineageEmitted
from include.ledger import Ledger
from include.ledger.database import Database
from include.ledger.entry import LoggedEvent, seal
from include.ledger.transaction import PostgresTransaction


@pytest.fixture
def ledger(postgres_ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(postgres_ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def engine(postgres_ledger_url: str) -> sa.Engine:
    return sa.create_engine(postgres_ledger_url, poolclass=sa.NullPool)


def lineage(text: str) -> LineageEmitted:
    return LineageEmitted(event=text)


def said(ledger: Ledger) -> list[tuple[int, object]]:
    return [(entry.position, getattr(entry.event, "event", None)) for entry in ledger.read_all()]


def receive(connection: sa.Connection, text: str) -> None:
    sealed = seal("lineage", lineage(text), recorded_at=datetime.now(UTC), once=True)
    PostgresTransaction(connection).receive(sealed)


def test_an_event_that_commits_late_follows_those_that_were_read_before_it(ledger: Ledger, engine: sa.Engine) -> None:
    ledger.receive("lineage", lineage("a"))
    with engine.begin() as slow:
        receive(slow, "slow")  # takes its id now, commits last
        ledger.receive("lineage", lineage("b"))
        assert said(ledger) == [(1, "a"), (2, "b")]
        ledger.record("lineage", lineage("c"))
        assert said(ledger) == [(1, "a"), (2, "b"), (3, "c")]
    assert said(ledger) == [(1, "a"), (2, "b"), (3, "c"), (4, "slow")]


def test_an_event_that_is_rolled_back_leaves_no_gap(ledger: Ledger, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        receive(connection, "never")
        ledger.receive("lineage", lineage("a"))
        transaction.rollback()
    ledger.receive("lineage", lineage("b"))
    assert said(ledger) == [(1, "a"), (2, "b")]


def test_a_foreign_transaction_that_stays_open_hides_nothing(ledger: Ledger, engine: sa.Engine) -> None:
    with engine.begin() as foreign:
        foreign.execute(sa.text("SELECT pg_current_xact_id()"))
        for text in "abc":
            ledger.receive("lineage", lineage(text))
            assert said(ledger)[-1][1] == text


def test_a_ledger_restored_where_transaction_ids_are_lower_loses_nothing(ledger: Ledger, engine: sa.Engine) -> None:
    ledger.record("lineage", lineage("a"))
    with engine.begin() as connection:  # as a restored dump would have it
        for table in ("ledger_inbox", "ledger_log"):
            connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE ledger_log SET horizon = 1000000000000"))
        connection.execute(sa.text("UPDATE ledger_inbox SET transaction_id = 1000000000000"))
    ledger.receive("lineage", lineage("b"))
    ledger.receive("lineage", lineage("c"))
    assert said(ledger) == [(1, "a"), (2, "b"), (3, "c")]


def test_the_sequencer_looks_only_through_what_is_newer_than_its_horizon(ledger: Ledger, engine: sa.Engine) -> None:
    for number in range(5):
        ledger.receive("lineage", lineage(str(number)))
        ledger.read_all()
    with engine.begin() as connection:
        horizon = connection.scalar(sa.text("SELECT horizon FROM ledger_log ORDER BY position DESC LIMIT 1"))
        newer = connection.scalar(
            sa.text("SELECT count(*) FROM ledger_inbox WHERE transaction_id >= :horizon"), {"horizon": horizon}
        )
    assert newer == 0


def test_a_server_that_vanishes_is_noticed_within_half_a_minute_unless_the_url_says_otherwise(
    postgres_ledger_url: str,
) -> None:
    def asked(url: str) -> dict[str, str]:
        database = Database(url)
        with database.reading() as transaction:
            driver = transaction.connection.connection.driver_connection
            assert driver is not None
            found: dict[str, str] = driver.info.get_parameters()
        database.close()
        return found

    ours = asked(postgres_ledger_url)
    assert ours["tcp_user_timeout"] == "30000"
    assert int(ours["keepalives_idle"]) + int(ours["keepalives_interval"]) * int(ours["keepalives_count"]) <= 30
    own = sa.make_url(postgres_ledger_url).update_query_dict({"tcp_user_timeout": "5000"})
    assert asked(own.render_as_string(hide_password=False))["tcp_user_timeout"] == "5000"


# ── over every database ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """Of a ledger where positions 1 to 9 are of the stream ``a``, 10 to 12 of ``a/b``, 13 and 14 of ``c``, keyed."""
    written = Ledger.open(ledger_url)
    for stream, count in (("a", 9), ("a/b", 3)):
        written.append(stream, [lineage(f"{stream} {number}") for number in range(count)], expected_version=0)
    written.record("c", LeaseReleased(run_id="1"), key="key 000")
    written.record("c", LeaseReleased(run_id="2"), key="key 600")
    written.close()
    opened = Database(ledger_url)
    yield opened
    opened.close()


def positions(found: Iterable[LoggedEvent]) -> list[int]:
    return [each.position for each in found]


def test_a_transaction_reads_what_lies_between_two_places_in_their_order(database: Database) -> None:
    with database.reading() as transaction:
        assert positions(transaction.of_stream("a", after=0)) == list(range(1, 10))
        assert positions(transaction.of_stream("a/b", after=1)) == [11, 12]
        assert positions(transaction.newest_first("a")) == list(range(9, 0, -1))
        assert positions(transaction.newest_first("nothing")) == []
        assert positions(transaction.below("a", after=1, before=12)) == list(range(2, 12))
        assert positions(transaction.all(after=11, kinds=None, limit=None)) == [12, 13, 14]
        assert positions(transaction.all(after=0, kinds=None, limit=2)) == [1, 2]
        assert positions(transaction.all(after=13, kinds={"lease_released"}, limit=None)) == [14]
        assert positions(transaction.all(after=0, kinds=set(), limit=None)) == []
        assert [row.position for row in transaction.rows()] == list(range(1, 15))
        assert [row.position for row in transaction.rows(after=3, until=5)] == [4, 5]
        assert [transaction.version(stream) for stream in ("a", "a/b", "c", "nothing")] == [9, 3, 2, 0]


def test_events_are_found_by_their_ids_and_keys_and_by_no_others(database: Database) -> None:
    with database.reading() as transaction:
        every = list(transaction.all(after=0, kinds=None, limit=None))
        some = {every[index].inbox_id: every[index] for index in (2, 7, 13)}
        assert transaction.by_ids(list(some)) == some
        assert transaction.by_ids([]) == transaction.by_keys([]) == {}
        assert transaction.by_keys(["key 000"]) == {"key 000": every[12]}
        assert transaction.by_keys(["key 001"]) == {}
        many = [f"key {number:03}" for number in range(1001)]
        assert transaction.by_keys(reversed(many)) == {"key 000": every[12], "key 600": every[13]}


def test_what_is_inserted_has_its_place_once_it_is_sequenced_in_the_order_in_which_it_came(database: Database) -> None:
    events = [seal(stream, lineage("new"), recorded_at=datetime.now(UTC), once=False) for stream in ("a", "d", "a")]
    with database.writing() as transaction:
        assert transaction.insert([]) == []
        assert not transaction.is_behind()
        ids = transaction.insert(events)
        assert transaction.is_behind()
        assert transaction.version("a") == 9
        transaction.sequence()
        assert not transaction.is_behind()
        placed = transaction.by_ids(ids)
        assert [(placed[each].position, placed[each].stream_version) for each in ids] == [(15, 10), (16, 1), (17, 11)]
        assert [placed[each].placed_as for each in ids] == [(each.stream, each.kind) for each in events]
        assert [placed[each].sealed for each in ids] == events


def test_a_delivery_s_mark_stands_where_it_was_moved_to_last_and_never_goes_back(database: Database) -> None:
    with database.writing() as transaction:
        assert transaction.cursor("lineage") == (0, 0)
        for position, size_bytes, expected in ((3, 30, (3, 30)), (2, 90, (3, 30)), (3, 40, (3, 40)), (9, 9, (9, 9))):
            transaction.move_cursor("lineage", position=position, size_bytes=size_bytes)
            assert transaction.cursor("lineage") == expected
        assert transaction.cursor("another") == (0, 0)
