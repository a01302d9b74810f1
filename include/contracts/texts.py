"""CSV and JSON lines: texts that a contract's types are read from, or told by.

Nothing is guessed that would lose a digit: ``007`` is a text, not 7. No error holds a value.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.types import LARGEST_EXACT, arrow_type
from include.core.errors import DataError
from include.core.records import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

CSV_ENDINGS = (".csv", ".csv.gz")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")

#: A row of JSON may be as long as this.
_BLOCK_BYTES = 1 << 24
_REMEDY = "Have whoever made it write it again, then repeat the command."
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONE = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_TIME = f"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,9}})?)?"
_WHOLE = "-?(0|[1-9][0-9]*)"
_FLOAT = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_INFINITE = "[+-]?(inf|Inf|INF|Infinity)"
#: What a contract's type may be read from.
_READ = {
    ColumnType.BOOLEAN: "(?i:true|false)|0|1",
    ColumnType.INTEGER: "[+-]?[0-9]+([.]0*)?",
    ColumnType.NUMBER: f"{_FLOAT}|{_INFINITE}",
    ColumnType.TIMESTAMP: f"{_TIME}{_ZONE}?|{_DATE}",
    ColumnType.DATE: _DATE,
}
#: What every value of a column must be for the column to be taken for the type, from the narrowest.
_TOLD = (
    (ColumnType.BOOLEAN, "(?i:true|false)"),
    (ColumnType.INTEGER, _WHOLE),
    (ColumnType.NUMBER, f"{_WHOLE}([.][0-9]*)?([eE][+-]?[0-9]+)?|-?[.][0-9]+|{_INFINITE}"),
    (ColumnType.DATE, _DATE),
    (ColumnType.TIMESTAMP, _TIME),
    (ColumnType.TIMESTAMP, f"{_TIME}{_ZONE}"),
)
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)


def read_texts(file: Path) -> "pa.Table":
    """The rows of a CSV file with a header, or of one with a JSON object a line; UTF-8, perhaps compressed (``.gz``).

    Columns of CSV are texts as they are written, where nothing between two commas is null; those of JSON are what JSON
    says, its texts as they are written.

    Raises:
        DataError: the file cannot be read; the message says what is wrong with it.
    """
    return _read_json(file) if file.name.endswith(JSON_ENDINGS) else _read_csv(file)


def type_of(columns: "Iterable[pa.ChunkedArray]", *, only_times: bool = False) -> ColumnType | None:
    """What the texts of *columns* (one column, file by file) are, all of them; ``None``: there is no value.

    With *only_times* they are texts, or times: what is written between quotation marks is no number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    written = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    values = pc.unique(_valued(written).drop_null())
    if len(values) == 0:
        return None if written.null_count == len(written) or not only_times else ColumnType.STRING
    for type_, pattern in _TOLD:
        if (type_ in _TIMES or not only_times) and pc.all(_matching(values, pattern)).as_py():
            try:
                _cast(_whole_microseconds(values) if type_ is ColumnType.TIMESTAMP else values, type_)
            except ValueError:  # it only looks like one: the 30th of February, a number of too many digits
                continue
            return type_
    return ColumnType.STRING


def typed(column: "pa.ChunkedArray", type_: ColumnType) -> "pa.ChunkedArray":
    """The texts of *column* as a contract's type: times in UTC, what stands for a missing value (``NA``) as null.

    Raises:
        ValueError: values are none of the type, or do not fit; the message says how many, and no value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if type_ is ColumnType.STRING:
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    values = _valued(column)
    wrong = pc.sum(pc.invert(_matching(values, _READ[type_]))).as_py() or 0
    if wrong:
        raise ValueError(f"{wrong} of {len(values)} values are no {type_}")
    return _cast(values, type_)


def _valued(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """*column* with null for what CSV files write where there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    missing = pa.array(csv.ConvertOptions().null_values)
    return pc.if_else(pc.is_in(column, missing), pa.scalar(None, column.type), column)


def _matching(values: "pa.Array", pattern: str) -> "pa.Array":
    import pyarrow.compute as pc

    return pc.match_substring_regex(values, f"^(?:{pattern})$")


def _whole_microseconds(values: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.replace_substring_regex(values, "([.][0-9]{6})[0-9]+", r"\1")


def _cast(values: "pa.Array", type_: ColumnType) -> "pa.Array":
    """*values*, each of which matches what *type_* is read from."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if type_ is ColumnType.TIMESTAMP:
            return _instants(pc.replace_substring_regex(values, "([.][0-9]{6})0+", r"\1"))
        if type_ is ColumnType.BOOLEAN:
            values = pc.utf8_lower(values)
        if type_ is ColumnType.INTEGER:
            values = pc.replace_substring_regex(values, "^[+]|[.]0*$", "")
        read = values.cast(arrow_type(type_))
    except pa.ArrowInvalid:  # its message quotes the value
        if type_ is ColumnType.TIMESTAMP:
            digits = pc.sum(pc.match_substring_regex(values, "[.][0-9]{6}[0-9]*[1-9]")).as_py() or 0
            if digits:
                raise ValueError(f"{digits} of {len(values)} values have a fraction of a microsecond") from None
        raise ValueError(f"some look like a {type_} and are beyond what it holds") from None
    if type_ is ColumnType.NUMBER:
        beyond = pc.and_(pc.greater_equal(pc.abs(read), LARGEST_EXACT), _matching(values, "[+-]?[0-9]+([.]0*)?"))
        if count := pc.sum(beyond).as_py():
            raise ValueError(
                f"{count} of {len(read)} values are whole numbers beyond {LARGEST_EXACT}, "
                "which a number may not hold to the last digit"
            )
    return read


def _instants(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = _matching(values, f"{_TIME}{_ZONE}")
    nothing, kind = pa.scalar(None, pa.string()), arrow_type(ColumnType.TIMESTAMP)
    with_zone = pc.if_else(zoned, values, nothing).cast(pa.timestamp("us", "UTC")).cast(kind)
    return pc.coalesce(with_zone, pc.if_else(zoned, nothing, values).cast(kind))


def _read_csv(file: Path) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        with csv.open_csv(file, parse_options=parse) as opened:
            names = opened.schema.names
        fault = _header_fault(names)
        if not fault:
            options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
            return csv.read_csv(file, parse_options=parse, convert_options=options)
    except (OSError, ValueError, pa.ArrowException) as error:
        fault = _of_system(error) or _csv_fault(str(error))
    raise DataError(f"{file}: readable CSV with a header", value=fault, remedy=_REMEDY)


def _read_json(file: Path) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import json

    read = json.ReadOptions(block_size=_BLOCK_BYTES)
    try:
        table = json.read_json(file, read_options=read)
        times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        if times:
            as_written = json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in times]))
            table = json.read_json(file, read_options=read, parse_options=as_written).select(table.column_names)
        fault = _json_values_fault(table)
        if not fault:
            return table
    except (OSError, ValueError, pa.ArrowException) as error:
        fault = _of_system(error) or _json_fault(str(error))
    raise DataError(f"{file}: a readable JSON object a line", value=fault, remedy=_REMEDY)


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
        return "its columns are not separated by commas"
    if unnamed := [number for number, name in enumerate(names, start=1) if not name]:
        return f"column {unnamed[0]} has no name in the header"
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"the header names {repeated} twice" if repeated else ""


def _of_system(error: Exception) -> str | None:
    """What the operating system says, which is about the file and not about what is in it."""
    return error.strerror if isinstance(error, OSError) and error.errno else None


def _csv_fault(message: str) -> str:
    """From a reader's message only its counts, and what it is about."""
    if counts := re.search(r"Expected (\d+) columns, got (\d+)", message):
        row = re.search(r"Row #(\d+)", message)
        return f"{f'row {row[1]}' if row else 'a row'} has {counts[2]} columns, the header {counts[1]}"
    if "Empty CSV" in message:
        return "it is empty"
    if column := re.search(r"In CSV column #(\d+)", message):
        return f"the values of column {int(column[1]) + 1} are not UTF-8"
    return "it is no CSV"


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
