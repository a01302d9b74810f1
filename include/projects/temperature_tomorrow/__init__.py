"""How warm will it be at each of New York's airports in 24 hours? Asked after every hourly observation."""

from datetime import date

from include.core.project import (
    Benchmark,
    Card,
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
        card=Card(
            limits="The three airports of New York, 24 hours ahead, from the hourly observations of 2013.",
            not_for="Decisions on whether a runway or an aircraft is safe; other places; other hours ahead than 24.",
            assumptions="An observation is known when its hour has ended. Hours without one are not learnt, and no "
            "forecast of a weather service is used.",
            special_categories="none",
            lawful_basis="none needed: no row is about a person",
            tier="low",
            tier_reason="Exposure: three airports. Purpose: a plan that people make, and check on the day.",
            third_party="none: the model is trained from its own data, and no part of it is bought or pretrained",
            findings="none: nobody else than its developers has validated it",
            by="dana",
            on=date(2026, 12, 1),
        ),
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
