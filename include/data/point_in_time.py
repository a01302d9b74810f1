# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""What a project's expressions give for the rows to predict for, as far as it was known when they were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.errors import DataError, DeclarationError
from include.core.project import Expression, Project
from include.core.records import DAY, Contract, Days, Scope, Treatment
from include.data.relations import Later, Relations, quoted
from include.lineage import POPULATION, call, column_lineage, sql_of, tables
from include.lineage.tables import parameters

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

LABEL = "label"
PREDICTED_AT = "predicted_at"
DAY_COLUMN = "day"
#: Names with a space: no dataset can be called so.
_ASKED, _DERIVED = "asked rows", "derived rows"


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A table that a project derives: a feature group, or the label.

    ``sql`` is what DuckDB runs, over ``datasets`` of the days from ``lookback_days`` before a row's day to that day.
    ``numbers`` and ``categories`` are its columns beside the key, in ``names``' order.
    """

    name: str
    sql: str
    datasets: tuple[str, ...]
    lookback_days: int
    names: tuple[str, ...]
    categories: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A project, compiled: the rows to predict for (``population``, as SQL), the label, and the feature groups."""

    population: str
    population_columns: tuple[str, ...]
    population_datasets: tuple[str, ...]
    label: Derived
    groups: tuple[Derived, ...]


def declared(project: Project, contracts: Mapping[str, Contract], scope: Scope) -> Declared:
    """Compile *project* over the columns of *scope*.

    Raises:
        DeclarationError: a function misses a key column, doubles a name, or returns what is neither a number nor a
            category, or a category made of personal values.
    """
    import ibis

    target = project.target
    known = tables(contracts, [dataset.dataset for dataset in scope.datasets], scope=scope)
    population = call(target.population, known)
    _check_population(project, population, contracts)
    asked = ibis.table(population.schema(), name=POPULATION)
    label = _derived(project, LABEL, call(target.label, known), target.label, 0)
    if label.names != (LABEL,) or label.categories:
        raise DeclarationError(
            f"the label of {project.name!r} is the key and one column `label` of numbers",
            value=f"beside the key: {list(label.names)}",
            remedy="Select the key columns and label=….",
        )
    groups = []
    for group in project.features:
        table = call(group.build, {**known, POPULATION: asked})
        groups.append(_derived(project, group.name, table, group.build, group.lookback_days))
        if groups[-1].categories:
            _check_categories(groups[-1], call(group.build, {**known, POPULATION: population}), contracts)
    _check_names(project, groups)
    return Declared(
        population=sql_of(population),
        population_columns=tuple(population.columns),
        population_datasets=parameters(target.population),
        label=label,
        groups=tuple(groups),
    )


def _check_population(project: Project, population: "ibis.Table", contracts: Mapping[str, Contract]) -> None:
    target = project.target
    needed = {*target.key, contracts[target.dataset].partition_column, PREDICTED_AT} - {None}
    missing = needed - set(population.columns)
    if missing or not population[PREDICTED_AT].type().is_timestamp():
        raise DeclarationError(
            f"the population of {project.name!r} has the key, the partition column and a time `predicted_at`",
            value=f"missing {sorted(str(name) for name in missing)}" if missing else "predicted_at is no timestamp",
            remedy=f"Select {sorted(str(name) for name in needed)}.",
        )


def _derived(project: Project, name: str, table: "ibis.Table", function: Expression, lookback_days: int) -> Derived:
    missing = [column for column in project.target.key if column not in table.columns]
    if missing:
        raise DeclarationError(
            f"{name!r} of {project.name!r} returns the target's key", value=f"missing {missing}", remedy="Select them."
        )
    names = tuple(column for column in table.columns if column not in project.target.key)
    types = {column: table[column].type() for column in names}
    for column, kind in types.items():
        if not (kind.is_numeric() or kind.is_boolean() or kind.is_string() or kind.is_null()):
            raise DeclarationError(
                f"{name!r} of {project.name!r} returns numbers, booleans and categories (strings) beside the key",
                value=f"{column}: {kind}",
                remedy="Make it a number (hours since some event, say), or leave it out.",
            )
    return Derived(
        name=name,
        sql=sql_of(table),
        datasets=tuple(parameter for parameter in parameters(function) if parameter != POPULATION),
        lookback_days=lookback_days,
        names=names,
        categories=frozenset(column for column, kind in types.items() if kind.is_string()),
    )


def _check_names(project: Project, groups: Sequence[Derived]) -> None:
    taken: set[str] = {*project.target.key, LABEL, PREDICTED_AT, DAY_COLUMN}
    for group in groups:
        again = sorted(taken & set(group.names))
        if again or group.name == LABEL or not group.names:
            raise DeclarationError(
                f"each feature of {project.name!r} has a name of its own, and each group has one at least",
                value=f"group {group.name!r}: {again or 'no feature'}",
                remedy=f"Rename it; {LABEL}, {PREDICTED_AT}, {DAY_COLUMN} and the key are taken.",
            )
        taken.update(group.names)


def _check_categories(group: Derived, table: "ibis.Table", contracts: Mapping[str, Contract]) -> None:
    """A vocabulary of categories is recorded in the open, so it must hold no token."""
    sources = column_lineage(table, contracts)
    for name in sorted(group.categories):
        for dataset, column in sources[name]:
            found = contracts[dataset].column(column)
            if found is not None and found.treatment is Treatment.TOKEN:
                raise DeclarationError(
                    f"no category of {group.name!r} is made of a personal value: its vocabulary is recorded",
                    value=f"{name} comes from {dataset}.{column}",
                    remedy="Join or count by the column, and leave it out of the features.",
                )


class PointInTime:
    """The rows to predict for in ``days``, and what is derived for them. Rows come sorted by day and key."""

    def __init__(
        self, relations: Relations, project: Project, contracts: Mapping[str, Contract], compiled: Declared, days: Days
    ) -> None:
        """Find the rows of *days*.

        Raises:
            DataError: two rows have one key, or a row has none or no time at which it is asked for.
        """
        self._relations, self._compiled, self.days = relations, compiled, days
        self.key = project.target.key
        self._name = project.name
        self._partition = quoted(contracts[project.target.dataset].partition_column or "")
        relations.show(compiled.population_datasets, days)
        relations.keep(
            _ASKED,
            f'SELECT *, CAST({self._partition} AS DATE) AS "{DAY_COLUMN}" FROM ({compiled.population}) '
            f"WHERE {_between(self._partition, days)}",
        )
        self._check_asked()

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

    def rows(self, derived: Derived, days: Days) -> "pa.Table":
        """``day``, ``predicted_at``, the key and the columns of *derived* for every row of *days*.

        Its query sees the days that it may look back on, and no others.

        Raises:
            DataError: *derived* holds a key twice, or a row without one.
        """
        self._relations.show(derived.datasets, _reach(derived, days))
        self._show_population(days)
        self._relations.keep(_DERIVED, derived.sql)
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in self.key)
        empty = self._relations.count(f'SELECT count(*) FROM "{_DERIVED}" WHERE {nulls}')
        return self._joined(derived, f'"{_DERIVED}"', days, empty=empty)

    def rows_known(
        self, derived: Derived, days: Days, instant: datetime, *, later: Later, extra_days: int
    ) -> "pa.Table":
        """As :meth:`rows`, from what was known at *instant* only (see :meth:`Relations.show`).

        The query sees *extra_days* more before its lookback and, if there are any, the day after *days*.
        """
        self._relations.show(derived.datasets, _reach(derived, days, extra_days), instant=instant, later=later)
        self._show_population(days)
        return self._joined(derived, f"({derived.sql})", days)

    def categories(self, derived: Derived, days: Days) -> dict[str, tuple[str, ...]]:
        """The distinct values of each category of *derived* in the rows of *days*, sorted; null is none."""
        names = sorted(derived.categories)
        if not names:
            return {}
        self._relations.show(derived.datasets, _reach(derived, days))
        self._show_population(days)
        values = ", ".join(f"list_sort(list(DISTINCT d.{quoted(name)})) AS {quoted(name)}" for name in names)
        found = self._relations.fetch(
            f'SELECT {values} FROM "{_ASKED}" a JOIN ({derived.sql}) d ON {self._same_key()} '
            f"WHERE {_between(f'a.{self._partition}', days)}"
        )
        lists = {name: found.column(name)[0].as_py() or [] for name in names}
        return {name: tuple(value for value in values if value is not None) for name, values in lists.items()}

    @property
    def derived(self) -> tuple[Derived, ...]:
        """The label, then the groups."""
        return (self._compiled.label, *self._compiled.groups)

    def asked(self, day: date) -> "pa.Table":
        """The population's rows of *day*: its own columns, sorted by the time at which they are asked for."""
        columns = ", ".join(map(quoted, self._compiled.population_columns))
        days = Days(first=day, last=day)
        return self._relations.fetch(
            f'SELECT {columns} FROM "{_ASKED}" WHERE {_between(self._partition, days)} ORDER BY "{PREDICTED_AT}"'
        )

    def asked_at(self, day: date, instant: datetime) -> "pa.Table":
        """The rows of *day* that the population would have held, had it been asked at *instant*."""
        self._relations.show(self._compiled.population_datasets, Days(first=day, last=day), instant=instant)
        return self._relations.fetch(self._compiled.population)

    def _show_population(self, days: Days) -> None:
        columns = ", ".join(map(quoted, self._compiled.population_columns))
        self._relations.run(
            f'CREATE OR REPLACE TEMP VIEW {POPULATION} AS SELECT {columns} FROM "{_ASKED}" '
            f"WHERE {_between(self._partition, days)}"
        )

    def _same_key(self) -> str:
        return " AND ".join(f"a.{quoted(name)} = d.{quoted(name)}" for name in self.key)

    def _joined(self, derived: Derived, source: str, days: Days, *, empty: int = 0) -> "pa.Table":
        """The asked rows of *days* beside what *source* has for their keys."""
        key = [f"a.{quoted(name)}" for name in self.key]
        values = [_value(derived, name) for name in derived.names]
        chosen = ", ".join([f'a."{DAY_COLUMN}"', f'a."{PREDICTED_AT}"', *key, *values])
        asked = f'SELECT * FROM "{_ASKED}" WHERE {_between(self._partition, days)}'
        table = self._relations.fetch(
            f"SELECT {chosen} FROM ({asked}) a LEFT JOIN {source} d ON {self._same_key()} "
            f'ORDER BY a."{DAY_COLUMN}", {", ".join(key)}'
        )
        rows = self._relations.count(f"SELECT count(*) FROM ({asked})")
        if table.num_rows != rows or empty:
            raise DataError(
                f"{derived.name!r} of {self._name!r} has at most one row for each row to predict for",
                value=f"{table.num_rows - rows} rows too many and {empty} without a key, for {rows} rows",
                remedy=f"Check its joins: each must match one row at most. The key is {list(self.key)}.",
            )
        return table


def _reach(derived: Derived, days: Days, extra_days: int = 0) -> Days:
    """What *derived* may use for rows of *days*; with *extra_days* that many before, and one after."""
    first = days.first - (derived.lookback_days + extra_days) * DAY
    return Days(first=first, last=days.last + min(extra_days, 1) * DAY)


def _value(derived: Derived, name: str) -> str:
    if name in derived.categories:
        return f"d.{quoted(name)}"
    kind = "DOUBLE" if derived.name == LABEL else "FLOAT"
    return f"CAST(d.{quoted(name)} AS {kind}) AS {quoted(name)}"


def _between(column: str, days: Days) -> str:
    return f"{column} >= DATE '{days.first}' AND {column} < DATE '{days.last + DAY}'"
