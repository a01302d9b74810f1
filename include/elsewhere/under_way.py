"""What a process elsewhere keeps of its results while they are under way, at the addresses of its order."""

from collections.abc import Mapping

from include.core.records import ResultAddresses
from include.elsewhere.transfer import Exchange

#: What is larger is no state of a training: eight bytes a row, and a model.
_LARGEST_BYTES = 1 << 32


class UnderWay:
    """What is under way of the order's results, at addresses of the order."""

    def __init__(self, addresses: Mapping[str, ResultAddresses], *, patience_seconds: float) -> None:
        # What cannot be kept at once is kept later: training does not wait for it.
        self._keeping = Exchange(patience_seconds=0.0, largest_bytes=_LARGEST_BYTES)
        self._reading = Exchange(patience_seconds=patience_seconds, largest_bytes=_LARGEST_BYTES)
        self._addresses = addresses

    def working(self, name: str) -> bytes | None:
        return self._reading.result(self._addresses[name].read) if name in self._addresses else None

    def keep_working(self, name: str, data: bytes) -> None:
        if name in self._addresses:
            self._keeping.replace(self._addresses[name].write, data)

    def remove_working(self, name: str) -> None:
        """Who collects the result removes it."""
