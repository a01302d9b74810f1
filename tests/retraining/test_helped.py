"""Whether retraining helped: by the days after it, and nothing before there are eight retrainings."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.records import DAY, DayOfSeries
from include.retraining.helped import helped

FIRST = date(2013, 6, 1)


def series(gains: list[list[float]]) -> tuple[DayOfSeries, ...]:
    """Of each version from 2 on, its days: by how much its predecessor's loss lies above its own."""
    flat = [(version, gain) for version, days in enumerate(gains, start=2) for gain in days]
    return tuple(
        DayOfSeries(
            day=FIRST + place * DAY,
            champion=version,
            rows=100,
            loss=0.5,
            constant_loss=0.6,
            predecessor=version - 1,
            predecessor_loss=0.5 + gain,
        )
        for place, (version, gain) in enumerate(flat)
    )


def noisy(retrainings: int, gain: float, *, seed: int = 1) -> list[list[float]]:
    drawn = np.random.default_rng(seed).normal(gain, 0.01, size=(retrainings, 5))
    return [[float(each) for each in row] for row in drawn]


def test_nothing_is_concluded_below_eight_retrainings() -> None:
    seven = helped(series(noisy(7, 0.1)))
    assert seven.pooled is None
    assert seven.in_words() == "did retraining help: pooled over 7 retrainings: nothing is said below eight"
    assert helped(()).in_words() == "did retraining help: no retraining has a day yet that both champions scored"
    assert "it helped" in helped(series(noisy(8, 0.1))).in_words()


@pytest.mark.parametrize(
    ("gain", "said"), [(0.05, "it helped"), (-0.05, "it did harm"), (0.0, "neither help nor harm can be shown")]
)
def test_what_is_said_is_what_the_interval_shows(gain: float, said: str) -> None:
    assert helped(series(noisy(12, gain))).in_words().endswith(said)


def test_each_retraining_is_told_with_its_interval_over_whole_days() -> None:
    first, second = helped(series([[0.01, 0.03], [0.02]])).retrainings
    assert (first.version, first.predecessor, len(first.differences)) == (2, 1, 2)
    assert first.difference == pytest.approx(-0.02)
    interval = first.interval()
    assert interval is not None
    assert interval.lower <= first.difference <= interval.upper
    assert second.interval() is None, "one day tells of no spread"


def test_days_that_one_of_the_two_could_not_score_and_rollbacks_count_for_nothing() -> None:
    (day,) = series([[0.1]])
    alone = DayOfSeries(day=day.day, champion=3, rows=100, loss=0.5, predecessor=2)
    unjudged = DayOfSeries(day=day.day, champion=3, rows=0, predecessor=2, predecessor_loss=0.4, unjudged="few rows")
    back = DayOfSeries(day=day.day, champion=1, rows=100, loss=0.5, predecessor=2, predecessor_loss=0.7)
    assert helped([alone, unjudged, back]).retrainings == ()


@settings(max_examples=20, deadline=None)
@given(gains=st.lists(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=6), min_size=8, max_size=12))
def test_the_same_series_says_the_same_and_losing_by_as_much_is_the_mirror_image(gains: list[list[float]]) -> None:
    found = helped(series(gains))
    assert found == helped(series(gains))
    assert found.pooled is not None
    every = [gain for days in gains for gain in days]
    assert found.pooled.estimate == pytest.approx(-np.mean(every))
    assert found.pooled.lower <= found.pooled.estimate <= found.pooled.upper
