"""A declaration that cannot work is refused when it is made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import DeclarationError
from include.core.project import FeatureGroup, FloatRange, Search, Window

SPACE = {"learning_rate": FloatRange(low=0.01, high=0.1)}


@given(st.integers(-5, 40), st.integers(-5, 40), st.integers(-5, 40))
def test_a_window_has_a_day_for_each_of_its_parts_or_is_refused(days: int, validation: int, holdout: int) -> None:
    usable = validation >= 1 and holdout >= 1 and days - validation - holdout >= 1
    if usable:
        Window(days=days, validation_days=validation, holdout_days=holdout)
    else:
        with pytest.raises(DeclarationError):
            Window(days=days, validation_days=validation, holdout_days=holdout)


@pytest.mark.parametrize(
    "change",
    [{"trials": 0}, {"shards": 0}, {"trials": 2, "shards": 3}, {"rungs": ()}, {"rungs": (50, 50)}, {"rungs": (0, 5)},
     {"reduction": 0}, {"space": {}}],
)  # fmt: skip
def test_a_search_that_cannot_run_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Search(**{"space": SPACE, **change})


@pytest.mark.parametrize("change", [{"name": "two words"}, {"lookback_days": -1}])
def test_a_feature_group_has_a_name_and_looks_back(change: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        FeatureGroup(**{"name": "lags", "build": len, **change})
