"""What a project's expressions give for the rows to predict for, as far as it was known when they were asked for."""

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.project import Project
from include.core.records import DAY, Contract, Days
from include.declared.compiled import LABEL, CompiledProject, DerivedTable
from include.engines import Engine
from include.engines.port import Becomes, Part, Population, Query

if TYPE_CHECKING:
    import pyarrow as pa


class PointInTime:
    """The rows to predict for in some stretches of days, and what is derived for them, sorted by day and key."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        contracts: Mapping[str, Contract],
        compiled: CompiledProject,
        stretches: Sequence[Days],
    ) -> None:
        """Find the rows of the *stretches*, which have no day in common.

        Raises:
            DataError: two rows have one key, or a row has none or no time at which it is asked for.
        """
        self.engine, self._compiled, self._stretches = engine, compiled, tuple(stretches)
        self.key = project.learning.target.key
        self._name = project.name
        population = Population(
            sql=compiled.population,
            datasets=compiled.population_datasets,
            columns=compiled.population_columns,
            key=self.key,
            partition=contracts[project.learning.target.dataset].partition_column or "",
        )
        asked = engine.ask(population, self._stretches)
        if asked.repeated or asked.empty:
            raise DataError(
                f"each row of the population of {self._name!r} has its own key and a time at which it is asked for",
                value=f"{asked.repeated} repeated keys and {asked.empty} nulls in {sum(asked.by_day.values())} rows",
                remedy="Check the population's joins and filters.",
            )
        #: How many rows each day has.
        self.by_day = asked.by_day

    def rows(self, derived: DerivedTable, days: Days) -> "pa.Table":
        """The day, ``predicted_at``, the key and the columns of *derived* for every row of *days*.

        Its query sees the days that it may look back on, part by part (:meth:`parts`), and no others. A number that is
        not finite, or that float32 cannot hold, is null, but for the label's.

        Raises:
            DataError: *derived* cannot be computed, or holds a key twice, or a row without one.
        """
        import pyarrow as pa

        query = _query(derived)
        try:
            found = list(self.engine.derive(query, self.parts(derived, days)))
        except DataError as error:
            raise self._by_name(derived, query, error) from None
        table = pa.concat_tables([rows for rows, _ in found])
        return self._checked(derived, table, days, empty=sum(empty for _, empty in found))

    def parts(self, derived: DerivedTable, days: Days) -> list[Part]:
        """How *days* are computed, in every engine: by stretches, several where one has fewer days than the lookback.

        So no day is read more than twice for the days after it.
        """
        found: list[Days] = []
        for stretch in self._stretches:
            shared = Days(first=max(days.first, stretch.first), last=min(days.last, stretch.last))
            if found and len(found[-1]) < derived.lookback_days and found[-1].last + DAY == shared.first:
                found[-1] = replace(found[-1], last=shared.last)
            elif len(shared):
                found.append(shared)
        return [Part(days=part, seen=reach(derived, part)) for part in found]

    def in_turn(self, asked: Sequence[tuple[DerivedTable, Days]], *, ahead: int) -> "Generator[pa.Table]":
        """:meth:`rows` of each of *asked* for its days, in their order; two are computed at once, each in one thread.

        As many as *ahead* are computed before the first of them is taken. Who stops before the last closes it: until
        then queries may run.

        Raises:
            DataError: as :meth:`rows` does, for the first of them.
        """
        with self.engine.beside() as one, self.engine.beside() as other, ThreadPoolExecutor(max_workers=2) as pool:
            free = [self._with(one), self._with(other)]

            def rows(derived: DerivedTable, days: Days) -> "pa.Table":
                mine = free.pop()
                try:
                    return mine.rows(derived, days)
                finally:
                    free.append(mine)

            waiting: deque[Future[pa.Table]] = deque()
            for derived, days in asked:
                waiting.append(pool.submit(rows, derived, days))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _with(self, engine: Engine) -> "PointInTime":
        other = copy(self)
        other.engine = engine
        return other

    def rows_known(self, derived: DerivedTable, day: date, *, extra_days: int) -> "pa.Table":
        """As :meth:`rows` for *day*, from what the engine's ``cut`` left.

        The query sees *extra_days* more before its lookback and, if there are any, the day after.
        """
        days = Days(first=day, last=day)
        table = self.engine.derive_known(_query(derived), days, reach(derived, days, extra_days))
        return self._checked(derived, table, days)

    @property
    def derived(self) -> tuple[DerivedTable, ...]:
        """The label, then the groups."""
        return (self._compiled.label, *self._compiled.groups)

    def _by_name(self, derived: DerivedTable, query: Query, error: DataError) -> DataError:
        """*error* of its query, with the columns that cannot be computed by themselves."""
        alone = self.engine.failing(query)
        return DataError(
            f"each column of {derived.name!r} of {self._name!r} can be computed over the snapshot",
            value=f"{', '.join(alone or derived.names)}: {error.value}",
            remedy="`//` and `%` by 0 are errors (divide by `nullif(0)`), and so are casts of what does not fit "
            "(`try_cast` gives null). Run the expression in the notebook on rows that you may see.",
        )

    def _checked(self, derived: DerivedTable, table: "pa.Table", days: Days, *, empty: int = 0) -> "pa.Table":
        rows = sum(self.by_day.get(day, 0) for day in days)
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


def _query(derived: DerivedTable) -> Query:
    return Query(
        sql=derived.sql, datasets=derived.datasets, columns={name: _becomes(derived, name) for name in derived.names}
    )


def _becomes(derived: DerivedTable, name: str) -> Becomes:
    if name in derived.categories:
        return Becomes.TEXT
    if derived.name == LABEL:
        return Becomes.LABEL
    return Becomes.INTEGER if name in derived.integers else Becomes.NUMBER
