"""Who holds a lease, by the entries of its stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from include.core.events import LeaseShortened, LeaseTaken
from include.ledger.entry import Entry


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease, until ``expires_at`` (exclusive); expired, it is held until somebody else takes it."""

    run_id: str
    token: int
    expires_at: datetime


def holder(newest_first: Iterable[Entry]) -> Holder | None:
    """The fold of a lease stream, read backwards and no further than needed.

    The token is the stream's version at which the holder took the lease; extending or shortening it changes only its
    end.
    """
    current: Holder | None = None
    end: datetime | None = None
    for entry in newest_first:
        event = entry.event
        if not isinstance(event, LeaseTaken | LeaseShortened):
            break
        if current is not None and event.run_id != current.run_id:
            break
        end = event.expires_at if end is None else end
        if isinstance(event, LeaseTaken):
            current = Holder(run_id=event.run_id, token=entry.stream_version, expires_at=end)
    return current
