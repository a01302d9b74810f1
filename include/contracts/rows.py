"""Rows that somebody brings: the files of one table, read a few columns at a time, typed as a contract will say."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.files import joined, parquet_files, parquet_schema, read_parquet
from include.contracts.types import arrow_type, column_type, to_contract
from include.core.errors import ContractError, DataError
from include.core.records import ColumnType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: So many values are read at a time: all columns of a small table together, those of a large one one by one.
VALUES_AT_ONCE = 2**25

_STAGED_DAY = re.compile(r"day=(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of ``files`` (and how many each has) at ``path`` that ``keep`` leaves, with the columns ``types``.

    ``keep`` has a flag for each row of the files; ``None``: all are left.
    """

    path: Path
    files: Mapping[Path, int]
    types: Mapping[str, ColumnType]
    keep: "NDArray[np.bool_] | None" = None

    def __len__(self) -> int:
        return sum(self.files.values()) if self.keep is None else int(self.keep.sum())

    @property
    def folder(self) -> Path:
        return (self.path if self.path.is_dir() else self.path.parent).absolute()

    @property
    def by_day(self) -> bool:
        """Whether the files lie in folders ``day=YYYY-MM-DD``."""
        return self.path.is_dir() and all(_STAGED_DAY.fullmatch(file.parent.name) for file in self.files)

    def only(self, keep: "NDArray[np.bool_]") -> "Rows":
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
        width = max(1, VALUES_AT_ONCE // max(1, sum(self.files.values())))
        for start in range(0, len(names), width):
            table = self.table(names[start : start + width])
            yield from zip(table.column_names, table.columns, strict=True)

    def table(self, names: Sequence[str]) -> "pa.Table":
        """The columns *names*, all at once. Raises as :meth:`columns`."""
        import pyarrow as pa

        schema = pa.schema([(name, arrow_type(self.types[name])) for name in names])
        parts, start = [schema.empty_table()], 0
        for file, count in self.files.items():
            part = read_parquet(file, columns=names)
            if self.keep is not None:
                part = part.filter(pa.array(self.keep[start : start + count]))
            parts.append(self._typed(part, schema, file))
            start += count
        return pa.concat_tables(parts)

    def times(self, name: str) -> "pa.ChunkedArray":
        """The values of the timestamp column *name*.

        Raises:
            DataError: there is no such column, or a row has no value of it.
        """
        times = self.table([name])[name] if self.types.get(name) is ColumnType.TIMESTAMP else None
        if times is None or times.null_count:
            stamps = [each for each, kind in self.types.items() if kind is ColumnType.TIMESTAMP]
            raise DataError(
                "the time column is a timestamp with a value in every row",
                value=name,
                remedy=f"Timestamp columns: {stamps or 'none; convert one in your files'}.",
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

        days = [date.fromisoformat(file.parent.name.removeprefix("day=")) for file in self.files]
        repeated = np.repeat(np.array(days, "datetime64[D]"), list(self.files.values()))
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


def rows_of(path: Path, *, without: Collection[str] = ()) -> Rows:
    """The rows of the file *path*, or of the files in that folder, but for the columns *without*.

    Raises:
        ContractError: *without* names what is no column or leaves none, or other columns have types that contracts do
            not know: all of them are named.
        DataError: there is no readable file, the files have no common schema, or no row.
    """
    files = parquet_files(path)
    heads = [parquet_schema(file) for file in files]
    schema = joined([_decoded(schema).empty_table() for schema, _ in heads], files).schema
    if unknown := sorted(set(without) - set(schema.names)):
        raise ContractError("what is left out is a column", value=unknown, remedy=f"Columns: {sorted(schema.names)}.")
    types = {field.name: column_type(field.type) for field in schema if field.name not in without}
    known = {name: kind for name, kind in types.items() if kind is not None}
    if strange := [name for name in types if name not in known]:
        left_out = " ".join(f"--without {_word(name)}" for name in strange)
        raise ContractError(
            "every column has a type that contracts know",
            value=", ".join(f"{name!r} is {schema.field(name).type}" for name in strange),
            remedy=f"Leave them out: `{left_out}`; or store them as one of: {', '.join(ColumnType)}.",
        )
    if not known:
        raise ContractError("a contract has columns", value="all are left out", remedy="Keep some.")
    rows = Rows(path=path, files={file: count for file, (_, count) in zip(files, heads, strict=True)}, types=known)
    if not len(rows):
        raise DataError(f"{path}: a contract is drafted from rows", value="no row", remedy="Give files with rows.")
    return rows


def _word(name: str) -> str:
    import shlex

    return shlex.quote(name)


def _decoded(schema: "pa.Schema") -> "pa.Schema":
    """*schema* with the types of values where it has dictionaries of them."""
    import pyarrow as pa

    return pa.schema(
        [(each.name, each.type.value_type if pa.types.is_dictionary(each.type) else each.type) for each in schema]
    )
