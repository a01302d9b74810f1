"""What a linear model says of rows: one number after the other, so that no thread and no library changes a digit."""

from typing import TYPE_CHECKING

from include.core.project import Objective
from include.learner.linear.columns import FARTHEST
from include.learner.linear.text import LinearModel, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: So many rows are looked at together: it bounds the memory, and changes nothing.
_TOGETHER = 1 << 16


def predict(model: LinearModel, by_feature: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """Probabilities (binary) or numbers (regression), one a row; *by_feature* has shape (features, rows)."""
    import numpy as np

    rows = by_feature.shape[1]
    score = np.full(rows, model.intercept)
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, rows, _TOGETHER):
            part = slice(first, first + _TOGETHER)
            for term, values in zip(model.terms, by_feature, strict=True):
                score[part] += _added(term, np.asarray(values[part], dtype=np.float64))
        if model.objective is Objective.BINARY:
            score = np.exp(-np.logaddexp(0.0, -score))
        else:
            score = model.centre + model.scale * score
    return score


def _added(term: Term, values: "NDArray[np.float64]") -> "NDArray[np.float64] | float":
    import numpy as np

    if not term.used:
        return 0.0
    added = np.zeros(len(values))
    if term.slope:
        added += term.slope * np.clip((values - term.centre) / term.scale, -FARTHEST, FARTHEST)
    if term.codes:
        place = np.minimum(np.searchsorted(term.codes, values), len(term.codes) - 1)
        added += np.where(np.take(term.codes, place) == values, np.take(term.steps, place), 0.0)
    return np.where(np.isnan(values), term.missing or 0.0, added)
