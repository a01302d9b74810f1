"""Sources that repeat: which recorded day stands for a day, and its times moved there."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from include.core.records import Contract

if TYPE_CHECKING:
    import pyarrow as pa

#: The first day of the demo's recording: what a contract with ``replayDays`` repeats starts here.
REPLAY_FIRST = date(2013, 1, 1)


def recorded_day(contract: Contract, day: date) -> date:
    """The day whose rows stand for *day*: itself, unless the *contract*'s data repeats."""
    period = contract.replay_days
    return REPLAY_FIRST + (day - REPLAY_FIRST) % timedelta(days=period) if period else day


def shift(contract: Contract, day: date | None) -> timedelta:
    """What is added to the times of the day that stands for *day*."""
    return timedelta(0) if day is None else day - recorded_day(contract, day)


def shifted(table: "pa.Table", shift: timedelta) -> "pa.Table":
    """*table* with *shift* added to all its times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not shift:
        return table
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            moved = pc.add(table.column(index), pa.scalar(shift, pa.duration("us")))
            table = table.set_column(index, field, moved)
        elif pa.types.is_date(field.type):
            moved = pc.add(table.column(index).cast(pa.timestamp("us")), pa.scalar(shift, pa.duration("us")))
            table = table.set_column(index, field, moved.cast(field.type))
    return table
