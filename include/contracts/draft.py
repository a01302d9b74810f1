"""Propose a contract for Parquet files that have none: everything restricted until a steward says otherwise."""

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.files import joined, parquet_files, read_parquet
from include.core.errors import ContractError, DataError
from include.core.records import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

#: A key of more columns than this is not searched for: it would hardly be what identifies a row.
LONGEST_KEY = 4
STAGED_DAY = "day="
_DAY = "__day"


def draft(
    dataset: str,
    parquet: Path,
    *,
    stewards: Sequence[str] = (),
    location: str | None = None,
    outcomes: Collection[str] = (),
    known_after_days: int = 0,
) -> str:
    """A contract's YAML for the Parquet file, or the folder of them, at *parquet*.

    It loads with :func:`include.contracts.load`, as ``<dataset>.odcs.yaml``, once it names *stewards*. Types
    come from the files; the primary key is a smallest set of columns without duplicates or nulls; the partition column
    is the one timestamp that agrees with the folders ``day=YYYY-MM-DD``, where there are such. Every column is
    ``restricted``, and known at the time of its row; the *outcomes* that many days later. *location* is written in the
    place of *parquet*'s own path. No value of the data enters the text.

    Raises:
        ContractError: the dataset's name is no identifier, a column has a type that contracts do not know, or
            *outcomes* names what is no column of a dataset that is divided by day.
        DataError: there is no readable Parquet there, or it has no rows.
    """
    if not dataset.isidentifier():
        raise ContractError("a dataset's name is an identifier", value=dataset, remedy="Use letters, digits and _.")
    files = parquet_files(parquet)
    table = _read(parquet, files)
    types = {field.name: _type_of(field.name, field.type) for field in table.schema if field.name != _DAY}
    partition = _partition_column(table, types) if _by_day(parquet, files) else None
    _check_outcomes(outcomes, types, partition)
    key, unique = _key(table, {name: kind for name, kind in types.items() if name not in outcomes}, partition)
    folder = str((parquet if parquet.is_dir() else parquet.parent).absolute())
    late = f"{partition} + P{known_after_days}D" if known_after_days else partition
    known = {name: (late if name in outcomes else partition) or "always" for name in types}
    lines = [
        *_head(dataset, location or folder, stewards),
        *_table_lines(dataset, partition, known_after_days, unique=unique),
        *(line for name, kind in types.items() for line in _column_lines(name, kind, key, partition, known[name])),
    ]
    return "\n".join(lines) + "\n"


def _check_outcomes(outcomes: Collection[str], types: dict[str, ColumnType], partition: str | None) -> None:
    unknown = sorted(set(outcomes) - (set(types) - {partition}))
    if unknown:
        remedy = f"Use some of {sorted(set(types) - {partition})}."
        raise ContractError(
            "an outcome is a column that becomes known after its row's time", value=unknown, remedy=remedy
        )
    if outcomes and partition is None:
        remedy = "Name the timestamp that divides the rows by day: `--time COLUMN`."
        raise ContractError(
            "outcomes are known some days after their row's time", value="no time column", remedy=remedy
        )


def _by_day(parquet: Path, files: Sequence[Path]) -> bool:
    return parquet.is_dir() and all(file.parent.name.startswith(STAGED_DAY) for file in files)


def _read(parquet: Path, files: Sequence[Path]) -> "pa.Table":
    import pyarrow as pa

    parts = []
    for file in files:
        part = read_parquet(file)
        day = pa.array([file.parent.name.removeprefix(STAGED_DAY)] * part.num_rows, pa.string())
        parts.append(part.append_column(_DAY, day))
    table = joined(parts, files)
    if table.num_rows == 0:
        raise DataError(f"{parquet}: a contract is drafted from rows", value="no row", remedy="Give files with rows.")
    return table


def _type_of(name: str, kind: "pa.DataType") -> ColumnType:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _type_of(name, kind.value_type)
    for holds, column_type in (
        (types.is_boolean, ColumnType.BOOLEAN),
        (types.is_integer, ColumnType.INTEGER),
        (types.is_floating, ColumnType.NUMBER),
        (types.is_decimal, ColumnType.NUMBER),
        (types.is_string, ColumnType.STRING),
        (types.is_large_string, ColumnType.STRING),
        (types.is_timestamp, ColumnType.TIMESTAMP),
        (types.is_date, ColumnType.DATE),
    ):
        if holds(kind):
            return column_type
    remedy = f"Leave it out, or store it as one of: {', '.join(ColumnType)}."
    raise ContractError(f"column {name!r} has a type that contracts know", value=kind, remedy=remedy)


def _partition_column(table: "pa.Table", types: dict[str, ColumnType]) -> str | None:
    """The only timestamp whose UTC day is its folder's in every row."""
    import pyarrow.compute as pc

    agreeing = []
    for name, kind in types.items():
        if kind is ColumnType.TIMESTAMP and table[name].null_count == 0:
            days = pc.strftime(table[name], format="%Y-%m-%d")
            if pc.all(pc.equal(days, table[_DAY])).as_py():
                agreeing.append(name)
    return agreeing[0] if len(agreeing) == 1 else None


def _key(table: "pa.Table", types: dict[str, ColumnType], partition: str | None) -> tuple[tuple[str, ...], bool]:
    """A smallest set of columns that identifies every row, and whether there is one of at most ``LONGEST_KEY``.

    Numbers (measurements) are no candidates. Without such a set, all candidates together.
    """
    import pyarrow.compute as pc

    distinct = {
        name: pc.count_distinct(table[name]).as_py()
        for name, kind in types.items()
        if kind not in (ColumnType.NUMBER, ColumnType.BOOLEAN) and table[name].null_count == 0
    }
    candidates = list(distinct) or list(types)
    for size in range(1, LONGEST_KEY + 1):
        for names in combinations(distinct, size):
            possible = 1
            for name in names:
                possible *= distinct[name]
            if possible >= table.num_rows and _identifies(table, names):
                return names, True
    return tuple(name for name in candidates if name != partition) or tuple(candidates), False


def _identifies(table: "pa.Table", names: tuple[str, ...]) -> bool:
    return bool(table.select(names).group_by(list(names)).aggregate([]).num_rows == table.num_rows)


def _head(dataset: str, location: str, stewards: Sequence[str]) -> Iterator[str]:
    yield f"# The data contract of {dataset}, in the Open Data Contract Standard 3: a draft, made from its files."
    yield "# EDIT what is marked so; then a steward named below adopts it. Grants bind the adopted version's digest."
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: urn:trainyard:contract:{dataset}"
    yield "version: 1.0.0"
    yield "status: draft"
    yield "servers:"
    yield "  - server: production"
    yield "    type: local"
    yield "    format: parquet"
    yield f"    path: {_quoted(location)}"
    yield "roles:"
    yield "  - role: data-steward"
    yield "    access: read"
    yield f"    firstLevelApprovers: {_quoted(', '.join(stewards))}  # EDIT: names of the stewards, separated by commas"
    yield "slaProperties:"
    yield "  - property: retention  # EDIT: how long snapshots of it may be kept"
    yield "    element: snapshot"
    yield "    value: 400"
    yield "    unit: d"


def _table_lines(dataset: str, partition: str | None, known_after_days: int, *, unique: bool) -> Iterator[str]:
    yield "schema:"
    yield f"  - name: {dataset}"
    yield "    physicalType: parquet"
    yield '    description: ""  # EDIT: what one row is'
    if partition is None:
        yield "    # One undivided table. To have it read by day, store it as day=YYYY-MM-DD/part.parquet (UTC),"
        yield "    # mark the timestamp that places a row in its day with `partitioned: true`, set maturesAfterDays."
    else:
        yield "    customProperties:"
        yield "      - property: maturesAfterDays  # EDIT: after how many days all values of a day are known"
        yield f"        value: {known_after_days}"
    if not unique:
        yield f"    # EDIT: no set of up to {LONGEST_KEY} columns identifies a row; correct primaryKey below."
    yield "    properties:"


def _column_lines(
    name: str, kind: ColumnType, key: tuple[str, ...], partition: str | None, known_at: str
) -> Iterator[str]:
    yield f"      - name: {_quoted(name)}"
    yield f"        logicalType: {kind}"
    yield "        classification: restricted  # EDIT: public, internal or confidential, if it is"
    if name in key:
        yield "        primaryKey: true  # without duplicates in the files that were read"
    if name == partition:
        yield "        partitioned: true"
    if name in key or name == partition:
        yield "        required: true"
    yield "        customProperties:"
    yield "          - property: knownAt  # EDIT: always, a timestamp column, or one and an offset: `ordered_at + PT1H`"
    yield f"            value: {_quoted(known_at)}"
    yield "          # EDIT if it names a person: `personal` is direct-identifier (never read) or join-key (a token)"
    yield "          # - property: personal"
    yield "          #   value: direct-identifier"


def _quoted(text: str) -> str:
    """*text* as a double-quoted YAML scalar: a JSON string, but for the pairs of escapes that YAML does not know."""
    import json

    return f'"{"".join(each if ord(each) > 0xFFFF else json.dumps(each)[1:-1] for each in text)}"'
