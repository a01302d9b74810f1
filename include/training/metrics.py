"""Losses and metrics of predictions. Labels are 0/1 or numbers, predictions probabilities or numbers, one a row."""

from collections.abc import Mapping

import numpy as np

from include.core.project import Objective
from include.data.losses import Numbers, row_losses

__all__ = ["Numbers", "auc", "metrics", "row_losses", "scorable"]


def scorable(objective: Objective, label: Numbers) -> bool:
    """Whether :func:`metrics` has a value for these labels: there are some, and of both classes if they are binary."""
    return len(label) > 0 and (objective is Objective.REGRESSION or bool(label.min() < label.max()))


def metrics(objective: Objective, label: Numbers, prediction: Numbers) -> Mapping[str, float]:
    """All metrics of an objective by name.

    Binary: ``log_loss``, ``auc``, ``brier`` and ``calibration_gap`` (mean prediction minus mean label). Regression:
    ``mae`` and ``rmse``. Both classes must be there for a binary objective.
    """
    loss = float(row_losses(objective, label, prediction).mean())
    error = prediction - label
    if objective is Objective.REGRESSION:
        return {"mae": loss, "rmse": float(np.sqrt(np.mean(error**2)))}
    return {
        "log_loss": loss,
        "auc": auc(label, prediction),
        "brier": float(np.mean(error**2)),
        "calibration_gap": float(error.mean()),
    }


def auc(label: Numbers, prediction: Numbers) -> float:
    """The probability that a row of class 1 is ranked above one of class 0, ties counting half (Mann and Whitney)."""
    from scipy.stats import rankdata

    positive = label > 0
    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((rankdata(prediction)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
