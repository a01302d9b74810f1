"""Whether a ledger is as its writers left it: no gap in its order, its triggers in place, each row as it was sealed.

A check of order and rows only: whoever replaces the whole database, hashes and all, is not found by it.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from include.ledger import schema
from include.ledger.entry import SealedEvent, is_as_sealed
from include.ledger.schema import cursor, inbox, log
from include.ledger.transaction import Transaction

#: This many of a kind are named; the others are counted by whoever repairs it.
_NAMED = 3
#: Where the sealed bytes stand in a row, which begins with what the inbox has.
_RAW = list(inbox.c.keys()).index("raw")


def order_faults(transaction: Transaction) -> tuple[str, ...]:
    """What is wrong with order and triggers. Counts by index and reads no event."""
    connection = transaction.connection
    counts = sa.select(
        sa.select(sa.func.count()).select_from(log).scalar_subquery().label("placed"),
        sa.select(sa.func.coalesce(sa.func.min(log.c.position), 1)).scalar_subquery().label("first"),
        sa.select(sa.func.coalesce(sa.func.max(log.c.position), 0)).scalar_subquery().label("last"),
        sa.select(sa.func.count()).select_from(inbox).scalar_subquery().label("received"),
        sa.select(sa.func.count()).select_from(inbox).where(transaction.pending()).scalar_subquery().label("pending"),
        sa.select(sa.func.coalesce(sa.func.max(cursor.c.position), 0)).scalar_subquery().label("delivered"),
    )
    found = connection.execute(counts).one()
    told = [no_trigger(name) for name in schema.missing_triggers(connection)]
    if (found.first, found.last) != (1, found.placed):
        told.append(f"positions have a gap: {found.placed} events, positions {found.first} to {found.last}")
    if found.received - found.pending != found.placed:
        told.append(f"{found.placed} places in the log, and {found.received - found.pending} events that have one")
    if found.delivered > found.last:
        told.append(f"position {found.delivered} was delivered, and the last one is {found.last}")
    told += [f"stream {name!r} has a gap in its versions" for name in _broken_streams(connection)]
    return tuple(told)


def no_trigger(name: str) -> str:
    return f"the trigger {name} is missing or another one"


def _broken_streams(connection: sa.Connection) -> list[str]:
    whole = sa.and_(sa.func.min(log.c.stream_version) == 1, sa.func.max(log.c.stream_version) == sa.func.count())
    grouped = sa.select(log.c.stream).group_by(log.c.stream).having(sa.not_(whole))
    return list(connection.scalars(grouped.order_by(log.c.stream).limit(_NAMED)))


@dataclass(frozen=True, kw_only=True)
class SoundRows:
    """The rows up to ``position``, each of which was found as it was sealed, by the digest of all that they say.

    Rows that say the same again are sound too, and that takes a third of the time to find. A process keeps it for
    itself: whoever can alter a ledger can alter a file.
    """

    position: int = 0
    digest: str = hashlib.sha256().hexdigest()


def check(transaction: Transaction, known: SoundRows) -> tuple[tuple[str, ...], SoundRows]:
    """What is wrong with order, triggers, and each row that is not *known*; and the rows that are known from now on."""
    told, altered = list(order_faults(transaction)), 0
    said, position = hashlib.sha256(), 0
    for row in transaction.rows(until=known.position):
        said.update(_bytes(row))
    if said.hexdigest() == known.digest:
        position = known.position
    else:
        said = hashlib.sha256()
    for row in transaction.rows(after=position):
        said.update(_bytes(row))
        position = row.position
        if not is_as_sealed(cast(SealedEvent, row), placed_as=(row.placed_stream, row.placed_kind)):
            altered += 1
            if altered <= _NAMED:
                told.append(f"position {position} is not what was recorded")
    if altered > _NAMED:
        told.append(f"{altered - _NAMED} more positions are not what was recorded")
    return tuple(told), SoundRows() if told else SoundRows(position=position, digest=said.hexdigest())


def _bytes(row: "sa.Row[Any]") -> bytes:
    """All that inbox and log say of an event."""
    values = list(row)
    raw: bytes = values.pop(_RAW)
    return repr((values, len(raw))).encode() + raw
