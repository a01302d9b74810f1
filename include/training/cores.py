"""How many threads a computation gets that is the only one of its night."""

#: How long the machine is watched: five of the ticks in which Linux counts.
_SECONDS = 0.05


def threads(declared: int) -> int:
    """As many as there are cores that nobody uses just now, but not fewer than *declared*.

    Only of the cores that this process may use: those of its container or affinity. A thread too many costs more than
    one too few: with its core taken, LightGBM's threads wait for each other every few milliseconds.
    """
    import psutil  # type: ignore[import-untyped]  # it publishes no types
    from joblib import cpu_count

    idle = psutil.cpu_times_percent(_SECONDS).idle / 100 * psutil.cpu_count()
    usable: int = min(cpu_count(), round(idle))
    return max(declared, usable)
