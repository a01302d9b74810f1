"""The ledger's SQL, and the sequencer that gives every event its place."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from include.ledger import schema
from include.ledger.entry import Logged, Sealed
from include.ledger.schema import inbox, log

_ADVISORY_LOCK = 0x7261_696C  # any constant: all writers of a PostgreSQL ledger take this lock
_KEYS_A_QUERY = 500
_ROWS_AT_ONCE = 1_000

_SELECT = sa.select(
    inbox,
    log.c.position,
    log.c.stream_version,
    log.c.stream.label("placed_stream"),
    log.c.kind.label("placed_kind"),
).join_from(log, inbox, log.c.inbox_id == inbox.c.id)


def _bigint(expression: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(sa.cast(expression, sa.Text), sa.BigInteger)


_OWN_TRANSACTION = _bigint(sa.func.pg_current_xact_id())
_OLDEST_RUNNING = _bigint(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()))


class Transaction:
    """What a transaction on the ledger can do. Each database says how it locks and finds what has no place yet."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def lock(self) -> None:
        """Wait until no other transaction writes the log."""
        raise NotImplementedError

    def receive(self, sealed: Sealed) -> None:
        """Insert into the inbox, unless the key is there."""
        raise NotImplementedError

    def pending(self) -> sa.ColumnElement[bool]:
        """Which inbox rows have no place in the log yet, as this transaction sees it."""
        raise NotImplementedError

    def _horizon(self) -> sa.ColumnElement[int]:
        raise NotImplementedError

    def is_behind(self) -> bool:
        """Whether a committed event has no place in the log yet."""
        return bool(self.connection.scalar(sa.select(sa.exists().where(self.pending()))))

    def sequence(self) -> None:
        """Give every event in the inbox that has none its place in the log, in the order of arrival."""
        last = sa.select(sa.func.coalesce(sa.func.max(log.c.position), 0)).scalar_subquery()
        earlier = log.alias()
        version = (
            sa.select(sa.func.coalesce(sa.func.max(earlier.c.stream_version), 0))
            .where(earlier.c.stream == inbox.c.stream)
            .scalar_subquery()
        )
        row_number = sa.func.row_number()
        placed = sa.select(
            last + row_number.over(order_by=inbox.c.id),
            inbox.c.id,
            inbox.c.stream,
            version + row_number.over(partition_by=inbox.c.stream, order_by=inbox.c.id),
            inbox.c.kind,
            self._horizon(),
        ).where(self.pending())
        columns = [log.c.position, log.c.inbox_id, log.c.stream, log.c.stream_version, log.c.kind, log.c.horizon]
        self.connection.execute(sa.insert(log).from_select(columns, placed))

    def insert(self, events: Sequence[Sealed]) -> list[int]:
        """Insert into the inbox; the rows' ids, in the order of *events*."""
        return self._insert([self._row(sealed) for sealed in events])

    def version(self, stream: str) -> int:
        """How many events of *stream* have a place."""
        newest = sa.select(sa.func.coalesce(sa.func.max(log.c.stream_version), 0)).where(log.c.stream == stream)
        return int(self.connection.scalar(newest) or 0)

    def of_stream(self, stream: str, *, after: int) -> list[Logged]:
        """The events of *stream* whose version is above *after*, in order."""
        chosen = _SELECT.where(log.c.stream == stream, log.c.stream_version > after)
        return self._logged(chosen.order_by(log.c.stream_version))

    def newest_first(self, stream: str) -> Iterator[Logged]:
        """The events of *stream*, the newest first, fetched as they are asked for."""
        below = self.version(stream)
        while below > 0:
            chosen = _SELECT.where(log.c.stream == stream, log.c.stream_version == below)
            yield from self._logged(chosen)
            below -= 1

    def all(self, *, after: int, kinds: Collection[str] | None, limit: int | None) -> list[Logged]:
        """All events whose position is above *after*, in order; of *kinds* only, if given, and at most *limit*."""
        chosen = _SELECT.where(log.c.position > after).order_by(log.c.position).limit(limit)
        if kinds is not None:
            chosen = chosen.where(log.c.kind.in_(sorted(kinds)))
        return self._logged(chosen)

    def rows(self) -> Iterator[tuple[int, Sealed, tuple[str, str]]]:
        """Of all events in order: position, the inbox's columns, and the log's (stream, kind); made no objects of."""
        result = self.connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(_SELECT.order_by(log.c.position))
        for row in result:
            yield row.position, cast(Sealed, row), (row.placed_stream, row.placed_kind)

    def by_ids(self, ids: Collection[int]) -> dict[int, Logged]:
        """The events with these inbox ids."""
        if not ids:
            return {}
        wanted = set(ids)
        chosen = _SELECT.where(inbox.c.id.between(min(wanted), max(wanted)))
        return {logged.inbox_id: logged for logged in self._logged(chosen) if logged.inbox_id in wanted}

    def by_keys(self, keys: Collection[str]) -> dict[str, Logged]:
        """The events recorded under these idempotency keys."""
        found: dict[str, Logged] = {}
        ordered = sorted(keys)
        for start in range(0, len(ordered), _KEYS_A_QUERY):
            chosen = _SELECT.where(inbox.c.key.in_(ordered[start : start + _KEYS_A_QUERY]))
            found |= {logged.sealed.key: logged for logged in self._logged(chosen) if logged.sealed.key is not None}
        return found

    def cursor(self, name: str) -> tuple[int, int]:
        """The position and size in bytes at which the delivery *name* stands; zeros before its first."""
        row = self.connection.execute(
            sa.select(schema.cursor.c.position, schema.cursor.c.size_bytes).where(schema.cursor.c.name == name)
        ).one_or_none()
        return (0, 0) if row is None else (row.position, row.size_bytes)

    def move_cursor(self, name: str, *, position: int, size_bytes: int) -> None:
        """Remember where the delivery *name* stands, unless it stands further already."""
        if position < self.cursor(name)[0]:
            return
        self.connection.execute(sa.delete(schema.cursor).where(schema.cursor.c.name == name))
        values = {"name": name, "position": position, "size_bytes": size_bytes}
        self.connection.execute(sa.insert(schema.cursor).values(values))

    def _insert(self, rows: list[dict[str, Any]]) -> list[int]:
        if not rows:
            return []
        statement = sa.insert(inbox).returning(inbox.c.id, sort_by_parameter_order=True)
        return list(self.connection.scalars(statement, rows))

    def _row(self, sealed: Sealed) -> dict[str, Any]:
        return {
            "stream": sealed.stream,
            "kind": sealed.kind,
            "version": sealed.version,
            "key": sealed.key,
            "recorded_at": sealed.recorded_at,
            "raw": sealed.raw,
            "leaf_hash": sealed.leaf_hash,
        }

    def _logged(self, statement: sa.Select[Any]) -> list[Logged]:
        return [
            Logged(
                inbox_id=row.id,
                position=row.position,
                stream_version=row.stream_version,
                placed_as=(row.placed_stream, row.placed_kind),
                sealed=Sealed(
                    stream=row.stream,
                    kind=row.kind,
                    version=row.version,
                    key=row.key,
                    recorded_at=row.recorded_at,
                    raw=bytes(row.raw),
                    leaf_hash=row.leaf_hash,
                ),
            )
            for row in self.connection.execute(statement)
        ]


class SqliteTransaction(Transaction):
    """SQLite has one writer at a time, so ids commit in their order: what is pending lies above the last one logged."""

    def lock(self) -> None:
        """BEGIN IMMEDIATE has taken the only writers' lock."""

    def receive(self, sealed: Sealed) -> None:
        if self.connection.scalar(sa.select(inbox.c.id).where(inbox.c.key == sealed.key)) is None:
            self.connection.execute(sa.insert(inbox), self._row(sealed))

    def pending(self) -> sa.ColumnElement[bool]:
        last = sa.select(log.c.inbox_id).order_by(log.c.position.desc()).limit(1).scalar_subquery()
        return inbox.c.id > sa.func.coalesce(last, 0)

    def _horizon(self) -> sa.ColumnElement[int]:
        return sa.cast(sa.null(), sa.BigInteger)


class PostgresTransaction(Transaction):
    """In PostgreSQL serial ids commit out of order, so what is pending is found by the transaction that wrote it.

    Whatever a transaction below the last horizon wrote is in the log already: only newer rows are looked through. Rows
    of transactions that committed are never held back for one that still runs; a foreign transaction that stays open
    for hours cannot hide an event that is committed.
    """

    def lock(self) -> None:
        self.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))

    def receive(self, sealed: Sealed) -> None:
        row = self._row(sealed) | {"transaction_id": _OWN_TRANSACTION}
        self.connection.execute(
            postgresql_insert(inbox).values(row).on_conflict_do_nothing(index_elements=[inbox.c.key])
        )

    def insert(self, events: Sequence[Sealed]) -> list[int]:
        own = self.connection.scalar(sa.select(_OWN_TRANSACTION))
        return self._insert([self._row(sealed) | {"transaction_id": own} for sealed in events])

    def pending(self) -> sa.ColumnElement[bool]:
        placed = sa.exists().where(log.c.inbox_id == inbox.c.id)
        return sa.and_(inbox.c.transaction_id >= self._floor(), ~placed)

    def _horizon(self) -> sa.ColumnElement[int]:
        return _OLDEST_RUNNING

    def _floor(self) -> int:
        last = sa.select(log.c.horizon).order_by(log.c.position.desc()).limit(1).scalar_subquery()
        floor, oldest_running = self.connection.execute(sa.select(last, _OLDEST_RUNNING)).one()
        # A ledger restored into another cluster meets transaction ids that start again lower: look through all of it.
        return 0 if floor is None or floor > oldest_running else int(floor)
