"""Rows that LightGBM asks for one by one, to choose its bins, and then in slices: read some at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.port import MatrixParts

#: So many rows are put into bins together.
_TOGETHER = 1 << 16


def sequence(matrix: "MatrixParts") -> Any:
    """What ``lightgbm.Dataset`` takes in the place of a matrix."""
    import lightgbm

    class Streamed(lightgbm.Sequence):  # type: ignore[misc]  # it publishes no types
        batch_size = _TOGETHER

        def __init__(self) -> None:
            self._rows = _Ascending(matrix)

        def __len__(self) -> int:
            return matrix.shape[0]

        def __getitem__(self, index: Any) -> "NDArray[Any]":
            import numpy as np

            if isinstance(index, slice):
                return self._rows.between(index.start, index.stop)
            row: NDArray[np.float32] = self._rows.between(int(index), int(index) + 1)[0]
            return row.astype(np.float64)  # as LightGBM takes what it samples

    return Streamed()


class _Ascending:
    """The rows of a matrix in parts, read from the first on again where an earlier one is asked for."""

    def __init__(self, matrix: "MatrixParts") -> None:
        import numpy as np

        self._matrix = matrix
        self._parts: Iterator[NDArray[np.float32]] = iter(())
        self._part: NDArray[np.float32] = np.empty((0, matrix.shape[1]), dtype=np.float32)
        self._first, self._end = matrix.shape[0], matrix.shape[0]

    def between(self, first: int, end: int) -> "NDArray[np.float32]":
        """The rows from *first* (inclusive) to *end* (exclusive)."""
        import numpy as np

        if first < self._first:
            self._parts, self._first, self._end = self._matrix.parts(), 0, 0
        found: list[NDArray[np.float32]] = []
        while first < end:
            while first >= self._end:
                self._part = next(self._parts)
                self._first, self._end = self._end, self._end + len(self._part)
            found.append(self._part[first - self._first : min(end, self._end) - self._first])
            first = min(end, self._end)
        return found[0] if len(found) == 1 else np.concatenate(found)
