# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""The tables of a snapshot in DuckDB, shown whole, for a range of days, or as they were known at an instant."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Column, Contract, Days, Partition, Scope, Snapshot
from include.engines.confinement import lock, require_confined
from include.engines.late_values import LateValues, cut_rows, present, quoted, within

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_HELD, _CUT = "snapshot", "cut"


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
            where = " AND ".join(within(self._contracts[name], days)) or "TRUE"
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
            fixed = [column for dataset, column in removed if dataset == name]
            rows = cut_rows(
                self._contracts[name], self._columns(name), f"{_HELD}.{quoted(name)}", days, instant, later, fixed
            )
            self.run(f"CREATE OR REPLACE TABLE {_CUT}.{quoted(name)} AS {rows}")

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The columns of *datasets*, each as its dataset and its name, whose values may become known after a row is."""
        return tuple(
            (name, column.name)
            for name in datasets
            for column in self._columns(name)
            if column.known_at.column is not None and column not in present(self._contracts[name], self._columns(name))
        )

    def _columns(self, dataset: str) -> list[Column]:
        return [column for column in self._contracts[dataset].columns if column.name in self._scope[dataset]]

    def confined(self, sql: str, tables: Iterable[str]) -> str:
        """A project's query *sql*, which reads the views *tables* and nothing else; without this it is not to be run.

        Raises:
            DeclarationError: it is anything else (:func:`~include.engines.confinement.require_confined`).
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
    path_of: Callable[[str], Path],
    *,
    partitions: Iterable[Partition] | None = None,
) -> Iterator[Relations]:
    """The snapshot's rows, or only those of some *partitions* of it, read once from the files of their contents.

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
        paths[partition.table].append(str(path_of(partition.content)))
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
