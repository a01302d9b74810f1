"""Rows that came after a model: their features and labels by day, and all of them as one table."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from include import engines
from include.core.errors import DataError
from include.core.project import Project
from include.core.records import Contract, Days, Partition, Run, Snapshot
from include.data.feature_tables import BuiltTables, write
from include.data.labelled import LabelledRows, days_of, read
from include.data.point_in_time import PointInTime
from include.data.reuse import made, needed, plan, record, stretches
from include.data.writer import Writer
from include.declared.compiled import LABEL, CompiledProject
from include.ledger import Ledger

if TYPE_CHECKING:
    from include.governance.vault import OpenedArtifacts, Vault


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
    tasks = {task.derived: task for task in work}
    fresh: list[Partition] = []
    read = needed(snapshot, compiled, work, ())
    if any(task.new for task in work):
        opened = open([part.content for part in read])
        with engine(snapshot, contracts, opened.path, partitions=read) as held:
            asked = stretches(work, (), snapshot)
            tables = BuiltTables(PointInTime(held, project, contracts, compiled, asked), tasks, opened)
        with Writer(vault) as writer:
            written = write(work, tables, project.learning.target.key, writer)
        fresh = [partition() for partition in written]
        record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused.values()] + fresh
    return tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min)))


def live_rows(partitions: Sequence[Partition], features: Sequence[str], opened: "OpenedArtifacts") -> LabelledRows:
    """The rows of *partitions* (:func:`live`), with the columns *features*.

    Raises:
        DataError: there are no rows, a feature is in no partition, or partitions do not hold the same rows.
    """
    import pyarrow as pa

    labels = [part for part in partitions if part.table == LABEL and part.day is not None]
    label = read(labels, opened, [LABEL]).column(LABEL) if labels else pa.chunked_array([pa.nulls(0)])
    columns: dict[str, pa.ChunkedArray] = {}
    for group in sorted({part.table for part in partitions} - {LABEL}):
        part = read([part for part in partitions if part.table == group], opened)
        if part.num_rows != len(label):
            raise DataError(
                "every feature group has the rows of the label",
                value=f"group {group}: {part.num_rows} rows beside {len(label)}",
                remedy="Build the features of this snapshot again.",
            )
        columns |= {name: part.column(name) for name in part.column_names if name in features}
    missing = sorted(set(features) - columns.keys())
    if missing or not len(label):
        raise DataError(
            "live rows have the features of the model",
            value=f"no {', '.join(missing)}" if missing else "no rows",
            remedy="Choose an instant whose days the source holds, with the definitions that the model learnt.",
        )
    return LabelledRows(
        table=pa.table({name: columns[name] for name in features}),
        label=label.cast(pa.float64()).to_numpy(),
        day=days_of(labels),
    )
