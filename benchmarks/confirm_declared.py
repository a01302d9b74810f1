"""What the real series of ``confirm.py`` declare alike: how they search, and how their watch judges."""

from collections.abc import Callable
from typing import Any

from include.core.project import (
    DriftPolicy,
    FeatureGroup,
    FloatRange,
    Gates,
    IntRange,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
    Window,
)


def declared(
    name: str,
    *,
    ownership: Ownership,
    dataset: str,
    key: tuple[str, ...],
    population: Callable[..., Any],
    label: Callable[..., Any],
    features: tuple[FeatureGroup, ...],
    margin: float,
) -> Project:
    """A year behind each night, eight trials of three rungs, and a drift policy without limits."""
    target = Target(dataset=dataset, key=key, population=population, label=label, objective=Objective.REGRESSION)
    return Project(
        name=name,
        ownership=ownership,
        learning=Learning(
            target=target,
            features=features,
            window=Window(days=364, validation_days=7, holdout_days=21),
            search=Search(
                space={
                    "learning_rate": FloatRange(low=0.02, high=0.2, log=True),
                    "num_leaves": IntRange(low=4, high=32, log=True),
                    "min_data_in_leaf": IntRange(low=20, high=500, log=True),
                    "lambda_l2": FloatRange(low=0.01, high=30.0, log=True),
                },
                trials=8,
                shards=2,
                rungs=(50, 100, 200),
            ),
        ),
        quality=Quality(
            gates=Gates(margin=margin, floor_share=0.02, minimum_days=20),
            drift=DriftPolicy(),  # as `./trainyard new` writes it: no limits, the recipe's skill is watched
        ),
    )
