"""The figures of judged days: each champion on its own days, beside those that it is held against and the constant."""

from datetime import date

import numpy as np
import pytest

from include.core.project import Objective
from include.core.records import DAY, FEW_ROWS, DayFigures, DueDay
from include.data.losses import Numbers
from include.monitoring.series import CONSTANT_DAYS, Prediction, judged_days

FIRST = date(2013, 6, 1)
ROWS = 40


class Rows:
    """Days of 40 rows each, with as many labels of 1 as is said."""

    def __init__(self, ones: list[int]) -> None:
        self.day = np.repeat(np.arange(len(ones), dtype=np.int32) + FIRST.toordinal(), ROWS).astype(np.int32)
        self.label: Numbers = np.concatenate([(np.arange(ROWS) < each).astype(float) for each in ones])

    def constant(self, score: float, *days: int) -> Prediction:
        rows = np.isin(self.day, [FIRST.toordinal() + each for each in days]) if days else np.ones(len(self.day), bool)
        return Prediction(rows=rows, score=np.full(int(rows.sum()), score))


def entropy(rate: float, said: float) -> float:
    """The mean log loss of saying *said* where *rate* comes."""
    return float(-(rate * np.log(said) + (1 - rate) * np.log(1 - said)))


def due(offset: int, champion: int, **beside: int | str) -> DueDay:
    return DueDay(day=FIRST + offset * DAY, champion=champion, **beside)  # type: ignore[arg-type]


def test_each_day_has_the_figures_of_its_own_champion_beside_the_others_on_the_same_rows() -> None:
    rows = Rows([10, 10, 20])
    first, second = judged_days(
        Objective.BINARY,
        [due(1, 1), due(2, 2, predecessor=1, best=3)],
        day=rows.day,
        label=rows.label,
        predictions={1: rows.constant(0.25, 1, 2), 2: rows.constant(0.5), 3: rows.constant(0.4, 2)},
        matures_after_days=0,
    )
    assert (first.champion, first.rows, first.mean_label, first.mean_score) == (1, ROWS, 0.25, 0.25)
    assert first.loss == pytest.approx(entropy(0.25, 0.25))
    assert (first.predecessor, first.best_loss) == (None, None)
    assert second.loss == second.expected_loss == pytest.approx(entropy(0.5, 0.5))
    assert second.predecessor_loss == pytest.approx(entropy(0.5, 0.25))
    assert second.best_loss == pytest.approx(entropy(0.5, 0.4))
    assert second.skill == pytest.approx(entropy(0.5, 0.25) - entropy(0.5, 0.5))


def test_the_constant_knows_only_days_that_had_matured_when_the_day_began() -> None:
    rows = Rows([10] * 5 + [30] * 3)
    (found,) = judged_days(
        Objective.BINARY,
        [due(7, 1)],
        day=rows.day,
        label=rows.label,
        predictions={1: rows.constant(0.5)},
        matures_after_days=2,
    )
    assert found.constant_loss == pytest.approx(entropy(0.75, 0.25)), "the days 5 and 6 had not matured by then"


def test_the_constant_is_of_four_weeks_and_of_days_without_rows_the_evaluation_tells() -> None:
    rows = Rows([20] * 5 + [10] * CONSTANT_DAYS + [10])
    last = 5 + CONSTANT_DAYS
    asked = {"day": rows.day, "label": rows.label, "predictions": {1: rows.constant(0.5)}, "matures_after_days": 0}
    (found,) = judged_days(Objective.BINARY, [due(last, 1)], **asked)  # type: ignore[arg-type]
    assert found.constant_loss == pytest.approx(entropy(0.25, 0.25))
    alone = Rows([10])
    before = DayFigures(day=FIRST - 2 * DAY, rows=100, loss=0.5, expected_loss=None, mean_score=0.5, mean_label=0.5)
    asked = {"day": alone.day, "label": alone.label, "predictions": {1: alone.constant(0.5)}, "matures_after_days": 0}
    (told,) = judged_days(Objective.BINARY, [due(0, 1)], before=[before], **asked)  # type: ignore[arg-type]
    assert told.constant_loss == pytest.approx(entropy(0.25, 0.5))
    (untold,) = judged_days(Objective.BINARY, [due(0, 1)], **asked)  # type: ignore[arg-type]
    assert (untold.constant_loss, untold.skill) == (None, None)


def test_the_constant_tells_of_no_day_with_fewer_than_20_rows() -> None:
    rows = Rows([10, 40, 10])
    few = (rows.day == FIRST.toordinal() + 1) & (np.arange(len(rows.day)) % ROWS >= 19)
    (found,) = judged_days(
        Objective.BINARY,
        [due(2, 1)],
        day=rows.day,
        label=np.where(few, np.nan, rows.label),
        predictions={1: rows.constant(0.5)},
        matures_after_days=0,
    )
    assert found.constant_loss == pytest.approx(entropy(0.25, 0.25))


def test_of_a_number_the_constant_costs_its_absolute_error() -> None:
    rows = Rows([0, 40])
    (found,) = judged_days(
        Objective.REGRESSION,
        [due(1, 1)],
        day=rows.day,
        label=rows.label + 3.0,
        predictions={1: rows.constant(3.5)},
        matures_after_days=0,
    )
    assert (found.loss, found.expected_loss, found.constant_loss, found.skill) == (0.5, None, 1.0, 0.5)


def test_a_day_that_cannot_be_judged_says_why_and_holds_up_no_other() -> None:
    rows = Rows([10, 10, 10])
    label = np.where((rows.day == FIRST.toordinal() + 1) & (np.arange(len(rows.day)) % ROWS >= 19), np.nan, rows.label)
    few, barred, judged = judged_days(
        Objective.BINARY,
        [due(1, 1), due(2, 2, unjudged="in quarantine"), due(2, 1)],
        day=rows.day,
        label=label,
        predictions={1: rows.constant(0.5)},
        matures_after_days=0,
    )
    assert (few.rows, few.loss, few.unjudged) == (0, None, FEW_ROWS)
    assert (barred.champion, barred.rows, barred.loss, barred.unjudged) == (2, 0, None, "in quarantine")
    assert judged.unjudged is None
