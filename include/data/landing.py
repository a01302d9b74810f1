"""Landing rows in a folder that is divided by day: new, late and corrected ones, by key, as new versions of their days.

What is landed at a moment is what runs of that instant and later read; earlier instants read what stood before.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.patterns import pattern_of
from include.contracts.places import folder_of
from include.contracts.servers import scheme_of
from include.core.errors import ContractError, DataError
from include.core.records import DAY, Contract, Days
from include.data.brought_rows import among, brought, days_of, differing
from include.data.partition_rows import sorted_by_key
from include.data.partitioning import LONGEST_GAP_DAYS
from include.data.sources.folder import DayFolder
from include.data.sources.parquet import ParquetSource
from include.data.sources.versions import DayVersions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class DayCount:
    """How many rows of a day are new, changed, the same as before, or gone: deleted, or on another day now.

    ``filed``: the day is there for the first time, perhaps without a row.
    """

    day: date
    new: int
    changed: int
    unchanged: int
    removed: int
    filed: bool

    @property
    def lands(self) -> bool:
        """Whether the day becomes another than it was."""
        return bool(self.new or self.changed or self.removed or self.filed)


@dataclass(frozen=True, kw_only=True)
class Landed:
    """What came of rows that were brought, by day, and the moment from which on it counts (``None``: nothing landed).

    ``absent``: how many keys were to be deleted and are not there.
    """

    days: tuple[DayCount, ...]
    moment: datetime | None
    absent: int


def land(
    contract: Contract,
    production: Path,
    files: Sequence[Path],
    *,
    clock: Callable[[], datetime],
    delete: bool = False,
    empty: Collection[date] = (),
    dry_run: bool = False,
) -> Landed:
    """Land the rows of *files*, typed as *contract* says, in its folder.

    A row takes the place of the one with its key, on whatever day that lies; what is there already changes nothing.
    With *delete* the rows of the files' keys are removed instead. The days *empty* are filed without a row, and so are
    those between the first and the last day of the files, beyond the days that are filed. All lands, or nothing does.
    With *dry_run* nothing does, and all is counted.

    Raises:
        ContractError: the contract's data does not lie in a folder of days, or has columns beside the contract's.
        DataError: a file cannot be read, or its rows cannot be landed; or the folder cannot be written.
    """
    folder, now = _folder_of(contract, production), clock()
    rows = brought(contract, files, only_keys=delete)
    if dry_run:
        return _Landing(contract, folder, rows, delete=delete).outcome(empty, now)
    versions = DayVersions(folder)
    with versions.alone():
        landing = _Landing(contract, folder, rows, delete=delete)
        outcome = landing.outcome(empty, now)
        made = dict(landing.files())
        moment = versions.land(made, clock) if made else None
    return Landed(days=outcome.days, moment=moment, absent=outcome.absent)


def _folder_of(contract: Contract, production: Path) -> Path:
    fault = ""
    if scheme_of(contract.location):
        fault = f"{contract.location}, which its owner writes"
    elif contract.partition_column is None:
        fault = "an undivided table, which its owner writes as a whole"
    elif contract.replay_days:
        fault = "a recording, which is repeated"
    if fault:
        raise ContractError(
            f"{contract.dataset}: rows are landed in a folder of this machine that is divided by day",
            value=fault,
            remedy="Have its owner correct the rows there: nights read what changed.",
        )
    return folder_of(contract, production)


class _Landing:
    """What landing *rows* makes of the days of *folder*."""

    def __init__(self, contract: Contract, folder: Path, rows: "pa.Table", *, delete: bool) -> None:
        self._contract, self._rows, self._delete = contract, rows, delete
        self._place = DayFolder(contract.dataset, folder, pattern_of(contract.location))
        self._source = ParquetSource(contract, self._place)
        self._days = days_of(rows, contract)
        self._made: dict[date, pa.Table] = {}

    @cached_property
    def _filed(self) -> frozenset[date]:
        self._place.refuse_table_format()
        return frozenset(day for name in self._place.folders() if (day := self._place.days.day(name)))

    def outcome(self, empty: Collection[date], now: datetime) -> Landed:
        """What becomes of the days that are concerned, in their order."""
        held = set(self._days.tolist())
        _refuse_far(held | {*empty}, self._filed, now)
        missing = set[date]() if self._delete else {*_between(held, self._filed), *empty} - self._filed
        # Where its time is no part of a row's key, the row of that key may lie on any day.
        anywhere = self._filed if self._contract.partition_column not in self._contract.key else frozenset()
        counts = [self._count(day) for day in sorted(held | missing | anywhere)]
        removed = sum(each.removed for each in counts)
        return Landed(
            days=tuple(each for each in counts if each.lands or each.day in held),
            moment=None,
            absent=len(self._rows) - removed if self._delete else 0,
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Of each day that becomes another, its folder and the Parquet of all its rows."""
        import pyarrow.parquet as pq

        called = [column.physical_name or column.name for column in self._contract.columns]
        for day, table in self._made.items():
            sink = BytesIO()
            pq.write_table(
                table.rename_columns(called), sink, compression="zstd", write_page_checksum=True, store_schema=False
            )
            yield self._place.days.folder(day), sink.getvalue()

    def _count(self, day: date) -> DayCount:
        """What becomes of *day*: its rows are kept where it becomes another."""
        import pyarrow as pa
        import pyarrow.compute as pc

        key = self._contract.key
        before = self._before(day)
        kept = before.filter(pc.invert(among(before, self._rows, key)))
        if self._delete:
            after, new, changed, unchanged = kept, 0, 0, 0
        else:
            here = sorted_by_key(self._rows.filter(pa.array(self._days == day)), self._contract, day)
            known = here.filter(among(here, before, key))
            new, changed = len(here) - len(known), differing(known, before.filter(among(before, here, key)))
            unchanged = len(known) - changed
            after = sorted_by_key(pa.concat_tables([kept, here]), self._contract, day)
        count = DayCount(
            day=day,
            new=new,
            changed=changed,
            unchanged=unchanged,
            removed=len(before) + new - len(after),
            filed=day not in self._filed and not self._delete,
        )
        if count.lands:
            self._refuse_other_columns(day)
            self._made[day] = after
        return count

    def _before(self, day: date) -> "pa.Table":
        """The rows of *day* as they are, by key."""
        names = [column.name for column in self._contract.columns]
        if day not in self._filed:
            return self._empty
        return sorted_by_key(self._source.load(day).read(names), self._contract, day)

    def _refuse_other_columns(self, day: date) -> None:
        layouts = self._source.layouts(day) if day in self._filed else ()
        others = {name for layout in layouts for name in layout if self._contract.column(name) is None}
        if others:
            raise ContractError(
                f"{self._contract.dataset} of {day}: a day that rows are landed in has the contract's columns alone",
                value=f"{sorted(others)} beside them, which would be lost",
                remedy="Have its stewards add them to the contract, or its owner land the rows.",
            )

    @property
    def _empty(self) -> "pa.Table":
        import pyarrow as pa

        from include.contracts.types import arrow_type

        return pa.schema([(each.name, arrow_type(each.type)) for each in self._contract.columns]).empty_table()


def _between(held: Collection[date], filed: Collection[date]) -> Iterator[date]:
    """The days from the first to the last of those *held* that come after all that are *filed*; so too before them."""
    first, last = min(filed, default=date.max), max(filed, default=date.min)
    for beyond in ([day for day in held if day > last], [day for day in held if day < first]):
        if beyond:
            yield from Days(first=min(beyond), last=max(beyond))


def _refuse_far(held: Collection[date], filed: Collection[date], now: datetime) -> None:
    """Raise DataError where days lie far from all others, or far in the future."""
    ordered = sorted(held)
    if not ordered:
        return
    low, high = min(filed, default=ordered[0]), max(filed, default=ordered[0])
    near = set[date]()
    for day in ordered:
        if day <= high or (day - high).days <= LONGEST_GAP_DAYS + 1:
            high = max(high, day)
            near.add(day)
    for day in reversed(ordered):
        if day < low and (low - day).days > LONGEST_GAP_DAYS + 1:
            near.discard(day)
        else:
            low = min(low, day)
    latest = now.astimezone(UTC).date() + LONGEST_GAP_DAYS * DAY
    if far := [day for day in ordered if day not in near or day > latest]:
        raise DataError(
            f"no more than {LONGEST_GAP_DAYS} days without a row lie between rows to land and the days that are filed, "
            "or today",
            value=f"{len(far)} days far from them, {far[0]} to {far[-1]}",
            remedy="Correct the times of these rows, or land the days between first.",
        )
