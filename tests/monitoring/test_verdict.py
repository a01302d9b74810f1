"""The verdict is a function of recorded figures and a declared policy, and of nothing else."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.errors import DataError
from include.core.project import DriftPolicy, Objective
from include.core.records import (
    DAY,
    ColumnProfile,
    DayFigures,
    DayOfSeries,
    DriftState,
    DriftVerdict,
    Profile,
    Reference,
    UnfamiliarValues,
)
from include.monitoring.inputs import drift_of_inputs
from include.monitoring.verdict import judge

POLICY = DriftPolicy(excess_loss=0.03, calibration_gap=0.05, calendar=("weekday",))
LAST_SEEN = date(2013, 8, 30)


def figures(
    day: date,
    loss: float = 0.5,
    expected: float | None = 0.5,
    score: float = 0.2,
    label: float = 0.2,
    skill: float | None = None,
    champion: int = 1,
) -> DayOfSeries:
    constant = None if skill is None else loss + skill
    return DayOfSeries(
        day=day,
        champion=champion,
        rows=900,
        loss=loss,
        expected_loss=expected,
        constant_loss=constant,
        mean_score=score,
        mean_label=label,
    )


def evaluated(day: date, loss: float) -> DayFigures:
    return DayFigures(day=day, rows=900, loss=loss, expected_loss=None, mean_score=0.2, mean_label=0.2)


def column(name: str, *counts: int) -> ColumnProfile:
    edges = tuple(float(edge) for edge in range(len(counts) - 1))
    return ColumnProfile(name=name, edges=edges, categories=None, counts=counts, nulls=0)


def profile(last: date, *columns: ColumnProfile, days: int = 7) -> Profile:
    return Profile(first=last - (days - 1) * DAY, last=last, rows=sum(columns[0].counts), columns=columns)


REFERENCE = Reference(
    project="flight_delay",
    evaluation="sha256:e",
    objective=Objective.BINARY,
    learnt=profile(
        date(2013, 8, 9), column("visibility", 4000, 4000, 4000), column("weekday", 4000, 4000, 4000), days=69
    ),
    holdout=profile(LAST_SEEN, column("score", 4000, 4000), column("label", 6000, 2000), days=21),
    holdout_days=(evaluated(LAST_SEEN - DAY, 0.4), evaluated(LAST_SEEN, 0.5)),
)


def live(count: int, **fields: float | None) -> list[DayFigures]:
    return [figures(LAST_SEEN + (index + 1) * DAY, **fields) for index in range(count)]


def weeks(*counts: tuple[int, int, int]) -> list[Profile]:
    last = LAST_SEEN + 7 * DAY
    return [
        profile(last - back * timedelta(days=7), column("visibility", *each), column("weekday", 9000, 30, 30))
        for back, each in reversed(list(enumerate(reversed(counts))))
    ]


numbers = st.floats(0.0, 1.0)
some_days = st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=60).map(
    lambda rows: [
        figures(LAST_SEEN + (index + 1) * DAY, loss=loss, expected=expected, score=score, label=label)
        for index, (loss, expected, score, label) in enumerate(rows)
    ]
)
some_weeks = st.lists(st.tuples(*[st.integers(0, 4000).map(lambda n: 20 + n)] * 3), max_size=12).map(
    lambda counts: weeks(*counts)
)


def test_a_regression_whose_evaluation_has_no_day_of_enough_rows_is_judged_by_its_calibration_alone():
    reference = replace(REFERENCE, objective=Objective.REGRESSION, holdout_days=())
    verdict = judge(POLICY, live(20, loss=9.0, expected=None), reference)
    assert verdict.state is DriftState.STABLE
    assert not {"expected_loss", "excess_loss"} & verdict.figures.keys()
    assert any(reason.startswith("not judged: ") and "the loss is 9.0000" in reason for reason in verdict.reasons)
    assert judge(POLICY, live(20, expected=None, score=0.4), reference).state is DriftState.RETRAIN


@given(some_days, some_weeks)
def test_fewer_than_twenty_days_never_decide(days, some):
    state = judge(POLICY, days, REFERENCE, some).state
    if len(days) < 20:
        assert state in {DriftState.TOO_FEW_TO_KNOW, DriftState.WARNING}
    else:
        assert state is not DriftState.TOO_FEW_TO_KNOW


@given(some_days, some_weeks, st.randoms())
def test_the_order_in_which_figures_arrive_does_not_matter(days, some, random):
    shuffled = list(days)
    random.shuffle(shuffled)
    assert judge(POLICY, shuffled, REFERENCE, some) == judge(POLICY, days, REFERENCE, some)


@given(some_days, some_weeks, st.randoms())
def test_which_of_the_judged_days_had_which_figures_does_not_matter(days, some, random):
    judged = days[-POLICY.days :]
    dates = [each.day for each in judged]
    random.shuffle(dates)
    moved = [replace(each, day=day) for each, day in zip(judged, dates, strict=True)]
    before, after = judge(POLICY, judged, REFERENCE, some), judge(POLICY, moved, REFERENCE, some)
    assert after.figures == pytest.approx(before.figures)
    assert after.days == before.days


@given(some_days, st.data())
def test_a_greater_loss_never_takes_a_retraining_back(days, data):
    if not days:
        return
    more = data.draw(st.lists(numbers, min_size=len(days), max_size=len(days)))
    worse = [replace(each, loss=each.loss + loss) for each, loss in zip(days, more, strict=True)]
    if judge(POLICY, days, REFERENCE).state is DriftState.RETRAIN:
        assert judge(POLICY, worse, REFERENCE).state is DriftState.RETRAIN


@given(some_days, some_weeks)
def test_inputs_alone_warn_and_never_retrain(days, some):
    with_inputs, without = judge(POLICY, days, REFERENCE, some).state, judge(POLICY, days, REFERENCE).state
    assert (with_inputs is DriftState.RETRAIN) is (without is DriftState.RETRAIN)


@given(some_days, some_weeks)
def test_a_verdict_is_read_back_from_its_bytes(days, some):
    verdict = judge(POLICY, days, REFERENCE, some)
    assert decode(DriftVerdict, encode(verdict)) == verdict
    assert verdict.reasons


def test_when_labels_stop_old_days_are_not_judged_for_ever():
    bad = live(POLICY.days, loss=9.0)
    last = bad[-1].day
    assert judge(POLICY, bad, REFERENCE, last=last).state is DriftState.RETRAIN
    room = POLICY.days - POLICY.minimum_days
    assert judge(POLICY, bad, REFERENCE, last=last + room * DAY).state is DriftState.RETRAIN
    silent = judge(POLICY, bad, REFERENCE, last=last + (room + 1) * DAY)
    assert (silent.state, len(silent.days)) == (DriftState.TOO_FEW_TO_KNOW, POLICY.minimum_days - 1)
    assert judge(POLICY, bad, REFERENCE, last=last + POLICY.days * DAY).days == ()


def test_days_without_rows_are_missing_of_the_days_that_are_judged():
    workdays = [each for each in live(60) if each.day.weekday() < 5]
    verdict = judge(POLICY, workdays, REFERENCE, last=LAST_SEEN + 60 * DAY)
    assert len(verdict.days) == 20
    assert verdict.days[0] > LAST_SEEN + (60 - POLICY.days) * DAY


def test_only_the_last_days_are_judged():
    bad = live(40, loss=0.9)
    good = [figures(each.day) for each in bad]
    assert judge(POLICY, bad[:12] + good[12:], REFERENCE).state is DriftState.STABLE
    assert judge(POLICY, good[:12] + bad[12:], REFERENCE).state is DriftState.RETRAIN


def test_a_limit_is_still_accepted_and_more_is_not():
    policy = replace(POLICY, excess_loss=0.25, calibration_gap=None)
    assert judge(policy, live(20, loss=0.75), REFERENCE).state is DriftState.STABLE
    assert judge(policy, live(20, loss=0.7500001), REFERENCE).state is DriftState.RETRAIN


@pytest.mark.parametrize("label", [0.2 + 0.0501, 0.2 - 0.0501])
def test_a_calibration_gap_of_either_sign_asks_for_a_retraining_and_says_so(label):
    verdict = judge(POLICY, live(20, label=label), REFERENCE)
    assert verdict.state is DriftState.RETRAIN
    assert verdict.reasons[0].startswith(
        "asks for a retraining: over 20 matured days, 2013-08-31 to 2013-09-19, 0.2000"
    )


def test_a_regression_is_held_against_its_evaluation():
    reference = replace(REFERENCE, objective=Objective.REGRESSION)
    verdict = judge(POLICY, live(20, loss=0.47, expected=None), reference)
    assert verdict.figures["expected_loss"] == pytest.approx(0.45)
    assert verdict.state is DriftState.STABLE


def test_a_day_has_one_figure():
    with pytest.raises(DataError, match="two figures of 2013-08-31"):
        judge(POLICY, [*live(1), *live(1)], REFERENCE)


USUAL = (1000, 1000, 1000)
MOVED = (2900, 60, 40)


def test_an_input_that_moved_further_than_it_used_to_warns_and_names_the_feature():
    verdict = judge(POLICY, live(20), REFERENCE, weeks(*[USUAL] * 8, MOVED))
    assert verdict.state is DriftState.WARNING
    assert [each.feature for each in verdict.inputs if each.drifted] == ["visibility"]
    assert "visibility" in verdict.reasons[-1]


@pytest.mark.parametrize("before", range(8))
def test_with_fewer_than_eight_weeks_before_only_a_gross_break_of_inputs_warns(before):
    broken = judge(POLICY, [], REFERENCE, weeks(*[USUAL] * before, MOVED))
    assert broken.state is DriftState.WARNING
    assert [each.feature for each in broken.inputs if each.drifted] == ["visibility"]
    assert judge(POLICY, [], REFERENCE, weeks(*[USUAL] * before, (1500, 900, 600))).state is DriftState.TOO_FEW_TO_KNOW


def test_a_sensor_that_fails_for_all_the_weeks_of_a_short_window_warns_to_the_last():
    for failed in range(1, 7):
        assert judge(POLICY, [], REFERENCE, weeks(*[USUAL] * (6 - failed), *[MOVED] * failed)).state is (
            DriftState.WARNING
        )


def test_a_drifted_week_is_no_part_of_what_is_usual():
    drifts = drift_of_inputs(POLICY, REFERENCE, weeks(*[USUAL] * 8, MOVED, MOVED, MOVED))
    assert drifts[0].drifted


def test_an_input_that_moved_long_ago_does_not_warn():
    assert not any(each.drifted for each in drift_of_inputs(POLICY, REFERENCE, weeks(*[MOVED] * 10)))


def test_calendar_features_are_left_out_of_the_inputs():
    assert [each.feature for each in drift_of_inputs(POLICY, REFERENCE, weeks(USUAL))] == ["visibility"]


def test_weeks_out_of_order_are_refused():
    with pytest.raises(DataError, match="order of their days"):
        judge(POLICY, [], REFERENCE, [*weeks(USUAL), *weeks(USUAL)])


def lacking(**counts: int | bool) -> UnfamiliarValues:
    return UnfamiliarValues(
        **{"feature": "x", "nulls": 0, "categories": 0, "outside": 0, "missing_learnt": False, **counts}
    )


@pytest.mark.parametrize("counts", [{"nulls": 40}, {"categories": 40}])
def test_rows_that_lack_a_value_which_none_lacked_in_training_warn_and_ask_for_nothing(counts: dict[str, int]) -> None:
    verdict = judge(POLICY, live(20), REFERENCE, unfamiliar=[lacking(**counts)])
    assert verdict.state is DriftState.WARNING
    assert "x (" in verdict.reasons[-1]
    assert "40" in verdict.reasons[-1]


@pytest.mark.parametrize("counts", [{"outside": 40}, {"categories": 40, "missing_learnt": True}])
def test_what_the_model_knows_how_to_take_does_not_warn(counts: dict[str, int]) -> None:
    verdict = judge(POLICY, live(20), REFERENCE, unfamiliar=[lacking(**counts)])
    assert verdict == judge(POLICY, live(20), REFERENCE)
