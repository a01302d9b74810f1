"""How many threads a computation gets that is the only one of its night."""

import time

#: How long they are counted at least: five of the ticks in which Linux counts.
_SECONDS = 0.05


class FreeCores:
    """The cores that nobody else uses, counted from its making on, while this process goes on."""

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), _free_seconds()

    def threads(self, declared: int) -> int:
        """As many as there were cores that nobody else used, but not fewer than *declared*.

        Only of the cores that this process may use: those of its container or affinity. A thread too many costs more
        than one too few: with its core taken, the others wait for it every few milliseconds.
        """
        from joblib import cpu_count

        usable: int = min(cpu_count(), round(self.count()))
        return max(declared, usable)

    def count(self) -> float:
        """How many cores of the machine nobody else used since then, a tick more or less."""
        time.sleep(max(0.0, self._began + _SECONDS - time.monotonic()))
        free = _free_seconds() - self._before
        return free / (time.monotonic() - self._began)


def _free_seconds() -> float:
    """The seconds of all cores that nobody used, or this process."""
    import psutil  # type: ignore[import-untyped]  # it publishes no types

    # Its percentages are wrong for times below a second of all cores together.
    idle: float = psutil.cpu_times().idle
    return idle + time.process_time()
