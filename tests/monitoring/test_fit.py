"""What a model's plots are drawn from tells of no group under 20, and of all labelled rows."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.project import Objective
from include.core.records import Days
from include.monitoring.fit import GROUPS, fit_of, in_the_open

DAYS = Days(first=date(2013, 5, 1), last=date(2013, 5, 21))


@settings(max_examples=40)
@given(rows=st.integers(0, 3000), levels=st.integers(1, 200), unknown=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_groups_hold_all_labelled_rows_each_at_least_twenty_and_part_no_equal_predictions(
    rows: int, levels: int, unknown: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    score = random.integers(0, levels, rows) / levels
    label = (random.random(rows) < score).astype(float)
    label[random.random(rows) < unknown] = np.nan
    known = int((~np.isnan(label)).sum())
    fit = fit_of(Objective.BINARY, DAYS, label=label, score=score)
    assert sum(group.rows for group in fit.groups) == (known if known >= 20 else 0)
    assert all(group.rows >= 20 for group in fit.groups)
    assert len(fit.groups) <= GROUPS
    means = [group.mean_score for group in fit.groups]
    assert means == sorted(set(means))
    assert sum(group.rows * group.mean_label for group in fit.groups) == pytest.approx(
        np.nansum(label) if known >= 20 else 0
    )
    if levels == 1 and known >= 20:
        assert len(fit.groups) == 1
    mixed = random.permutation(rows)
    again = fit_of(Objective.BINARY, DAYS, label=label[mixed], score=score[mixed])
    assert [group.rows for group in again.groups] == [group.rows for group in fit.groups]


@settings(max_examples=40)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_no_difference_of_what_is_shown_of_a_holdout_tells_of_fewer_than_twenty_rows(counts: list[int]) -> None:
    first, total = DAYS.first.toordinal(), sum(counts)
    day = np.repeat(np.arange(first, first + len(counts), dtype=np.int32), counts)
    score = np.linspace(0.1, 0.9, total)
    fit, daily = in_the_open(Objective.REGRESSION, DAYS, day=day, label=score + 1, score=score)
    of_groups, of_days = sum(each.rows for each in fit.groups), sum(each.rows for each in daily)
    judged = sum(count for count in counts if count >= 20)  # by the watch, later, by the same labels
    for shown, beside in ((of_groups, of_days), (of_groups, judged), (of_groups, total), (of_days, total)):
        assert not shown or not beside or abs(shown - beside) not in set(range(1, 20))
    assert of_groups in (total, of_days) or total < 20
