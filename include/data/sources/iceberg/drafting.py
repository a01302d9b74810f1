"""Rows of a table of Iceberg as a file, of which a contract is drafted, and what the draft says of the table."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.origin import TableOrigin
from include.data.sources.iceberg.catalog import Address
from include.data.sources.iceberg.history import require_current

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

#: Of a larger table no more rows are looked at.
MOST_ROWS = 1_000_000


def copy_rows(location: str, target: Path, credentials: Path | None, *, without: Collection[str]) -> TableOrigin:
    """Copy rows of the table at *location* as a Parquet file into the folder *target*, at most :data:`MOST_ROWS`.

    Columns of *without* are there without values. Raises as a source does.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.table import DataScan

    address = Address(location, location, credentials)
    metadata, io = address.load()
    require_current(metadata, dataset=location)
    names = [field.name for field in metadata.schema().fields]
    kept = tuple(name for name in names if name not in without)
    with address.reachable():
        rows = DataScan(table_metadata=metadata, io=io, selected_fields=kept, limit=MOST_ROWS).to_arrow()
        for place, name in enumerate(names):
            if name not in kept:
                rows = rows.add_column(place, name, pa.nulls(rows.num_rows))
        pq.write_table(rows, target / "part.parquet")
    return TableOrigin(stored_at=metadata.location, first_commit=_first_commit(metadata))


def _first_commit(metadata: "TableMetadata") -> datetime | None:
    """When the history that is kept begins."""
    times = [entry.timestamp_ms for entry in metadata.snapshot_log] or [
        each.timestamp_ms for each in metadata.snapshots
    ]
    return datetime.fromtimestamp(times[0] / 1000, UTC) if times else None
