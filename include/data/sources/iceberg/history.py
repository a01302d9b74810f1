"""Which snapshot of an Iceberg table was current at an instant, by what its metadata still says of its history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include.core.errors import DataError

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def snapshot_at(metadata: "TableMetadata", instant: datetime, *, dataset: str) -> "Snapshot":
    """The snapshot that was current on the main branch at *instant*, its commit included.

    An owner expires snapshots, and the library that reads the history then names the one before in silence. So what was
    current is only believed where the metadata shows that nothing is missing until what followed it.

    Raises:
        DataError: the table had none yet, or what was current then may have been expired.
    """
    log = _log(metadata)
    millis = (instant - _EPOCH) // _MILLISECOND
    reached = [place for place, (at, _) in enumerate(log) if at <= millis]
    if not reached:
        raise _not_reached(metadata, log, instant, dataset)
    place = reached[-1]
    found = metadata.snapshot_by_id(log[place][1])
    after = log[place + 1] if place + 1 < len(log) else None
    following = after and metadata.snapshot_by_id(after[1])
    ends = after is None and log[place][1] == metadata.current_snapshot_id
    if found is None or not (ends or (after and following and _moved(metadata, found, following, after[0]))):
        raise _expired(f"what followed the snapshot of {_said(log[place][0])} is gone", instant, dataset)
    return found


def require_current(metadata: "TableMetadata", *, dataset: str) -> "Snapshot":
    """The snapshot that is current now. Raises DataError: the table has none."""
    current = metadata.current_snapshot()
    if current is None:
        raise _empty(dataset)
    return current


def _log(metadata: "TableMetadata") -> list[tuple[int, int]]:
    """When the main branch came to which snapshot, in order; of a table without a log, by its current one's parents."""
    if metadata.snapshot_log:
        return [(entry.timestamp_ms, entry.snapshot_id) for entry in metadata.snapshot_log]
    current = metadata.current_snapshot()
    chain = [] if current is None else [current, *_ancestors(metadata, current)]
    return [(each.timestamp_ms, each.snapshot_id) for each in reversed(chain)]


def _ancestors(metadata: "TableMetadata", snapshot: "Snapshot") -> "Iterator[Snapshot]":
    """The snapshots that *snapshot* was made from, the nearest first, as far as they are there."""
    while snapshot.parent_snapshot_id is not None:
        parent = metadata.snapshot_by_id(snapshot.parent_snapshot_id)
        if parent is None:
            return
        yield parent
        snapshot = parent


def _moved(metadata: "TableMetadata", found: "Snapshot", following: "Snapshot", at: int) -> bool:
    """Whether the main branch went from *found* to *following*, *at* then, with nothing in between that was removed.

    So it was where the one was made from the other and became current by its own commit. Where the table was rolled
    back, or moved to another branch, any snapshot may have been current meanwhile: then none must be missing.
    """
    made_from = any(each.snapshot_id == found.snapshot_id for each in _ancestors(metadata, following))
    return (made_from and at == following.timestamp_ms) or _is_complete(metadata)


def _is_complete(metadata: "TableMetadata") -> bool:
    """Whether all commits on any branch are still there; version 1 of the format does not count them."""
    numbers = {each.sequence_number or 0 for each in metadata.snapshots}
    return numbers == set(range(1, getattr(metadata, "last_sequence_number", 0) + 1))


def _not_reached(metadata: "TableMetadata", log: list[tuple[int, int]], instant: datetime, dataset: str) -> DataError:
    if not log:
        return _empty(dataset)
    first = metadata.snapshot_by_id(log[0][1])
    if first is None or first.parent_snapshot_id is not None or (first.sequence_number or 0) > 1:
        return _expired(f"its history begins at {_said(log[0][0])}", instant, dataset)
    return DataError(
        f"{dataset}: what is read is what the table held at the run's instant",
        value=f"at {_shown(instant)} it held nothing: its first commit is of {_said(log[0][0])}",
        remedy="Choose a later --instant; or, where commits do not tell when rows were known (older data was loaded "
        "later), let the contract's stewards write the custom property `asOf: current`.",
    )


def _empty(dataset: str) -> DataError:
    return DataError(
        f"{dataset}: the table has a snapshot",
        value="none was ever committed",
        remedy="Have its rows committed, then retry.",
    )


def _expired(found: str, instant: datetime, dataset: str) -> DataError:
    return DataError(
        f"{dataset}: the snapshot that was current at the run's instant is there",
        value=f"at {_shown(instant)} it may have been one that its owner expired: {found}",
        remedy="Choose an --instant within the history that is kept, and have its owner keep snapshots for as long as "
        "nights look back (a tag keeps one).",
    )


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _said(millis: int) -> str:
    return _shown(_EPOCH + millis * _MILLISECOND)
