"""An alarm on features that are too good to be true: alone, they predict what only the label itself could."""

import random
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import FeatureLeak
from include.core.project import Objective, Project
from include.core.records import Days
from include.declared.compiled import DerivedTable

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


class Alarm:
    """No feature is the label in disguise; it looks at a sample of the rows that were built of each group.

    It is shown the labels of all days first, then each group's rows, a stretch of days after the other.
    """

    def __init__(self, project: Project, spans: Mapping[DerivedTable, Days], *, seed: str) -> None:
        """*spans* are the days of each group that is built."""
        self._project, self._spans = project, spans
        self._chance = random.Random(seed)  # noqa: S311 -- a repeatable choice of samples, no secret
        self._labels: dict[date, NDArray[np.floating]] = {}
        self._places: dict[DerivedTable, Mapping[date, NDArray[np.int64]]] = {}
        self._found: dict[DerivedTable, list[pa.Table]] = {}

    def hear(self, day: date, label: "NDArray[np.float64]") -> None:
        """The labels of the rows of *day*."""
        # Of a class half a float says all; it is kept for all days until every group was looked at.
        binary = self._project.learning.target.objective is Objective.BINARY
        self._labels[day] = label.astype("f2" if binary else "f8")

    def look(self, derived: DerivedTable, rows: "Iterator[tuple[date, pa.Table]]") -> None:
        """The *rows* of a group by day, in the order of the labels."""
        if derived not in self._places:
            self._places[derived] = self._sample(self._spans[derived])
        places = self._places[derived]
        chosen = [table.select(derived.names).take(places[day]) for day, table in rows if len(places[day])]
        self._found.setdefault(derived, []).extend(chosen)

    def check(self) -> None:
        """Check what it was shown.

        Raises:
            FeatureLeak: a feature predicts too well; the message names it.
        """
        import numpy as np
        import pyarrow as pa

        for derived, found in self._found.items():
            places = self._places[derived]
            label = [self._labels[day][rows] for day, rows in places.items()]
            if found:
                _check_plausible(
                    self._project, derived, pa.concat_tables(found), np.concatenate(label).astype(np.float64)
                )

    def _sample(self, days: Days) -> "dict[date, NDArray[np.int64]]":
        """Some rows of each of *days*, by their places in it: of all that have a label, each as likely."""
        import numpy as np

        counts = {day: int(np.isfinite(self._labels[day]).sum()) for day in days}
        count = sum(counts.values())
        chosen = np.arange(min(count, _MOST_ROWS))
        if count > _MOST_ROWS:
            chosen = np.array(sorted(self._chance.sample(range(count), _MOST_ROWS)))
        found, first = {}, 0
        for day, rows in counts.items():
            here = chosen[np.searchsorted(chosen, first) : np.searchsorted(chosen, first + rows)]
            found[day] = np.flatnonzero(np.isfinite(self._labels[day]))[here - first]
            first += rows
        return found


def _check_plausible(project: Project, derived: DerivedTable, table: "pa.Table", label: "NDArray[np.float64]") -> None:
    """Raise FeatureLeak where a column of *table*, the sampled rows, says too much of their *label*."""
    import numpy as np

    if len(label) < _LEAST_ROWS or len(np.unique(label)) < 2:
        return
    binary = project.learning.target.objective is Objective.BINARY
    bound = TOO_GOOD_AUC if binary else TOO_GOOD_CORRELATION
    for name in derived.names:
        values, outcome = _scores(table.column(name), label)
        strength = _separation(values, outcome) if binary else _rank_correlation(values, outcome)
        if strength > bound:
            raise FeatureLeak(
                f"no single feature predicts {project.name!r} alone: at most {bound} "
                + ("(area under the curve)" if binary else "(absolute rank correlation)"),
                value=f"feature {name!r} of group {derived.name!r}: {strength:.3f} over {len(label)} rows",
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
