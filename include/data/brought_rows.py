"""Rows that somebody brings to be landed: files typed as a contract says, checked, and compared by key."""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Contract

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: No column of a contract is called so.
_PLACE = "\0place"


def brought(contract: Contract, files: Sequence[Path], *, only_keys: bool) -> "pa.Table":
    """The rows of *files* (Parquet, CSV or JSON lines), all columns of *contract* or the key alone.

    Raises:
        DataError: a file cannot be read, has other columns or lacks some; values do not fit their types; a row has no
            value where the contract requires one; or a key stands twice. No value is quoted.
    """
    import pyarrow as pa

    from include.contracts.types import arrow_type

    columns = [column for column in contract.columns if column.key or not only_keys]
    schema = pa.schema([(column.name, arrow_type(column.type)) for column in columns])
    needed = [each.name for each in columns if each.required or each.key or each.name == contract.partition_column]
    tables = []
    for file in files:
        table = _typed(file, contract, schema)
        if without := {name: table[name].null_count for name in needed if table[name].null_count}:
            raise DataError(
                f"{file}: each row to land has its key, its time, and all that {contract.dataset!r} requires",
                value=", ".join(f"{count} rows without {name}" for name, count in without.items()),
                remedy="Fill in the values, or leave the rows out.",
            )
        tables.append(table)
    rows = pa.concat_tables([schema.empty_table(), *tables])
    key = list(contract.key)
    repeated = len(rows) - len(rows.group_by(key, use_threads=False).aggregate([]))
    if repeated:
        raise DataError(
            f"{contract.dataset}: of the rows to land each has its own key {key}",
            value=f"{repeated} of {len(rows)} rows repeat one",
            remedy="Leave the row in that is right.",
        )
    return rows


def days_of(rows: "pa.Table", contract: Contract) -> "NDArray[np.datetime64]":
    """The UTC day of each row; of years that calendars do not name, the nearest one's."""
    import numpy as np

    if contract.partition_column not in rows.column_names:
        return np.array([], "datetime64[D]")
    days: NDArray[np.datetime64] = rows[contract.partition_column].to_numpy().astype("datetime64[D]")
    return days.clip(np.datetime64(date.min), np.datetime64(date.max))


def among(rows: "pa.Table", others: "pa.Table", key: Sequence[str]) -> "pa.Array":
    """Of each of *rows* whether its *key* is that of one of *others*."""
    import numpy as np
    import pyarrow as pa

    numbered = rows.select(key).append_column(_PLACE, pa.array(np.arange(len(rows))))
    found = numbered.join(others.select(key), keys=list(key), join_type="left semi")
    flags = np.zeros(len(rows), bool)
    flags[found[_PLACE].to_numpy()] = True
    return pa.array(flags)


def differing(rows: "pa.Table", others: "pa.Table") -> int:
    """How many of *rows* are not equal to that of *others* in the same place."""
    import pyarrow.compute as pc

    equal = None
    for name in rows.column_names:
        one, other = rows[name], others[name]
        same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
        equal = same if equal is None else pc.and_(equal, same)
    return len(rows) - (pc.sum(equal).as_py() or 0)


def _typed(file: Path, contract: Contract, schema: "pa.Schema") -> "pa.Table":
    """The columns of *schema* in *file*, typed so, under the contract's names."""
    import pyarrow as pa

    from include.contracts.types import to_contract

    table = _read(file, contract)
    theirs = contract.names_in(table.column_names)
    wanted = {name: theirs[name] for name in schema.names}
    _require_columns(file, contract, table.column_names, wanted.values())
    columns, faults = [], []
    for name, called in wanted.items():
        try:
            columns.append(to_contract(table[called], contract.column(name).type))  # type: ignore[union-attr]
        except ValueError as error:
            faults.append(f"{called}: {error}")
    if faults:
        raise DataError(
            f"{file}: values fit the types of the contract of {contract.dataset!r}",
            value="; ".join(faults),
            remedy="Convert the columns.",
        )
    return pa.table(columns, schema=schema)


def _read(file: Path, contract: Contract) -> "pa.Table":
    from include.contracts.files import read_parquet, refuse_repeated
    from include.contracts.textfiles import CSV_ENDINGS, JSON_ENDINGS, has_ending, read_texts_as

    if has_ending(file, (*CSV_ENDINGS, *JSON_ENDINGS)):
        types = {called: each.type for each in contract.columns for called in (each.physical_name, each.name) if called}
        return read_texts_as(file, types, others=True)
    table = read_parquet(file)
    refuse_repeated(file, table.column_names, {})
    return table


def _require_columns(file: Path, contract: Contract, held: Collection[str], wanted: Collection[str]) -> None:
    known = contract.names_in(held).values()
    unknown, missing = sorted(set(held) - set(known)), sorted(set(wanted) - set(held))
    if unknown or missing:
        raise DataError(
            f"{file}: rows to land have the columns of the contract of {contract.dataset!r}, and no other",
            value=f"unknown {unknown or 'none'}, missing {missing or 'none'}",
            remedy="Leave out what the contract does not have, and add what it has, if need be without values.",
        )
