"""Small models and their evaluations: what the registry packs and shows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import lightgbm
import numpy as np
from securesystemslib.signer import CryptoSigner

from include.core.project import (
    Benchmark,
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
    Window,
)
from include.core.records import (
    BenchmarkFigures,
    Evaluation,
    FeatureSet,
    FeatureSpec,
    Interval,
    Promotion,
    Run,
    Split,
    Trial,
    TrialState,
    Verdict,
)
from include.governance.signing import Signer
from include.registry.mlflow_nights import ShownNight, ShownTrial, SourceTable
from tests.training.flights import KEY, Folder

FEATURES = (
    FeatureSpec(name="hour", group="schedule", definition="sha256:schedule", categories=None),
    FeatureSpec(name="dest", group="schedule", definition="sha256:schedule", categories=("ATL", "BOS", "SFO")),
)
SPLIT = Split.of(Window(days=60, validation_days=7, holdout_days=21), date(2013, 4, 30))
FEATURE_SET = FeatureSet(
    snapshot="sha256:snapshot",
    objective=Objective.BINARY,
    key=KEY,
    label="sha256:label",
    features=FEATURES,
    split=SPLIT,
    partitions=(),
    probed=(),
)


def _nothing(**_: Any) -> Any:
    raise AssertionError("the registry builds no features")


PROJECT = Project(
    name="flight_delay",
    ownership=Ownership(
        owner="tests",
        purpose="to tell passengers which flights will be late",
    ),
    learning=Learning(
        target=Target(dataset="flights", key=KEY, population=_nothing, label=_nothing, objective=Objective.BINARY),
        features=(FeatureGroup(name="schedule", build=_nothing),),
        search=Search(space={"learning_rate": FloatRange(low=0.01, high=0.3)}),
    ),
    quality=Quality(
        gates=Gates(margin=0.01, floor_loss=1.0),
    ),
)


#: A linear model beside the candidate of :func:`evaluation`.
BENCHMARK = BenchmarkFigures(
    kind=Benchmark.LINEAR,
    trial_id="sha256:benchmark",
    penalty=1.0,
    validation_loss=0.5432,
    model="sha256:linear",
    metrics={"log_loss": 0.5678, "auc": 0.65},
    compared_metrics={"log_loss": 0.5789, "auc": 0.64},
    difference=Interval(estimate=-0.0678, lower=-0.0911, upper=-0.0456, days=21),
    error=None,
)
#: One that could not be trained.
NO_BENCHMARK = replace(
    BENCHMARK, penalty=None, validation_loss=None, model=None, metrics={}, compared_metrics={}, difference=None,
    error="it could not be trained",
)  # fmt: skip


@cache
def model_text(seed: int = 1) -> str:
    generator = np.random.default_rng(seed)
    rows = np.column_stack([generator.integers(0, 24, 400), generator.integers(0, 3, 400)]).astype(np.float32)
    label = (rows[:, 0] + 4 * rows[:, 1] + generator.normal(0, 4, 400) > 14).astype(float)
    data = lightgbm.Dataset(rows, label, feature_name=["hour", "dest"], categorical_feature=[1])
    text: str = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 5).model_to_string()
    return text


def evaluation(vault: Folder, *, seed: int = 1, champion: int | None = None) -> Evaluation:
    return Evaluation(
        plan="sha256:plan",
        features="sha256:features",
        objective=Objective.BINARY,
        trial_id=f"sha256:trial{seed}",
        params={"learning_rate": 0.1, "num_leaves": 31},
        model=vault.put(model_text(seed).encode()),
        metrics={"log_loss": 0.5, "auc": 0.7, "brier": 0.2, "calibration_gap": 0.01},
        champion=champion,
        compared=None if champion is None else SPLIT.holdout,
        compared_metrics={} if champion is None else {"log_loss": 0.5, "auc": 0.7},
        champion_metrics={} if champion is None else {"log_loss": 0.51, "auc": 0.69},
        difference=None if champion is None else Interval(estimate=-0.01, lower=-0.02, upper=0.0, days=21),
        holdout=SPLIT.holdout,
        rows=1000,
    )


def promotion(version: int, *, promote: bool = True) -> Promotion:
    return Promotion(
        evaluation=f"sha256:evaluation{version}",
        version=version,
        bundle=f"sha256:bundle{version}",
        verdict=Verdict(promote=promote, reasons=("for a reason",)),
    )


BEGAN = datetime(2026, 3, 2, 1, tzinfo=UTC)


def night(version: int = 1, *, trials: int = 4) -> ShownNight:
    """The night of *version*: its last trial failed, its first made the model, the others were stopped."""
    states = [TrialState.COMPLETE, *[TrialState.PRUNED] * (trials - 2), TrialState.FAILED]
    losses = {TrialState.COMPLETE: (0.6, 0.5), TrialState.PRUNED: (0.7,), TrialState.FAILED: ()}
    run = Run(
        project=PROJECT.name,
        run_id=f"night-{version}",
        instant=datetime(2013, 5, version, tzinfo=UTC),
        code_digest="sha256:code",
        declaration_digest="sha256:declaration",
        fence=version,
    )
    return ShownNight(
        run=run,
        began=BEGAN,
        objective=Objective.BINARY,
        split=SPLIT,
        digests={"snapshot": "sha256:snapshot", "features": "sha256:features"},
        sources=(
            SourceTable(name="flights", digest=f"sha256:{'a' * 64}", rows=9000, uses={"snapshot": SPLIT.train}),
            SourceTable(
                name="features",
                digest=f"sha256:{'b' * 64}",
                rows=8000,
                uses={"training": SPLIT.train, "evaluation": SPLIT.holdout},
            ),
        ),
        rungs=(50, 200),
        trials=tuple(
            ShownTrial(
                number=place + 1,
                trial=Trial(
                    trial_id=f"sha256:trial{version}.{place}",
                    params={"learning_rate": 0.1 * (place + 1), "num_leaves": 31},
                    state=state,
                    losses=losses[state],
                    rounds=(0, 50, 200)[len(losses[state])],
                    error="LightGBM refused" if state is TrialState.FAILED else None,
                ),
                ending=f"as it was {state.value}",
                best=place == 0,
                began=BEGAN,
                ended=BEGAN + timedelta(seconds=place + 1),
            )
            for place, state in enumerate(states)
        ),
    )


@cache
def signer() -> Signer:
    """An authority's key of these tests' own."""
    return Signer(CryptoSigner.generate_ed25519())
