"""The ledger's SQL, and the sequencer that gives every event its place."""

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from include.ledger import schema
from include.ledger.entry import LoggedEvent, SealedEvent
from include.ledger.schema import inbox, log
from include.ledger.statement import Statement

_ADVISORY_LOCK = 0x7261_696C  # any constant: all writers of a PostgreSQL ledger take this lock
_KEYS_A_QUERY = 500
_ROWS_AT_ONCE = 1_000
_NEWEST_AT_ONCE = 4

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


def _integer(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


_IN_STREAM = _SELECT.where(log.c.stream == sa.bindparam("stream_"))
_OF_STREAM = Statement(_IN_STREAM.where(log.c.stream_version > _integer("after_")).order_by(log.c.stream_version))
_BELOW = Statement(
    _SELECT.where(
        log.c.position > _integer("after_"),
        log.c.position < _integer("before_"),
        sa.or_(
            log.c.stream == sa.bindparam("stream_"),
            sa.func.substr(log.c.stream, 1, sa.func.length(sa.bindparam("below_", type_=sa.Text)))
            == sa.bindparam("below_", type_=sa.Text),
        ),
    ).order_by(log.c.position)
)
_NEWEST = Statement(
    _IN_STREAM.where(log.c.stream_version < _integer("below_"))
    .order_by(log.c.stream_version.desc())
    .limit(_NEWEST_AT_ONCE)
)
_BY_KEY = Statement(_SELECT.where(inbox.c.key == sa.bindparam("key_")))
_BY_IDS = Statement(_SELECT.where(inbox.c.id.between(_integer("first_"), _integer("last_"))))
_VERSION = Statement(
    sa.select(sa.func.coalesce(sa.func.max(log.c.stream_version), 0)).where(log.c.stream == sa.bindparam("stream_"))
)
_ID_OF_KEY = Statement(sa.select(inbox.c.id).where(inbox.c.key == sa.bindparam("key_")))
_COLUMNS = ("stream", "kind", "version", "key", "recorded_at", "raw", "leaf_hash")
_INSERT = Statement(sa.insert(inbox).returning(inbox.c.id), columns=_COLUMNS)


def _behind(pending: sa.ColumnElement[bool]) -> Statement:
    """Whether an event is *pending*."""
    return Statement(sa.select(sa.exists().where(pending)))


def _sequence(pending: sa.ColumnElement[bool], horizon: sa.ColumnElement[int]) -> Statement:
    """Give all that is *pending* its place, in the order of arrival."""
    last = sa.select(sa.func.coalesce(sa.func.max(log.c.position), 0)).scalar_subquery()
    earlier = log.alias()
    highest = sa.func.coalesce(sa.func.max(earlier.c.stream_version), 0)
    version = sa.select(highest).where(earlier.c.stream == inbox.c.stream).scalar_subquery()
    row_number = sa.func.row_number()
    placed = sa.select(
        last + row_number.over(order_by=inbox.c.id),
        inbox.c.id,
        inbox.c.stream,
        version + row_number.over(partition_by=inbox.c.stream, order_by=inbox.c.id),
        inbox.c.kind,
        horizon,
    ).where(pending)
    columns = [log.c.position, log.c.inbox_id, log.c.stream, log.c.stream_version, log.c.kind, log.c.horizon]
    return Statement(sa.insert(log).from_select(columns, placed))


class Transaction:
    """What a transaction on the ledger can do. Each database says how it locks and finds what has no place yet."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def lock(self) -> None:
        """Wait until no other transaction writes the log."""
        raise NotImplementedError

    def receive(self, sealed: SealedEvent) -> None:
        """Insert into the inbox, unless the key is there."""
        raise NotImplementedError

    def pending(self) -> sa.ColumnElement[bool]:
        """Which inbox rows have no place in the log yet, as this transaction sees it."""
        raise NotImplementedError

    def is_behind(self) -> bool:
        """Whether a committed event has no place in the log yet."""
        raise NotImplementedError

    def sequence(self) -> None:
        """Give every event in the inbox that has none its place in the log, in the order of arrival."""
        raise NotImplementedError

    def insert(self, events: Sequence[SealedEvent]) -> list[int]:
        """Insert into the inbox; the rows' ids, in the order of *events*."""
        return self._insert([self._row(sealed) for sealed in events])

    def version(self, stream: str) -> int:
        """How many events of *stream* have a place."""
        return int(_VERSION.run(self.connection, stream_=stream).scalar() or 0)

    def of_stream(self, stream: str, *, after: int) -> list[LoggedEvent]:
        """The events of *stream* whose version is above *after*, in order."""
        return _logged(_OF_STREAM.run(self.connection, stream_=stream, after_=after))

    def below(self, stream: str, *, after: int, before: int) -> list[LoggedEvent]:
        """The events of *stream* and of those below it whose position is between *after* and *before*, in order."""
        return _logged(_BELOW.run(self.connection, stream_=stream, below_=f"{stream}/", after_=after, before_=before))

    def newest_first(self, stream: str) -> Iterator[LoggedEvent]:
        """The events of *stream*, the newest first, fetched as they are asked for."""
        below = sys.maxsize
        while below > 1:
            found = _logged(_NEWEST.run(self.connection, stream_=stream, below_=below))
            yield from found
            below = found[-1].stream_version if found else 0

    def all(self, *, after: int, kinds: Collection[str] | None, limit: int | None) -> list[LoggedEvent]:
        """All events whose position is above *after*, in order; of *kinds* only, if given, and at most *limit*."""
        chosen = _SELECT.where(log.c.position > after).order_by(log.c.position).limit(limit)
        if kinds is not None:
            chosen = chosen.where(log.c.kind.in_(sorted(kinds)))
        return _logged(self.connection.execute(chosen))

    def rows(self, *, after: int = 0, until: int = sys.maxsize) -> Iterator["sa.Row[Any]"]:
        """The rows of the events above position *after* and up to *until*, in order, as inbox and log have them."""
        chosen = _SELECT.where(log.c.position > after, log.c.position <= until).order_by(log.c.position)
        yield from self.connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(chosen)

    def by_ids(self, ids: Collection[int]) -> dict[int, LoggedEvent]:
        if not ids:
            return {}
        wanted = set(ids)
        found = _logged(_BY_IDS.run(self.connection, first_=min(wanted), last_=max(wanted)))
        return {logged.inbox_id: logged for logged in found if logged.inbox_id in wanted}

    def by_keys(self, keys: Collection[str]) -> dict[str, LoggedEvent]:
        """The events recorded under these idempotency keys."""
        found: dict[str, LoggedEvent] = {}
        ordered = sorted(keys)
        for start in range(0, len(ordered), _KEYS_A_QUERY):
            some = ordered[start : start + _KEYS_A_QUERY]
            if len(some) == 1:  # as nearly always
                rows = _BY_KEY.run(self.connection, key_=some[0])
            else:
                rows = self.connection.execute(_SELECT.where(inbox.c.key.in_(some)))
            found |= {logged.sealed.key: logged for logged in _logged(rows) if logged.sealed.key is not None}
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

    def _row(self, sealed: SealedEvent) -> dict[str, Any]:
        return {name: getattr(sealed, name) for name in _COLUMNS}


def _logged(rows: "sa.CursorResult[Any]") -> list[LoggedEvent]:
    return [
        LoggedEvent(
            inbox_id=row.id,
            position=row.position,
            stream_version=row.stream_version,
            placed_as=(row.placed_stream, row.placed_kind),
            sealed=SealedEvent(
                stream=row.stream,
                kind=row.kind,
                version=row.version,
                key=row.key,
                recorded_at=row.recorded_at,
                raw=bytes(row.raw),
                leaf_hash=row.leaf_hash,
            ),
        )
        for row in rows
    ]


_ABOVE_THE_LAST = inbox.c.id > sa.func.coalesce(
    sa.select(log.c.inbox_id).order_by(log.c.position.desc()).limit(1).scalar_subquery(), 0
)
_BEHIND = _behind(_ABOVE_THE_LAST)
_SEQUENCE = _sequence(_ABOVE_THE_LAST, sa.cast(sa.null(), sa.BigInteger))


class SqliteTransaction(Transaction):
    """SQLite has one writer at a time, so ids commit in their order: what is pending lies above the last one logged."""

    def lock(self) -> None:
        """BEGIN IMMEDIATE has taken the only writers' lock."""

    def receive(self, sealed: SealedEvent) -> None:
        if _ID_OF_KEY.run(self.connection, key_=sealed.key).scalar() is None:
            self.insert([sealed])

    def pending(self) -> sa.ColumnElement[bool]:
        return _ABOVE_THE_LAST

    def is_behind(self) -> bool:
        return bool(_BEHIND.run(self.connection).scalar())

    def sequence(self) -> None:
        _SEQUENCE.run(self.connection)

    def insert(self, events: Sequence[SealedEvent]) -> list[int]:
        if len(events) == 1:
            return [int(_INSERT.run(self.connection, **self._row(events[0])).scalar_one())]
        return super().insert(events)


def _without_a_place(floor: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    return sa.and_(inbox.c.transaction_id >= floor, ~sa.exists().where(log.c.inbox_id == inbox.c.id))


_HORIZON = Statement(
    sa.select(sa.select(log.c.horizon).order_by(log.c.position.desc()).limit(1).scalar_subquery(), _OLDEST_RUNNING)
)
_BEHIND_IN_POSTGRES = _behind(_without_a_place(_integer("floor_")))
_SEQUENCE_IN_POSTGRES = _sequence(_without_a_place(_integer("floor_")), _OLDEST_RUNNING)


class PostgresTransaction(Transaction):
    """In PostgreSQL serial ids commit out of order, so what is pending is found by the transaction that wrote it.

    Whatever a transaction below the last horizon wrote is in the log already: only newer rows are looked through. Rows
    of transactions that committed are never held back for one that still runs; a foreign transaction that stays open
    for hours cannot hide an event that is committed.
    """

    def lock(self) -> None:
        self.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))

    def receive(self, sealed: SealedEvent) -> None:
        row = self._row(sealed) | {"transaction_id": _OWN_TRANSACTION}
        self.connection.execute(
            postgresql_insert(inbox).values(row).on_conflict_do_nothing(index_elements=[inbox.c.key])
        )

    def insert(self, events: Sequence[SealedEvent]) -> list[int]:
        own = self.connection.scalar(sa.select(_OWN_TRANSACTION))
        return self._insert([self._row(sealed) | {"transaction_id": own} for sealed in events])

    def pending(self) -> sa.ColumnElement[bool]:
        return _without_a_place(sa.literal(self._floor(), sa.BigInteger))

    def is_behind(self) -> bool:
        return bool(_BEHIND_IN_POSTGRES.run(self.connection, floor_=self._floor()).scalar())

    def sequence(self) -> None:
        _SEQUENCE_IN_POSTGRES.run(self.connection, floor_=self._floor())

    def _floor(self) -> int:
        found: Any = _HORIZON.run(self.connection).one()
        floor, oldest_running = found
        # A ledger restored into another cluster meets transaction ids that start again lower: look through all of it.
        return 0 if floor is None or floor > oldest_running else int(floor)
