"""Data filed by UTC day, as nights read it: filing somebody's own Parquet, and what days are there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import Days

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from include.contracts import FileRows

#: After more days without a row, what lies there is taken for an error until the user says that it is meant.
LONGEST_GAP_DAYS = 366


def require_unfiled(target: Path) -> None:
    """Raise :class:`DataError` if *target* is there already."""
    if target.exists():
        raise DataError(
            "data that is filed already is not filed again",
            value=str(target),
            remedy="Land new rows with `./trainyard land NAME FILE`, or delete the folder first.",
        )


def require_filed(rows: "FileRows", *, time: str) -> None:
    """Raise :class:`DataError` unless all *rows* lie in the folder of their UTC day by the timestamp *time*."""
    rows.times(time)
    misfiled = rows.misfiled(time) if rows.by_day else len(rows)
    if misfiled:
        raise DataError(
            "rows that are filed already lie in folders `day=YYYY-MM-DD` of their UTC day",
            value=f"{misfiled:,} of {len(rows):,} rows of {rows.path} do not, by {time}",
            remedy="Name the column by which they do, or move them elsewhere to have them filed again.",
        )


def chosen(rows: "FileRows", *, time: str, first: date | None = None, last: date | None = None) -> "FileRows":
    """Those *rows* whose UTC day by the timestamp *time* is from *first* to *last* (inclusive; ``None``: any).

    Raises:
        DataError: *time* is no timestamp with a value in every row, no row is left, or days lie far from the rest
            (:data:`LONGEST_GAP_DAYS` or more without a row lie between) on a side where no limit is given. They are
            told with their counts: empty days would be filed up to them.
    """
    day = _days(rows, time)
    keep = (day >= (first or date.min).toordinal()) & (day <= (last or date.max).toordinal())
    if not keep.any():
        span = f"{_date(day.min())} to {_date(day.max())}"
        raise DataError("some rows are left to be filed", value=f"rows of {span}", remedy="Move --from or --until.")
    _refuse_far_days(day[keep], before=first is None, after=last is None)
    return rows if keep.all() else rows.only(keep)


def file_by_day(rows: "FileRows", target: Path, *, time: str) -> Days:
    """Copy *rows* to ``<target>/day=YYYY-MM-DD/part.parquet``, typed as their contract will say; the days.

    A row belongs to the UTC day of its timestamp *time* (a column without a zone is taken as UTC). Days without rows
    between the first and the last get an empty file, since a missing one would stop a night. *target* appears whole, by
    one rename, or not at all.

    Raises:
        DataError: *target* is there already, a file is unreadable, or *time* is no timestamp with a value in every row.
    """
    require_unfiled(target)
    day = _days(rows, time)
    order = day.argsort(kind="stable")
    table, day = rows.table(list(rows.types)).take(order), day[order]
    days = Days(first=_date(day[0]), last=_date(day[-1]))
    with _appearing(target) as staging:
        for each in days:
            first, last = day.searchsorted([each.toordinal(), each.toordinal() + 1])
            write_part(table.slice(first, last - first), staging / f"day={each.isoformat()}")
    return days


def file_whole(rows: "FileRows", target: Path) -> None:
    """Copy *rows* to ``<target>/part.parquet``, typed as their contract will say. *target* appears whole or not at all.

    Raises:
        DataError: *target* is there already, or a file is unreadable.
    """
    require_unfiled(target)
    with _appearing(target) as staging:
        write_part(rows.table(list(rows.types)), staging)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A folder to write to, which then becomes *target* by one rename, or is removed on an error."""
    staging = target.with_name(f".filing-{target.name}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        yield staging
        os.sync()  # one flush for many small files: the rename must not reach the disk before they do
        staging.rename(target)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _days(rows: "FileRows", time: str) -> "NDArray[np.int64]":
    """The proleptic Gregorian ordinal of each row's UTC day; of years that calendars do not name, the nearest one's."""
    import numpy as np

    since_1970 = rows.times(time).to_numpy().astype("datetime64[D]").astype(np.int64)
    day: NDArray[np.int64] = since_1970 + date(1970, 1, 1).toordinal()
    return day.clip(date.min.toordinal(), date.max.toordinal())


def _date(ordinal: "np.int64") -> date:
    return date.fromordinal(int(ordinal))


def _refuse_far_days(day: "NDArray[np.int64]", *, before: bool, after: bool) -> None:
    """Raise :class:`DataError` if days lie far *before* the stretch that has most rows, or far *after* it."""
    import numpy as np

    days, counts = np.unique(day, return_counts=True)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(days) > LONGEST_GAP_DAYS + 1) + 1])
    ends = np.append(starts[1:], len(days)) - 1
    sizes = np.add.reduceat(counts, starts)
    main = int(sizes.argmax())
    remedies = []
    if before and main > 0:
        remedies.append(_limit("--from", days[starts[main]], days[0]))
    if after and main < len(sizes) - 1:
        remedies.append(_limit("--until", days[ends[main]], days[-1]))
    if remedies:
        stretches = zip(sizes, days[starts], days[ends], strict=True)
        raise DataError(
            f"no more than {LONGEST_GAP_DAYS} days without a row lie between rows that are filed by day",
            value="; ".join(f"{_rows(size)} from {_date(low)} to {_date(high)}" for size, low, high in stretches),
            remedy=" ".join(remedies),
        )


def _rows(count: "np.int64") -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _limit(option: str, kept: "np.int64", far: "np.int64") -> str:
    return f"Leave the far ones out with `{option} {_date(kept)}`, or have all days filed with `{option} {_date(far)}`."


def write_part(table: "pa.Table", folder: Path) -> None:
    """Write *table* as the one file of the new *folder*."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part.parquet", compression="zstd", write_page_checksum=True, store_schema=False)
