"""Data filed by UTC day, as nights read it: filing somebody's own Parquet, and what days are there."""

import os
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Contract, Days

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def file_by_day(source: Path, target: Path, *, time: str) -> Days:
    """Copy the rows of the Parquet file or folder *source* to ``<target>/day=YYYY-MM-DD/part.parquet``; the days.

    A row belongs to the UTC day of its timestamp *time* (a column without a zone is taken as UTC). Days without rows
    between the first and the last get an empty file, since a missing one would stop a night. *target* appears whole, by
    one rename, or not at all.

    Raises:
        DataError: *target* is there already, *source* is no readable Parquet, or *time* is no timestamp with a value in
            every row.
    """
    if target.exists():
        raise DataError(
            "data that is filed already is not filed again",
            value=str(target),
            remedy="Add new days to it as day=YYYY-MM-DD/part.parquet, or delete the folder first.",
        )
    table = _read(source)
    day = _days(table, time)
    order = day.argsort(kind="stable")
    table, day = table.take(order), day[order]
    days = Days(first=date.fromordinal(int(day[0])), last=date.fromordinal(int(day[-1])))
    staging = target.with_name(f".filing-{target.name}")
    shutil.rmtree(staging, ignore_errors=True)
    for each in days:
        first, last = day.searchsorted([each.toordinal(), each.toordinal() + 1])
        write_part(table.slice(first, last - first), staging / f"day={each.isoformat()}")
    os.sync()  # one flush for many small files: the rename must not reach the disk before they do
    staging.rename(target)
    return days


def filed_days(contract: Contract, production: Path) -> Days | None:
    """From the first to the last day that is filed; ``None``: no day is, or the source repeats and has every day."""
    from include.data.source import Source

    if contract.replay_days:
        return None
    folders = Source(contract, production).folder.glob("day=????-??-??")
    days = sorted(date.fromisoformat(folder.name.removeprefix("day=")) for folder in folders)
    return Days(first=days[0], last=days[-1]) if days else None


def _read(source: Path) -> "pa.Table":
    from include.contracts.files import joined, parquet_files, read_parquet

    files = parquet_files(source)
    table = joined([read_parquet(file) for file in files], files)
    if table.num_rows == 0:
        raise DataError(f"{source}: holds rows", value="none", remedy="Give files with rows.")
    return table


def _days(table: "pa.Table", time: str) -> "NDArray[np.int64]":
    """The proleptic Gregorian ordinal of each row's UTC day."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as types

    if time not in table.column_names or not types.is_timestamp(table[time].type) or table[time].null_count:
        stamps = [field.name for field in table.schema if types.is_timestamp(field.type)]
        raise DataError(
            "the time column is a timestamp with a value in every row",
            value=time,
            remedy=f"Timestamp columns: {stamps or 'none; convert one in your files'}.",
        )
    stamp = table[time].cast(pa.timestamp("s"), safe=False).to_numpy()
    day: NDArray[np.int64] = stamp.astype("datetime64[D]").astype(np.int64) + date(1970, 1, 1).toordinal()
    return day


def write_part(table: "pa.Table", folder: Path) -> None:
    """Write *table* as the one file of the new *folder*."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part.parquet", compression="zstd", write_page_checksum=True, store_schema=False)
