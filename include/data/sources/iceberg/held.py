"""What an Iceberg table holds in one snapshot: which files, of which days, and the rows in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from include.contracts.types import to_contract
from include.core.errors import DataError
from include.core.records import ColumnType, Days, day_start
from include.data.sources.iceberg.catalog import Address

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.io import FileIO
    from pyiceberg.table import FileScanTask
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.types import NestedField

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MICROSECONDS = 24 * 60 * 60 * 1_000_000
_BOUND_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class HeldTable:
    """The snapshot *snapshot_id*, the only one that ``metadata`` is asked for, whose one schema has our names.

    ``time`` is the column that places a row in its UTC day; ``None``: the table is undivided.
    """

    address: Address
    metadata: "TableMetadata" = field(repr=False)
    io: "FileIO" = field(repr=False)
    snapshot_id: int
    time: str | None

    def read(self, names: Sequence[str], day: date | None) -> "pa.Table":
        """The columns *names* of the rows of *day* (``None``: of all), as the table types them, in whatever order."""
        if day is None:
            return self._rows(self._files, names, None)
        files = [file for file, span in zip(self._files, self._spans, strict=True) if span is not None and day in span]
        return self._rows(files, names, day)

    @cached_property
    def days(self) -> Days | None:
        """From the first to the last day that rows are of. Where rows are deleted, files are looked into."""
        spans = [
            self._looked_at(file) if file.delete_files else span
            for file, span in zip(self._files, self._spans, strict=True)
        ]
        found = [span for span in spans if span is not None]
        if not found:
            return None
        return Days(first=min(each.first for each in found), last=max(each.last for each in found))

    def require_timed(self, dataset: str) -> None:
        """Raise DataError if there are rows without a time: they would be of no day, and never be read."""
        where = self._field
        if where is None or where.required:
            return
        counts = [(file.file.null_value_counts or {}).get(where.field_id) for file in self._files]
        doubtful = [file for file, count in zip(self._files, counts, strict=True) if count is None or count]
        nulls = self._rows(doubtful, [where.name], None)[where.name].null_count if doubtful else 0
        if nulls:
            raise DataError(
                f"{dataset}: every row has its {where.name}, which places it in its day",
                value=f"{nulls} rows without it",
                remedy="Have the rows corrected at the source.",
            )

    @cached_property
    def _files(self) -> "list[FileScanTask]":
        from pyiceberg.table import DataScan

        with self.address.reachable():
            scan = DataScan(table_metadata=self.metadata, io=self.io, snapshot_id=self.snapshot_id)
            return list(scan.plan_files())

    @cached_property
    def _field(self) -> "NestedField | None":
        return None if self.time is None else self.metadata.schema().find_field(self.time)

    @cached_property
    def _spans(self) -> "list[Days | None]":
        """Of each file the first and the last day that a row of it may be of; ``None``: no row has a time."""
        return [self._by_statistics(file) or self._looked_at(file) for file in self._files]

    def _by_statistics(self, file: "FileScanTask") -> Days | None:
        where = self._field
        place = -1 if where is None else where.field_id
        ends = [(bounds or {}).get(place) for bounds in (file.file.lower_bounds, file.file.upper_bounds)]
        if any(end is None or len(end) != _BOUND_BYTES for end in ends):
            return None
        first, last = (int.from_bytes(end or b"", "little", signed=True) // self._day_units for end in ends)
        return Days(first=_date(first), last=_date(last))

    @cached_property
    def _day_units(self) -> int:
        from pyiceberg.types import TimestampNanoType, TimestamptzNanoType

        where = self._field
        nanoseconds = where is not None and isinstance(where.field_type, TimestampNanoType | TimestamptzNanoType)
        return _DAY_MICROSECONDS * (1000 if nanoseconds else 1)

    def _looked_at(self, file: "FileScanTask") -> Days | None:
        import pyarrow.compute as pc

        if self.time is None:
            return None
        times = to_contract(self._rows([file], [self.time], None)[self.time], ColumnType.TIMESTAMP)
        ends = pc.min_max(times.cast("date32")).as_py()
        return None if ends["min"] is None else Days(first=ends["min"], last=ends["max"])

    def _rows(self, files: "Sequence[FileScanTask]", names: Sequence[str], day: date | None) -> "pa.Table":
        from pyiceberg.io.pyarrow import ArrowScan
        from pyiceberg.schema import Schema

        schema = self.metadata.schema()
        wanted = Schema(*(schema.find_field(name) for name in names), schema_id=schema.schema_id)
        with self.address.reachable():
            return ArrowScan(self.metadata, self.io, wanted, self._of_day(day)).to_table(files).select(names)

    def _of_day(self, day: date | None) -> "BooleanExpression":
        from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, LessThan
        from pyiceberg.types import TimestamptzNanoType, TimestamptzType

        where = self._field
        if day is None or where is None:
            return AlwaysTrue()
        first, end = (day_start(each).replace(tzinfo=None).isoformat() for each in (day, day + timedelta(days=1)))
        zone = "+00:00" if isinstance(where.field_type, TimestamptzType | TimestamptzNanoType) else ""
        return And(GreaterThanOrEqual(where.name, f"{first}{zone}"), LessThan(where.name, f"{end}{zone}"))


def _date(since_1970: int) -> date:
    """That day; of years that calendars do not name, the nearest one's."""
    return date.fromordinal(min(max(_EPOCH + since_1970, date.min.toordinal()), date.max.toordinal()))
