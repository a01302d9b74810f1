"""Somebody's own Parquet and CSV files, and what is wrong with one that cannot be used: in words that hold no value.

A reader's own message may quote the bytes or the value that it stumbled over, so it is never passed on.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from include.contracts.folders import all_files, day_of, path_values
from include.contracts.textfiles import CSV_ENDINGS, JSON_ENDINGS, has_ending, of_system, read_together
from include.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: What a Parquet file begins and ends with, and how many bytes its end has beside the footer: its length, and the mark.
_MARK, _ENCRYPTED, _TAIL = b"PAR1", b"PARE", 8

_PARQUET = (".parquet",)
#: Further from 1970 than this no nanosecond is counted in 64 bits.
_FARTHEST_MICROSECOND = (2**63 - 1) // 1000
_REMEDY = "Have whoever made it write it again, then repeat the command."


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of a table, of any format that is read: its columns and rows, and its UTC day if its folder says one.

    ``said`` are the columns that stand in the names of its folders (``shop=north``).
    """

    path: Path
    schema: "pa.Schema"
    rows: int
    day: date | None
    said: Mapping[str, str | None]
    held: "pa.Table | None"

    def read(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Those of *columns* (``None``: all) that it has. Raises as :func:`data_files`."""
        names = [name for name in self.schema.names if columns is None or name in columns]
        table = self.held
        if table is None:
            table = read_parquet(self.path, [name for name in names if name not in self.said])
        return with_path_values(table, self.said).select(names)


def data_files(path: Path) -> list[DataFile]:
    """The file *path*, or all files of that folder that are Parquet, CSV or JSON lines, sorted.

    A column of CSV has the narrowest type that the texts of all files are, and so have times in JSON; the others have
    the type that JSON says. Parquet is not read before it is asked for.

    Raises:
        DataError: there are none, or several formats, or a table format's; or one cannot be read: the message says why.
    """
    root = path if path.is_dir() else path.parent
    files = all_files(path, (*_PARQUET, *CSV_ENDINGS, *JSON_ENDINGS)) if path.is_dir() else [path]
    formats = {_format(file) for file in files}
    if len(formats) != 1:
        raise DataError(
            f"{path}: a folder of Parquet files, or of CSV, or of JSON lines",
            value=" and ".join(sorted(formats)) or "no file *.parquet, *.csv, *.jsonl in it",
            remedy="Name another folder.",
        )
    tables = [None] * len(files) if formats == {"Parquet"} else read_together(files)
    return [_data_file(file, root, table) for file, table in zip(files, tables, strict=True)]


def ending_of(file: Path) -> str:
    """The end of the name of *file* that says its format: ``.csv.gz``."""
    known = [ending for ending in (*CSV_ENDINGS, *JSON_ENDINGS) if has_ending(file, (ending,))]
    length = max(map(len, known), default=len(file.suffix))
    return file.name[len(file.name) - length :]


def write_rows(table: "pa.Table", target: Path) -> None:
    """Write *table* as CSV, JSON lines or Parquet, as the name of *target* says; it appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    draft = target.with_name(f".{target.name}.draft")
    format_ = _format(target)
    if format_ == "Parquet":
        pq.write_table(table, draft)
    else:
        with pa.output_stream(draft, compression="gzip" if has_ending(target, (".gz",)) else None) as sink:
            if format_ == "CSV":
                csv.write_csv(table, sink)
            else:
                sink.write("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()).encode())
    draft.replace(target)


def with_path_values(table: "pa.Table", said: Mapping[str, str | None]) -> "pa.Table":
    """*table* with the columns that the names of its file's folders say, as texts."""
    import pyarrow as pa

    for name, value in said.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    return table


def read_parquet(file: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """The rows of one file; of its *columns* (``None``: all) those that it has.

    Raises:
        DataError: it cannot be read; the message says what is wrong with it.
    """
    with _readable(file) as opened:
        return read_columns(opened, file, columns, use_threads=True)


def parquet_schema(file: Path) -> "tuple[pa.Schema, int]":
    """The schema of one file, and how many rows it has. Raises as :func:`read_parquet`."""
    with _readable(file) as opened:
        return opened.schema_arrow, opened.metadata.num_rows


def open_parquet(source: "Path | BinaryIO | pa.NativeFile") -> "pq.ParquetFile":
    """A Parquet file as all that is not ours is opened: with checksums, and Spark's INT96 in microseconds.

    In nanoseconds, as it is written, INT96 ends in the year 2262: 9999-12-31 would be read as 1816-03-29.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(source, page_checksum_verification=True, coerce_int96_timestamp_unit="us")


def read_columns(
    opened: "pq.ParquetFile",
    source: "Path | BinaryIO | pa.NativeFile",
    columns: Sequence[str] | None = None,
    *,
    use_threads: bool,
) -> "pa.Table":
    """The *columns* of the file *source* that was *opened*; INT96 with true nanoseconds keeps them."""
    import pyarrow.parquet as pq

    table = opened.read(columns=columns, use_threads=use_threads)
    schema = opened.schema
    held = [schema.column(place) for place in range(len(schema))]
    counted = [each.path for each in held if each.physical_type == "INT96" and each.path in table.column_names]
    if counted:
        exact = pq.ParquetFile(source).read(columns=counted, use_threads=use_threads)
        for name in counted:
            column = _with_nanoseconds(table[name], exact[name])
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _with_nanoseconds(rounded: "pa.ChunkedArray", exact: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """The *exact* column where the one that is *rounded* to microseconds lost something, else that.

    Far dates, which nanoseconds cannot hold, are null in the exact one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = rounded.cast(pa.int64())
    within = pc.less(pc.abs(whole), _FARTHEST_MICROSECOND)
    lost = pc.and_(within, pc.not_equal(exact.cast(pa.int64()), pc.multiply(whole, 1000)))
    return pc.if_else(within, exact, pa.scalar(None, exact.type)) if pc.any(lost).as_py() else rounded


def _data_file(file: Path, root: Path, table: "pa.Table | None") -> DataFile:
    schema, rows = parquet_schema(file) if table is None else (table.schema, table.num_rows)
    said = path_values(file, root)
    refuse_repeated(file, schema.names, said)
    import pyarrow as pa

    for name in said:
        schema = schema.append(pa.field(name, pa.string()))
    return DataFile(path=file, schema=schema, rows=rows, day=day_of(file, root), said=said, held=table)


def refuse_repeated(file: Path, names: Sequence[str], said: Mapping[str, str | None]) -> None:
    """Raise DataError where a column stands twice: in *file*, or in it and in the names of its folders."""
    both, twice = sorted(set(names) & set(said)), sorted({name for name in names if names.count(name) > 1})
    if both or twice:
        raise DataError(
            f"{file}: a column stands once, in the file or in its path",
            value=f"{both} in both" if both else f"{twice} twice in the file",
            remedy="Leave it out of the file, or rename the folders or one of the columns.",
        )


def _format(file: Path) -> str:
    if has_ending(file, CSV_ENDINGS):
        return "CSV"
    return "JSON lines" if has_ending(file, JSON_ENDINGS) else "Parquet"


@contextmanager
def _readable(file: Path) -> "Iterator[pq.ParquetFile]":
    import pyarrow as pa

    try:
        with open_parquet(file) as opened:
            yield opened
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{file}: whole and readable Parquet", value=_fault(file, error), remedy=_REMEDY) from None


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
    if told := of_system(error):
        return told
    if file.is_dir():
        return "it is a directory"
    with file.open("rb") as opened:
        return parquet_fault(opened)


def _damage(file: BinaryIO) -> str:
    import pyarrow as pa

    try:
        opened = open_parquet(file)
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


def _difference(schemas: Sequence["pa.Schema"], files: Sequence[Path]) -> str:
    first: dict[str, tuple[pa.DataType, Path]] = {}
    found = []
    for schema, file in zip(schemas, files, strict=True):
        for field in schema:
            kind, where = first.setdefault(field.name, (field.type, file))
            if kind != field.type:
                found.append(f"{field.name} is {kind} in {where} and {field.type} in {file}")
    return "; ".join(found[:3]) or "another schema in one of them"
