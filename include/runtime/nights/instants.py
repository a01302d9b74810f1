"""Which instants a night may stand for."""

from datetime import datetime, timedelta

from include.core.errors import DeclarationError

#: How far the clocks of two machines may differ: a run stands for the moment at which a scheduler's clock started it.
_CLOCKS_DIFFER = timedelta(minutes=5)


def require_past(instant: datetime, *, now: datetime) -> datetime:
    """*instant*, if it is not after *now* (both UTC).

    A night of tomorrow would read what is known today, be registered as of tomorrow, and keep every real night until
    then from promoting its model, since a champion is never replaced by an earlier one.

    Raises:
        DeclarationError: it is.
    """
    if instant - now > _CLOCKS_DIFFER:
        raise DeclarationError(
            "a run stands for an instant that has come: what the data will know, nobody knows yet",
            value=f"{instant:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} UTC",
            remedy="Name an earlier instant, or none for now. Where a source repeats a recorded year (`replayDays` in "
            "its contract), today's date already stands for a day of that year.",
        )
    return instant
