"""CSV and JSON lines, typed by a contract or by what they hold. No error holds a value."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.texts import type_of, typed
from include.contracts.types import LARGEST_EXACT, to_contract
from include.core.errors import DataError
from include.core.records import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

CSV_ENDINGS = (".csv", ".csv.gz")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")

#: A row may be as long as this.
_BLOCK_BYTES = 1 << 24
_REMEDY = "Have whoever made it write it again, then repeat the command."
_CSV_REMEDY = "Have it written again, with commas between columns and a point in numbers, then repeat the command."
_NO_COMMAS = "its columns are not separated by commas"


def has_ending(file: Path, endings: tuple[str, ...]) -> bool:
    """Whether the name of *file* ends in one of *endings*, in upper or lower case."""
    return file.name.lower().endswith(endings)


def read_together(files: Sequence[Path]) -> "list[pa.Table]":
    """The rows of each of *files*, with the types that the texts of all of them together are.

    Raises:
        DataError: one cannot be read, or values would lose something: they are counted by column.
    """
    import pyarrow as pa

    tables = [_read_texts(file) for file in files]
    of_json = has_ending(files[0], JSON_ENDINGS)
    faults = []
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        places = [place for place, table in enumerate(tables) if name in table.column_names]
        columns = [tables[place][name] for place in places]
        if not all(pa.types.is_string(column.type) or pa.types.is_null(column.type) for column in columns):
            continue
        columns = [column.cast(pa.string()) for column in columns]
        type_ = type_of(columns, only_times=of_json)
        for place, column in zip(places, columns, strict=True):
            try:
                read = pa.nulls(len(column)) if type_ is None else _read_as(column, type_, of_json=of_json)
            except ValueError as error:
                faults.append(f"{name} in {files[place]}: {error}")
                break
            tables[place] = tables[place].set_column(tables[place].column_names.index(name), name, read)
    if faults:
        raise DataError("texts are read without loss", value="; ".join(faults), remedy="Write them with fewer digits.")
    return tables


def read_texts_as(file: Path, types: Mapping[str, ColumnType], *, others: bool = False) -> "pa.Table":
    """The columns *types* of a file of CSV or JSON lines, typed so: those that it has; *others* as they are written.

    Raises:
        DataError: it cannot be read, or values are none of their column's type.
    """
    import pyarrow as pa

    table, read = _read_texts(file, types), {}
    for name in (name for name in table.column_names if name in types):
        try:
            read[name] = _read_as(table[name], types[name], of_json=has_ending(file, JSON_ENDINGS))
        except ValueError as error:
            raise DataError(
                f"{file}: values fit the types of the contract", value=f"{name}: {error}", remedy="Convert the column."
            ) from None
    return pa.table({name: read.get(name, table[name]) for name in table.column_names if others or name in read})


def _read_as(column: "pa.ChunkedArray", type_: ColumnType, *, of_json: bool) -> "pa.ChunkedArray":
    """*column* as a contract's type. An empty text of JSON is one; what is no text there stays what it is.

    But of whole numbers that the contract calls texts these are the digits, as in CSV.
    """
    import pyarrow as pa

    if type_ is ColumnType.STRING and pa.types.is_integer(column.type):
        return column.cast(pa.string())
    as_it_is = not pa.types.is_string(column.type) or (of_json and type_ is ColumnType.STRING)
    return to_contract(column, type_) if as_it_is else typed(column, type_)


def _read_texts(file: Path, wanted: Collection[str] | None = None) -> "pa.Table":
    """The rows of a CSV file with a header, or of one with a JSON object a line; UTF-8, perhaps compressed (``.gz``).

    Columns of CSV are texts as they are written, where nothing between two commas is null; those of JSON are what JSON
    says, its texts as they are written. Values of JSON are checked in the *wanted* columns (``None``: in all).

    Raises:
        DataError: the file cannot be read; the message says what is wrong with it.
    """
    return _read_json(file, wanted) if has_ending(file, JSON_ENDINGS) else _read_csv(file)


def _read_csv(file: Path) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    read, parse = csv.ReadOptions(block_size=_BLOCK_BYTES), csv.ParseOptions(newlines_in_values=True)
    try:
        with csv.open_csv(_opened(file), read_options=read, parse_options=parse) as opened:
            names = opened.schema.names
        fault = _header_fault(names)
        if not fault:
            options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
            return csv.read_csv(_opened(file), read_options=read, parse_options=parse, convert_options=options)
    except (OSError, ValueError, pa.ArrowException) as error:
        fault = of_system(error) or _csv_fault(str(error))
    raise DataError(f"{file}: readable CSV with a header", value=fault, remedy=_CSV_REMEDY)


def _read_json(file: Path, wanted: Collection[str] | None) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import json

    read = json.ReadOptions(block_size=_BLOCK_BYTES)
    try:
        table = json.read_json(_opened(file), read_options=read)
        times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        if times:
            as_written = json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in times]))
            table = json.read_json(_opened(file), read_options=read, parse_options=as_written).select(
                table.column_names
            )
        fault = _json_values_fault(
            table.select([name for name in table.column_names if wanted is None or name in wanted])
        )
        if not fault:
            return table
    except (OSError, ValueError, pa.ArrowException) as error:
        fault = of_system(error) or _json_fault(str(error))
    raise DataError(f"{file}: a readable JSON object a line", value=fault, remedy=_REMEDY)


def _opened(file: Path) -> "pa.NativeFile":
    import pyarrow as pa

    return pa.input_stream(file, compression="gzip" if has_ending(file, (".gz",)) else None)


def _json_values_fault(table: "pa.Table") -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return f"the values of {name!r} are not UTF-8"
        if pa.types.is_floating(column.type):  # where a whole number of too many digits has lost some already
            whole = pc.and_(pc.equal(column, pc.floor(column)), pc.is_finite(column))
            if count := pc.sum(pc.and_(whole, pc.greater_equal(pc.abs(column), LARGEST_EXACT))).as_py():
                return f"{count} values of {name!r} are whole numbers beyond {LARGEST_EXACT}: write them as texts"
    return ""


def _header_fault(names: list[str]) -> str:
    if len(names) == 1 and re.search("[;\t|]", names[0]):
        return _NO_COMMAS
    if unnamed := [number for number, name in enumerate(names, start=1) if not name]:
        return f"column {unnamed[0]} has no name in the header"
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"the header names {repeated} twice" if repeated else ""


def of_system(error: Exception) -> str | None:
    """What the operating system says, which is about the file and not about what is in it."""
    return error.strerror if isinstance(error, OSError) and error.errno else None


def _csv_fault(message: str) -> str:
    """From a reader's message only its counts, and what it is about."""
    if counts := re.search(r"Expected (\d+) columns, got (\d+)", message):
        if counts[1] == "1":
            return _NO_COMMAS
        row = re.search(r"Row #(\d+)", message)
        return f"{f'row {row[1]}' if row else 'a row'} has {counts[2]} columns, the header {counts[1]}"
    if "Empty CSV" in message:
        return "it is empty"
    if column := re.search(r"In CSV column #(\d+)", message):
        return f"the values of column {int(column[1]) + 1} are not UTF-8"
    return "it is no CSV, or a row is longer than 16 MiB"


def _json_fault(message: str) -> str:
    """As :func:`_csv_fault`."""
    if "changed from object to array" in message:
        return "one list of all rows: write each object on a line of its own"
    if changed := re.search(r"Column\(/(.*)\) changed from (\w+) to (\w+) in row (\d+)", message):
        return f"column {changed[1]!r} is {changed[2]} in one row and {changed[3]} in row {int(changed[4]) + 1}"
    if twice := re.search(r"Column\(/(.*)\) was specified twice in row (\d+)", message):
        return f"row {int(twice[2]) + 1} has {twice[1]!r} twice"
    if "Empty JSON" in message:
        return "it is empty"
    return "it is no JSON, or a row is longer than 16 MiB"
