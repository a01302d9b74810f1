"""Days, splits and grants: where things begin and end."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode, record_digest
from include.core.errors import DataError
from include.core.project import Gates, Window
from include.core.records import (
    DAY,
    DatasetScope,
    Days,
    Evaluation,
    Grant,
    Plan,
    PlannedBenchmark,
    PlannedTrial,
    Shard,
    Split,
    Treatment,
    day_start,
    last_day,
)
from tests.ledger.golden_files import example

windows = st.builds(
    lambda train, validation, holdout: Window(
        days=train + validation + holdout, validation_days=validation, holdout_days=holdout
    ),
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(1, 60),
)


@given(windows, st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_split_covers_its_window_without_gap_or_overlap(window: Window, last: date) -> None:
    split = Split.of(window, last)
    days = [*split.train, *split.validation, *split.holdout]
    assert days == sorted(set(days))
    assert (days[-1], len(days), days[-1] - days[0]) == (last, window.days, (window.days - 1) * DAY)
    assert (len(split.validation), len(split.holdout)) == (window.validation_days, window.holdout_days)


@given(windows, st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 500))
def test_a_window_that_begins_somewhere_grows_to_its_days_and_then_moves(window: Window, last: date, age: int) -> None:
    young = replace(window, since=last - age * DAY)
    held = age + 1 - window.validation_days - window.holdout_days
    if held < 1:
        with pytest.raises(DataError, match="one day to train on"):
            Split.of(young, last)
        return
    split = Split.of(young, last)
    assert split.train.first == max(young.since, last - (window.days - 1) * DAY)
    assert replace(split, train=Split.of(window, last).train) == Split.of(window, last)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 -- Hypothesis adds the zone
def test_the_last_day_of_an_instant_had_ended(instant: datetime) -> None:
    last = last_day(instant)
    assert day_start(last) + DAY <= instant < day_start(last) + 2 * DAY


@given(st.dates(), st.dates(), st.dates())
def test_days_hold_both_their_ends_and_what_lies_between(first: date, last: date, other: date) -> None:
    days = Days(first=first, last=last)
    assert (other in days) is (first <= other <= last)
    assert len(days) == max(0, (last - first).days + 1)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = DatasetScope(
    dataset="flights",
    contract_digest="sha256:1",
    columns=(("carrier", Treatment.CLEAR), ("tailnum", Treatment.TOKEN)),
    window_days=90,
)
GRANT = Grant(
    grant_id="g",
    request_id="r",
    project="p",
    purpose="why",
    scope=SCOPE,
    not_before=NOW,
    expires_at=NOW + DAY,
    requester="dana",
    steward="steward",
    reason="because",
)


def test_a_grant_holds_from_its_start_and_no_longer_at_its_end() -> None:
    moments = [NOW - timedelta(microseconds=1), NOW, NOW + DAY - timedelta(microseconds=1), NOW + DAY]
    assert [GRANT.covers(SCOPE, purpose="why", now=now) for now in moments] == [False, True, True, False]


def test_a_grant_covers_no_column_no_day_and_no_purpose_more() -> None:
    def covered(purpose: str = "why", **change: object) -> bool:
        fields = {
            "dataset": "flights",
            "contract_digest": "sha256:1",
            "columns": (("carrier", Treatment.CLEAR),),
            "window_days": 30,
        }
        return GRANT.covers(DatasetScope(**{**fields, **change}), purpose=purpose, now=NOW)

    assert covered()
    assert covered(window_days=90)
    assert not covered(window_days=91)
    assert not covered(window_days=None)
    assert not covered(columns=(("dest", Treatment.CLEAR),))
    assert not covered(columns=(("tailnum", Treatment.CLEAR),)), "a column granted as a token is not granted in clear"
    assert not covered(contract_digest="sha256:2")
    assert not covered(dataset="weather")
    assert not covered(purpose="something else")


#: Of before a trial named what it trains.
BEFORE = {"benchmark": None, "trials": (PlannedTrial(trial_id="text", params={"name": 0.25}),)}


@pytest.mark.parametrize(
    ("kind", "left_out", "digest"),
    [
        (Evaluation, {"benchmark": None}, "8ef970342b7c7dd7a6540d5ba49da8ba72493d11a663f301410be5ee003caf08"),
        (
            Plan,
            BEFORE,
            "fb12ae1c58301de3f2d0b007938f2e51b48492dbeb5841122e446c8e5aae0172",
        ),
        (
            Shard,
            BEFORE,
            "93b06489faf7765ceb760b94c431a58b3fcec1c7ebe2dd60c2ff7a9cffd5d972",
        ),
        (Gates, {"beats_benchmark": False}, "6b54b6c410c56dc711f7aa6ceff7b3f449ebf838714e00124b27917357a8cea8"),
    ],
)
def test_what_knows_of_no_benchmark_keeps_the_digest_that_it_had_before_there_were_any(
    kind: type, left_out: dict[str, object], digest: str
) -> None:
    record = replace(example(kind), **left_out)
    assert record_digest(record) == f"sha256:{digest}"
    assert decode(kind, encode(record)) == record
    assert b"benchmark" not in encode(record)


def test_one_shard_of_a_plan_trains_its_benchmark_one_with_the_fewest_trials() -> None:
    plan = replace(example(Plan), shards=((0,), (), ()), benchmark=example(PlannedBenchmark))
    assert [plan.shard(number).benchmark is not None for number in range(3)] == [False, True, False]
    assert not any(replace(plan, benchmark=None).shard(number).benchmark for number in range(3))
