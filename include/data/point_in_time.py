# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""What a project's expressions give for the rows to predict for, as far as it was known when they were asked for."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.project import Project
from include.core.records import DAY, Contract, Days
from include.declared import POPULATION
from include.declared.compiled import DAY_COLUMN, LABEL, PREDICTED_AT, CompiledProject, DerivedTable
from include.engines.late_values import LateValues, between, quoted
from include.engines.relations import Relations

if TYPE_CHECKING:
    import pyarrow as pa

#: The greatest number that a feature may be, and that float32 holds.
FLOAT32_MAX = 3.4028234663852886e38
#: Names with a space: no dataset can be called so.
_ASKED, _DERIVED, _JOINED = "asked rows", "derived rows", "joined rows"


class PointInTime:
    """The rows to predict for in some stretches of days, and what is derived for them, sorted by day and key."""

    def __init__(
        self,
        relations: Relations,
        project: Project,
        contracts: Mapping[str, Contract],
        compiled: CompiledProject,
        stretches: Sequence[Days],
    ) -> None:
        """Find the rows of the *stretches*, which have no day in common.

        Raises:
            DataError: two rows have one key, or a row has none or no time at which it is asked for.
        """
        self._relations, self._compiled = relations, compiled
        self.key = project.learning.target.key
        self._name = project.name
        self._partition = quoted(contracts[project.learning.target.dataset].partition_column or "")
        for place, days in enumerate(stretches):
            relations.show(compiled.population_datasets, days)
            found = (
                f'SELECT *, CAST({self._partition} AS DATE) AS "{DAY_COLUMN}" FROM ({self._population()}) '
                f"WHERE {between(self._partition, days)}"
            )
            if place:
                relations.run(f'INSERT INTO "{_ASKED}" {found}')
            else:
                relations.share(_ASKED, found)
        self._check_asked()
        self._rows_by_day = self._count_by_day()

    def _check_asked(self) -> None:
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in (*self.key, PREDICTED_AT))
        key = ", ".join(map(quoted, self.key))
        rows, keys, empty = (
            self._relations.count(f"SELECT count(*) FROM {source}")
            for source in (f'"{_ASKED}"', f'(SELECT DISTINCT {key} FROM "{_ASKED}")', f'"{_ASKED}" WHERE {nulls}')
        )
        if keys != rows or empty:
            raise DataError(
                f"each row of the population of {self._name!r} has its own key and a time at which it is asked for",
                value=f"{rows - keys} repeated keys and {empty} nulls in {rows} rows",
                remedy="Check the population's joins and filters.",
            )

    def _count_by_day(self) -> dict[date, int]:
        counts = self._relations.fetch(f'SELECT "{DAY_COLUMN}" AS day, count(*) AS rows FROM "{_ASKED}" GROUP BY ALL')
        return dict(zip(counts["day"].to_pylist(), counts["rows"].to_pylist(), strict=True))

    def rows(self, derived: DerivedTable, days: Days) -> "pa.Table":
        """The day, ``predicted_at``, the key and the columns of *derived* for every row of *days*.

        Its query sees the days that it may look back on, and no others. A number that is not finite, or that float32
        cannot hold, is null, but for the label's.

        Raises:
            DataError: *derived* cannot be computed, or holds a key twice, or a row without one.
        """
        self._relations.show(derived.datasets, reach(derived, days))
        self._show_population(days)
        try:
            self._relations.keep(_DERIVED, self._query(derived))
        except DataError as error:
            raise self._by_name(derived, error) from None
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in self.key)
        empty = self._relations.count(f'SELECT count(*) FROM "{_DERIVED}" WHERE {nulls}')
        table = self._relations.fetch(self._joined(derived, f'"{_DERIVED}"', days))
        return self._checked(derived, table, days, empty=empty)

    def all_rows(self, spans: Mapping[DerivedTable, Days]) -> "dict[DerivedTable, pa.Table]":
        """:meth:`rows` of each for its days; two are computed at once, each in one thread.

        Raises:
            DataError: as :meth:`rows` does, for the first of them.
        """
        with self._relations.beside() as relations, ThreadPoolExecutor(max_workers=2) as pool:
            other = copy(self)
            other._relations = relations
            free = [self, other]

            def rows(derived: DerivedTable) -> "pa.Table":
                mine = free.pop()
                try:
                    return mine.rows(derived, spans[derived])
                finally:
                    free.append(mine)

            return dict(zip(spans, pool.map(rows, spans), strict=True))

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Remove or disturb, as *later* says, what became known after *instant* in those days of *datasets*.

        :meth:`rows_known` sees what is left. The columns *removed*, as dataset and name, are not changed: what became
        known later is null.
        """
        self._relations.cut(datasets, instant, later, removed=removed)

    def later(self, derived: DerivedTable) -> tuple[tuple[str, str], ...]:
        """The columns that *derived* may read, as dataset and name, whose values may become known after a row is."""
        return self._relations.later(derived.datasets)

    def rows_known(self, derived: DerivedTable, day: date, *, extra_days: int) -> "pa.Table":
        """As :meth:`rows` for *day*, from what :meth:`cut` left.

        The query sees *extra_days* more before its lookback and, if there are any, the day after.
        """
        days = Days(first=day, last=day)
        self._relations.show(derived.datasets, reach(derived, days, extra_days), cut=True)
        self._show_population(days)
        # Kept first: what is fetched at once is planned twice, and planning takes longer than a day's rows.
        self._relations.keep(_JOINED, self._joined(derived, f"({self._query(derived)})", days))
        return self._checked(derived, self._relations.fetch(f'FROM "{_JOINED}"'), days)

    @property
    def derived(self) -> tuple[DerivedTable, ...]:
        """The label, then the groups."""
        return (self._compiled.label, *self._compiled.groups)

    def asked(self, day: date) -> "pa.Table":
        """The population's rows of *day*: its own columns, sorted by the time at which they are asked for."""
        columns = ", ".join(map(quoted, self._compiled.population_columns))
        days = Days(first=day, last=day)
        return self._relations.fetch(
            f'SELECT {columns} FROM "{_ASKED}" WHERE {between(self._partition, days)} ORDER BY "{PREDICTED_AT}"'
        )

    def asked_at(self, day: date, instant: datetime) -> "pa.Table":
        """The rows of *day* that the population would have held, had it been asked at *instant*."""
        days = Days(first=day, last=day)
        self._relations.cut(dict.fromkeys(self._compiled.population_datasets, days), instant, LateValues.REMOVED)
        self._relations.show(self._compiled.population_datasets, days, cut=True)
        return self._relations.fetch(self._population())

    def _population(self) -> str:
        return self._relations.confined(self._compiled.population, self._compiled.population_datasets)

    def _query(self, derived: DerivedTable) -> str:
        return self._relations.confined(derived.sql, (*derived.datasets, POPULATION))

    def _by_name(self, derived: DerivedTable, error: DataError) -> DataError:
        """*error* of its query, with the columns that cannot be computed by themselves."""
        alone = [name for name in derived.names if self._relations.fails(f"({self._query(derived)})", name)]
        return DataError(
            f"each column of {derived.name!r} of {self._name!r} can be computed over the snapshot",
            value=f"{', '.join(alone or derived.names)}: {error.value}",
            remedy="`//` and `%` by 0 are errors (divide by `nullif(0)`), and so are casts of what does not fit "
            "(`try_cast` gives null). Run the expression in the notebook on rows that you may see.",
        )

    def _show_population(self, days: Days) -> None:
        columns = ", ".join(map(quoted, self._compiled.population_columns))
        self._relations.run(
            f'CREATE OR REPLACE TEMP VIEW {POPULATION} AS SELECT {columns} FROM "{_ASKED}" '
            f"WHERE {between(self._partition, days)}"
        )

    def _same_key(self) -> str:
        return " AND ".join(f"a.{quoted(name)} = d.{quoted(name)}" for name in self.key)

    def _joined(self, derived: DerivedTable, source: str, days: Days) -> str:
        """The query for the asked rows of *days* beside what *source* has for their keys."""
        key = [f"a.{quoted(name)}" for name in self.key]
        values = [_value(derived, name) for name in derived.names]
        chosen = ", ".join([f'a."{DAY_COLUMN}"', f'a."{PREDICTED_AT}"', *key, *values])
        asked = f'SELECT * FROM "{_ASKED}" WHERE {between(self._partition, days)}'
        return (
            f"SELECT {chosen} FROM ({asked}) a LEFT JOIN {source} d ON {self._same_key()} "
            f'ORDER BY a."{DAY_COLUMN}", {", ".join(key)}'
        )

    def _checked(self, derived: DerivedTable, table: "pa.Table", days: Days, *, empty: int = 0) -> "pa.Table":
        rows = sum(self._rows_by_day.get(day, 0) for day in days)
        if table.num_rows != rows or empty:
            raise DataError(
                f"{derived.name!r} of {self._name!r} has at most one row for each row to predict for",
                value=f"{table.num_rows - rows} rows too many and {empty} without a key, for {rows} rows",
                remedy=f"Check its joins: each must match one row at most. The key is {list(self.key)}.",
            )
        return table


def reach(derived: DerivedTable, days: Days, extra_days: int = 0) -> Days:
    """What *derived* may use for rows of *days*; with *extra_days* that many before, and one after."""
    first = days.first - (derived.lookback_days + extra_days) * DAY
    return Days(first=first, last=days.last + min(extra_days, 1) * DAY)


def _value(derived: DerivedTable, name: str) -> str:
    value = f"d.{quoted(name)}"
    if name in derived.categories:
        return value
    if derived.name == LABEL:
        return f"CAST({value} AS DOUBLE) AS {quoted(name)}"
    if name in derived.integers:
        return f"CAST({value} AS FLOAT) AS {quoted(name)}"
    # Neither a NaN nor an infinity is less; a cast of a greater number would end the query.
    fits = f"abs(CAST({value} AS DOUBLE)) <= {FLOAT32_MAX!r}"
    return f"CASE WHEN {fits} THEN CAST({value} AS FLOAT) END AS {quoted(name)}"
