"""Tables of a real PostgreSQL in which a source's rows may lie, and a role that may do no more than read them."""

import io
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from pyarrow import csv

from include.contracts.tables import DatabaseTable
from include.core.records import ColumnType, Contract, Days
from include.data.sources import Source, source_of

PASSWORD = "SECRET-of-the-reader"  # noqa: S105  # none: what must not be shown
TYPES = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "double precision",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "timestamp",
    ColumnType.DATE: "date",
}


@dataclass(frozen=True)
class Database:
    """A database of the tests' own with a ``role`` that signs in with :data:`PASSWORD`, as ``credentials`` say."""

    url: sa.URL
    role: str
    credentials: Path

    @property
    def host(self) -> str:
        return str(self.url.query.get("host") or self.url.host)

    @property
    def port(self) -> int:
        return int(self.url.port or 5432)

    def address(self, table: str, schema: str = "public") -> str:
        parts = {"host": self.host, "port": self.port, "database": str(self.url.database)}
        return str(DatabaseTable(**parts, schema=schema, table=table))

    @contextmanager
    def connected(self) -> Iterator["psycopg.Connection[Any]"]:
        """As the one whose database it is."""
        user, name, secret = self.url.username, self.url.database, self.url.password
        with psycopg.connect(
            host=self.host, port=self.port, user=user, dbname=name, password=secret, autocommit=True
        ) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        with self.connected() as connection:
            for statement in statements:
                connection.execute(statement.replace("READER", self.role).encode())

    def fill(self, contract: Contract, rows: pa.Table | None = None) -> Contract:
        """A table of its own with the columns of *contract* and *rows*; the contract of it."""
        name = f"{contract.dataset}_{uuid.uuid4().hex[:8]}"
        defined = ", ".join(f'"{column.name}" {TYPES[column.type]}' for column in contract.columns)
        self.run(f"CREATE TABLE {name} ({defined})", f"GRANT SELECT ON {name} TO READER")
        if rows is not None:
            self.add(name, rows)
        return replace(contract, location=self.address(name))

    def add(self, table: str, rows: pa.Table) -> None:
        """Add *rows* to *table*, by the names of their columns."""
        sink = io.BytesIO()
        csv.write_csv(rows, sink, csv.WriteOptions(include_header=False))
        names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names)
        with self.connected() as connection, connection.cursor().copy(statement) as copy:
            copy.write(sink.getvalue())

    def hold(self, contracts: Mapping[str, Contract], production: Path, days: Days) -> dict[str, Contract]:
        """The *contracts* of tables that hold what the folders of *production* hold of *days*."""
        moved = {}
        for name, contract in contracts.items():
            moved[name], source = self.fill(contract), source_of(contract, production)
            for day in days if contract.partition_column else [None]:
                rows = source.load(day).read([column.name for column in contract.columns])
                self.add(table_of(moved[name]), rows)
        return moved

    def source(self, contract: Contract, **asked: Any) -> Source:
        return source_of(contract, Path("/nowhere"), self.credentials, **asked)


def table_of(contract: Contract) -> str:
    return DatabaseTable.of(contract.location).table


@contextmanager
def database(url: str, folder: Path) -> Iterator[Database]:
    """One at the server of *url*, dropped at the end; the reader's file lies in *folder*."""
    name = f"tests_{uuid.uuid4().hex[:12]}"
    role = f"reader_{name}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"))
    file = signing_in(folder, str(sa.make_url(url).query.get("host") or sa.make_url(url).host), role)
    try:
        yield Database(sa.make_url(url).set(database=name), role, file)
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(sa.text(f"DROP ROLE {role}"))


def signing_in(folder: Path, host: str, role: str, password: str = PASSWORD, more: Sequence[str] = ()) -> Path:
    """A reader's file that signs in so at that *host*."""
    file = folder / f"{uuid.uuid4().hex}.ini"
    file.write_text("\n".join([f"[{host}]", f"user = {role}", f"password = {password}", *more, ""]))
    file.chmod(0o600)
    return file
