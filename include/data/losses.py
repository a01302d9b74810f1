"""What a prediction costs, and what the model itself expects it to cost. One number a row."""

import numpy as np
from numpy.typing import NDArray

from include.core.project import Objective

Numbers = NDArray[np.float64]

#: Probabilities are kept this far from 0 and 1, so that a log loss stays finite.
_EDGE = 1e-15


def row_losses(objective: Objective, label: Numbers, prediction: Numbers) -> Numbers:
    """The deciding loss of each row: log loss (binary) or absolute error (regression); lower is better."""
    if objective is Objective.REGRESSION:
        return np.abs(label - prediction)
    probability = np.clip(prediction, _EDGE, 1 - _EDGE)
    return -np.where(label > 0, np.log(probability), np.log1p(-probability))


def expected_row_losses(probability: Numbers) -> Numbers:
    """The log loss that each row has on average if its *probability* is right: the entropy of its label."""
    clipped = np.clip(probability, _EDGE, 1 - _EDGE)
    return -(clipped * np.log(clipped) + (1 - clipped) * np.log1p(-clipped))
