"""Tables of features: the rows of what is computed, those that are read again, and both as the vault's bytes."""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from include.core.records import Days, FeatureSpec, Partition
from include.data.leak_alarm import Alarm
from include.data.memory import Division
from include.data.point_in_time import PointInTime
from include.data.probe import BuiltDay
from include.data.reuse import TableTask
from include.data.writer import Writer
from include.declared.compiled import DAY_COLUMN, LABEL, PREDICTED_AT, DerivedTable

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts

#: Below it, float32 holds every integer.
FLOAT32_INTEGERS = 2**24
#: A category that fewer training rows have is no part of the vocabulary, which is recorded in the open: it may tell of
#: a person.
CATEGORY_ROWS = 20


class BuiltTables:
    """The rows of each task's new days, a stretch of days after the other; and of what is asked of them afterwards, the
    counts, the samples and the rows of a few days.
    """

    def __init__(
        self,
        rows: PointInTime,
        work: Sequence[TableTask],
        opened: "OpenedArtifacts",
        division: Division,
        *,
        train: Days | None = None,
        looked_at: Collection[date] = (),
        alarm: Alarm | None = None,
    ) -> None:
        """Categories are counted in the days *train*; rows are kept of those that are *looked_at*."""
        self._rows, self._work, self._opened, self._division = rows, work, opened, division
        self._train, self._looked_at, self._alarm = train, looked_at, alarm
        self._tasks = {task.derived: task for task in work}
        self._days: dict[tuple[DerivedTable, date], BuiltDay] = {}
        self._counts: dict[tuple[DerivedTable, str], Counter[str | None]] = {}

    def made(self) -> "Generator[tuple[TableTask, dict[date, pa.Table]]]":
        """What is new of each task, in their order, by day: each day once. Nothing else is known before it has ended.

        Who stops before closes it: until then queries may run.

        Raises:
            DataError: as :meth:`~include.data.point_in_time.PointInTime.rows` does.
        """
        heard = self._heard()
        label = self._work[0]
        asked = [(label, days, False) for days in self._pieces(label, heard)] if heard else []
        asked += [(task, days, True) for task in self._work for days in self._pieces(task, task.span)]
        queries = [(task.derived, days) for task, days, _ in asked]
        with closing(self._rows.in_turn(queries, ahead=self._division.ahead)) as tables:
            for (task, days, new), table in zip(asked, tables, strict=True):
                by_day = _by_day(table, days)
                if self._alarm is not None and task is not label:
                    self._alarm.look(task.derived, iter(by_day.items()))
                elif self._alarm is not None and new is (heard is None):
                    for day, part in by_day.items():
                        self._alarm.hear(day, part.column(LABEL).to_numpy())
                if new:
                    self._remember(task, by_day)
                    yield task, by_day

    def built(self, derived: DerivedTable, day: date) -> BuiltDay:
        """The rows of *day*, one that is looked at; of a label that was not built now, only its integers."""
        if (built := self._days.get((derived, day))) is not None:
            return built
        names = derived.integers if derived.name == LABEL else derived.names
        return BuiltDay(table=self._again(self._tasks[derived], day, names), span_days=None)

    def rounded(self, day: date) -> tuple[str, ...]:
        """The features (and the label) that are integers beyond those that float32 holds on *day*, sorted."""
        import pyarrow.compute as pc

        found = []
        for derived in (each for each in self._tasks if each.integers):
            table = self.built(derived, day).table
            greatest = {name: pc.max(pc.abs(table[name])).as_py() or 0 for name in derived.integers}
            found += [name for name, number in greatest.items() if number >= FLOAT32_INTEGERS]
        return tuple(sorted(found))

    def specs(self, task: TableTask) -> list[FeatureSpec]:
        """The features of a group, in its order, with their categories in the training days; the label is none."""
        if task.derived.name == LABEL:
            return []
        learnt = self._categories(task) if task.derived.categories else {}
        definitions = task.derived.definitions or (task.definition,) * len(task.derived.names)
        return [
            FeatureSpec(name=name, group=task.derived.name, definition=definition, categories=learnt.get(name))
            for name, definition in zip(task.derived.names, definitions, strict=True)
        ]

    def _pieces(self, task: TableTask, days: Days | None) -> list[Days]:
        if days is None:
            return []
        parts = (part.days for part in self._rows.parts(task.derived, days))
        return self._division.pieces(task.derived.name, parts, self._rows.by_day)

    def _heard(self) -> Days | None:
        """The days whose labels are computed for the alarm alone; ``None``: those are built, or none is needed."""
        label, *groups = (task.span for task in self._work)
        spans = [span for span in groups if span is not None]
        if self._alarm is None or not spans:
            return None
        needed = Days(first=min(span.first for span in spans), last=max(span.last for span in spans))
        return None if label and label.first <= needed.first and needed.last <= label.last else needed

    def _remember(self, task: TableTask, by_day: "dict[date, pa.Table]") -> None:
        import numpy as np
        import pyarrow as pa

        for day in self._looked_at:
            if (part := by_day.get(day)) is not None:  # copied: as a part of it, it would keep the whole stretch
                (together,) = (
                    each.days
                    for each in self._rows.parts(task.derived, Days(first=min(by_day), last=max(by_day)))
                    if day in each.days
                )
                kept = part.take(np.arange(part.num_rows))
                self._days[task.derived, day] = BuiltDay(table=kept, span_days=len(together))
        learnt = [part for day, part in by_day.items() if self._train is not None and day in self._train]
        if learnt:
            for name in task.derived.categories:
                _count(self._counts.setdefault((task.derived, name), Counter()), pa.concat_tables(learnt), name)

    def _categories(self, task: TableTask) -> dict[str, tuple[str, ...]]:
        """The values of each category that enough rows of the training days have, sorted; null is none."""
        names = task.derived.categories
        found = {name: Counter(self._counts.get((task.derived, name), {})) for name in names}
        for day in self._train or ():
            if not task.spans(day):
                part = self._again(task, day, names)
                for name in names:
                    _count(found[name], part, name)
        return {
            name: tuple(sorted(value for value, rows in counts.items() if value is not None and rows >= CATEGORY_ROWS))
            for name, counts in found.items()
        }

    def _again(self, task: TableTask, day: date, names: Sequence[str]) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not names:
            return pa.table({})
        path = self._opened.path(task.reused[day].content)
        return pq.ParquetFile(path).read(columns=list(names), use_threads=False)


def _count(counts: "Counter[str | None]", table: "pa.Table", name: str) -> None:
    """Add to *counts* how many rows of *table* have which value in the column *name*."""
    import pyarrow.compute as pc

    for each in pc.value_counts(table.column(name)).to_pylist():
        counts[each["values"]] += each["counts"]


def write(tables: BuiltTables, key: tuple[str, ...], writer: Writer) -> list[Callable[[], Partition]]:
    """Put the partitions of the new days into the vault; each is there when it is asked for."""
    with closing(tables.made()) as made:
        return [part for task, by_day in made for part in _written(task, by_day, key, writer)]


def _written(
    task: TableTask, by_day: "dict[date, pa.Table]", key: tuple[str, ...], writer: Writer
) -> Iterator[Callable[[], Partition]]:
    for day in (each for each in by_day if each in task.new):
        part, (inputs, complete) = _chosen(task, by_day[day], key), task.new[day]
        yield writer.put(
            partial(parquet, part),
            table=task.derived.name,
            day=day,
            inputs=inputs,
            rows=part.num_rows,
            complete=complete,
            held_bytes=part.nbytes,
        )


def _chosen(task: TableTask, table: "pa.Table", key: tuple[str, ...]) -> "pa.Table":
    if task.derived.name != LABEL:
        return table.select([*key, *task.derived.names])
    chosen = table.select([*key, DAY_COLUMN, PREDICTED_AT, LABEL])
    # As earlier releases called it: the same rows give the same bytes.
    return chosen if "day" in key else chosen.rename_columns([*key, "day", PREDICTED_AT, LABEL])


def _by_day(table: "pa.Table", days: Days) -> "dict[date, pa.Table]":
    """The rows of each of *days* of a *table* that is sorted by day."""
    import numpy as np

    first, held = np.datetime64(days.first, "D"), table.column(DAY_COLUMN).to_numpy().astype("datetime64[D]")
    starts = np.searchsorted(held, first + np.arange(len(days) + 1)).tolist()
    return {day: table.slice(first, end - first) for day, first, end in zip(days, starts, starts[1:], strict=False)}


def parquet(table: "pa.Table") -> bytes:
    """*table* as Parquet: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # Hundreds of small files a night: without dictionaries, statistics and the Arrow schema they cost half.
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False, store_schema=False)
    data: bytes = sink.getvalue().to_pybytes()
    return data
