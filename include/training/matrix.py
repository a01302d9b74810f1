"""From feature partitions to the rows that a learner sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError
from include.core.project import Objective
from include.core.records import Days, FeatureSet, FeatureSpec
from include.data.encoding import encode_features
from include.data.labelled import LabelledRows, days_of, read_features
from include.declared.compiled import LABEL

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts
    from include.learner.port import MatrixParts

#: So many values, a quarter of a GiB, are encoded at once: in parts they take a little longer.
WHOLE_CELLS = 1 << 26
_TOGETHER = 1 << 16


def contents(features: FeatureSet, *stretches: Days) -> tuple[str, ...]:
    """The vault's digests that :func:`rows_of` opens for *stretches*."""
    return tuple(
        partition.content for partition in features.partitions if any(partition.day in stretch for stretch in stretches)
    )


def rows_of(features: FeatureSet, days: Days, opened: "OpenedArtifacts", *, stretch: str) -> LabelledRows:
    """The labelled rows of *days*; rows whose label is null are left out. *stretch* names the days in errors.

    Raises:
        DataError: no labelled row, partitions that do not hold the same rows, or labels that cannot be learnt from.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    labels = [partition for partition in features.of(LABEL) if partition.day in days]
    where = f"the {stretch} days {days.first} to {days.last}"
    if not sum(partition.rows for partition in labels):
        raise _nothing_to_learn(where)
    table = read_features(features, days, opened, beside=[LABEL])
    known = pc.is_valid(table.column(LABEL))
    label = table.column(LABEL).filter(known).cast(pa.float64()).to_numpy()
    _require_usable(label, features.objective, where)
    learnt = table.drop_columns([*features.key, LABEL]).filter(known)
    return LabelledRows(table=learnt, label=label, day=days_of(labels)[known.to_numpy()])


def learnt(features: FeatureSet, opened: "OpenedArtifacts") -> tuple[LabelledRows, int]:
    """The rows of the training days, then those of the validation days; and how many the former are.

    *opened* holds :func:`contents` of both. Raises as :func:`rows_of`.
    """
    split = features.split
    train = rows_of(features, split.train, opened, stretch="training")
    return train + rows_of(features, split.validation, opened, stretch="validation"), len(train.label)


def encoded(rows: LabelledRows, features: Sequence[FeatureSpec]) -> "NDArray[np.float32] | MatrixParts":
    """The matrix of *rows* that a learner prepares: in parts, where a whole one would take much memory beside them."""
    if len(rows.label) * len(features) <= WHOLE_CELLS:
        return rows.matrix(features)
    return _TableParts(table=rows.table, features=features)


@dataclass(frozen=True, kw_only=True)
class _TableParts:
    """The encoded matrix of a table, some rows at a time."""

    table: "pa.Table"
    features: Sequence[FeatureSpec]

    @property
    def shape(self) -> tuple[int, int]:
        return self.table.num_rows, len(self.features)

    def parts(self) -> Iterator[NDArray[np.float32]]:
        for first in range(0, self.table.num_rows, _TOGETHER):
            yield encode_features(self.table.slice(first, _TOGETHER), self.features)


def _nothing_to_learn(where: str) -> DataError:
    return DataError(
        "every stretch of the window has rows with a label",
        value=f"none in {where}",
        remedy="Check the label's expression, or choose an instant or a window with data.",
    )


def _require_usable(label: NDArray[np.float64], objective: Objective, where: str) -> None:
    if not len(label):
        raise _nothing_to_learn(where)
    if not np.isfinite(label).all():
        raise DataError(
            "a label is a finite number or null",
            value=f"others in {where}",
            remedy="Let the label's expression return null where there is no outcome.",
        )
    if objective is Objective.REGRESSION:
        return
    if not np.isin(label, (0.0, 1.0)).all():
        raise DataError(
            "a binary label is 0, 1 or null",
            value=f"other numbers in {where}",
            remedy="Let the label's expression return 0 or 1, or declare Objective.REGRESSION.",
        )
    if label.min() == label.max():
        raise DataError(
            "both classes of a binary label occur in every stretch of the window",
            value=f"one class only in the {len(label)} rows of {where}",
            remedy="Widen the window, or check the label's expression.",
        )
