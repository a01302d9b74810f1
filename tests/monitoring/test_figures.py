"""A day's figures are means over its labelled rows; a reference is made of what the model learnt and did not."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.project import Objective
from include.core.records import Days, Evaluation, Reference
from include.data.labelled import LabelledRows
from include.data.losses import expected_row_losses, row_losses
from include.monitoring.figures import day_figures, reference_of, without_remainder
from include.monitoring.profile import profile

FIRST = date(2013, 6, 1).toordinal()


def drawn(rows: int, days: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days, labels that come as often as predicted, and the predictions."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 6, rows)
    day = np.sort(random.integers(FIRST, FIRST + days, rows)).astype(np.int32)
    return day, (random.random(rows) < score).astype(float), score


def test_figures_are_the_means_of_each_day():
    day, label, score = drawn(4000, 5)
    for each in day_figures(Objective.BINARY, day=day, label=label, score=score):
        own = day == each.day.toordinal()
        losses = row_losses(Objective.BINARY, label[own], score[own])
        assert (each.rows, each.loss) == (own.sum(), pytest.approx(losses.mean()))
        assert (each.mean_score, each.mean_label) == (
            pytest.approx(score[own].mean()),
            pytest.approx(label[own].mean()),
        )


def test_a_calibrated_model_loses_what_it_expects():
    day, label, score = drawn(200_000, 1)
    (each,) = day_figures(Objective.BINARY, day=day, label=label, score=score)
    assert each.loss == pytest.approx(each.expected_loss, abs=0.004)


@given(st.floats(0.0, 1.0))
def test_the_expected_loss_is_the_mean_of_the_losses_of_both_outcomes(probability):
    one, zero = row_losses(Objective.BINARY, np.array([1.0, 0.0]), np.full(2, probability))
    expected = expected_row_losses(np.array([probability]))[0]
    assert expected == pytest.approx(probability * one + (1 - probability) * zero, abs=1e-9)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_days_shown_beside_all_rows_leave_none_or_twenty_rows_to_be_known_by_the_difference(counts):
    day, label = np.repeat(np.arange(FIRST, FIRST + len(counts)), counts), np.ones(sum(counts))
    all_days = day_figures(Objective.BINARY, day=day, label=label, score=label / 2)
    shown = without_remainder(all_days, rows=len(day))
    left = len(day) - sum(each.rows for each in shown)
    assert left == 0 or left >= 20 or not shown
    assert len(all_days) - len(shown) <= 1
    assert shown == tuple(each for each in all_days if each in shown)


def test_rows_without_a_label_and_days_with_few_others_are_left_out():
    day = np.repeat([FIRST, FIRST + 1], [25, 19])
    label = np.ones(44)
    assert [each.rows for each in day_figures(Objective.BINARY, day=day, label=label, score=label / 2)] == [25]
    label[:5] = np.nan
    assert [each.rows for each in day_figures(Objective.BINARY, day=day, label=label, score=np.full(44, 0.5))] == [20]
    label[:6] = np.nan
    assert day_figures(Objective.BINARY, day=day, label=label, score=np.full(44, 0.5)) == ()


def test_a_regression_expects_no_loss_of_its_own():
    day, label, score = drawn(100, 1)
    assert day_figures(Objective.REGRESSION, day=day, label=label, score=score)[0].expected_loss is None


def test_a_reference_profiles_what_was_learnt_and_what_was_held_out_and_is_the_same_each_time():
    def days(first: int, last: int) -> Days:
        return Days(first=date(2013, 6, first), last=date(2013, 6, last))

    day, label, score = drawn(3000, 20)
    rows = LabelledRows(table=pa.table({"humidity": score * 100}), label=label, day=day)
    held_out = day >= date(2013, 6, 15).toordinal()
    evaluation = Evaluation(
        plan="sha256:p", features="sha256:f", objective=Objective.BINARY, trial_id="t", params={}, model="sha256:m",
        metrics={}, champion=None, compared=None, compared_metrics={}, champion_metrics={}, difference=None,
        holdout=days(15, 20), rows=int(held_out.sum()),
    )  # fmt: skip
    made = [
        reference_of(
            project="p",
            evaluation=evaluation,
            evaluation_digest="sha256:e",
            learnt=profile(rows.table.filter(~held_out), days(1, 14)),
            holdout=LabelledRows(table=rows.table.filter(held_out), label=label[held_out], day=day[held_out]),
            holdout_days=days(15, 20),
            score=score[held_out],
        )
        for _ in range(2)
    ]
    reference = made[0]
    assert encode(made[1]) == encode(reference)
    assert decode(Reference, encode(reference)) == reference
    assert (reference.learnt.first, reference.learnt.last) == (date(2013, 6, 1), date(2013, 6, 14))
    assert reference.learnt.rows == int((~held_out).sum())
    assert [column.name for column in reference.holdout.columns] == ["label", "score"]
    assert [each.day for each in reference.holdout_days] == list(days(15, 20))
    assert reference.last_seen == date(2013, 6, 20)
