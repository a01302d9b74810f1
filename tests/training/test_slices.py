"""Slices: no small group is told of, and their bounds hold for all of them at once."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DeclarationError
from include.core.project import Gates
from include.data.labelled import LabelledRows
from include.training.slices import LEAST_ROWS, slices


def _rows(category: list[str | None], day: list[int]) -> LabelledRows:
    table = pa.table({"origin": pa.array(category, pa.string()).dictionary_encode()})
    return LabelledRows(table=table, label=np.zeros(len(day)), day=np.array(day, dtype=np.int32))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["JFK", "LGA", "EWR", None]), st.integers(1, 4)), min_size=1, max_size=120))
def test_every_category_of_20_rows_is_told_of_once_and_no_smaller_group(rows: list[tuple[str | None, int]]) -> None:
    names, days = [name for name, _ in rows], [day for _, day in rows]
    loss = np.arange(len(rows), dtype=float)
    found = slices(_rows(names, days), ("origin",), loss, skill=-loss, difference=None, seed=1)
    counted = {name: names.count(name) for name in {*names} - {None}}
    told = sorted((count, name) for name, count in counted.items() if count >= LEAST_ROWS)
    if 0 < len(rows) - sum(count for count, _ in told) < LEAST_ROWS:
        told = told[1:]
    assert {each.category: each.rows for each in found} == {name: count for count, name in told}
    for each in found:
        assert each.loss == pytest.approx(
            np.mean([value for name, value in zip(names, loss, strict=True) if name == each.category])
        )
        assert each.difference is None
        assert (each.skill is None) == (each.days < 2)
        if each.skill is not None:
            assert each.skill.lower <= each.skill.estimate <= each.skill.upper
            assert each.skill.estimate == pytest.approx(-each.loss)


def test_the_bounds_of_all_slices_miss_any_truth_in_at_most_a_twentieth_of_the_nights_or_so() -> None:
    """Eight slices, whose rows a common day shifts: one at a time, their bounds would miss in a quarter of nights."""
    generator, nights, missed = np.random.default_rng(20130101), 60, 0
    names = [f"s{number}" for number in range(8) for _ in range(25 * 24)]
    days = [day for _ in range(8) for day in range(24) for _ in range(25)]
    for night in range(nights):
        shift = generator.normal(0, 0.3, 24)[days] + np.repeat(generator.normal(0, 1, (8, 24)).ravel(), 25)
        found = slices(_rows(names, days), ("origin",), np.zeros(len(days)), skill=shift, difference=None, seed=night)
        missed += any(each.skill is not None and not each.skill.lower <= 0 <= each.skill.upper for each in found)
    assert missed / nights <= 0.13


def test_rows_that_were_not_compared_are_no_part_of_the_difference() -> None:
    names, days = ["JFK"] * 60, [1] * 20 + [2] * 20 + [3] * 20
    difference = np.array([np.nan] * 20 + [1.0] * 20 + [3.0] * 20)
    (only,) = slices(_rows(names, days), ("origin",), np.zeros(60), skill=None, difference=difference, seed=1)
    assert only.days == 3
    assert only.difference is not None
    assert (only.difference.estimate, only.difference.days) == (2.0, 2)


def test_what_is_told_of_slices_does_not_tell_of_a_smaller_group_by_the_difference() -> None:
    names, days = ["JFK"] * 60 + ["LGA"] * 25 + ["EWR"] * 3, [1, 2] * 44
    found = slices(_rows(names, days), ("origin",), np.arange(88.0), skill=None, difference=None, seed=1)
    assert [(each.category, each.rows) for each in found] == [("JFK", 60)]


def test_a_difference_on_fewer_than_20_rows_is_not_told() -> None:
    difference = np.array([np.nan] * 57 + [0.1, 0.2, 0.3])
    found = slices(
        _rows(["JFK"] * 60, [*range(60)]), ("origin",), np.zeros(60), skill=None, difference=difference, seed=1
    )
    assert [each.difference for each in found] == [None]


def test_a_category_that_is_rare_among_the_days_has_bounds_too() -> None:
    names, days = ["JFK"] * 30 + [None] * 170, [1, 2] * 15 + [*range(1, 18)] * 10
    found = slices(_rows(names, days), ("origin",), np.zeros(200), skill=np.arange(200.0), difference=None, seed=1)
    assert [each.skill is not None and np.isfinite([each.skill.lower, each.skill.upper]).all() for each in found] == [
        True
    ]


def test_slices_are_a_list_of_names() -> None:
    with pytest.raises(DeclarationError, match="`slices` lists names"):
        Gates(margin=0.0, floor_loss=1.0, slices="origin")  # type: ignore[arg-type]
