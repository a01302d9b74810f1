"""Rows beside those that a model learnt from: what it knows nothing of, feature by feature."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.core.records import FeatureSpec, UnfamiliarValues

if TYPE_CHECKING:
    import pyarrow as pa

    from include.learner.port import Model


def unfamiliar(model: "Model", features: Sequence[FeatureSpec], table: "pa.Table") -> tuple[UnfamiliarValues, ...]:
    """Of each of *features* that the model uses, how many rows of *table* are unlike all that it learnt from.

    In the order of *features*; a feature that is as it was in all rows is left out. Counts, and no value.
    """
    import numpy as np

    from include.data.encoding import encode_features

    matrix = encode_features(table, features)
    found = []
    for place, known in model.familiar().items():
        feature, numbers = features[place], matrix[:, place]
        absent = int(np.isnan(numbers).sum())
        strange = absent - table.column(feature.name).null_count if feature.categories is not None else 0
        outside = 0
        if feature.categories is None and known.low is not None and known.high is not None:
            outside = int(((numbers < known.low) | (numbers > known.high)).sum())
        each = UnfamiliarValues(
            feature=feature.name,
            nulls=0 if known.missing else absent - strange,
            categories=strange,
            outside=outside,
            missing_learnt=known.missing,
        )
        if each.nulls or each.categories or each.outside:
            found.append(each)
    return tuple(found)
