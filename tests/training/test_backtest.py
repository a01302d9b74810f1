"""Where origins lie, and what their paired days show."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import DataError
from include.core.project import Objective
from include.core.records import DAY, BacktestResult, DayFigures, Days
from include.training.backtest import BacktestOrigin, earliest, origins_between, paired, pooled

FIRST = date(2013, 3, 1)


def figures(first: date, losses: list[float], rows: int = 100) -> tuple[DayFigures, ...]:
    return tuple(
        DayFigures(day=first + place * DAY, rows=rows, loss=loss, expected_loss=None, mean_score=0.3, mean_label=0.3)
        for place, loss in enumerate(losses)
    )


def backtested(days: tuple[DayFigures, ...]) -> BacktestResult:
    return BacktestResult(
        plan="p", model="m", objective=Objective.BINARY, label="l", holdout=Days(first=FIRST, last=FIRST), figures=days
    )


def origin(place: int, differences: list[float]) -> BacktestOrigin:
    first = FIRST + place * 30 * DAY
    own = [0.5] * len(differences)
    other = [0.5 + each for each in differences]
    return paired(first + 21 * DAY, backtested(figures(first, own)), backtested(figures(first, other)))


@given(span=st.integers(0, 400), apart=st.integers(1, 60), count=st.integers(1, 30))
def test_origins_lie_within_the_history_and_no_two_share_a_held_out_day(span: int, apart: int, count: int) -> None:
    last = FIRST + span * DAY
    if count > span // apart + 1:
        with pytest.raises(DataError, match=f"{span // apart + 1} fit"):
            origins_between(FIRST, last, count=count, apart_days=apart)
        return
    days = origins_between(FIRST, last, count=count, apart_days=apart)
    assert len(days) == count
    assert days[-1] == last
    assert days[0] >= FIRST
    assert all((later - one).days >= apart for one, later in pairwise(days))


@given(span=st.integers(0, 300), fits_from=st.integers(0, 301))
def test_the_earliest_origin_is_the_first_that_fits(span: int, fits_from: int) -> None:
    last, begins = FIRST + span * DAY, FIRST + fits_from * DAY
    assert earliest(FIRST, last, lambda day: day >= begins) == min(begins, last + DAY)


def test_only_days_that_both_held_out_are_compared() -> None:
    longer = backtested(figures(FIRST, [0.5] * 10))
    shorter = backtested(figures(FIRST + 3 * DAY, [0.4] * 7))
    found = paired(FIRST, longer, shorter)
    assert [each.day for each in found.own] == [FIRST + place * DAY for place in range(3, 10)]
    assert found.differences == pytest.approx([-0.1] * 7)


@pytest.mark.parametrize(
    ("other", "told"),
    [(figures(FIRST, [0.5, 0.5], rows=99), "2 of 2 days have others"), (figures(FIRST + 9 * DAY, [0.5]), "none at")],
)
def test_models_of_other_rows_or_of_no_common_day_are_not_compared(other: tuple[DayFigures, ...], told: str) -> None:
    with pytest.raises(DataError, match=told):
        paired(FIRST, backtested(figures(FIRST, [0.5, 0.5])), backtested(other))


def test_weeks_are_resampled_whole_as_soon_as_there_is_more_than_one_origin() -> None:
    """Days of one week that move together are not so many facts."""
    weeks = [[gap] * 7 for gap in (0.01, -0.02, 0.03)]
    alike = [day for week in weeks for day in week]
    one, two = pooled([origin(0, alike)]), pooled([origin(0, alike), origin(1, alike)])
    assert one is not None
    assert two is not None
    assert (one.days, two.days) == (21, 6)
    assert one.estimate == two.estimate == pytest.approx(0.02 / 3)
    assert one.upper < two.upper


def test_a_difference_of_every_day_is_shown() -> None:
    found = pooled([origin(place, [-0.01 - 0.001 * (day % 3) for day in range(21)]) for place in range(8)])
    assert found is not None
    assert found.upper < 0
    assert pooled([origin(0, [0.1])]) is None
