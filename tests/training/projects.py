"""Projects that search: what the rooms of training look at, and nothing else."""

from collections.abc import Mapping
from typing import Any

from include.core.project import (
    Choice,
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
)
from tests.training.flights import KEY

SPACE: Mapping[str, IntRange | FloatRange | Choice] = {
    "learning_rate": FloatRange(low=0.02, high=0.3, log=True),
    "num_leaves": IntRange(low=4, high=31, log=True),
    "feature_fraction": FloatRange(low=0.5, high=1.0),
}


def _nothing(**_: Any) -> Any:
    raise AssertionError("training builds no features")


def project(objective: Objective = Objective.BINARY, **search: Any) -> Project:
    return Project(
        name="delays",
        ownership=Ownership(
            owner="tests",
            purpose="tests",
        ),
        learning=Learning(
            target=Target(dataset="flights", key=KEY, population=_nothing, label=_nothing, objective=objective),
            features=(FeatureGroup(name="schedule", build=_nothing),),
            search=Search(**{"space": SPACE, "trials": 6, "shards": 2, "rungs": (4, 8, 12), **search}),
        ),
        quality=Quality(
            gates=Gates(margin=0.01, floor_loss=1.0),
        ),
    )
