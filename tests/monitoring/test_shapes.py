"""What is shown of two profiles compares like with like."""

from datetime import date

import pyarrow as pa

from include.core.records import Days, Profile
from include.monitoring.profile import profile, profile_like
from include.monitoring.shapes import shapes

DAYS = Days(first=date(2013, 6, 1), last=date(2013, 6, 7))


def _then(low: int) -> Profile:
    return profile(pa.table({"score": [float(low + number % 10) for number in range(400)]}), DAYS)


def test_a_feature_that_is_called_as_an_outcome_is_compared_with_itself() -> None:
    inputs, outcomes = _then(0), _then(1000)
    moved = profile_like(pa.table({"score": [9.0] * 400}), DAYS, inputs)
    found = shapes((inputs, outcomes), (moved, outcomes))
    assert sorted(max(shape.now) for shape in found) == [0.1, 1.0]
