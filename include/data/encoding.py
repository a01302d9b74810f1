"""Feature columns as the matrix that a model sees: one encoding for training, evaluation and scoring."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.core.records import FeatureSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def encode_features(table: "pa.Table", features: Sequence[FeatureSpec]) -> "NDArray[np.float32]":
    """The columns of *table* that *features* name, in their order: float32, shape (rows, features).

    A category becomes its position in ``FeatureSpec.categories``. A null, and a category that is not in the list,
    become NaN: missing.

    Raises:
        DataError: a feature's column is not in the table, or is neither a number, a boolean nor a declared category.
    """
    import numpy as np

    missing = [feature.name for feature in features if feature.name not in table.column_names]
    if missing:
        raise DataError(
            "a row has all features of the model",
            value=f"no column {', '.join(missing)}",
            remedy="Build these features, or score with a model that does not need them.",
        )
    matrix = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for position, feature in enumerate(features):
        matrix[:, position] = _encode_column(table.column(feature.name), feature)
    return matrix


def _encode_column(column: "pa.ChunkedArray", feature: FeatureSpec) -> "NDArray[np.float32]":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if feature.categories is not None:
        codes = pc.index_in(column.cast(pa.string()), value_set=pa.array(feature.categories, pa.string()))
        column = pc.if_else(pc.is_valid(column), codes, None)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        raise DataError(
            "a feature is a number, a boolean or a category",
            value=f"{feature.name}: {column.type}",
            remedy="Cast it in the feature group; a category is a string.",
        )
    numbers: NDArray[np.float32] = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float32)
    return numbers
