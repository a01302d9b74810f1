# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""The engine in this process: DuckDB, in memory or in a folder beside it, in one thread a query."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Column, Contract, Days, Partition, Scope, Snapshot
from include.engines.late_values import between, cut_rows, late_columns, within
from include.engines.port import (
    DAY_COLUMN,
    POPULATION,
    PREDICTED_AT,
    AskedRows,
    Becomes,
    LateValues,
    Part,
    Population,
    Query,
    Room,
)
from include.engines.session import Session, quoted

if TYPE_CHECKING:
    import pyarrow as pa

#: The greatest number that float32 holds.
_FLOAT32_MAX = 3.4028234663852886e38
_HELD, _CUT = "snapshot", "cut"
#: The keys of so many rows are told apart at once.
_TOGETHER = 1_000_000
#: Names with a space: no dataset can be called so.
_ASKED, _DERIVED, _JOINED = "asked rows", "derived rows", "joined rows"


class DuckDBEngine:
    """The rows as tables, read once. A query sees each as a view under its own name, of some days."""

    def __init__(self, session: Session, contracts: Mapping[str, Contract], scope: Scope) -> None:
        self.session = session
        self._contracts = {dataset.dataset: contracts[dataset.dataset] for dataset in scope.datasets}
        self._scope = scope
        self._names = {dataset.dataset: frozenset(dataset.names) for dataset in scope.datasets}

    @contextmanager
    def beside(self) -> Iterator["DuckDBEngine"]:
        with self.session.beside() as session:
            other = copy(self)
            other.session = session
            yield other

    def ask(self, population: Population, stretches: Iterable[Days]) -> AskedRows:
        self._population, self._partition = population, quoted(population.partition)
        for place, days in enumerate(stretches):
            self._show(population.datasets, days)
            found = (
                f'SELECT *, CAST({self._partition} AS DATE) AS "{DAY_COLUMN}" FROM ({self._asked()}) '
                f"WHERE {between(self._partition, days)}"
            )
            self.session.run(f'INSERT INTO "{_ASKED}" {found}' if place else f'CREATE TABLE "{_ASKED}" AS {found}')
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in (*population.key, PREDICTED_AT))
        counts = self.session.fetch(f'SELECT "{DAY_COLUMN}" AS day, count(*) AS rows FROM "{_ASKED}" GROUP BY ALL')
        by_day = dict(zip(counts["day"].to_pylist(), counts["rows"].to_pylist(), strict=True))
        empty = self.session.count(f'SELECT count(*) FROM "{_ASKED}" WHERE {nulls}')
        return AskedRows(by_day=by_day, repeated=sum(by_day.values()) - self._keys(by_day), empty=empty)

    def _keys(self, by_day: Mapping[date, int]) -> int:
        """How many keys the asked rows have."""
        population, within = self._population, ["TRUE"]
        if population.partition in population.key:  # then rows of two days have two keys
            within = [between(self._partition, days) for days in _few_rows(by_day)]
        key = ", ".join(map(quoted, population.key))
        found = (f'SELECT DISTINCT {key} FROM "{_ASKED}" WHERE {each}' for each in within)
        return sum(self.session.count(f"SELECT count(*) FROM ({keys})") for keys in found)

    def asked(self, day: date) -> "pa.Table":
        return self.session.fetch(f'{self._asked_of(Days(first=day, last=day))} ORDER BY "{PREDICTED_AT}"')

    def asked_at(self, day: date, instant: datetime) -> "pa.Table":
        days = Days(first=day, last=day)
        self.cut(dict.fromkeys(self._population.datasets, days), instant, LateValues.REMOVED)
        self._show(self._population.datasets, days, cut=True)
        return self.session.fetch(self._asked())

    def derive(self, query: Query, parts: Sequence[Part]) -> "Iterator[tuple[pa.Table, int]]":
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in self._population.key)
        for part in parts:
            self._show_all(query, part.days, part.seen)
            self.session.run(f'CREATE OR REPLACE TEMP TABLE "{_DERIVED}" AS {self._confined(query)}')
            empty = self.session.count(f'SELECT count(*) FROM "{_DERIVED}" WHERE {nulls}')
            yield self.session.fetch(self._joined(query, f'"{_DERIVED}"', part.days)), empty

    def derive_known(self, query: Query, days: Days, seen: Days) -> "pa.Table":
        self._show_all(query, days, seen, cut=True)
        # Kept first: what is fetched at once is planned twice, and planning takes longer than a day's rows.
        joined = self._joined(query, f"({self._confined(query)})", days)
        self.session.run(f'CREATE OR REPLACE TEMP TABLE "{_JOINED}" AS {joined}')
        return self.session.fetch(f'FROM "{_JOINED}"')

    def failing(self, query: Query) -> Sequence[str]:
        return [name for name in query.columns if self._fails(query, name)]

    def _fails(self, query: Query, name: str) -> bool:
        try:
            self.session.run(f"SELECT max({quoted(name)}) FROM ({self._confined(query)})")
        except DataError:
            return True
        return False

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """As tables, since several queries read them, each several times."""
        for name, days in datasets.items():
            fixed = [column for dataset, column in removed if dataset == name]
            rows = cut_rows(
                self._contracts[name], self._columns(name), f"{_HELD}.{quoted(name)}", days, instant, later, fixed
            )
            self.session.run(f"CREATE OR REPLACE TABLE {_CUT}.{quoted(name)} AS {rows}")

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        return late_columns(datasets, self._contracts, self._scope)

    def _columns(self, dataset: str) -> list[Column]:
        return [column for column in self._contracts[dataset].columns if column.name in self._names[dataset]]

    def _show(self, datasets: Iterable[str], days: Days, *, cut: bool = False) -> None:
        """Let each of *datasets* hold the rows of *days* only, or all rows if it is undivided."""
        for name in datasets:
            where = " AND ".join(within(self._contracts[name], days)) or "TRUE"
            source = f"{_CUT if cut else _HELD}.{quoted(name)}"
            self.session.run(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT * FROM {source} WHERE {where}")

    def _show_all(self, query: Query, days: Days, seen: Days, *, cut: bool = False) -> None:
        self._show(query.datasets, seen, cut=cut)
        self.session.run(f"CREATE OR REPLACE TEMP VIEW {POPULATION} AS {self._asked_of(days)}")

    def _asked(self) -> str:
        return self.session.confined(self._population.sql, self._population.datasets)

    def _asked_of(self, days: Days) -> str:
        columns = ", ".join(map(quoted, self._population.columns))
        return f'SELECT {columns} FROM "{_ASKED}" WHERE {between(self._partition, days)}'

    def _confined(self, query: Query) -> str:
        return self.session.confined(query.sql, (*query.datasets, POPULATION))

    def _joined(self, query: Query, source: str, days: Days) -> str:
        """The query for the asked rows of *days* beside what *source* has for their keys."""
        key = [f"a.{quoted(name)}" for name in self._population.key]
        values = [_value(name, becomes) for name, becomes in query.columns.items()]
        chosen = ", ".join([f'a."{DAY_COLUMN}"', f'a."{PREDICTED_AT}"', *key, *values])
        asked = f'SELECT * FROM "{_ASKED}" WHERE {between(self._partition, days)}'
        same_key = " AND ".join(f"a.{quoted(name)} = d.{quoted(name)}" for name in self._population.key)
        return (
            f"SELECT {chosen} FROM ({asked}) a LEFT JOIN {source} d ON {same_key} "
            f'ORDER BY a."{DAY_COLUMN}", {", ".join(key)}'
        )


def _few_rows(by_day: Mapping[date, int]) -> Iterator[Days]:
    """All days of *by_day* in stretches of about :data:`_TOGETHER` rows."""
    first, held = None, 0
    for day in sorted(by_day):
        first, held = first or day, held + by_day[day]
        if held >= _TOGETHER:
            yield Days(first=first, last=day)
            first, held = None, 0
    if first is not None:
        yield Days(first=first, last=max(by_day))


def _value(name: str, becomes: Becomes) -> str:
    value = f"d.{quoted(name)}"
    # Neither a NaN nor an infinity is less; a cast of a greater number would end the query.
    fits = f"abs(CAST({value} AS DOUBLE)) <= {_FLOAT32_MAX!r}"
    return {
        Becomes.TEXT: value,
        Becomes.LABEL: f"CAST({value} AS DOUBLE) AS {quoted(name)}",
        Becomes.INTEGER: f"CAST({value} AS FLOAT) AS {quoted(name)}",
        Becomes.NUMBER: f"CASE WHEN {fits} THEN CAST({value} AS FLOAT) END AS {quoted(name)}",
    }[becomes]


def version() -> str:
    """What makes the bytes of a result others: part of the inputs of all that is made."""
    import duckdb

    return f"duckdb {duckdb.__version__}"


@contextmanager
def opened(
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    path_of: Callable[[str], Path],
    *,
    partitions: Iterable[Partition] | None = None,
    room: Room | None = None,
) -> Iterator[DuckDBEngine]:
    """The engine over the snapshot's rows, or only those of some *partitions* of it, read once from their files.

    DuckDB itself can open these files and no others. All is held in memory; or, within the memory of *room*, in its
    folder.

    Raises:
        DataError: a partition cannot be read, or a dataset has none.
        OutOfRoom: the disk of *room* is full.
    """
    paths: dict[str, list[str]] = {scope.dataset: [] for scope in snapshot.scope.datasets}
    for partition in snapshot.partitions if partitions is None else partitions:
        paths[partition.table].append(str(path_of(partition.content)))
    with Session.opened([path for files in paths.values() for path in files], room) as session:
        session.run(f"CREATE SCHEMA {_HELD}; CREATE SCHEMA {_CUT}")
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
            session.run(f"CREATE TABLE {table} AS SELECT {chosen} FROM read_parquet(?)", paths[scope.dataset])
        yield DuckDBEngine(session, contracts, snapshot.scope)
