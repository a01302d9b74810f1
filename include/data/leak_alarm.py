"""An alarm on features that are too good to be true: alone, they predict what only the label itself could."""

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from include.core.errors import FeatureLeak
from include.core.project import Objective, Project
from include.declared.compiled import LABEL, DerivedTable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: A single feature that separates the classes this well (area under the curve), or follows the label this closely
#: (absolute rank correlation), is the label in disguise.
TOO_GOOD_AUC = 0.95
TOO_GOOD_CORRELATION = 0.99
#: The alarm looks at this many rows at most, and says nothing about fewer than the least.
_MOST_ROWS, _LEAST_ROWS = 8000, 100


def alarm(project: Project, tables: Iterable[tuple[DerivedTable, "pa.Table", "pa.Table"]], *, seed: str) -> None:
    """No feature is the label in disguise; *tables* are what was built of a group, and the labels of its rows.

    Raises:
        FeatureLeak: a feature predicts too well; the message names it.
    """
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice of samples, no secret
    for derived, table, labels in tables:
        _check_plausible(project, derived, table, labels, chance)


def _check_plausible(
    project: Project, derived: DerivedTable, table: "pa.Table", labels: "pa.Table", chance: random.Random
) -> None:
    import numpy as np

    label = labels.column(LABEL).to_numpy()
    known = np.flatnonzero(np.isfinite(label))
    sample = known
    if len(known) > _MOST_ROWS:
        sample = known[sorted(chance.sample(range(len(known)), _MOST_ROWS))]
    binary = project.learning.target.objective is Objective.BINARY
    if len(sample) < _LEAST_ROWS or len(np.unique(label[sample])) < 2:
        return
    bound = TOO_GOOD_AUC if binary else TOO_GOOD_CORRELATION
    for name in derived.names:
        values, outcome = _scores(table.column(name).take(sample), label[sample])
        strength = _separation(values, outcome) if binary else _rank_correlation(values, outcome)
        if strength > bound:
            raise FeatureLeak(
                f"no single feature predicts {project.name!r} alone: at most {bound} "
                + ("(area under the curve)" if binary else "(absolute rank correlation)"),
                value=f"feature {name!r} of group {derived.name!r}: {strength:.3f} over {len(sample)} rows",
                remedy="It is probably the label in disguise: check where its columns come from, and their `knownAt`.",
            )


def _scores(
    values: "pa.ChunkedArray", label: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """A number for each row, and its label; a category's is its mean label among every other row, kept out of it."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        return values.to_numpy().astype(np.float64), label
    codes = values.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy() + 1
    sums = np.bincount(codes[::2], weights=label[::2], minlength=codes.max() + 1)
    counts = np.bincount(codes[::2], minlength=codes.max() + 1)
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means[codes[1::2]], label[1::2]


def _ranks(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Ranks from 1; equal values share their mean rank."""
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[place]
    return ranks


def _separation(values: "NDArray[np.float64]", label: "NDArray[np.float64]") -> float:
    """The area under the ROC curve of *values* alone, in the better direction. A missing value ranks lowest."""
    import numpy as np

    positives = label > 0
    count, others = int(positives.sum()), int((~positives).sum())
    if not count or not others:
        return 0.5
    ranks = _ranks(np.where(np.isnan(values), -np.inf, values))
    area = (ranks[positives].sum() - count * (count + 1) / 2) / (count * others)
    return float(max(area, 1 - area))


def _rank_correlation(values: "NDArray[np.float64]", label: "NDArray[np.float64]") -> float:
    """Spearman's coefficient over the rows that have a value, without its sign; 0 if it is not defined."""
    import numpy as np

    known = ~np.isnan(values)
    if known.sum() < _LEAST_ROWS:
        return 0.0
    ranks, order = _ranks(values[known]), _ranks(label[known])
    if ranks.std() == 0 or order.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(ranks, order)[0, 1]))
