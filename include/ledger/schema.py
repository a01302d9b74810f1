"""The ledger's tables on SQLite and PostgreSQL, insert-only by trigger.

``inbox`` takes events as they come; ``log`` gives each its place. The names carry a prefix because a served ledger
may share its database with Airflow, which has a table ``log`` of its own.
"""

import re

import sqlalchemy as sa

metadata = sa.MetaData()

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

inbox = sa.Table(
    "ledger_inbox",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("key", sa.Text, unique=True),
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.Text, nullable=False),
    # PostgreSQL's transaction id (64 bit): ids commit out of order there, so "not yet in the log" is found by it.
    sa.Column("transaction_id", sa.BigInteger, index=True),
    sqlite_autoincrement=True,
)

log = sa.Table(
    "ledger_log",
    metadata,
    sa.Column("position", _SERIAL, primary_key=True, autoincrement=False),
    sa.Column("inbox_id", _SERIAL, sa.ForeignKey(inbox.c.id), nullable=False, unique=True),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("stream_version", _SERIAL, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # here too, so that a few events of a kind are found among many
    # All transactions below this id had ended when the row was written, and their events were in the log with it.
    sa.Column("horizon", sa.BigInteger),
    sa.UniqueConstraint("stream", "stream_version"),
    sa.Index("ledger_log_by_kind", "kind", "position"),
)

#: Where a delivery stands: working state, not evidence, so it may change.
cursor = sa.Table(
    "ledger_cursor",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", _SERIAL, nullable=False),
    sa.Column("size_bytes", _SERIAL, nullable=False),
)

#: In PostgreSQL's own figures: BEFORE UPDATE OR DELETE OR TRUNCATE, for each statement.
_STATEMENT_TRIGGER = 2 + 8 + 16 + 32

_REFUSAL = "the ledger is append-only"
_REFUSING = f" BEGIN RAISE EXCEPTION '{_REFUSAL}'; END "


def create(connection: sa.Connection) -> None:
    """Create tables and triggers in the transaction of *connection*, which holds the writers' lock.

    Tables and triggers come into being in one transaction: the log table is there only if all is.
    """
    if sa.inspect(connection).has_table(log.name):
        return
    metadata.create_all(connection)
    statements = _sqlite_triggers() if connection.dialect.name == "sqlite" else _postgresql_triggers()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _sqlite_triggers() -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    changes = [
        f"CREATE TRIGGER {table.name}_no_{change.lower()} BEFORE {change} ON {table.name} {refuse}"
        for table in (inbox, log)
        for change in ("UPDATE", "DELETE")
    ]
    replacements = [
        f"CREATE TRIGGER {table.name}_no_replace BEFORE INSERT ON {table.name} WHEN {_taken(table)} {refuse}"
        for table in (inbox, log)
    ]
    return changes + replacements


def _taken(table: sa.Table) -> str:
    """That the new row would replace another: REPLACE deletes without firing the DELETE trigger."""
    unique = [key for key in table.constraints if isinstance(key, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]
    same = sorted(" AND ".join(f"{column.name} = NEW.{column.name}" for column in key.columns) for key in unique)
    return f"EXISTS (SELECT 1 FROM {table.name} WHERE {' OR '.join(same)})"  # noqa: S608  # our own names


def _postgresql_triggers() -> list[str]:
    function = f"CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $${_REFUSING}$$"
    triggers = [
        f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        for table in (inbox, log)
    ]
    return [function, *triggers]


def missing_triggers(connection: sa.Connection) -> list[str]:
    """The triggers that are not there, are switched off, or are others than :func:`create` made, by name."""
    if connection.dialect.name == "sqlite":
        made = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        there = {row.name: _parts(row.sql) for row in connection.execute(made)}
        return [name for each in _sqlite_triggers() if there.get(name := each.split()[2]) != _parts(each)]
    in_force = sa.text(
        "SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE t.tgrelid IN (to_regclass(:inbox), to_regclass(:log)) AND t.tgtype = :type AND t.tgqual IS NULL "
        "AND cardinality(t.tgattr) = 0 AND t.tgenabled IN ('O', 'A') AND p.prosrc = :source"
    )
    values = {"inbox": inbox.name, "log": log.name, "type": _STATEMENT_TRIGGER, "source": _REFUSING}
    there_now = set(connection.scalars(in_force, values))
    return [name for table in (inbox, log) if (name := f"{table.name}_append_only") not in there_now]


def _parts(trigger: str) -> list[str]:
    """Earlier releases wrote the alternatives of a condition in any order."""
    return sorted(re.split(r" OR |WHERE |\)", trigger))
