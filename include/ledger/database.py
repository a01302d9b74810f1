"""The ledger's database: connections to SQLite or PostgreSQL, from any thread and after any fork.

Imports SQLAlchemy (a quarter of a second), so it is itself imported only when a ledger is opened.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.core.errors import LedgerError, LedgerUnavailable
from include.ledger import schema
from include.ledger.location import refuse_network_filesystem
from include.ledger.transaction import PostgresTransaction, SqliteTransaction, Transaction

BUSY_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
#: A server that has vanished without a word is noticed within half a minute, and not after hours. Seconds, by libpq's
#: names (the last: milliseconds); the URL may say otherwise.
_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """Transactions on one database, from any thread and after any fork."""

    def __init__(self, url: str) -> None:
        """Raises:
        LedgerError: *url* names no database that can hold a ledger.
        LedgerUnavailable: its folder does not exist.
        """
        self._url = _checked(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._engines: dict[int, sa.Engine] = {}  # by process id; a parent's engine is kept here, but never used
        self._gate = threading.RLock()  # one SQLite transaction at a time in this process: see _before_fork
        if self._sqlite:
            _SQLITE.add(self)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction that excludes all others that write the log; rolled back when the block raises.

        Raises:
            LedgerUnavailable: the database cannot be reached, is full, or stays locked for half a minute.
        """
        with self._begin("BEGIN IMMEDIATE") as transaction:
            transaction.lock()
            yield transaction

    def receiving(self) -> AbstractContextManager[Transaction]:
        """A transaction that only inserts into the inbox, beside others."""
        return self._begin("BEGIN IMMEDIATE")

    def reading(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads, beside others."""
        return self._begin("BEGIN")

    def create(self) -> None:
        """Make tables and triggers where there are none."""
        if self._sqlite:
            self._use_write_ahead_log()
        with self.reading() as transaction:
            if sa.inspect(transaction.connection).has_table(schema.log.name):
                return
        with self.writing() as transaction:
            schema.create(transaction.connection)

    def close(self) -> None:
        """Let go of this process's connections; the next transaction opens new ones."""
        with self._gate:
            engine = self._engines.pop(os.getpid(), None)
            if engine is not None:
                engine.dispose()

    @contextmanager
    def _begin(self, statement: str) -> Iterator[Transaction]:
        try:
            if self._sqlite:
                with (
                    self._gate,
                    self._engine().connect() as connection,
                    connection.execution_options(ledger_begin=statement).begin(),
                ):
                    yield SqliteTransaction(connection)
            else:
                with self._engine().begin() as connection:
                    yield PostgresTransaction(connection)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise self._unavailable(error) from error

    def _engine(self) -> sa.Engine:
        process = os.getpid()
        if process not in self._engines:
            self._engines[process] = _sqlite_engine(self._url) if self._sqlite else _postgresql_engine(self._url)
        return self._engines[process]

    def _use_write_ahead_log(self) -> None:
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                with self._gate, self._engine().connect() as connection:
                    driver = connection.connection.driver_connection
                    assert driver is not None  # noqa: S101  # a live connection has one
                    mode = driver.execute("PRAGMA journal_mode").fetchone()[0]
                    if mode != "wal":
                        mode = driver.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                break
            except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
                # SQLite's busy timeout does not cover this change, which two first openers make at once.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise self._unavailable(error) from error
                time.sleep(0.01)
        if mode != "wal":
            raise LedgerError(
                "SQLite keeps the ledger with a write-ahead log",
                value=f"journal mode {mode!r} at {self._shown}",
                remedy="Put the ledger on a local disk.",
            )

    @property
    def _shown(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _unavailable(self, error: Exception) -> LedgerUnavailable:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        return LedgerUnavailable(
            "the ledger's database can be reached and written",
            value=f"{self._shown}: {cause[0]}",
            remedy="Check that the database runs, its disk has room and the account may write, then retry.",
        )


def _checked(url: str) -> sa.URL:
    remedy = "Use sqlite:////absolute/path.db or postgresql+psycopg://user@host/database."
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise LedgerError("a ledger is named by a database URL", value="no URL", remedy=remedy) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    shown = parsed.render_as_string(hide_password=True)
    path = Path(parsed.database or "")
    if parsed.get_backend_name() != "sqlite" or not path.is_absolute():
        raise LedgerError("a ledger lives in PostgreSQL or in an SQLite file", value=shown, remedy=remedy)
    if not path.parent.is_dir():
        raise LedgerUnavailable(
            "the ledger's folder exists", value=path.parent, remedy="Create it, or correct the URL."
        )
    refuse_network_filesystem(path)
    return parsed


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(driver_connection: Any, _record: object) -> None:
    driver_connection.isolation_level = None  # the driver would begin transactions at its own discretion
    driver_connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("ledger_begin", "BEGIN"))


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    options = url.query.get("options", "")
    alive = {name: value for name, value in _ALIVE.items() if name not in url.query}
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            **alive,
            "options": f"{options} -c lock_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        },
    )


# SQLite's locks belong to a process while its connections believe in them after a fork, so a child must inherit no
# open connection: before a fork we wait for the transactions of other threads to end, and close.
_SQLITE: "weakref.WeakSet[Database]" = weakref.WeakSet()
_held: list[Database] = []


def _before_fork() -> None:
    for database in list(_SQLITE):
        database._gate.acquire()
        _held.append(database)
        database.close()


def _after_fork() -> None:
    while _held:
        _held.pop()._gate.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
