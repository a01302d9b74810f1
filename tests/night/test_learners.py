"""Whole nights of another learner than trees: nothing between the plan and a score knows which it is."""

from dataclasses import replace
from pathlib import Path

from include.core.project import FloatRange
from include.core.records import FeatureSet, Plan
from include.core.search import LearnerName
from tests.night.conftest import MakeYard
from tests.night.test_score import flights, score
from tests.night.yard import FLIGHTS

#: The demo's project, learnt by linear models.
LINEAR = FLIGHTS.varied(
    search=replace(
        FLIGHTS.learning.search,
        learner=LearnerName.LINEAR,
        space={"l2": FloatRange(low=0.1, high=100, log=True)},
        fixed={},
        rungs=(3, 9),
    )
)


def test_a_night_of_linear_models_makes_a_champion_that_scores_and_that_trees_rival(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    yard.grant(LINEAR)
    night = yard.night(LINEAR)
    assert {trial.learner for trial in yard.platform.load(Plan, night.evaluation.plan).trials} == {LearnerName.LINEAR}
    assert night.promotion.verdict.promote
    assert night.evaluation.metrics["auc"] > 0.55
    again = yard.night(LINEAR, run_id="again")
    assert again.digests == night.digests

    built = yard.platform.load(FeatureSet, night.evaluation.features)
    rows = score(yard, flights(production, built.split.holdout.last, range(200)), tmp_path, run_id="score")
    assert len(rows.table) == 200

    trees = yard.night(FLIGHTS, run_id="trees")
    assert trees.evaluation.champion == night.promotion.version
    assert trees.evaluation.compared is not None
