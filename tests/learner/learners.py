"""Every learner on the same made-up rows: what the contract of the port is held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from include.core.project import Objective
from include.core.records import FeatureSpec, Params, Winner
from include.core.search import LearnerName
from include.learner import learner
from include.learner.port import Training

ROWS, TRAINING = 900, 700
FEATURES = (
    FeatureSpec(name="x", group="g", definition="sha256:g", categories=None),
    FeatureSpec(name="shop", group="g", definition="sha256:g", categories=("north", "south", "west", "closed")),
    FeatureSpec(name="rare_null", group="g", definition="sha256:g", categories=None),
    FeatureSpec(name="often_null", group="g", definition="sha256:g", categories=None),
    FeatureSpec(name="same", group="g", definition="sha256:g", categories=None),
)
#: Parameters of each, those that a trial may have and those that it refuses where it trains.
PARAMS: Mapping[LearnerName, Params] = {
    LearnerName.BOOSTED_TREES: {"num_leaves": 7, "min_data_in_leaf": 5},
    LearnerName.LINEAR: {"l2": 2.0},
}
#: Parameters with which each draws whatever it can draw by chance.
DRAWING: Mapping[LearnerName, Params] = {
    LearnerName.BOOSTED_TREES: {
        **PARAMS[LearnerName.BOOSTED_TREES],
        "bagging_fraction": 0.6, "bagging_freq": 2, "bagging_seed": 8, "feature_fraction": 0.7, "extra_trees": True,
    },
    LearnerName.LINEAR: PARAMS[LearnerName.LINEAR],
}  # fmt: skip
REFUSED: Mapping[LearnerName, Params] = {LearnerName.BOOSTED_TREES: {"num_leaves": -1}, LearnerName.LINEAR: {}}


@cache
def matrix() -> NDArray[np.float32]:
    """900 rows; the category *closed* is that of three, and three have no *rare_null*."""
    draw = np.random.default_rng(5)
    rows = np.column_stack(
        [draw.normal(400, 30, ROWS), draw.integers(0, 3, ROWS), draw.uniform(0, 1, ROWS), draw.normal(size=ROWS),
         np.full(ROWS, 7.0)]
    ).astype(np.float32)  # fmt: skip
    rows[:3, 1], rows[5:8, 2], rows[::4, 3] = 3, np.nan, np.nan
    return rows


@cache
def label(objective: Objective) -> NDArray[np.float64]:
    draw = np.random.default_rng(6)
    rows = matrix().astype(float)
    score = (rows[:, 0] - 400) / 30 + (rows[:, 1] == 1) + np.where(np.isnan(rows[:, 3]), 1.0, 0.0) - 1
    if objective is Objective.BINARY:
        return (draw.uniform(size=ROWS) < 1 / (1 + np.exp(-score))).astype(float)
    return 20 * score + 10 * draw.standard_t(3, ROWS)


@dataclass(frozen=True)
class Case:
    """A learner and an objective, with their rows in a file."""

    name: LearnerName
    objective: Objective
    path: Path

    def start(
        self,
        params: Params | None = None,
        *,
        refit: bool = False,
        threads: int = 1,
        checkpoint: bytes | None = None,
    ) -> Training:
        chosen, used = learner(self.name), PARAMS[self.name] if params is None else params
        opened = chosen.open(self.path, used, training_rows=None if refit else TRAINING, threads=threads)
        return chosen.start(opened, used, objective=self.objective, seed=3, threads=threads, checkpoint=checkpoint)

    def trained(self, rounds: int = 4, *, threads: int = 1) -> Training:
        training = self.start(threads=threads)
        for _ in range(rounds):
            training.advance()
        return training

    def winner(self, rounds: int = 4) -> Winner:
        return Winner(
            trial_id="t",
            params=PARAMS[self.name],
            rounds=rounds,
            objective=self.objective,
            seed=3,
            features=tuple(feature.name for feature in FEATURES),
            learner=self.name,
        )


def prepared(name: LearnerName, objective: Objective, path: Path) -> Case:
    learner(name).prepare(matrix(), label(objective), FEATURES, PARAMS[name])(path)
    return Case(name, objective, path)
