"""What passes in this process: time, and the seconds of processors that it had."""

import os
import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The wall clock, the one that decides whether a grant holds."""
    return datetime.now(UTC)


def clocks() -> tuple[float, float]:
    """Seconds that passed, and seconds of processor of this process and of its children that have ended.

    Both count from some moment of the past: two readings are compared.
    """
    ended = os.times()  # to the hundredth of a second only, for which this process has a finer clock
    return time.perf_counter(), time.process_time() + ended.children_user + ended.children_system
