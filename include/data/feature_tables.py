"""Tables of features: the rows of what is computed, those that are read again, and both as the vault's bytes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from include.core.records import Days, FeatureSpec, Partition
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
    """The rows of each task's span, built; and those of single days, whether built or read again."""

    def __init__(self, rows: PointInTime, tasks: Mapping[DerivedTable, TableTask], opened: "OpenedArtifacts") -> None:
        self._rows, self._tasks, self._opened = rows, tasks, opened
        self._built = rows.all_rows({derived: task.span for derived, task in tasks.items() if task.span})

    def of(self, task: TableTask) -> "pa.Table":
        """All rows of the *task*'s span."""
        return self._built[task.derived]

    def built(self, derived: DerivedTable, day: date) -> BuiltDay:
        """The rows of *day*; of a label that was not built now, only its integers."""
        task = self._tasks[derived]
        if task.span is not None and day in task.span:
            (together,) = (part.days for part in self._rows.parts(derived, task.span) if day in part.days)
            return BuiltDay(table=_of_days(self._built[derived], Days(first=day, last=day)), span_days=len(together))
        names = derived.integers if derived.name == LABEL else derived.names
        return BuiltDay(table=self._again(task, day, names), span_days=None)

    def with_labels(self) -> "Iterator[tuple[DerivedTable, pa.Table, pa.Table]]":
        """What was built of each group, beside the labels of its rows."""
        label = self._rows.derived[0]
        of_labels = self._tasks[label].span
        for derived, table in self._built.items():
            span = self._tasks[derived].span
            if derived is label or span is None:
                continue
            if of_labels and of_labels.first <= span.first and span.last <= of_labels.last:
                yield derived, table, _of_days(self._built[label], span)
            else:
                yield derived, table, self._rows.rows(label, span)

    def rounded(self, day: date) -> tuple[str, ...]:
        """The features (and the label) that are integers beyond those that float32 holds on *day*, sorted."""
        import pyarrow.compute as pc

        found = []
        for derived in (each for each in self._tasks if each.integers):
            table = self.built(derived, day).table
            greatest = {name: pc.max(pc.abs(table[name])).as_py() or 0 for name in derived.integers}
            found += [name for name, number in greatest.items() if number >= FLOAT32_INTEGERS]
        return tuple(sorted(found))

    def specs(self, task: TableTask, train: Days) -> list[FeatureSpec]:
        """The features of a group, in its order, with their categories in *train*; the label is none."""
        if task.derived.name == LABEL:
            return []
        learnt = self._categories(task, train) if task.derived.categories else {}
        definitions = task.derived.definitions or (task.definition,) * len(task.derived.names)
        return [
            FeatureSpec(name=name, group=task.derived.name, definition=definition, categories=learnt.get(name))
            for name, definition in zip(task.derived.names, definitions, strict=True)
        ]

    def _categories(self, task: TableTask, days: Days) -> dict[str, tuple[str, ...]]:
        """The values of each category that enough rows of *days* have, sorted; null is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = list(task.derived.categories)
        parts = [self._again(task, day, names) for day in days if not task.spans(day)]
        if task.span:
            shared = Days(first=max(days.first, task.span.first), last=min(days.last, task.span.last))
            parts.append(_of_days(self._built[task.derived], shared).select(names))
        table = pa.concat_tables(parts)
        found = {name: pc.value_counts(table[name]).to_pylist() for name in names}
        return {
            name: tuple(
                sorted(
                    each["values"] for each in counted if each["values"] is not None and each["counts"] >= CATEGORY_ROWS
                )
            )
            for name, counted in found.items()
        }

    def _again(self, task: TableTask, day: date, names: Sequence[str]) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not names:
            return pa.table({})
        path = self._opened.path(task.reused[day].content)
        return pq.ParquetFile(path).read(columns=list(names), use_threads=False)


def write(
    work: Sequence[TableTask], tables: BuiltTables, key: tuple[str, ...], writer: Writer
) -> list[Callable[[], Partition]]:
    """Put the partitions of the new days into the vault; each is there when it is asked for."""
    return [part for task in work if task.new for part in _written(task, tables.of(task), key, writer)]


def _written(
    task: TableTask, table: "pa.Table", key: tuple[str, ...], writer: Writer
) -> Iterator[Callable[[], Partition]]:
    places = _places(table, task.new)
    if task.derived.name == LABEL:
        chosen = table.select([*key, DAY_COLUMN, PREDICTED_AT, LABEL])
        if "day" not in key:  # as earlier releases called it: the same rows give the same bytes
            chosen = chosen.rename_columns([*key, "day", PREDICTED_AT, LABEL])
    else:
        chosen = table.select([*key, *task.derived.names])
    for day, (first, end) in places.items():
        part = chosen.slice(first, end - first)
        inputs, complete = task.new[day]
        yield writer.put(
            partial(parquet, part),
            table=task.derived.name,
            day=day,
            inputs=inputs,
            rows=part.num_rows,
            complete=complete,
        )


def _of_days(table: "pa.Table", days: Days) -> "pa.Table":
    """The rows of *days* of a *table* that is sorted by day."""
    starts = _places(table, (days.first, days.last))
    first, end = starts[days.first][0], starts[days.last][1]
    return table.slice(first, max(end - first, 0))


def _places(table: "pa.Table", days: Iterable[date]) -> dict[date, tuple[int, int]]:
    """For each of *days* its first and past-last row in a *table* that is sorted by day."""
    import numpy as np

    held = table.column(DAY_COLUMN).to_numpy().astype("datetime64[D]")
    wanted = np.array(list(days), dtype="datetime64[D]")
    first, end = np.searchsorted(held, wanted), np.searchsorted(held, wanted, side="right")
    return dict(zip(wanted.tolist(), zip(first.tolist(), end.tolist(), strict=True), strict=True))


def parquet(table: "pa.Table") -> bytes:
    """*table* as Parquet: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # Hundreds of small files a night: without dictionaries, statistics and the Arrow schema they cost half.
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False, store_schema=False)
    data: bytes = sink.getvalue().to_pybytes()
    return data
