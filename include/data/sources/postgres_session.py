"""A reader's connection to a server of PostgreSQL: read-only transactions of one moment, and rows that stream."""

import os
import time
import weakref
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contracts.tables import DatabaseTable
from include.core.errors import DataError, SourceUnavailable
from include.data.sources.credentials import credentials_of

if TYPE_CHECKING:
    from psycopg import Connection, Error
    from psycopg.sql import Composed

#: What a section of the reader's file may say: what the server's own tools call it.
_KEYS = ("user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey")
#: Seconds before each further try to reach a server that is away.
_PAUSES = (0.5, 1.5, 4.0, 8.0)
#: A server that keeps silent for so long is gone.
_CONNECT_SECONDS, _SILENT_SECONDS = 10, 60
#: About so many bytes of whole rows are handed on at a time.
_CHUNK_BYTES = 1 << 20
#: Before it the text of a float is not the shortest that gives it back.
_OLDEST = 120_000

#: Whatever the server, the database and the role say: texts of values are the same everywhere, and names of functions
#: mean the server's own.
_SETTINGS: Mapping[str, str] = {
    "search_path": "pg_catalog",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lock_timeout": f"{_SILENT_SECONDS}s",
    "jit": "off",
}
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + "; ".join(
    f"SET LOCAL {name} = '{value}'" for name, value in _SETTINGS.items()
)

#: How what a server says begins, or its code of an error, in words of ours: its own may quote a value or who signs in.
_REFUSED = (
    ("authentication failed", "it refuses the user or the password"),
    ("pg_hba.conf", "it lets nobody in from here by that name"),
    ("certificate", "its certificate, or ours, is refused"),
    ("does not exist", "there is no such database or user"),
    ("no password supplied", "it asks for a password"),
)
_CODES = (
    ("28", "it refuses who signs in"),
    ("42501", "it does not let the reader read this"),
    ("57014", "it ended the statement, which took longer than it allows"),
    ("55P03", f"the table is locked for more than {_SILENT_SECONDS} s"),
    ("53", "it takes no more connections, or is out of room"),
    ("40", "it is a replica, and gave way to changes of the primary"),
    ("25P03", "it ended a transaction that was idle"),
    ("57", "it shuts down, or has just started"),
    ("08", "the connection was lost"),
)
_REMEDIES = {
    "42501": "Have SELECT on the contract's columns granted to the reader's role, then retry.",
    "57014": "Have the reader's role allowed more by `statement_timeout`, or the time column indexed, then retry.",
    "40": "Have `max_standby_streaming_delay` of the replica raised, or name the primary, then retry.",
}
_REMEDY = "Check the server's address in the contract and the reader's credentials, then retry."


class Session:
    """Transactions at the server of *table*, one after the other, each of which sees one moment."""

    def __init__(self, dataset: str, table: DatabaseTable, credentials: Path | None) -> None:
        """Raises DeclarationError, AuthorityError: the file *credentials* does not say how to sign in."""
        self._dataset, self._table = dataset, table
        # A contract may name any host: where they are sent, their own file says.
        self._given = credentials_of(credentials, table.host, known=_KEYS, default=False)
        self._connection: Connection[Any] | None = None
        self._begun = 0

    def begin(self, known_at: datetime | None) -> int:
        """The number of a new transaction, of a server that has all that was known then; the one before it is over.

        Raises:
            SourceUnavailable: the server cannot be reached, refuses, or is a replica that has not come so far.
        """
        connection = self._connected()
        with self._told():
            connection.rollback()
            if known_at is not None:
                self._require_caught_up(connection, known_at)
            connection.execute(_BEGIN)
            self._lock(connection)
        self._begun += 1
        return self._begun

    def is_in(self, transaction: int) -> bool:
        """Whether that *transaction* is the one that goes on."""
        return transaction == self._begun and self._connection is not None and not self._connection.closed

    def end(self) -> None:
        """End the transaction, if there is one: what it has locked is free again."""
        from psycopg import Error

        if self._connection is not None and not self._connection.closed:
            with suppress(Error):  # of a connection that is gone it has ended
                self._connection.rollback()
        self._begun += 1

    def rows(self, statement: "Composed") -> list[tuple[Any, ...]]:
        """What *statement* gives in this transaction. Raises as :meth:`begin`, and DataError."""
        connection = self._current()
        with self._told():
            return connection.execute(statement).fetchall()

    def copied(self, statement: "Composed") -> Generator[bytes, None, None]:
        """The lines of text that a COPY gives, whole, some at a time. Raises as :meth:`rows`.

        Rows that have arrived are taken as they are: to ask ``Copy.read`` for each takes longer than the server does.
        """
        connection = self._current()
        arrived, lines = connection.pgconn.get_copy_data, bytearray()
        with self._told(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            while True:
                length, row = arrived(1)
                if length > 0:
                    lines += row
                elif length == 0 and (waited := copy.read()):
                    lines += waited
                else:
                    _require_whole(connection, is_told=length == 0)
                    break
                if len(lines) >= _CHUNK_BYTES:
                    yield bytes(lines)
                    lines.clear()
            if lines:
                yield bytes(lines)

    def _current(self) -> "Connection[Any]":
        """That of the transaction that was begun: one that was lost meanwhile says so, and no other takes its place."""
        if self._connection is None:
            raise LookupError("no transaction was begun")
        return self._connection

    def _connected(self) -> "Connection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            weakref.finalize(self, self._connection.close)
        return self._connection

    def _connect(self) -> "Connection[Any]":
        """The first of some tries that succeeds; who is refused asks once."""
        import psycopg

        for pause in (*_PAUSES, None):
            try:
                connection = self._opened()
            except psycopg.Error as error:
                refused = next((said for part, said in _REFUSED if part in str(error)), None)
                if refused or pause is None:
                    raise self._unavailable(refused or "it cannot be reached", _REMEDY) from None
                time.sleep(pause)
                continue
            if connection.info.server_version < _OLDEST:
                connection.close()
                raise self._unavailable("it is older than PostgreSQL 12", "Have it upgraded, or land exports of it.")
            return connection
        raise AssertionError

    def _opened(self) -> "Connection[Any]":
        import psycopg
        from psycopg.conninfo import make_conninfo

        at = self._table
        given = make_conninfo(**{"passfile": os.devnull, **self._given}, host=at.host, port=at.port, dbname=at.database)
        return psycopg.connect(
            given,
            client_encoding="UTF8",
            application_name="trainyard",
            connect_timeout=_CONNECT_SECONDS,
            keepalives_idle=_SILENT_SECONDS // 2,
            keepalives_interval=_SILENT_SECONDS // 6,
            keepalives_count=3,
            tcp_user_timeout=_SILENT_SECONDS * 1000,
            autocommit=True,
        )

    def _lock(self, connection: "Connection[Any]") -> None:
        """Let nobody alter the table from here on. (A SELECT would take its snapshot before it waits for the lock.)

        Who may read some columns alone may not lock it: what it is asked then locks it.
        """
        from psycopg import errors, sql

        name = sql.Identifier(self._table.schema, self._table.table)
        connection.execute("SAVEPOINT locked")
        try:
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(name))
        except (errors.InsufficientPrivilege, errors.UndefinedTable, errors.WrongObjectType):
            connection.execute("ROLLBACK TO SAVEPOINT locked")

    def _require_caught_up(self, connection: "Connection[Any]", known_at: datetime) -> None:
        """Raise SourceUnavailable where a replica has not replayed all that its primary had committed at *known_at*."""
        replica = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
        if replica != (True,):
            return
        found = connection.execute(
            "SELECT pg_catalog.pg_last_xact_replay_timestamp(), "
            "pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() "
            "AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver)"
        ).fetchone()
        replayed, is_idle = found or (None, None)
        if is_idle or (replayed is not None and replayed >= known_at):
            return
        reached = f"{replayed.astimezone(UTC):%Y-%m-%d %H:%M}Z" if replayed else "an unknown moment"
        raise self._unavailable(
            f"it is a replica that has come as far as {reached}, not {known_at.astimezone(UTC):%Y-%m-%d %H:%M}Z",
            "It is asked again by itself; if its lag stays, have it mended, or name the primary.",
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with the server in words of ours, which quote none of its own."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _error(self, error: "Error") -> DataError:
        state = error.sqlstate
        if state is not None and state.startswith(("22", "42")) and state != "42501":
            return DataError(
                f"{self._dataset}: the server can answer what it is asked",
                value=f"{self._table}: it refuses with {state} ({type(error).__name__})",
                remedy="Compare the table, or the view and its functions, with the contract.",
            )
        said = next((said for code, said in _CODES if (state or "08").startswith(code)), f"it says {state}")
        remedy = next((told for code, told in _REMEDIES.items() if (state or "").startswith(code)), _REMEDY)
        return self._unavailable(said, remedy)

    def _unavailable(self, what: str, remedy: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._dataset}: the server of the data answers, and lets the reader read",
            value=f"{self._table}: {what}",
            remedy=remedy,
        )


def _require_whole(connection: "Connection[Any]", *, is_told: bool) -> None:
    """Raise what a COPY ended with, if it did not end well; where it *is_told* already, ``Copy.read`` has raised it."""
    from psycopg import errors, generators, pq

    if not is_told:
        result = connection.wait(generators.fetch_many(connection.pgconn))[0]
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result)
