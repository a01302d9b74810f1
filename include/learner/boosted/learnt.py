"""What a model of trees says of what it learnt from: how each split treats a missing value, between which numbers the
bins were cut, and what each split gained.
"""

import re
from collections.abc import Iterator

from include.learner.port import FamiliarValues

_RANGE = re.compile(r"\[([^:\]]+):([^:\]]+)\]")
#: Where LightGBM writes into a split's ``decision_type`` how it treats a missing value; 0: as none that it ever saw.
_MISSING = 0b1100


def familiar(text: str) -> dict[int, FamiliarValues]:
    """Of each feature that a split of the model uses, by its place, what the model knows."""
    infos = next(line for line in text.splitlines() if line.startswith("feature_infos="))
    ranges = [_RANGE.fullmatch(info) for info in infos.removeprefix("feature_infos=").split(" ")]
    missing: dict[int, bool] = {}
    for feature, kind in _splits(text, "decision_type"):
        missing[feature] = missing.get(feature, False) or bool(int(kind) & _MISSING)
    return {
        feature: FamiliarValues(
            missing=known,
            low=float(found[1]) if (found := ranges[feature]) else None,
            high=float(found[2]) if found else None,
        )
        for feature, known in sorted(missing.items())
    }


def importance(text: str) -> dict[int, float]:
    """Of each feature that a split uses, by its place, its share of the gain of all splits."""
    gains: dict[int, float] = {}
    for feature, gain in _splits(text, "split_gain"):
        gains[feature] = gains.get(feature, 0.0) + float(gain)
    whole = sum(gains.values())
    return {feature: gain / whole for feature, gain in gains.items()} if whole > 0 else {}


def _splits(text: str, field: str) -> Iterator[tuple[int, str]]:
    """The feature and the *field* of each split."""
    features: list[str] = []
    for line in text.splitlines():
        name, _, values = line.partition("=")
        if name == "split_feature":
            features = values.split()
        elif name == field:
            yield from ((int(feature), value) for feature, value in zip(features, values.split(), strict=True))
