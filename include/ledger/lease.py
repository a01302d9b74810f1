"""One night of a project at a time: a lease per project, with a fencing token.

A holder writes with its :class:`~include.ledger.Fence`. Once another run has taken the lease, or it was released, the
ledger refuses the old token, so that a night that was thought dead cannot write after all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.core.errors import LeaseHeld, LedgerConflict
from include.core.events import LeaseReleased, LeaseTaken
from include.ledger.entry import Entry, Fence

if TYPE_CHECKING:
    from include.ledger.ledger import Ledger


#: A run holds its project's lease that long after its last sign of life: a step renews it when it begins, and goes on
#: renewing it while it runs.
DURATION = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease, until ``expires_at`` (exclusive); expired, it is held until somebody else takes it."""

    run_id: str
    token: int
    expires_at: datetime


def stream_of(project: str) -> str:
    """The stream of *project*'s lease."""
    return f"lease/{project}"


def holder(newest_first: Iterable[Entry]) -> Holder | None:
    """The fold of a lease stream, read backwards and no further than needed.

    The token is the stream's version at which the holder took the lease; extending it changes only its end.
    """
    current: Holder | None = None
    for entry in newest_first:
        event = entry.event
        if not isinstance(event, LeaseTaken) or (current is not None and event.run_id != current.run_id):
            break
        expires_at = event.expires_at if current is None else current.expires_at
        current = Holder(run_id=event.run_id, token=entry.stream_version, expires_at=expires_at)
    return current


def take(ledger: "Ledger", project: str, *, run_id: str, now: datetime, duration: timedelta) -> Fence:
    """Take *project*'s lease for *run_id* until *now* + *duration*, or extend it when less than half is left.

    The same run gets the same fence however often it asks. An expired lease of another run is taken over.

    Raises:
        LeaseHeld: another run holds the lease at *now* (UTC).
    """
    while True:
        entries = ledger.read(stream_of(project))
        held = holder(reversed(entries))
        _require_free(held, project, run_id=run_id, now=now)
        mine = held if held is not None and held.run_id == run_id else None
        if mine is not None and mine.expires_at - now >= duration / 2:
            return Fence(project=project, token=mine.token)
        version = entries[-1].stream_version if entries else 0
        event = LeaseTaken(run_id=run_id, expires_at=now + duration)
        try:
            taken = ledger.append(stream_of(project), [event], expected_version=version)
        except LedgerConflict:
            continue
        return Fence(project=project, token=mine.token if mine is not None else taken)


def require_free(ledger: "Ledger", project: str, *, run_id: str, now: datetime) -> None:
    """Refuse what :func:`take` would refuse, and take nothing.

    Raises:
        LeaseHeld: another run holds the lease at *now* (UTC).
    """
    _require_free(holder(reversed(ledger.read(stream_of(project)))), project, run_id=run_id, now=now)


def renew(ledger: "Ledger", fence: Fence, *, now: datetime, duration: timedelta) -> bool:
    """Extend the lease that *fence* was taken with when less than half is left; ``False`` if it is held no more.

    Unlike :func:`take` it never takes what was released or taken over, and one that expired only while nobody else has
    taken it.
    """
    while True:
        entries = ledger.read(stream_of(fence.project))
        held = holder(reversed(entries))
        if held is None or held.token != fence.token:
            return False
        if held.expires_at - now >= duration / 2:
            return True
        event = LeaseTaken(run_id=held.run_id, expires_at=now + duration)
        try:
            ledger.append(stream_of(fence.project), [event], expected_version=entries[-1].stream_version)
        except LedgerConflict:
            continue
        return True


def holds(ledger: "Ledger", project: str, *, run_id: str, now: datetime) -> bool:
    """Whether *run_id* holds *project*'s lease at *now* (UTC)."""
    held = holder(reversed(ledger.read(stream_of(project))))
    return held is not None and held.run_id == run_id and now < held.expires_at


def held_since(ledger: "Ledger", project: str, *, run_id: str) -> int | None:
    """The position of the ledger at which *run_id* took the lease that it holds, expired or not; ``None``: it does not.

    Extending a lease is no taking; taking it again after it was given back is.
    """
    since = None
    for entry in reversed(ledger.read(stream_of(project))):
        if not isinstance(entry.event, LeaseTaken) or entry.event.run_id != run_id:
            break
        since = entry.position
    return since


def ever_held(ledger: "Ledger", project: str, *, run_id: str) -> bool:
    """Whether *run_id* ever took *project*'s lease: what watches or scores beside a night takes none."""
    taken = (entry.event for entry in ledger.read(stream_of(project)) if isinstance(entry.event, LeaseTaken))
    return any(event.run_id == run_id for event in taken)


def taken_over(ledger: "Ledger", fence: Fence) -> bool:
    """Whether somebody else holds the lease that *fence* was taken with, expired or not."""
    held = holder(reversed(ledger.read(stream_of(fence.project))))
    return held is not None and held.token != fence.token


def release(ledger: "Ledger", project: str, *, run_id: str) -> None:
    """Give *project*'s lease back if *run_id* holds it; nothing happens if it does not."""
    while True:
        entries = ledger.read(stream_of(project))
        held = holder(reversed(entries))
        if held is None or held.run_id != run_id:
            return
        event = LeaseReleased(run_id=run_id)
        try:
            ledger.append(stream_of(project), [event], expected_version=entries[-1].stream_version)
        except LedgerConflict:
            continue
        return


def _require_free(held: Holder | None, project: str, *, run_id: str, now: datetime) -> None:
    if held is not None and held.run_id != run_id and now < held.expires_at:
        raise LeaseHeld(
            "one night of a project runs at a time",
            value=f"run {held.run_id!r} of {project!r} holds the lease until {held.expires_at:%Y-%m-%d %H:%M:%S}Z",
            remedy="Wait until it ends; a run that died gives way when its lease expires.",
        )
