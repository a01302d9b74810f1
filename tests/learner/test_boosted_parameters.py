"""What a search may name: LightGBM's own parameters, where they change something."""

from typing import Any

import pytest

from include.core.errors import DeclarationError
from include.core.project import Choice, FloatRange, IntRange, Objective, Search
from include.learner.boosted.parameters import check
from tests.training.projects import SPACE

BAGGING = {"bagging_fraction": FloatRange(low=0.5, high=1), "bagging_freq": IntRange(low=1, high=5)}


def checked(objective: Objective = Objective.BINARY, *, features: int = 3, **search: Any) -> None:
    declared = Search(**{"space": SPACE, **search})
    check(declared.space, declared.fixed, objective, features=features)


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"space": {**SPACE, **BAGGING}},
        {"fixed": {"monotone_constraints": "1,0,-1", "monotone_constraints_method": "intermediate", "max_bin": 63}},
        {"fixed": {"interaction_constraints": "[0,1], [2]"}},
        {"fixed": {"boosting": "dart", "drop_rate": 0.2}},
        {"fixed": {"data_sample_strategy": "goss", "top_rate": 0.3}},
        {"fixed": {"device_type": "gpu", "gpu_use_dp": True}},
        {"space": {"extra_trees": Choice(options=(True, False)), "max_depth": Choice(options=(-1, 8))}},
    ],
)
def test_what_changes_a_model_is_accepted(declared: dict[str, Any]) -> None:
    checked(**declared)


def test_a_value_that_only_some_other_values_bear_is_left_to_its_trials() -> None:
    checked(space={"top_rate": FloatRange(low=0.2, high=0.7), "other_rate": FloatRange(low=0.1, high=0.5)},
            fixed={"data_sample_strategy": "goss"})  # fmt: skip


@pytest.mark.parametrize("features", [2, 4])
def test_what_says_something_of_each_feature_says_it_of_all_of_them(features: int) -> None:
    with pytest.raises(DeclarationError, match="monotone_constraints"):
        checked(features=features, fixed={"monotone_constraints": "1,0,-1"})


@pytest.mark.parametrize(
    "fixed",
    [
        {"monotone_constraints": "1,0,-1", "monotone_constraints_method": "intermediat"},
        {"interaction_constraints": "[0,1],[two]"},
        {"interaction_constraints": "0,1"},
    ],
)
def test_what_lightgbm_would_read_otherwise_without_a_word_is_refused(fixed: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="means what it says to LightGBM"):
        checked(fixed=fixed)


def test_interactions_are_of_features_that_there_are() -> None:
    with pytest.raises(DeclarationError, match="places from 0 to 2"):
        checked(features=3, fixed={"interaction_constraints": "[0,1],[2],[3]"})


@pytest.mark.parametrize("fixed", [{"sigmoid": 2.0}, {"scale_pos_weight": 2.0}])
def test_what_is_of_classes_changes_nothing_of_numbers(fixed: dict[str, Any]) -> None:
    checked(fixed=fixed)
    with pytest.raises(DeclarationError, match="changes the model of a regression label"):
        checked(Objective.REGRESSION, fixed=fixed)
