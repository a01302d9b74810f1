"""The sequencer on PostgreSQL, where ids commit out of order."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from include.core.events import LineageEmitted
from include.ledger import Ledger
from include.ledger.database import Database
from include.ledger.entry import seal
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
