"""Rows that somebody brings: the files of one table, read a few columns at a time, typed as a contract will say."""

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.files import DataFile, data_files, joined
from include.contracts.folders import refuse_unread, table_files
from include.contracts.types import arrow_type, column_type, to_contract
from include.core.errors import ContractError, DataError
from include.core.names import alike
from include.core.records import ColumnType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: This many values are read at a time: all columns of a small table together, those of a large one one by one.
VALUES_AT_ONCE = 2**25


@dataclass(frozen=True, kw_only=True)
class FileRows:
    """The rows of ``files`` at ``path`` that ``keep`` leaves, with the columns ``types``.

    ``keep`` has a flag for each row of the files; ``None``: all are left.
    """

    path: Path
    files: tuple[DataFile, ...]
    types: Mapping[str, ColumnType]
    keep: "NDArray[np.bool_] | None" = None

    def __len__(self) -> int:
        return sum(file.rows for file in self.files) if self.keep is None else int(self.keep.sum())

    @property
    def folder(self) -> Path:
        return (self.path if self.path.is_dir() else self.path.parent).absolute()

    @property
    def by_day(self) -> bool:
        """Whether the files lie in folders ``day=YYYY-MM-DD``."""
        return all(file.day is not None for file in self.files)

    @property
    def stored(self) -> bool:
        """Whether they are Parquet, which nights read."""
        return all(file.held is None for file in self.files)

    def require_readable(self) -> None:
        """Raise :class:`DataError` where a night would read other files than these, which stay where they lie."""
        files = [file.path for file in self.files]
        if self.path.is_dir():
            refuse_unread(files, self.path)
            return
        beside = table_files(self.path.parent, (".parquet",))
        if self.path not in beside:
            raise DataError(
                "nights read files *.parquet whose names do not begin with . or _",
                value=str(self.path),
                remedy="Rename it, or have it filed by day: `--time COLUMN`.",
            )
        if others := [file for file in beside if file != self.path]:
            raise DataError(
                "nights read all files of an undivided table's folder",
                value=f"{len(others)} more beside {self.path}, {others[0].name} say",
                remedy="Move it to a folder of its own, or name the folder.",
            )

    def only(self, keep: "NDArray[np.bool_]") -> "FileRows":
        """Those of these rows whose flag is set."""
        if self.keep is not None:
            kept = self.keep.copy()
            kept[kept] = keep
            keep = kept
        return replace(self, keep=keep)

    def columns(self, names: Sequence[str]) -> Iterator[tuple[str, "pa.ChunkedArray"]]:
        """The values of each of the columns *names*, in their order; of a large table few are held at a time.

        Raises:
            DataError: a file cannot be read, or values do not fit the contract's type.
        """
        width = max(1, VALUES_AT_ONCE // sum(file.rows for file in self.files))
        for start in range(0, len(names), width):
            table = self.table(names[start : start + width])
            yield from zip(table.column_names, table.columns, strict=True)

    def table(self, names: Sequence[str]) -> "pa.Table":
        """The columns *names*, all at once. Raises as :meth:`columns`."""
        import pyarrow as pa

        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        parts, start = [schema.empty_table()], 0
        for file in self.files:
            part = file.read(names)
            if self.keep is not None:
                part = part.filter(pa.array(self.keep[start : start + file.rows]))
            parts.append(self._typed(part, schema, file.path))
            start += file.rows
        return pa.concat_tables(parts)

    def times(self, name: str) -> "pa.ChunkedArray":
        """The values of the timestamp column *name*.

        Raises:
            DataError: there is no such column, or a row has no value of it.
        """
        times = self.table([name])[name] if self.types.get(name) is ColumnType.TIMESTAMP else None
        if times is None or times.null_count:
            stamps = [each for each, kind in self.types.items() if kind is ColumnType.TIMESTAMP]
            kind = self.types.get(name)
            found = f"{name} is {kind}" if kind else f"no column {name}"
            raise DataError(
                "the time column is a timestamp with a value in every row",
                value=found if times is None else f"{times.null_count:,} rows without {name}",
                remedy=f"Timestamp columns: {stamps or 'none; write one as 2024-07-01T12:00:00Z in your files'}.",
            )
        return times

    def misfiled(self, name: str) -> int:
        """How many rows do not belong to the day of their folder by the timestamp *name* (UTC)."""
        import pyarrow.compute as pc

        days = self.table([name])[name].cast("date32")
        return len(days) - (pc.sum(pc.equal(days, self._folder_days)).as_py() or 0)

    @cached_property
    def _folder_days(self) -> "pa.Array":
        import numpy as np
        import pyarrow as pa

        days = np.array([file.day for file in self.files], "datetime64[D]")
        repeated = np.repeat(days, [file.rows for file in self.files])
        return pa.array(repeated if self.keep is None else repeated[self.keep])

    def _typed(self, part: "pa.Table", schema: "pa.Schema", file: Path) -> "pa.Table":
        import pyarrow as pa

        columns, faults = [], []
        for field in schema:
            held = part[field.name] if field.name in part.column_names else pa.chunked_array([pa.nulls(len(part))])
            try:
                columns.append(to_contract(held, self.types[field.name]))
            except ValueError as error:
                faults.append(f"{field.name!r}: {error}")
        if faults:
            remedy = "Write them as such, or leave the columns out: `--without COLUMN`."
            raise DataError(f"{file}: values fit the contract's types", value="; ".join(faults), remedy=remedy)
        return pa.table(columns, schema=schema)


def rows_of(path: Path, *, without: Collection[str] = ()) -> FileRows:
    """The rows of the file *path*, or of the files in that folder, but for the columns *without*.

    Raises:
        ContractError: *without* names what is no column or leaves none, or other columns have types that contracts do
            not know: all of them are named.
        DataError: there is no readable file, the files have no common schema, or no row.
    """
    files = tuple(data_files(path))
    names = {name for file in files for name in file.schema.names}
    if unknown := sorted(set(without) - names):
        raise ContractError("what is left out is a column", value=unknown, remedy=f"Columns: {sorted(names)}.")
    if not any(file.rows for file in files):
        raise DataError(f"{path}: a contract is drafted from rows", value="no row", remedy="Give files with rows.")
    kept = ([name for name in file.schema.names if name not in without] for file in files)
    tables = [_decoded(file.schema).empty_table().select(names) for file, names in zip(files, kept, strict=True)]
    schema = joined(tables, [file.path for file in files]).schema
    types = {field.name: column_type(field.type) for field in schema}
    known = {name: kind for name, kind in types.items() if kind is not None}
    _require_usable(types, schema)
    if not known:
        raise ContractError("a contract has columns", value="all are left out", remedy="Keep some.")
    return FileRows(path=path, files=files, types=known)


def _require_usable(types: Mapping[str, ColumnType | None], schema: "pa.Schema") -> None:
    """Raise :class:`ContractError` that names all columns, by name and type of the files, that no contract can hold."""
    faults = {name: f"{name!r} is {schema.field(name).type}" for name, kind in types.items() if kind is None}
    faults |= {name: f"{name!r} is no name of a column" for name in types if not name or name != name.strip()}
    if types.get("always") is ColumnType.TIMESTAMP:
        faults["always"] = "'always' is a timestamp, which `knownAt: always` would not name"
    rest = [name for name in types if name not in faults]
    while pair := alike(rest):
        faults[pair[1]] = f"{pair[0]!r} and {pair[1]!r} differ by case alone"
        rest.remove(pair[1])
    if faults:
        left_out = " ".join(f"--without {shlex.quote(name)}" for name in faults)
        raise ContractError(
            "every column has a name of its own, without blanks at its ends, and a type that contracts know",
            value="; ".join(faults.values()),
            remedy=f"Leave them out: `{left_out}`; or rename them, or store them as one of: {', '.join(ColumnType)}.",
        )


def _decoded(schema: "pa.Schema") -> "pa.Schema":
    """*schema* with the types of the values that it has dictionaries of, and instants of any zone as those of UTC."""
    import pyarrow as pa

    def plain(kind: "pa.DataType") -> "pa.DataType":
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind

    return pa.schema([(each.name, plain(each.type)) for each in schema])
