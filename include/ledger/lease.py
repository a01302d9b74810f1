"""One night of a project at a time: a lease per project, with a fencing token.

A holder writes with its :class:`~include.ledger.Fence`. Once another run has taken the lease, or it was released or
freed, the ledger refuses the old token, so that a night that was thought dead cannot write after all.

Clocks are set right now and then, and a lease that was taken under one that was ahead would end months from now. So
whoever finds a lease that ends later than it may last records an earlier end for it: its duration from then. A holder
that is alive renews it, as ever.
"""

from datetime import datetime, timedelta

from include.core import streams
from include.core.errors import DeclarationError, LeaseHeld
from include.core.events import LeaseFreed, LeaseReleased, LeaseShortened, LeaseTaken
from include.ledger.entry import Fence
from include.ledger.holder import Holder, holder
from include.ledger.ledger import Ledger

#: A run holds its project's lease that long after its last sign of life: a step renews it when it begins, and goes on
#: renewing it while it runs.
DURATION = timedelta(minutes=30)


def take(ledger: Ledger, project: str, *, run_id: str, now: datetime, duration: timedelta) -> Fence:
    """Take *project*'s lease for *run_id* until *now* + *duration*, or extend it when less than half is left.

    The same run gets the same fence however often it asks. An expired lease of another run is taken over.

    Raises:
        LeaseHeld: another run holds the lease at *now* (UTC).
    """
    while True:
        held, version = _bounded(ledger, project, run_id=run_id, now=now, duration=duration)
        _require_free(held, project, run_id=run_id, now=now)
        mine = held if held is not None and held.run_id == run_id else None
        if mine is not None and _lasts(mine, now, duration):
            return Fence(project=project, token=mine.token)
        event = LeaseTaken(run_id=run_id, expires_at=now + duration)
        if taken := ledger.offer(streams.lease(project), event, expected_version=version):
            return Fence(project=project, token=mine.token if mine is not None else taken)


def require_free(ledger: Ledger, project: str, *, run_id: str, now: datetime) -> None:
    """Refuse what :func:`take` would refuse, and take nothing.

    Raises:
        LeaseHeld: another run holds the lease at *now* (UTC).
    """
    held, _ = _bounded(ledger, project, run_id=run_id, now=now)
    _require_free(held, project, run_id=run_id, now=now)


def renew(ledger: Ledger, fence: Fence, *, now: datetime, duration: timedelta) -> bool:
    """Extend the lease that *fence* was taken with when less than half is left; ``False`` if it is held no more.

    Unlike :func:`take` it never takes what was released or taken over, and one that expired only while nobody else has
    taken it.
    """
    while True:
        held, version = _read(ledger, fence.project)
        if held is None or held.token != fence.token:
            return False
        if _lasts(held, now, duration):
            return True
        event = LeaseTaken(run_id=held.run_id, expires_at=now + duration)
        if ledger.offer(streams.lease(fence.project), event, expected_version=version):
            return True


def held_by(ledger: Ledger, project: str, *, now: datetime) -> Holder | None:
    """Who holds *project*'s lease at *now* (UTC)."""
    held, _ = _bounded(ledger, project, run_id=None, now=now)
    return held if held is not None and now < held.expires_at else None


def holds(ledger: Ledger, project: str, *, run_id: str, now: datetime) -> bool:
    """Whether *run_id* holds *project*'s lease at *now* (UTC)."""
    held = held_by(ledger, project, now=now)
    return held is not None and held.run_id == run_id


def held_since(ledger: Ledger, project: str, *, run_id: str) -> int | None:
    """The position of the ledger at which *run_id* took the lease that it holds, expired or not; ``None``: it does not.

    Extending or shortening a lease is no taking; taking it again after it was given back is.
    """
    since = None
    for entry in reversed(ledger.read(streams.lease(project))):
        event = entry.event
        if not isinstance(event, LeaseTaken | LeaseShortened) or event.run_id != run_id:
            break
        since = entry.position
    return since


def ever_held(ledger: Ledger, project: str, *, run_id: str) -> bool:
    """Whether *run_id* ever took *project*'s lease: what watches or scores beside a night takes none."""
    return any(event.run_id == run_id for event in ledger.events(streams.lease(project), LeaseTaken))


def taken_over(ledger: Ledger, fence: Fence) -> bool:
    """Whether somebody else holds the lease that *fence* was taken with, expired or not."""
    held, _ = _read(ledger, fence.project)
    return held is not None and held.token != fence.token


def release(ledger: Ledger, project: str, *, run_id: str) -> None:
    """Give *project*'s lease back if *run_id* holds it; nothing happens if it does not."""
    while True:
        held, version = _read(ledger, project)
        if held is None or held.run_id != run_id:
            return
        if ledger.offer(streams.lease(project), LeaseReleased(run_id=run_id), expected_version=version):
            return


def free(ledger: Ledger, project: str, *, by: str, reason: str, now: datetime) -> Holder:
    """End *project*'s lease, whoever holds it, in the name of *by*; who held it. What that run writes is refused then.

    Raises:
        DeclarationError: nobody holds it at *now* (UTC).
    """
    while True:
        held, version = _read(ledger, project)
        if held is None or now >= held.expires_at:
            raise DeclarationError(
                "a lease that is freed is held", value=f"that of {project!r} is free", remedy="Start the night."
            )
        event = LeaseFreed(run_id=held.run_id, by=by, reason=reason)
        if ledger.offer(streams.lease(project), event, expected_version=version):
            return held


def _read(ledger: Ledger, project: str) -> tuple[Holder | None, int]:
    """Who holds the lease, expired or not, and the stream's version."""
    entries = ledger.read(streams.lease(project))
    return holder(reversed(entries)), entries[-1].stream_version if entries else 0


def _bounded(
    ledger: Ledger, project: str, *, run_id: str | None, now: datetime, duration: timedelta = DURATION
) -> tuple[Holder | None, int]:
    """As :func:`_read`, after a lease of another run than *run_id* that ends too late was given an earlier end."""
    while True:
        held, version = _read(ledger, project)
        latest = now + max(duration, DURATION)
        if held is None or held.run_id == run_id or held.expires_at <= latest:
            return held, version
        shortened = LeaseShortened(run_id=held.run_id, expires_at=latest)
        ledger.offer(streams.lease(project), shortened, expected_version=version)


def _lasts(held: Holder, now: datetime, duration: timedelta) -> bool:
    """Whether *held* need not be renewed: half of its *duration* is left, and no more than all of it."""
    return duration / 2 <= held.expires_at - now <= duration


def _require_free(held: Holder | None, project: str, *, run_id: str, now: datetime) -> None:
    if held is not None and held.run_id != run_id and now < held.expires_at:
        raise LeaseHeld(
            "one night of a project runs at a time",
            value=f"run {held.run_id!r} of {project!r} holds the lease until {held.expires_at:%Y-%m-%d %H:%M:%S}Z",
            remedy="Wait until it ends; a run that died gives way when its lease expires. To free that of one that you "
            f"know to be dead: `./trainyard lease {project} --free --reason …`.",
        )
