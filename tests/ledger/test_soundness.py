"""What was done behind the ledger's back is found: a gap, a missing trigger, a row that is not what was sealed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from include.core.errors import LedgerError
from include.core.events import LineageEmitted
from include.ledger import Ledger
from include.ledger.schema import log

#: What a role that owns the tables does first, and last: nothing shows then but what it did in between.
_TABLES = ("ledger_inbox", "ledger_log")


def filled(url: str) -> Ledger:
    ledger = Ledger.open(url)
    for number in range(3):
        ledger.record("run/a", LineageEmitted(event=f"a{number}"), key=f"a{number}")
        ledger.record("run/b", LineageEmitted(event=f"b{number}"))
    return ledger


@contextmanager
def behind_the_triggers(url: str) -> Iterator[sa.Connection]:
    """A connection that changes rows, and then puts the triggers back as they were."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        if connection.dialect.name == "sqlite":
            made = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in made:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            yield connection
            for _, statement in made:
                connection.exec_driver_sql(statement)
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
            yield connection


def test_a_ledger_that_only_its_writers_wrote_to_has_no_fault(ledger_url: str) -> None:
    ledger = filled(ledger_url)
    ledger.receive("run/a", LineageEmitted(event="received"))
    ledger.mark_delivered("file", position=6)
    ledger.require_order()
    assert ledger.check() == ()
    ledger.receive("run/a", LineageEmitted(event="not in the log yet"))
    ledger.require_order()
    ledger.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM ledger_log WHERE position = 3", "positions have a gap: 5 events, positions 1 to 6"),
        ("DELETE FROM ledger_log WHERE position = 1", "positions have a gap: 5 events, positions 2 to 6"),
        ("DELETE FROM ledger_inbox WHERE id = 4", "6 places in the log, and 5 events that have one"),
        ("DELETE FROM ledger_log WHERE position = 5", "stream 'run/a' has a gap in its versions|5 places in the log"),
        ("UPDATE ledger_log SET stream_version = 9 WHERE position = 5", "stream 'run/a' has a gap in its versions"),
        ("UPDATE ledger_log SET stream = 'run/c' WHERE position = 3", "stream 'run/a' has a gap in its versions"),
        ("UPDATE ledger_cursor SET position = 7", "position 7 was delivered, and the last one is 6"),
    ],
)
def test_a_gap_in_the_order_is_found_without_reading_the_rows(ledger_url: str, change: str, told: str) -> None:
    ledger = filled(ledger_url)
    ledger.mark_delivered("file", position=6)
    ledger.close()
    with behind_the_triggers(ledger_url) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(LedgerError, match=told):
        ledger.require_order()
    assert ledger.check() != ()
    ledger.close()


_CHANGES = [
    "UPDATE ledger_log SET kind = 'lease_released' WHERE position = 4",
    "UPDATE ledger_inbox SET kind = 'lease_released' WHERE id = 4",
    "UPDATE ledger_inbox SET stream = 'run/a' WHERE id = 4",
    "UPDATE ledger_inbox SET key = 'another' WHERE id = 4",
    "UPDATE ledger_inbox SET version = 2 WHERE id = 4",
    "UPDATE ledger_inbox SET recorded_at = '2020-01-01T00:00:00+00:00' WHERE id = 4",
    "UPDATE ledger_inbox SET raw = (SELECT raw FROM ledger_inbox WHERE id = 2) WHERE id = 4",
    "UPDATE ledger_inbox SET leaf_hash = (SELECT leaf_hash FROM ledger_inbox WHERE id = 2) WHERE id = 4",
]


@pytest.mark.parametrize("change", _CHANGES)
def test_a_row_whose_columns_are_not_those_of_its_sealed_bytes_is_found_and_not_read(
    ledger_url: str, change: str
) -> None:
    ledger = filled(ledger_url)
    ledger.close()
    with behind_the_triggers(ledger_url) as connection:
        connection.exec_driver_sql(change)
    assert ledger.check() == ("position 4 is not what was recorded",)
    with pytest.raises(LedgerError, match="position 4 was altered"):
        ledger.read_all()
    ledger.close()


def test_triggers_of_an_earlier_release_with_their_alternatives_in_another_order_are_the_same(
    sqlite_ledger_url: str,
) -> None:
    ledger = filled(sqlite_ledger_url)
    with sa.create_engine(sqlite_ledger_url, poolclass=sa.NullPool).begin() as connection:
        (made,) = connection.scalars(sa.text("SELECT sql FROM sqlite_master WHERE name = 'ledger_log_no_replace'"))
        before, _, rest = made.partition("WHERE ")
        condition, _, after = rest.partition(") BEGIN")
        turned = " OR ".join(reversed(condition.split(" OR ")))
        connection.exec_driver_sql("DROP TRIGGER ledger_log_no_replace")
        connection.exec_driver_sql(f"{before}WHERE {turned}) BEGIN{after}")
    assert turned != condition
    ledger.require_order()
    ledger.close()


@pytest.mark.parametrize("change", _CHANGES)
def test_a_row_that_was_altered_since_it_was_found_sound_is_found_whatever_was_recorded_since(
    ledger_url: str, change: str
) -> None:
    ledger = filled(ledger_url)
    assert ledger.check() == ()
    ledger.record("run/b", LineageEmitted(event="later"))
    assert ledger.check() == ()
    ledger.close()
    with behind_the_triggers(ledger_url) as connection:
        connection.exec_driver_sql(change)
    ledger.record("run/c", LineageEmitted(event="later still"))
    assert ledger.check() == ("position 4 is not what was recorded",) == ledger.check()
    ledger.close()


def test_rows_that_were_swapped_since_they_were_found_sound_are_found(ledger_url: str) -> None:
    ledger = filled(ledger_url)
    assert ledger.check() == ()
    ledger.close()
    with behind_the_triggers(ledger_url) as connection:
        for swapped in (-log.c.inbox_id, log.c.inbox_id + 5):
            change = sa.update(log).where(log.c.position.in_((2, 3)))
            connection.execute(change.values(inbox_id=swapped))
    assert ledger.check() == tuple(f"position {place} is not what was recorded" for place in (2, 3))
    ledger.close()


@pytest.mark.parametrize("table", _TABLES)
def test_each_trigger_that_is_missing_or_was_replaced_is_named(ledger_url: str, table: str) -> None:
    ledger = filled(ledger_url)
    sqlite = ledger_url.startswith("sqlite")
    names = [f"{table}_no_{kind}" for kind in ("update", "delete", "replace")] if sqlite else [f"{table}_append_only"]
    engine = sa.create_engine(ledger_url, poolclass=sa.NullPool)
    for name in names:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TRIGGER {name}" + ("" if sqlite else f" ON {table}"))
        assert f"the trigger {name} is missing or another one" in ledger.check()
        with engine.begin() as connection:  # one of that name which refuses nothing
            refusing = "BEGIN SELECT 1; END" if sqlite else "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
            connection.exec_driver_sql(f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} {refusing}")
        with pytest.raises(LedgerError, match=f"the trigger {name} is missing or another one"):
            ledger.require_order()
    ledger.close()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE ledger_log DISABLE TRIGGER ledger_log_append_only",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    ],
)
def test_in_postgresql_a_trigger_that_is_switched_off_or_refuses_nothing_is_named(
    postgres_ledger_url: str, change: str
) -> None:
    ledger = filled(postgres_ledger_url)
    with sa.create_engine(postgres_ledger_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(LedgerError, match="the trigger ledger_log_append_only is missing"):
        ledger.require_order()
    ledger.close()
