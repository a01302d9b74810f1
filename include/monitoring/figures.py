"""How a model did on a day, and the reference that later days are held against."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from include.core.project import Objective
from include.core.records import DayFigures, Days, Evaluation, Profile, Reference
from include.data.labelled import LabelledRows
from include.data.losses import Numbers, expected_row_losses, row_losses
from include.monitoring.profile import LEAST_GROUP, profile

#: The columns of a reference's holdout.
LABEL, SCORE = "label", "score"


def day_figures(
    objective: Objective, *, day: NDArray[np.int32], label: Numbers, score: Numbers
) -> tuple[DayFigures, ...]:
    """How predictions *score* did against *label*, by day, in the days' order.

    All three hold one number a row; *day* holds ordinals. Rows whose label is NaN are left out, and days with fewer
    than 20 others: they would tell of few. The rows' order within a day changes no figure but by rounding.
    """
    known = ~np.isnan(label)
    days, position, rows = np.unique(day[known], return_inverse=True, return_counts=True)
    label, score = label[known], score[known]

    def mean(values: Numbers) -> Numbers:
        means: Numbers = np.bincount(position, weights=values, minlength=len(days)) / rows
        return means

    loss, labels, scores = mean(row_losses(objective, label, score)), mean(label), mean(score)
    expected = mean(expected_row_losses(score)) if objective is Objective.BINARY else None
    return tuple(
        DayFigures(
            day=date.fromordinal(int(days[index])),
            rows=int(rows[index]),
            loss=float(loss[index]),
            expected_loss=None if expected is None else float(expected[index]),
            mean_score=float(scores[index]),
            mean_label=float(labels[index]),
        )
        for index in range(len(days))
        if rows[index] >= LEAST_GROUP
    )


def without_remainder(figures: Sequence[DayFigures], *, rows: int) -> tuple[DayFigures, ...]:
    """*figures*, to be shown beside some of all *rows*: what these have besides would be known by the difference.

    So where it is fewer than 20 rows, the day with the fewest is left out too.
    """
    if not figures or not 0 < rows - sum(each.rows for each in figures) < LEAST_GROUP:
        return tuple(figures)
    least = min(figures, key=lambda each: (each.rows, each.day))
    return tuple(each for each in figures if each is not least)


def reference_of(
    *,
    project: str,
    evaluation: Evaluation,
    evaluation_digest: str,
    learnt: Profile,
    holdout: LabelledRows,
    holdout_days: Days,
    score: Numbers,
) -> Reference:
    """What the live rows of the evaluated model are held against.

    *learnt* is the profile of the training and validation rows; *holdout* are the rows of *holdout_days*, *score* the
    model's predictions for them. Same inputs, same reference.
    """
    import pyarrow as pa

    outcomes = pa.table({LABEL: holdout.label, SCORE: score})
    return Reference(
        project=project,
        evaluation=evaluation_digest,
        objective=evaluation.objective,
        learnt=learnt,
        holdout=profile(outcomes, holdout_days),
        holdout_days=day_figures(evaluation.objective, day=holdout.day, label=holdout.label, score=score),
    )
