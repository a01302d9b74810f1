"""The rows as trainings of linear models read them: a line that says what they are, the labels, then feature by feature
what each row has of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from include.core.records import FeatureSpec
from include.learner.port import fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.port import MatrixParts

#: The line is filled up to a multiple of it, so that what follows can be mapped into memory.
_ALIGNED = 64


@dataclass(frozen=True, kw_only=True)
class PreparedRows:
    """``by_feature`` has shape (features, rows), float32; ``categories`` says of which features these are codes."""

    names: tuple[str, ...]
    categories: tuple[bool, ...]
    label: "NDArray[np.float64]"
    by_feature: "NDArray[np.float32]"

    @property
    def count(self) -> int:
        return len(self.label)

    def between(self, first: int, end: int) -> "PreparedRows":
        """The rows from *first* (inclusive) to *end* (exclusive)."""
        return PreparedRows(
            names=self.names,
            categories=self.categories,
            label=self.label[first:end],
            by_feature=self.by_feature[:, first:end],
        )


def write(
    path: Path,
    matrix: "NDArray[np.float32] | MatrixParts",
    label: "NDArray[np.float64]",
    features: Sequence[FeatureSpec],
) -> None:
    """Write the rows: the same rows give the same bytes."""
    import numpy as np

    head = {
        "categories": [feature.categories is not None for feature in features],
        "names": [feature.name for feature in features],
        "rows": len(label),
    }
    line = json.dumps(head, sort_keys=True).encode()
    with path.open("wb") as file:
        file.write(_filled(line))
        file.write(np.ascontiguousarray(label, "<f8").data)
        if isinstance(matrix, np.ndarray):
            for place in range(len(features)):
                file.write(np.ascontiguousarray(matrix[:, place], "<f4").data)
        else:
            _write_parts(file, matrix)


def _write_parts(file: BinaryIO, matrix: "MatrixParts") -> None:
    """Each part into its places of each feature, which lie a whole matrix apart."""
    import numpy as np

    begin, (rows, features) = file.tell(), matrix.shape
    first = 0
    for part in matrix.parts():
        for place in range(features):
            file.seek(begin + 4 * (place * rows + first))
            file.write(np.ascontiguousarray(part[:, place], "<f4").data)
        first += len(part)


def _filled(line: bytes) -> bytes:
    whole = -(-(len(line) + 1) // _ALIGNED) * _ALIGNED
    return line.ljust(whole - 1) + b"\n"


def read(path: Path) -> PreparedRows:
    """The rows of the file *path*, mapped into memory.

    Raises:
        MachineFault: they are not there, or not whole.
    """
    import numpy as np

    try:
        with path.open("rb") as file:
            line = file.readline()
        head: dict[str, Any] = json.loads(line)
        names, categories, rows = tuple(head["names"]), tuple(head["categories"]), int(head["rows"])
        if path.stat().st_size != len(line) + 8 * rows + 4 * rows * len(names):
            raise ValueError("another size")
        label = np.memmap(path, "<f8", "r", len(line), (rows,))
        by_feature = np.memmap(path, "<f4", "r", len(line) + 8 * rows, (len(names), rows))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fault("the prepared rows can be read where a model is trained", type(error).__name__) from None
    return PreparedRows(names=names, categories=categories, label=label, by_feature=by_feature)
