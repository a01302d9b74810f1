"""The ledger's events as leaves of a tree, in the order of their positions: read as the database has them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from include.core.errors import LedgerError
from include.ledger.transaction import Transaction

#: Place, stream, version and kind as the log has them; then what the inbox has (``None``: the row is not there).
Row = tuple[int, str, int, str, str | None, str | None, int | None, str | None, str | None, bytes | None, str | None]

_ROWS = (
    "SELECT l.position, l.stream, l.stream_version, l.kind, i.stream, i.kind, i.version, i.key, i.recorded_at, i.raw, "
    "i.leaf_hash FROM ledger_log l LEFT JOIN ledger_inbox i ON i.id = l.inbox_id "
    "WHERE l.position > {after:d} ORDER BY l.position"
)
_HASHES = (
    "SELECT l.position, i.leaf_hash FROM ledger_log l JOIN ledger_inbox i ON i.id = l.inbox_id "
    "WHERE l.position > {after:d} AND l.position <= {until:d} ORDER BY l.position"
)
_ROWS_AT_ONCE = 2_000
_LAST = 2**62


def size(transaction: Transaction) -> int:
    """The position of the last event; 0: there is none."""
    return int(transaction.connection.exec_driver_sql("SELECT coalesce(max(position), 0) FROM ledger_log").scalar_one())


def hashes(transaction: Transaction, *, after: int = 0, until: int = _LAST) -> bytes:
    """The leaf hashes of the events above position *after*, 32 bytes each.

    Raises:
        LedgerError: a position between them is missing.
    """
    found, expected = list[bytes](), after
    for position, leaf in _streamed(transaction, _HASHES.format(after=after, until=until)):
        expected += 1
        if position != expected:
            break
        found.append(bytes.fromhex(leaf))
    else:
        return b"".join(found)
    raise LedgerError(
        "a ledger has no gaps",
        value=f"position {expected} is missing",
        remedy="Restore the ledger from a backup and find out who wrote to its tables; `./trainyard verify` names it.",
    )


def rows(transaction: Transaction, *, after: int = 0) -> Iterator[Row]:
    """The rows of the events above position *after*, in order, as the driver gives them: of a million, in seconds."""
    return _streamed(transaction, _ROWS.format(after=after))


def raw(transaction: Transaction, position: int) -> bytes | None:
    """The sealed bytes of the event at *position*; ``None``: there is none."""
    for row in _streamed(transaction, f"{_ROWS.format(after=position - 1)} LIMIT 1"):
        return row[9] if row[0] == position else None
    return None


def recorded_at(transaction: Transaction, position: int) -> datetime | None:
    """When the event at *position* was recorded; ``None``: there is none."""
    for row in _streamed(transaction, f"{_ROWS.format(after=position - 1)} LIMIT 1"):
        return datetime.fromisoformat(row[8]) if row[0] == position else None
    return None


def version_at(transaction: Transaction, stream: str, position: int) -> int:
    """How many events *stream* had at *position*, by its versions."""
    import sqlalchemy as sa

    from include.ledger.schema import log

    highest = sa.select(sa.func.coalesce(sa.func.max(log.c.stream_version), 0))
    return int(transaction.connection.scalar(highest.where(log.c.stream == stream, log.c.position <= position)) or 0)


def _streamed(transaction: Transaction, query: str) -> Iterator[Any]:
    """The driver's own rows: those of SQLAlchemy take as long again."""
    driver: Any = transaction.connection.connection.driver_connection
    if transaction.connection.dialect.name == "sqlite":
        yield from driver.execute(query)
        return
    transaction.connection.exec_driver_sql("SELECT 1")  # begins the transaction, which a cursor of the server lives in
    with driver.cursor(name="leaves", binary=True) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(query)
        yield from cursor
