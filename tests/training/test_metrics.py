import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from include.core.project import Objective
from include.training.metrics import auc, metrics, row_losses

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 19).map(lambda n: n / 20)), min_size=2, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_binary_metrics_are_those_of_scikit_learn(pairs):
    label, prediction = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    found = metrics(Objective.BINARY, label, prediction)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(label, prediction))
    assert found["auc"] == pytest.approx(oracle.roc_auc_score(label, prediction))
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(label, prediction))
    assert found["calibration_gap"] == pytest.approx(prediction.mean() - label.mean())


@settings(max_examples=30, deadline=None)
@given(rows)
def test_the_area_of_a_reversed_ranking_is_the_complement(pairs):
    label, prediction = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    assert auc(label, prediction) + auc(label, -prediction) == pytest.approx(1)


def test_a_certain_and_wrong_prediction_has_a_finite_loss():
    assert np.isfinite(row_losses(Objective.BINARY, np.array([1.0, 0.0]), np.array([0.0, 1.0]))).all()


def test_regression_metrics_are_in_the_labels_unit():
    found = metrics(Objective.REGRESSION, np.array([0.0, 10.0]), np.array([3.0, 6.0]))
    assert found == {"mae": 3.5, "rmse": pytest.approx(12.5**0.5)}


@pytest.mark.parametrize(("objective", "name"), [(Objective.BINARY, "log_loss"), (Objective.REGRESSION, "mae")])
def test_the_deciding_metric_is_the_mean_of_the_row_losses(objective, name):
    label, prediction = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.6, 0.9])
    assert metrics(objective, label, prediction)[name] == pytest.approx(row_losses(objective, label, prediction).mean())
