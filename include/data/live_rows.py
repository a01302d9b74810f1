"""Rows that came after a model: their features and labels by day, and all of them, as many at once as memory holds."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from include import engines
from include.core.errors import DataError
from include.core.project import Project
from include.core.records import Contract, Days, Partition, Run, Snapshot
from include.data.feature_tables import BuiltTables, write
from include.data.labelled import LabelledRows, columns_of, days_of, read
from include.data.memory import DataMemory, pieces
from include.data.point_in_time import PointInTime
from include.data.reuse import divided, made, needed, plan, record, stretches
from include.data.writer import Writer
from include.declared.compiled import LABEL, CompiledProject
from include.ledger import Ledger

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from include.governance.vault import OpenedArtifacts, Vault

#: What a value takes while it is read, encoded and looked at, and the share of the memory that is read at once.
_CELL_BYTES, _SHARE = 16, 0.4


def live(
    *,
    run: Run,
    snapshot: Snapshot,
    project: Project,
    compiled: CompiledProject,
    contracts: Mapping[str, Contract],
    vault: "Vault",
    open: "Callable[[Iterable[str]], OpenedArtifacts]",
    ledger: Ledger,
    days: Days,
    features: Collection[str],
    engine: engines.OpenEngine = engines.opened,
) -> tuple[Partition, ...]:
    """The groups that hold the model's *features*, and the labels, of *days*, which came after the model.

    The partitions are those that :func:`include.data.features.build` makes. No other group is built: nothing probes
    here whether it knows the future, and a later night would reuse it.

    What a night or a watch computed from the same inputs before is reused. Nothing is learnt from these rows: no
    category, and no split. Sorted by table and day.

    Raises:
        DataError: two of the rows that are read have one key, or a row has none.
    """
    compiled = replace(
        compiled, groups=tuple(each for each in compiled.groups if not {*features}.isdisjoint(each.names))
    )
    work = plan(compiled, project, snapshot, days, made(ledger, run.project), vault.has, contracts)
    fresh: list[Partition] = []
    read = needed(snapshot, compiled, work, ())
    if any(task.new for task in work):
        division = divided(project, snapshot, contracts, work, read)
        opened = open([part.content for part in read])
        with (
            Writer(vault) as writer,
            division.room(vault) as room,
            engine(snapshot, contracts, opened.path, partitions=read, room=room) as held,
        ):
            rows = PointInTime(held, project, contracts, compiled, stretches(work, (), snapshot))
            written = write(BuiltTables(rows, work, opened, division), project.learning.target.key, writer)
        fresh = [partition() for partition in written]
        record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused.values()] + fresh
    return tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min)))


class LiveRows:
    """The rows of *partitions* (:func:`live`), with the columns *features*: all at once, or where they are too many for
    the memory, a stretch of days or some columns after the other.

    ``label`` and ``day`` are those of all rows, as :class:`~include.data.labelled.LabelledRows` has them.
    """

    def __init__(
        self, partitions: Sequence[Partition], features: Sequence[str], opened: "OpenedArtifacts", memory: DataMemory
    ) -> None:
        """Read the labels; and the rest, where all of it fits into a share of *memory*.

        Raises:
            DataError: there are no rows, a feature is in no partition, or partitions do not hold the same rows.
        """
        import pyarrow as pa

        self._features, self._opened, self._memory = features, opened, memory
        labels = [part for part in partitions if part.table == LABEL and part.day is not None]
        label = read(labels, opened, [LABEL]).column(LABEL) if labels else pa.chunked_array([pa.nulls(0)])
        self.label: NDArray[np.float64] = label.cast(pa.float64()).to_numpy()
        self.day = days_of(labels)
        self._groups = {
            group: [part for part in partitions if part.table == group]
            for group in sorted({part.table for part in partitions} - {LABEL})
        }
        self._group_of = {name: group for group, parts in self._groups.items() for name in columns_of(parts[0], opened)}
        self._require_whole()
        self._rows = {part.day: part.rows for part in labels if part.day is not None}
        self._days = Days(first=min(self._rows), last=max(self._rows))
        self._whole: LabelledRows | None = None
        if len(self.label) * self._row_bytes <= self._most_bytes:
            self._whole = self.within(self._days)

    @property
    def _row_bytes(self) -> int:
        return _CELL_BYTES * len(self._features)

    @property
    def _most_bytes(self) -> int:
        return int(self._memory.for_rows * _SHARE)

    def of_days(self, days: Collection[date]) -> "NDArray[np.bool_]":
        import numpy as np

        return np.isin(self.day, [day.toordinal() for day in days])

    def within(self, days: Days) -> LabelledRows:
        """The rows of *days*."""
        import numpy as np

        first, end = np.searchsorted(self.day, [days.first.toordinal(), days.last.toordinal() + 1])
        if self._whole is not None:
            table = self._whole.table.slice(first, end - first)
        else:
            table = self._table(self._features, days)
        return LabelledRows(table=table, label=self.label[first:end], day=self.day[first:end])

    def batches(self) -> Iterator[LabelledRows]:
        """All rows, in stretches of days."""
        if self._whole is not None:
            yield self._whole
            return
        each = (Days(first=day, last=day) for day in self._days)
        for days in pieces(each, self._rows, row_bytes=self._row_bytes, most_bytes=self._most_bytes):
            yield self.within(days)

    def column_batches(self) -> "Iterator[pa.Table]":
        """All rows, some columns after the other."""
        if self._whole is not None:
            yield self._whole.table
            return
        together = max(1, self._most_bytes // (_CELL_BYTES * len(self.label)))
        for first in range(0, len(self._features), together):
            yield self._table(self._features[first : first + together], None)

    def _table(self, names: Sequence[str], days: Days | None) -> "pa.Table":
        import pyarrow as pa

        columns: dict[str, pa.ChunkedArray] = {}
        for group, parts in self._groups.items():
            wanted = [name for name in names if self._group_of[name] == group]
            if wanted:
                part = read([each for each in parts if days is None or each.day in days], self._opened, wanted)
                columns |= {name: part.column(name) for name in wanted}
        return pa.table({name: columns[name] for name in names})

    def _require_whole(self) -> None:
        for group, parts in self._groups.items():
            if (rows := sum(part.rows for part in parts)) != len(self.label):
                raise DataError(
                    "every feature group has the rows of the label",
                    value=f"group {group}: {rows} rows beside {len(self.label)}",
                    remedy="Build the features of this snapshot again.",
                )
        missing = sorted(set(self._features) - self._group_of.keys())
        if missing or not len(self.label):
            raise DataError(
                "live rows have the features of the model",
                value=f"no {', '.join(missing)}" if missing else "no rows",
                remedy="Choose an instant whose days the source holds, with the definitions that the model learnt.",
            )
