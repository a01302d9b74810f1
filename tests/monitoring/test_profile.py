"""A profile counts every row once, tells of no small group and of no extreme."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.errors import DataError
from include.core.records import DAY, ColumnProfile, Days, LiveScores, Profile, UnfamiliarValues
from include.monitoring.profile import (
    LEAST_GROUP,
    aligned,
    joined,
    of_groups,
    profile,
    profile_like,
    stability_index,
    weekly,
)

DAYS = Days(first=date(2013, 6, 1), last=date(2013, 6, 28))

numbers = st.one_of(st.none(), st.just(float("nan")), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, width=32))
#: A value and how often it stands there: so that groups of all sizes come about.
repeated = st.lists(st.tuples(numbers, st.integers(1, 60)), max_size=25)
words = st.lists(st.tuples(st.one_of(st.none(), st.sampled_from("abcdefgh")), st.integers(1, 60)), max_size=12)


def spread(groups) -> list:
    return [value for value, count in groups for _ in range(count)]


def table(of_numbers, of_words) -> pa.Table:
    left, right = spread(of_numbers), spread(of_words)
    rows = min(len(left), len(right))
    return pa.table({"number": pa.array(left[:rows], pa.float64()), "word": pa.array(right[:rows], pa.string())})


tables = st.builds(table, repeated, words)


def check(made: Profile, rows: int) -> None:
    assert made.rows == (rows if rows >= LEAST_GROUP else 0)
    for column in made.columns:
        groups = [*column.counts, column.nulls]
        assert sum(groups) == made.rows
        assert not [count for count in groups if 0 < count < LEAST_GROUP]
        bins = column.edges if column.edges is not None else column.categories
        assert len(column.counts) == len(bins) + 1


@given(tables)
def test_all_rows_are_counted_once_and_no_group_is_small(rows):
    check(profile(rows, DAYS), rows.num_rows)


@given(tables, tables)
def test_the_same_holds_in_the_bins_of_another_profile(reference, rows):
    check(profile_like(rows, DAYS, profile(reference, DAYS)), rows.num_rows)


@given(tables)
def test_no_edge_is_an_extreme_and_at_least_twenty_rows_lie_beyond_each(rows):
    column = profile(rows, DAYS).column("number")
    values = np.array([v for v in rows["number"].to_pylist() if v is not None and not np.isnan(v)], dtype=np.float32)
    for edge in column.edges:
        assert (values > edge).sum() >= LEAST_GROUP
        assert (values <= edge).sum() >= LEAST_GROUP


@given(tables)
def test_no_category_of_fewer_than_twenty_rows_is_named(rows):
    held = rows["word"].to_pylist()
    assert all(held.count(name) >= LEAST_GROUP for name in profile(rows, DAYS).column("word").categories)


@given(tables, tables)
def test_a_profile_of_some_columns_after_the_others_is_that_of_all_at_once(reference, rows):
    whole = profile(reference, DAYS)
    assert joined([profile(reference.select([name]), DAYS) for name in ("word", "number")]) == whole
    parts = [profile_like(rows.select([name]), DAYS, whole) for name in ("word", "number")]
    assert joined(parts, whole) == profile_like(rows, DAYS, whole)


@given(tables, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    order = list(range(rows.num_rows))
    random.shuffle(order)
    assert profile(rows.take(pa.array(order, pa.int64())), DAYS) == profile(rows, DAYS)


@given(tables, tables)
def test_the_stability_index_is_symmetric_and_never_negative(one, other):
    reference = profile(one, DAYS)
    current = profile_like(other, DAYS, reference)
    for mine, theirs in zip(reference.columns, current.columns, strict=True):
        assert stability_index(mine, mine) == pytest.approx(0.0, abs=1e-12)
        assert stability_index(mine, theirs) >= 0.0


@given(tables, tables)
def test_aligned_profiles_keep_all_rows(one, other):
    reference = profile(one, DAYS)
    current = profile_like(other, DAYS, reference)
    for mine, theirs in zip(reference.columns, current.columns, strict=True):
        left, right = aligned(mine, theirs)
        assert (len(left), left.sum(), right.sum()) == (len(right), reference.rows, current.rows)


def test_the_stability_index_is_that_of_its_formula():
    one = ColumnProfile(name="n", edges=(0.0,), categories=None, counts=(6000, 4000), nulls=0)
    other = ColumnProfile(name="n", edges=(0.0,), categories=None, counts=(5000, 5000), nulls=0)
    expected = (0.5 - 0.6) * np.log(0.5 / 0.6) + (0.5 - 0.4) * np.log(0.5 / 0.4)
    assert stability_index(one, other) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda miles: miles * 1.609, id="another unit"),
        pytest.param(lambda miles: np.full_like(miles, np.median(miles)), id="a stuck sensor"),
        pytest.param(lambda miles: np.where(np.arange(len(miles)) % 10 < 3, np.nan, miles), id="nulls"),
    ],
)
def test_a_fault_of_a_number_is_far_from_its_profile(fault):
    miles = np.random.default_rng(7).gamma(4.0, 250.0, 20_000)
    reference = profile(pa.table({"miles": miles}), DAYS)
    usual = profile_like(pa.table({"miles": miles[:6000]}), DAYS, reference)
    faulty = profile_like(pa.table({"miles": fault(miles[:6000])}), DAYS, reference)
    assert stability_index(reference.columns[0], usual.columns[0]) < 0.01
    assert stability_index(reference.columns[0], faulty.columns[0]) > 0.2


def test_a_recoded_category_is_far_from_its_profile():
    drawn = np.random.default_rng(7).choice(["EWR", "JFK", "LGA"], 9000)
    reference = profile(pa.table({"origin": drawn}), DAYS)
    recoded = profile_like(pa.table({"origin": np.where(drawn == "JFK", "KJFK", drawn)}), DAYS, reference)
    assert recoded.columns[0].categories == ("EWR", "JFK", "LGA")
    assert stability_index(reference.columns[0], recoded.columns[0]) > 1.0


def test_weeks_are_whole_and_end_with_the_last_day():
    days = Days(first=date(2013, 6, 1), last=date(2013, 6, 17))
    day = np.repeat([each.toordinal() for each in days], 30)
    rows = pa.table({"number": np.arange(len(day), dtype=float)})
    reference = profile(rows, days)
    made = weekly(rows, day, days, reference)
    assert [(week.first, week.last, week.rows) for week in made] == [
        (date(2013, 6, 4), date(2013, 6, 10), 210),
        (date(2013, 6, 11), date(2013, 6, 17), 210),
    ]
    assert made[-1] == profile_like(rows.slice(10 * 30), Days(first=days.last - 6 * DAY, last=days.last), reference)


def test_a_column_that_the_reference_does_not_have_or_has_otherwise_is_refused():
    reference = profile(pa.table({"number": np.arange(100.0)}), DAYS)
    with pytest.raises(DataError, match="no column other"):
        profile_like(pa.table({"other": np.arange(100.0)}), DAYS, reference)
    with pytest.raises(DataError, match="of the kind"):
        profile_like(pa.table({"number": ["a"] * 100}), DAYS, reference)
    with pytest.raises(DataError, match="numbers, booleans or strings"):
        profile(pa.table({"when": pa.array([date(2013, 1, 1)] * 30)}), DAYS)


def test_a_dictionary_column_is_profiled_as_the_strings_that_it_stands_for():
    plain = pa.table({"origin": ["EWR"] * 30 + ["JFK"] * 40})
    encoded = pa.table({"origin": plain["origin"].dictionary_encode()})
    assert profile(encoded, DAYS) == profile(plain, DAYS)


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), max_size=4))
def test_what_is_recorded_of_unfamiliar_rows_tells_of_no_small_group(counts: list[tuple[int, int, int]]) -> None:
    found = [
        UnfamiliarValues(feature=str(place), nulls=nulls, categories=categories, outside=outside, missing_learnt=False)
        for place, (nulls, categories, outside) in enumerate(counts)
    ]
    held = {each.feature: (each.nulls, each.categories, each.outside) for each in of_groups(found)}
    large = {str(place): tuple(n if n >= LEAST_GROUP else 0 for n in each) for place, each in enumerate(counts)}
    assert held == {name: each for name, each in large.items() if any(each)}


def test_scores_that_were_recorded_before_unfamiliar_rows_were_counted_say_so() -> None:
    days = Days(first=date(2013, 6, 1), last=date(2013, 6, 7))
    scores = LiveScores(
        snapshot="s", model_version=1, bundle="b", evaluation="e", days=days, since=days, partitions=(), scores="v"
    )
    assert decode(LiveScores, encode(scores).replace(b',"unfamiliar":null', b"")).unfamiliar is None
