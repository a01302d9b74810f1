"""How warm will it be at each of New York's airports in 24 hours? Asked after every hourly observation."""

from include.core.project import (
    Benchmark,
    DriftPolicy,
    FeatureGroup,
    FloatRange,
    Gates,
    IntRange,
    Learning,
    Objective,
    Operations,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
    Window,
)
from include.projects.temperature_tomorrow import features, target

PROJECT = Project(
    name="temperature_tomorrow",
    ownership=Ownership(
        owner="ground-operations",
        purpose="Plan the de-icing of aircraft a day ahead from the temperature expected at each airport.",
    ),
    learning=Learning(
        target=Target(
            dataset="weather",
            key=("origin", "observed_at"),
            population=target.population,
            label=target.temperature,
            objective=Objective.REGRESSION,
        ),
        features=(
            FeatureGroup(name="observations", build=features.observations, lookback_days=2),
            FeatureGroup(name="calendar", build=features.calendar),
        ),
        window=Window(days=364, validation_days=7, holdout_days=21),  # a whole year: a season is not known from another
        search=Search(
            space={
                "learning_rate": FloatRange(low=0.02, high=0.2, log=True),
                "num_leaves": IntRange(low=4, high=32, log=True),
                "min_data_in_leaf": IntRange(low=10, high=200, log=True),
                "lambda_l2": FloatRange(low=0.01, high=30.0, log=True),
            },
            trials=8,
            shards=2,
            rungs=(50, 100, 200),
        ),
    ),
    quality=Quality(
        gates=Gates(margin=0.1, floor_loss=9.0, minimum_days=20),
        benchmark=Benchmark.LINEAR,
        drift=DriftPolicy(excess_loss=1.0, calibration_gap=2.0),
    ),
    operations=Operations(schedule="30 4 * * *"),
)
