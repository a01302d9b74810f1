"""Rows beside those that a model learnt from: what it knows nothing of, feature by feature.

A model's own text says it: how each split treats a missing value, and between which numbers the bins were cut.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.records import FeatureSpec, UnfamiliarValues

if TYPE_CHECKING:
    import pyarrow as pa

_RANGE = re.compile(r"\[([^:\]]+):([^:\]]+)\]")
#: Where LightGBM writes into a split's ``decision_type`` how it treats a missing value; 0: as none that it ever saw.
_MISSING = 0b1100


@dataclass(frozen=True, kw_only=True)
class FamiliarValues:
    """What a model knows of a feature that it uses.

    ``missing``: it learnt from rows without a value of it, a rare category among these. ``low`` and ``high`` (both
    inclusive) bound the numbers that it learnt from; ``None`` for categories.
    """

    missing: bool
    low: float | None
    high: float | None


def learnt(model_text: str) -> dict[int, FamiliarValues]:
    """Of each feature that a split of the model uses, by its place, what the model knows."""
    infos = next(line for line in model_text.splitlines() if line.startswith("feature_infos="))
    ranges = [_RANGE.fullmatch(info) for info in infos.removeprefix("feature_infos=").split(" ")]
    missing: dict[int, bool] = {}
    for feature, kind in _splits(model_text):
        missing[feature] = missing.get(feature, False) or bool(kind & _MISSING)
    return {
        feature: FamiliarValues(
            missing=known,
            low=float(found[1]) if (found := ranges[feature]) else None,
            high=float(found[2]) if found else None,
        )
        for feature, known in sorted(missing.items())
    }


def _splits(model_text: str) -> Iterator[tuple[int, int]]:
    """The feature and the ``decision_type`` of each split."""
    features: list[str] = []
    for line in model_text.splitlines():
        if line.startswith("split_feature="):
            features = line.removeprefix("split_feature=").split()
        elif line.startswith("decision_type="):
            kinds = line.removeprefix("decision_type=").split()
            yield from ((int(feature), int(kind)) for feature, kind in zip(features, kinds, strict=True))


def importance(model_text: str, features: Sequence[str]) -> dict[str, float]:
    """Of each of *features* (the model's, in its order) that a split uses, its share of the gain of all splits."""
    gains: dict[str, float] = {}
    places: list[str] = []
    for line in model_text.splitlines():
        if line.startswith("split_feature="):
            places = line.removeprefix("split_feature=").split()
        elif line.startswith("split_gain="):
            for place, gain in zip(places, line.removeprefix("split_gain=").split(), strict=True):
                name = features[int(place)]
                gains[name] = gains.get(name, 0.0) + float(gain)
    whole = sum(gains.values())
    return {name: gain / whole for name, gain in gains.items()} if whole > 0 else {}


def unfamiliar(model_text: str, features: Sequence[FeatureSpec], table: "pa.Table") -> tuple[UnfamiliarValues, ...]:
    """Of each of *features* that the model uses, how many rows of *table* are unlike all that it learnt from.

    In the order of *features*; a feature that is as it was in all rows is left out. Counts, and no value.
    """
    import numpy as np

    from include.data.encoding import encode_features

    matrix = encode_features(table, features)
    found = []
    for place, known in learnt(model_text).items():
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
