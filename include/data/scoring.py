"""Features of rows that are not in production yet, computed by the same expressions as a night's."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.errors import DataError
from include.core.project import Project
from include.core.records import (
    DAY,
    Column,
    Contract,
    DatasetScope,
    Days,
    Partition,
    Snapshot,
    last_day,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from include.declared.compiled import CompiledProject
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.vault import OpenedArtifacts, Vault


def read_rows(file: Path, contract: Contract, names: Collection[str] | None = None) -> "pa.Table":
    """The columns *names* (``None``: all of *contract*) of the rows of a Parquet or CSV file, or of one of JSON lines.

    They are typed as *contract* says; NaN of a number is null.

    What becomes known only later than the row's own time columns (outcomes) may be left out and is then null; all else
    must be there. All other columns are ignored.

    Raises:
        DataError: the file cannot be read, holds no rows, lacks a column or a value of the key or of the partition
            column, or a value does not fit its type.
    """
    import pyarrow as pa

    from include.contracts.types import arrow_type, to_contract

    if names is not None:
        contract = replace(contract, columns=tuple(column for column in contract.columns if column.name in names))
    table = _load(file, contract)
    placing = {*contract.key, contract.partition_column} - {None}
    missing = sorted(
        column.name
        for column in contract.columns
        if column.name not in table.column_names and (column.name in placing or _given(column, table.column_names))
    )
    if missing or table.num_rows == 0:
        raise DataError(
            f"{file}: rows to score have the columns of {contract.dataset!r} that the project reads, if known then",
            value=f"missing {missing}" if missing else "no rows",
            remedy="Add the columns; outcomes may be left out.",
        )
    columns, faults = {}, []
    for column in contract.columns:
        if column.name not in table.column_names:
            columns[column.name] = pa.nulls(table.num_rows, arrow_type(column.type))
            continue
        try:
            columns[column.name] = to_contract(table[column.name], column.type)
        except ValueError as error:
            faults.append(f"{column.name}: {error}")
    if faults:
        raise DataError(
            f"{file}: values fit the types of the contract of {contract.dataset!r}",
            value="; ".join(faults),
            remedy="Convert the columns.",
        )
    _check_placed(file, contract, columns)
    return pa.table(columns)


def _given(column: Column, held: Collection[str]) -> bool:
    """Whether *column* must be there, beside those that are *held*."""
    known_at = column.known_at
    in_time = known_at.column is None or (known_at.column in held and known_at.offset <= timedelta(0))
    return (column.required or in_time) and column.name != known_at.column


def _check_placed(file: Path, contract: Contract, columns: Mapping[str, "pa.ChunkedArray"]) -> None:
    """Raise DataError where a row lacks its key or its day."""
    placing = [name for name in columns if name in (*contract.key, contract.partition_column)]
    if without := {name: columns[name].null_count for name in placing if columns[name].null_count}:
        raise DataError(
            f"{file}: each row to score has its key and its day",
            value=", ".join(f"{count} rows without {name}" for name, count in without.items()),
            remedy="Fill in the values.",
        )


def ahead(rows: "pa.Table", contract: Contract, instant: datetime) -> int:
    """How many of *rows* lie on UTC days after the last that had ended at *instant*: no other row of them is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = pc.cast(rows[contract.partition_column], "date32")
    return pc.sum(pc.greater(days, pa.scalar(last_day(instant)))).as_py() or 0


def treat(rows: "pa.Table", dataset: DatasetScope, *, purpose: str, pseudonyms: "Pseudonyms") -> "pa.Table":
    """Only the columns of *dataset*'s scope, join keys as tokens: what a snapshot may hold."""
    from include.data.partition_rows import Tokens

    return Tokens(pseudonyms, purpose).treated(rows.select(list(dataset.names)), dataset.columns)


def with_rows(
    snapshot: Snapshot, treated: "pa.Table", contract: Contract, *, opened: "OpenedArtifacts", vault: "Vault"
) -> Snapshot:
    """*snapshot* with the *treated* rows among those of the contract's dataset, in the place of those with their keys.

    Rows of days after the snapshot's are new days of it, in which nothing else is known.

    Raises:
        DataError: a row's key stands twice, or its day is before the snapshot's.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from include.data.partition_rows import parquet_bytes, sorted_by_key

    dataset = contract.dataset
    days = pc.cast(treated[contract.partition_column], "date32")
    changed: dict[tuple[str, date | None], Partition] = {}
    for day in sorted(set(days.to_pylist())):
        if day < snapshot.days.first:
            raise DataError(
                "rows to score lie in the days that the instant reaches back on, or after them",
                value=f"a row of {day}, the days are {snapshot.days.first} to {snapshot.days.last}",
                remedy=f"Score them by themselves, or with --instant {day + DAY}.",
            )
        part = sorted_by_key(treated.filter(pc.equal(days, pa.scalar(day))), contract, day)
        for known in snapshot.of(dataset):
            if known.day == day:
                before = pq.read_table(opened.path(known.content), partitioning=None).cast(part.schema)
                part = pa.concat_tables([part, _among(before, part, contract.key, those=False)])
        data = parquet_bytes(sorted_by_key(part, contract, day))
        content = vault.put(data)
        changed[dataset, day] = Partition(
            table=dataset,
            day=day,
            inputs=record_digest(("scored", content)),
            content=content,
            rows=part.num_rows,
            size_bytes=len(data),
            complete=False,
        )
    partitions = {(partition.table, partition.day): partition for partition in snapshot.partitions} | changed
    last = max(day for _, day in changed if day is not None)
    return replace(
        snapshot,
        days=Days(first=snapshot.days.first, last=max(snapshot.days.last, last)),
        partitions=tuple(sorted(partitions.values(), key=lambda part: (part.table, part.day or date.min))),
    )


def features_of(
    treated: "pa.Table",
    snapshot: Snapshot,
    *,
    project: Project,
    contracts: Mapping[str, Contract],
    opened: "OpenedArtifacts",
    vault: "Vault",
) -> "pa.Table":
    """The key and all features of the *treated* rows, which *snapshot* holds (:func:`with_rows`), by day and key.

    Of the snapshot only the days are read that these rows may use.
    """
    import pyarrow.compute as pc

    from include import engines
    from include.data.memory import division_of
    from include.data.point_in_time import PointInTime
    from include.declared.compiled import DAY_COLUMN, PREDICTED_AT, declared

    compiled = declared(project, contracts, snapshot.scope)
    partition = contracts[project.learning.target.dataset].partition_column
    moments = pc.cast(treated[partition], "date32")
    days = Days(first=pc.min(moments).as_py(), last=pc.max(moments).as_py())
    parts = _reached(snapshot, compiled, days)
    division = division_of(project, snapshot, contracts, compiled.groups, parts, [days])
    with (
        division.room(vault) as room,
        engines.opened(snapshot, contracts, opened.path, partitions=parts, room=room) as held,
    ):
        asked = PointInTime(held, project, contracts, compiled, [days])
        table = None
        for group in compiled.groups:
            part = asked.rows(group, days)
            if table is None:
                table = part.drop_columns([DAY_COLUMN, PREDICTED_AT])
            else:
                for name in group.names:
                    table = table.append_column(name, part[name])
    if table is None:  # a project has at least one group
        raise DataError("a project has features", value="none", remedy="Declare a feature group.")
    return _among(table, treated, project.learning.target.key)


def _reached(snapshot: Snapshot, compiled: "CompiledProject", days: Days) -> list[Partition]:
    """The partitions that rows of *days* may use; all of a dataset of which they may use none, so that it is there."""
    from include.data.point_in_time import reach

    reaches = [(name, days) for name in compiled.population_datasets]
    reaches += [(name, reach(group, days)) for group in compiled.groups for name in group.datasets]
    found = [
        part
        for part in snapshot.partitions
        if part.day is None or any(part.table == name and part.day in within for name, within in reaches)
    ]
    absent = {part.table for part in snapshot.partitions} - {part.table for part in found}
    return found + [part for part in snapshot.partitions if part.table in absent]


def _among(table: "pa.Table", rows: "pa.Table", key: tuple[str, ...], *, those: bool = True) -> "pa.Table":
    """The rows of *table* whose key is (or, unless *those*, is not) among those of *rows*, in their order."""
    asked = set(zip(*(rows[name].to_pylist() for name in key), strict=True))
    keys = zip(*(table[name].to_pylist() for name in key), strict=True)
    return table.filter([(each in asked) is those for each in keys])


def _load(file: Path, contract: Contract) -> "pa.Table":
    from include.contracts.files import read_parquet, refuse_repeated
    from include.contracts.textfiles import CSV_ENDINGS, JSON_ENDINGS, has_ending, read_texts_as

    if not has_ending(file, (*CSV_ENDINGS, *JSON_ENDINGS)):
        table = read_parquet(file)
    else:
        types = {name: column.type for column in contract.columns for name in (column.physical_name, column.name)}
        table = read_texts_as(file, {name: type_ for name, type_ in types.items() if name is not None})
    held = {
        name: theirs for name, theirs in contract.names_in(table.column_names).items() if theirs in table.column_names
    }
    refuse_repeated(file, [name for name in table.column_names if name in held.values()], {})
    return table.select(list(held.values())).rename_columns(list(held))
