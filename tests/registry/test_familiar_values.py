"""What a model learnt nothing of is counted, and nothing else is: LightGBM's own predictions are the judge."""

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.records import FeatureSpec, UnfamiliarValues
from include.data.encoding import encode_features
from include.learner import load
from include.registry.familiar_values import unfamiliar

FEATURES = (
    FeatureSpec(name="x", group="g", definition="sha256:g", categories=None),
    FeatureSpec(name="shop", group="g", definition="sha256:g", categories=("north", "south", "west")),
)


@cache
def model(*, nulls: bool, rare: bool) -> Any:
    """A model of 600 rows, in which *x* is null in some, or *shop* is one that has no code."""
    draw = np.random.default_rng(3)
    x, shop = draw.uniform(1, 9, 600), draw.integers(0, 3, 600).astype(float)
    label = ((x > 5) ^ (shop == 1)) ^ (draw.uniform(size=600) < 0.1)
    if nulls:
        x[::7] = np.nan
    if rare:
        shop[::7] = np.nan
    rows = np.column_stack([x, shop]).astype(np.float32)
    data = lightgbm.Dataset(rows, label.astype(float), feature_name=["x", "shop"], categorical_feature=[1])
    return lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 10)


def table(rows: list[tuple[float | None, str | None]]) -> pa.Table:
    x, shop = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({"shop": pa.array(shop, pa.string()), "x": pa.array(x, pa.float64())})


numbers = st.one_of(st.none(), st.sampled_from([0.0, -1.0, 50.0]), st.floats(2, 8))
shops = st.one_of(st.none(), st.sampled_from(["north", "south", "west", "east", ""]))


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, shops), max_size=30), st.booleans(), st.booleans())
def test_each_row_that_is_unlike_the_training_is_counted_in_its_feature_and_no_other(
    rows: list[tuple[float | None, str | None]], nulls: bool, rare: bool
) -> None:
    found = unfamiliar(load(model(nulls=nulls, rare=rare).model_to_string()), FEATURES, table(rows))
    expected = {
        "x": (0 if nulls else sum(x is None for x, _ in rows), 0, sum(x in (0.0, -1.0, 50.0) for x, _ in rows), nulls),
        "shop": (
            0 if rare else sum(shop is None for _, shop in rows), sum(shop in ("east", "") for _, shop in rows), 0, rare
        ),
    }  # fmt: skip
    counts = {each.feature: (each.nulls, each.categories, each.outside, each.missing_learnt) for each in found}
    assert counts == {name: counted for name, counted in expected.items() if any(counted[:3])}


@pytest.mark.parametrize("nulls", [True, False])
def test_a_null_is_taken_for_0_exactly_where_it_is_counted(nulls: bool) -> None:
    booster = model(nulls=nulls, rare=False)
    null, zero = (booster.predict(encode_features(table([(x, "north")]), FEATURES)) for x in (None, 0.0))
    assert load(booster.model_to_string()).familiar()[0].missing is nulls
    assert (null == zero).all() is np.bool_(not nulls)


def test_a_feature_that_no_split_uses_is_not_told_of() -> None:
    rows = np.column_stack([np.zeros(100), np.arange(100) % 3]).astype(np.float32)
    data = lightgbm.Dataset(rows, (rows[:, 1] > 1).astype(float), feature_name=["x", "shop"], categorical_feature=[1])
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "min_data_in_leaf": 1}, data, 2)
    assert unfamiliar(load(booster.model_to_string()), FEATURES, table([(None, "east")])) == (
        UnfamiliarValues(feature="shop", nulls=0, categories=1, outside=0, missing_learnt=False),
    )


@pytest.mark.parametrize("nulls", [False, True])
def test_the_share_of_a_feature_is_that_of_the_gain_of_lightgbms_own_account(nulls: bool) -> None:
    booster = model(nulls=nulls, rare=False)
    gain = dict(enumerate(booster.feature_importance("gain")))
    shares = load(booster.model_to_string()).importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares == {name: pytest.approx(each / sum(gain.values()), rel=1e-4) for name, each in gain.items()}


def test_a_model_without_a_split_uses_no_feature() -> None:
    rows = lightgbm.Dataset(np.zeros((9, 2)), np.zeros(9), feature_name=["x", "shop"])
    empty = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, rows, 1)
    assert load(empty.model_to_string()).importance() == {}
