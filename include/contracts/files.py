"""Somebody's own Parquet and CSV files, and what is wrong with one that cannot be used: in words that hold no value.

A reader's own message may quote the bytes or the value that it stumbled over, so it is never passed on.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from include.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: What a Parquet file begins and ends with, and how many bytes its end has beside the footer: its length, and the mark.
_MARK, _ENCRYPTED, _TAIL = b"PAR1", b"PARE", 8

_REMEDY = "Have whoever made it write it again, then repeat the command."


def parquet_files(path: Path) -> list[Path]:
    """The Parquet file *path*, or those of the folder, sorted.

    Raises:
        DataError: there are none.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(
            f"{path}: a folder of Parquet files", value="no file *.parquet in it", remedy="Name another folder."
        )
    return files


def read_parquet(file: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """The rows of one file; of its *columns* (``None``: all) those that it has.

    Raises:
        DataError: it cannot be read; the message says what is wrong with it.
    """
    with _readable(file) as opened:
        return opened.read(columns=columns)


def parquet_schema(file: Path) -> "tuple[pa.Schema, int]":
    """The schema of one file, and how many rows it has. Raises as :func:`read_parquet`."""
    with _readable(file) as opened:
        return opened.schema_arrow, opened.metadata.num_rows


@contextmanager
def _readable(file: Path) -> "Iterator[pq.ParquetFile]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            yield opened
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{file}: whole and readable Parquet", value=_fault(file, error), remedy=_REMEDY) from None


def read_csv(file: Path, *, strings: Collection[str] = ()) -> "pa.Table":
    """The rows of a CSV file with a header, UTF-8. Raises as :func:`read_parquet`.

    The columns *strings* keep their values as they are written (``007``, ``NA``), and nothing between two commas is
    null. The types of the others are told by their values.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    try:
        table = csv.read_csv(file, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(strings, pa.string())))
        for name in set(strings) & set(table.column_names):
            written = pc.if_else(pc.equal(table[name], ""), None, table[name])
            table = table.set_column(table.column_names.index(name), name, written)
        fault = next((f"column {name!r} is not UTF-8" for name, kind in _kinds(table) if pa.types.is_binary(kind)), "")
    except (OSError, ValueError, pa.ArrowException) as error:
        fault = _of_system(error) or _csv_fault(str(error))
    if fault:
        raise DataError(f"{file}: readable CSV with a header", value=fault, remedy=_REMEDY)
    return table


def joined(tables: Sequence["pa.Table"], files: Sequence[Path]) -> "pa.Table":
    """All *tables*, each read from the file of the same place, as one; a column that one lacks is null there.

    Raises:
        DataError: a column has another type in another file.
    """
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (ValueError, pa.ArrowException):
        raise DataError(
            "Parquet files that belong together have one schema",
            value=_difference([table.schema for table in tables], files),
            remedy="Write them with the same types.",
        ) from None


def parquet_fault(file: BinaryIO) -> str:
    """What is wrong with a Parquet *file* that could not be read."""
    size = file.seek(0, 2)
    if not size:
        return "it is empty (0 bytes)"
    file.seek(0)
    begins = file.read(len(_MARK))
    if begins == _ENCRYPTED:
        return "its footer is encrypted"
    if begins != _MARK:
        return f"it is no Parquet: it does not begin with {_MARK.decode()}"
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    if size < len(_MARK) + _TAIL or tail[4:] != _MARK:
        return f"it is truncated: {size} bytes, without a footer at the end"
    if int.from_bytes(tail[:4], "little") > size - len(_MARK) - _TAIL:
        return f"its footer is damaged: it claims to be longer than the file ({size} bytes)"
    return _damage(file)


def _fault(file: Path, error: Exception) -> str:
    if told := _of_system(error):
        return told
    with file.open("rb") as opened:
        return parquet_fault(opened)


def _of_system(error: Exception) -> str | None:
    """What the operating system says, which is about the file and not about what is in it."""
    return error.strerror if isinstance(error, OSError) and error.errno else None


def _damage(file: BinaryIO) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException):
        return "its footer is damaged"
    groups = opened.metadata.num_row_groups
    for group in range(groups):
        for name in opened.schema_arrow.names:
            try:
                opened.read_row_group(group, columns=[name], use_threads=False).validate(full=True)
            except (OSError, ValueError, pa.ArrowException):
                return f"the values of column {name!r} are damaged (row group {group + 1} of {groups})"
    return "its columns do not fit together"


def _kinds(table: "pa.Table") -> "list[tuple[str, pa.DataType]]":
    return [(field.name, field.type) for field in table.schema]


def _csv_fault(message: str) -> str:
    """From a reader's message only its counts, and what it is about."""
    if counts := re.search(r"Expected (\d+) columns, got (\d+)", message):
        row = re.search(r"Row #(\d+)", message)
        return f"{f'row {row[1]}' if row else 'a row'} has {counts[2]} columns, the header {counts[1]}"
    if "Empty CSV" in message:
        return "it is empty"
    if column := re.search(r"In CSV column #(\d+)", message):
        fault = "are not UTF-8" if "invalid UTF8" in message else "have no common type"
        return f"the values of column {int(column[1]) + 1} {fault}"
    return "it is no CSV"


def _difference(schemas: Sequence["pa.Schema"], files: Sequence[Path]) -> str:
    first: dict[str, tuple[pa.DataType, Path]] = {}
    found = []
    for schema, file in zip(schemas, files, strict=True):
        for field in schema:
            kind, where = first.setdefault(field.name, (field.type, file))
            if kind != field.type:
                found.append(f"{field.name} is {kind} in {where} and {field.type} in {file}")
    return "; ".join(found[:3]) or "another schema in one of them"
