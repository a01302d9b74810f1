"""An engine in memory: whole tables as rows of Python, cut and joined here, and only the project's own query is SQL.

It has no view, no kept table and no second thread, and casts by NumPy: what it shares with the engine under test is the
port, the dialect and the value of an expression.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.records import Column, Contract, Days, Snapshot
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
)

Row = dict[str, Any]


class ReferenceEngine:
    def __init__(self, snapshot: Snapshot, contracts: Mapping[str, Contract], path_of: Callable[[str], Path]) -> None:
        self._contracts = contracts
        self._held: dict[str, pa.Table] = {}
        for scope in snapshot.scope.datasets:
            parts = [pq.read_table(path_of(part.content)) for part in snapshot.of(scope.dataset)]
            self._held[scope.dataset] = pa.concat_tables(parts).select(list(scope.names))
        self._cut: dict[str, pa.Table] = {}
        self._values = duckdb.connect(config={"threads": 1})

    @contextmanager
    def beside(self) -> Iterator["ReferenceEngine"]:
        yield self

    def ask(self, population: Population, stretches: Iterable[Days]) -> AskedRows:
        self._population = population
        found: list[Row] = []
        for days in stretches:
            rows = self._run(population.sql, self._seen(population.datasets, days)).to_pylist()
            found += [row for row in rows if row[population.partition].date() in days]
        self._asked = found
        keys = [tuple(row[name] for name in population.key) for row in found]
        return AskedRows(
            by_day=Counter(row[population.partition].date() for row in found),
            repeated=len(keys) - len(set(keys)),
            empty=sum(None in (*key, row[PREDICTED_AT]) for key, row in zip(keys, found, strict=True)),
        )

    def asked(self, day: date) -> pa.Table:
        rows = sorted(self._of(Days(first=day, last=day)), key=lambda row: row[PREDICTED_AT])
        return pa.Table.from_pylist([{name: row[name] for name in self._population.columns} for row in rows])

    def asked_at(self, day: date, instant: datetime) -> pa.Table:
        days = Days(first=day, last=day)
        self.cut(dict.fromkeys(self._population.datasets, days), instant, LateValues.REMOVED)
        return self._run(self._population.sql, {name: self._cut[name] for name in self._population.datasets})

    def derive(self, query: Query, parts: Sequence[Part]) -> Iterator[tuple[pa.Table, int]]:
        return (self._derived(query, part.days, self._seen(query.datasets, part.seen)) for part in parts)

    def derive_known(self, query: Query, days: Days, seen: Days) -> pa.Table:
        shown = {name: _within(self._cut[name], self._contracts[name], seen) for name in query.datasets}
        return self._derived(query, days, shown)[0]

    def failing(self, query: Query) -> Sequence[str]:
        raise NotImplementedError("the query fails in the one engine whose errors are held")

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Disturbed, half of the rows stay, by the digests of their keys, with the values of the row before."""
        for name, days in datasets.items():
            contract, before = self._contracts[name], None
            table = _within(self._held[name], contract, days)
            columns = [column for column in contract.columns if column.name in table.column_names]
            rows: list[Row] = []
            for row in table.to_pylist():
                stays = later is LateValues.DISTURBED and by_chance(row, contract)
                if stays or all(_known(row, column, instant) for column in columns if _places(contract, column)):
                    given = before if stays and before else {}
                    changed = {
                        column.name: None if (name, column.name) in removed else given.get(column.name)
                        for column in columns
                        if not _places(contract, column) and not _known(row, column, instant)
                    }
                    rows.append({**row, **changed})
                before = row
            self._cut[name] = pa.Table.from_pylist(rows, schema=table.schema)

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, column.name)
            for name in datasets
            for column in self._contracts[name].columns
            if column.known_at.column and not _places(self._contracts[name], column)
            if column.name in self._held[name].column_names
        )

    def _seen(self, datasets: Iterable[str], days: Days) -> dict[str, pa.Table]:
        return {name: _within(self._held[name], self._contracts[name], days) for name in datasets}

    def _of(self, days: Days) -> list[Row]:
        return [row for row in self._asked if row[self._population.partition].date() in days]

    def _derived(self, query: Query, days: Days, shown: dict[str, pa.Table]) -> tuple[pa.Table, int]:
        key, asked = self._population.key, self._of(days)
        columns = self._run(self._population.sql, self._seen(self._population.datasets, days)).schema
        asked_table = pa.Table.from_pylist(asked, schema=columns).select(list(self._population.columns))
        rows = self._run(query.sql, {**shown, POPULATION: asked_table}).to_pylist()
        by_key: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            by_key.setdefault(tuple(row[name] for name in key), []).append(row)
        found: list[Row] = []
        for row in sorted(asked, key=lambda row: (row[self._population.partition].date(), *(row[n] for n in key))):
            place = {DAY_COLUMN: row[self._population.partition].date(), PREDICTED_AT: row[PREDICTED_AT]}
            mine = tuple(row[name] for name in key)
            for given in by_key.get(mine, [{}]):
                values = {name: _become(given.get(name), becomes) for name, becomes in query.columns.items()}
                found.append({**place, **dict(zip(key, mine, strict=True)), **values})
        return pa.Table.from_pylist(found), sum(any(row[name] is None for name in key) for row in rows)

    def _run(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        for name, table in tables.items():
            self._values.register(name, table)
        return self._values.sql(sql).to_arrow_table()


def _within(table: pa.Table, contract: Contract, days: Days) -> pa.Table:
    if contract.partition_column is None:
        return table
    moments = table[contract.partition_column].to_pylist()
    return table.filter(pa.array([moment.date() in days for moment in moments], pa.bool_()))


def _places(contract: Contract, column: Column) -> bool:
    return column.key or column.name == contract.partition_column


def by_chance(row: Row, contract: Contract) -> bool:
    return hashlib.md5("\n".join(str(row[name]) for name in contract.key).encode()).hexdigest() < "8"  # noqa: S324


def _known(row: Row, column: Column, instant: datetime) -> bool:
    if column.known_at.column is None:
        return True
    moment: datetime | None = row[column.known_at.column]
    return moment is not None and moment.replace(tzinfo=UTC) + column.known_at.offset <= instant


def _become(value: Any, becomes: Becomes) -> Any:
    if value is None or becomes is Becomes.TEXT:
        return value
    if becomes is Becomes.LABEL:
        return float(value)
    if becomes is Becomes.INTEGER:
        return float(np.float32(value))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite there
        return float(np.float32(value)) if abs(float(value)) <= np.finfo(np.float32).max else None
