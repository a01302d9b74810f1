"""What a backtest says of a variant is what its interval can show."""

import pytest

from include.cli.backtest import in_words
from include.core.records import Interval


@pytest.mark.parametrize(
    ("lower", "upper", "told"),
    [
        (-0.004, -0.001, "lean helps"),
        (0.001, 0.004, "lean harms"),
        (-0.001, 0.004, "no difference is shown"),
        (-0.004, 0.0, "no difference is shown"),
    ],
)
def test_only_an_interval_without_zero_shows_a_difference(lower: float, upper: float, told: str) -> None:
    found = Interval(estimate=(lower + upper) / 2, lower=lower, upper=upper, days=24)
    said = in_words("flight_delay", "lean", found)
    assert told in said
    assert f"{lower:+.4f}" in said
    assert "nothing" in in_words("flight_delay", "lean", None)
