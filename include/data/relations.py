# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""The tables of a snapshot in DuckDB, shown whole, for a range of days, or as they were known at an instant."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import (
    DAY,
    Column,
    ColumnType,
    Contract,
    Days,
    Partition,
    Scope,
    Snapshot,
)
from include.data.confinement import lock, require_confined

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts

_HELD, _CUT = "snapshot", "cut"
#: How far before a row the one lies whose values it is given: further than those of its own hour or kind, mostly; and
#: where no such value can be given to it.
_ROWS_BEFORE, _FEW_ROWS_BEFORE = 97, 7
_TIMES = (ColumnType.TIMESTAMP, ColumnType.DATE)


class LateValues(StrEnum):
    """What is done to that which became known only after an instant."""

    REMOVED = "removed"  # values are null, rows are absent
    DISTURBED = "removed or changed"  # every other row's values are other ones, and it stays; the rest is removed


class Relations:
    """The datasets of a snapshot, one view each under its own name, in one thread: the same query, the same rows.

    A view is there once :meth:`show` was called for it.
    """

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", contracts: Mapping[str, Contract], scope: Scope
    ) -> None:
        self._connection = connection
        self._contracts = {dataset.dataset: contracts[dataset.dataset] for dataset in scope.datasets}
        self._scope = {dataset.dataset: frozenset(dataset.names) for dataset in scope.datasets}
        self._confined: set[tuple[str, tuple[str, ...]]] = set()

    @contextmanager
    def beside(self) -> "Iterator[Relations]":
        """The same tables for another thread, which has views and kept tables of its own."""
        with self._connection.cursor() as connection:
            other = copy(self)
            other._connection = connection
            yield other

    def show(self, datasets: Iterable[str], days: Days, *, cut: bool = False) -> None:
        """Let each of *datasets* hold the rows of *days* only, or all rows if it is undivided.

        With *cut*, as :meth:`cut` left them, which must have been called for these days or more.
        """
        for name in datasets:
            where = " AND ".join(_within(self._contracts[name], days)) or "TRUE"
            source = f"{_CUT if cut else _HELD}.{quoted(name)}"
            self.run(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT * FROM {source} WHERE {where}")

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Compute each dataset's rows of its days with that which became known after *instant* (UTC) *later*.

        The columns *removed*, each as its dataset and its name, are not changed: all that became known later is null.
        They replace what an earlier call computed. They are kept, since several queries read them, each several times.
        """
        for name, days in datasets.items():
            contract = self._contracts[name]
            columns = self._columns(name)
            # Of what is disturbed half of the rows stay, by their keys: by chance, and always the same.
            half = f"hash({', '.join(quoted(name) for name in contract.key)}) % 2 = 0"
            stays = "FALSE" if later is LateValues.REMOVED else half
            present = _present(contract, columns)
            within = _within(contract, days)
            # Where a row is, it is the same row of the same day.
            known = " AND ".join(_known(column, instant) for column in present) or "TRUE"
            where = " AND ".join([*within, f"(({known}) OR {stays})"])
            source = f"{_HELD}.{quoted(name)}"
            late = [column for column in columns if column not in present and column.known_at.column is not None]
            changed = [] if later is LateValues.REMOVED else [each for each in late if (name, each.name) not in removed]
            others = {column: f"WHEN {stays} THEN {_other_value(column, contract, instant)}" for column in changed}
            chosen = ", ".join(
                f"CASE WHEN {_known(column, instant)} THEN {quoted(column.name)} {others.get(column, '')} END "
                f"AS {quoted(column.name)}"
                if column in late
                else quoted(column.name)
                for column in columns
            )
            if valued := [column for column in changed if column.type not in _TIMES]:
                source += f", ({_extremes(valued, source, within)})"
            self.run(f"CREATE OR REPLACE TABLE {_CUT}.{quoted(name)} AS SELECT {chosen} FROM {source} WHERE {where}")

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The columns of *datasets*, each as its dataset and its name, whose values may become known after a row is."""
        return tuple(
            (name, column.name)
            for name in datasets
            for column in self._columns(name)
            if column.known_at.column is not None and column not in _present(self._contracts[name], self._columns(name))
        )

    def _columns(self, dataset: str) -> list[Column]:
        return [column for column in self._contracts[dataset].columns if column.name in self._scope[dataset]]

    def confined(self, sql: str, tables: Iterable[str]) -> str:
        """A project's query *sql*, which reads the views *tables* and nothing else; without this it is not to be run.

        Raises:
            DeclarationError: it is anything else (:func:`~include.data.confinement.require_confined`).
        """
        query = (sql, tuple(tables))
        if query not in self._confined:
            require_confined(self._connection, *query)
            self._confined.add(query)
        return sql

    def run(self, sql: str) -> None:
        """Execute a statement that returns no rows."""
        with _named():
            self._connection.execute(sql).fetchall()

    def fails(self, source: str, column: str) -> bool:
        """Whether *column* of *source*, a table or a query in brackets, cannot be computed without the others."""
        try:
            self.run(f"SELECT max({quoted(column)}) FROM {source}")
        except DataError:
            return True
        return False

    def keep(self, name: str, sql: str) -> None:
        """Compute *sql* and keep its rows as the table *name*, in the place of an earlier one, for this thread."""
        self.run(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {sql}")

    def share(self, name: str, sql: str) -> None:
        """Compute *sql* and keep its rows as the new table *name*, for all threads."""
        self.run(f"CREATE TABLE {quoted(name)} AS {sql}")

    def fetch(self, sql: str) -> "pa.Table":
        """All rows that *sql* selects, in one chunk a column."""
        with _named():
            table: pa.Table = self._connection.sql(sql).to_arrow_table()
        return table.combine_chunks()

    def count(self, sql: str) -> int:
        with _named():
            ((number,),) = self._connection.execute(sql).fetchall()
        return int(number)


@contextmanager
def _named() -> Iterator[None]:
    """Name an error of DuckDB by its kind only: its own message may quote a value.

    Raises:
        DataError: in its place.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise DataError(
            "a project's expressions can be computed over the snapshot",
            value=f"DuckDB's {type(error).__name__}",
            remedy="Run the expression in the notebook on rows that you may see: a cast may fail on some.",
        ) from None


@contextmanager
def relations(
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    opened: "OpenedArtifacts",
    *,
    partitions: Iterable[Partition] | None = None,
) -> Iterator[Relations]:
    """The snapshot's rows, or only those of some *partitions* of it, read once from the files that *opened* allows.

    DuckDB itself can open these files and no others, and nothing can change that: not a statement, not another cursor.

    Raises:
        DataError: a partition cannot be read, or a dataset has none.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    paths: dict[str, list[str]] = {scope.dataset: [] for scope in snapshot.scope.datasets}
    for partition in snapshot.partitions if partitions is None else partitions:
        paths[partition.table].append(str(opened.path(partition.content)))
    with duckdb.connect(":memory:", config=settings) as connection:
        lock(connection, [path for files in paths.values() for path in files])
        connection.execute(f"CREATE SCHEMA {_HELD}; CREATE SCHEMA {_CUT}")
        for scope in snapshot.scope.datasets:
            chosen = ", ".join(quoted(name) for name in scope.names)
            if not snapshot.of(scope.dataset):
                raise DataError(
                    "a snapshot has partitions of every dataset in its scope",
                    value=f"none of {scope.dataset!r}",
                    remedy="Take the snapshot again.",
                )
            if not paths[scope.dataset]:
                continue  # nothing reads it: it is there for an expectation
            table = f"{_HELD}.{quoted(scope.dataset)}"
            with _named():
                connection.execute(
                    f"CREATE TABLE {table} AS SELECT {chosen} FROM read_parquet(?)", [paths[scope.dataset]]
                ).fetchall()
        yield Relations(connection, contracts, snapshot.scope)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def timestamp(instant: datetime) -> str:
    """*instant* as an SQL literal without a zone, in UTC."""
    return f"TIMESTAMP '{instant.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def between(column: str, days: Days) -> str:
    """The SQL condition that the quoted *column* lies in *days*."""
    return f"{column} >= DATE '{days.first}' AND {column} < DATE '{days.last + DAY}'"


def _within(contract: Contract, days: Days) -> list[str]:
    if contract.partition_column is None:
        return []
    return [between(quoted(contract.partition_column), days)]


def _known(column: Column, instant: datetime) -> str:
    """Whether the value of *column* was known at *instant*; never, if its own time is null."""
    rule = column.known_at
    if rule.column is None:
        return "TRUE"
    microseconds = rule.offset // timedelta(microseconds=1)
    return f"coalesce({quoted(rule.column)} + to_microseconds({microseconds}) <= {timestamp(instant)}, FALSE)"


def _present(contract: Contract, columns: Iterable[Column]) -> list[Column]:
    """The columns that place a row: it is absent as long as one of them is unknown."""
    return [column for column in columns if column.key or column.name == contract.partition_column]


def _extremes(columns: Iterable[Column], source: str, within: Iterable[str]) -> str:
    """The query for one row: the greatest and the least value of each of *columns*."""
    chosen = ", ".join(
        f"max({quoted(column.name)}) AS {_extreme(column, 'greatest')}, "
        f"min({quoted(column.name)}) AS {_extreme(column, 'least')}"
        for column in columns
    )
    return f"SELECT {chosen} FROM {source} WHERE {' AND '.join(within) or 'TRUE'}"


def _extreme(column: Column, which: str) -> str:
    return quoted(f"{which}\n{column.name}")  # a line break: no column is called so


def _other_value(column: Column, contract: Contract, instant: datetime) -> str:
    """Another value of the column: that of a row that lies some rows before; null where there is none to give.

    So whatever an expression makes of the column's values (a number of a text, say), it can make of this one. Neither
    the greatest nor the least is given: what is the greatest of a day would hardly change. A time stays after
    *instant*, and after all moments at which what it dates is known by then, so that what it dates stays unknown.
    """
    name = quoted(column.name)
    # Without an order, so that nothing is sorted.
    far, near = (f"nullif(lag({name}, {rows}) OVER (), {name})" for rows in (_ROWS_BEFORE, _FEW_ROWS_BEFORE))
    if column.type in _TIMES:
        dated = [each.known_at.offset for each in contract.columns if each.known_at.column == column.name]
        bound, step = timestamp(instant - min([timedelta(0), *dated])), "INTERVAL 5 HOUR"
        if column.type is ColumnType.DATE:
            bound, step = f"CAST({bound} AS DATE)", "1"
        after = f"greatest(coalesce({name}, {bound}), {bound}) + {step}"
        return f"CASE WHEN {far} > {bound} THEN {far} ELSE {after} END"
    extremes = ", ".join(_extreme(column, which) for which in ("greatest", "least"))
    given = (f"CASE WHEN {other} NOT IN ({extremes}) THEN {other} END" for other in (far, near))
    return f"coalesce({', '.join(given)})"
