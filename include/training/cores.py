"""How many threads a computation gets that is the only one of its night."""

import time

#: How long the machine is watched: five of the ticks in which Linux counts.
_SECONDS = 0.05


def threads(declared: int) -> int:
    """As many as there are cores that nobody uses just now, but not fewer than *declared*.

    Only of the cores that this process may use: those of its container or affinity. A thread too many costs more than
    one too few: with its core taken, LightGBM's threads wait for each other every few milliseconds.
    """
    from joblib import cpu_count

    usable: int = min(cpu_count(), round(idle_cores()))
    return max(declared, usable)


def idle_cores() -> float:
    """How many cores of the machine were idle while it was watched, a tick more or less."""
    import psutil  # type: ignore[import-untyped]  # it publishes no types

    # Its percentages are wrong for times below a second of all cores together.
    began, before = time.monotonic(), psutil.cpu_times().idle
    time.sleep(_SECONDS)
    idle: float = psutil.cpu_times().idle - before
    return idle / (time.monotonic() - began)
