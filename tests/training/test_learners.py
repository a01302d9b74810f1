"""Trials of several learners in one shard, each of its own rows; the best of them, made again, elsewhere too."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from include.core.canonical import decode, encode, record_digest
from include.core.records import FeatureSet, Plan, PlannedTrial, Trial, TrialState, Winner
from include.core.search import FloatRange, LearnerName, Search
from include.elsewhere import document as orders
from include.learner import learner, load
from include.training import matrix, refit, search
from include.training.evaluation import evaluate
from include.training.trial import train_shard
from tests.training.flights import Folder
from tests.training.searches import Searched, planned, refitted, searched, winner

LINEAR = "sha256:" + "1" * 64
OTHERS = PlannedTrial(trial_id="sha256:a", params={"num_leaves": 7})


@pytest.fixture(scope="module")
def plan(features: FeatureSet, vault: Folder) -> Plan:
    """Two trials of trees and one of a linear model, in one shard."""
    drawn = planned(features, vault, trials=2, shards=1, rungs=(3, 9))
    rows = matrix.learnt(features, vault)[0]
    own = search.prepare_rows(LearnerName.LINEAR, rows, features, {}, vault)
    linear = PlannedTrial(trial_id=LINEAR, params={"l2": 1.0}, learner=LearnerName.LINEAR, rows=own)
    return replace(drawn, trials=(*drawn.trials, linear), shards=((0, 1, 2),))


@pytest.fixture(scope="module")
def outcomes(plan: Plan, vault: Folder) -> Mapping[str, Trial]:
    return trained(plan, vault)


def trained(plan: Plan, vault: Folder) -> Mapping[str, Trial]:
    found: dict[str, Trial] = {}
    train_shard(plan.shard(0), opened=vault, recorded={}, record=lambda trial: found.update({trial.trial_id: trial}))
    return found


def of_linear(plan: Plan, features: FeatureSet, outcomes: Mapping[str, Trial]) -> Winner:
    """The linear trial as the winner of a plan of its own."""
    own = replace(plan, trials=plan.trials[2:], shards=((0,),))
    return refit.winner(own, features, [outcomes[LINEAR]])


def test_a_trial_that_names_no_learner_is_the_record_that_it_was_before_there_were_two() -> None:
    assert encode(OTHERS) == b'{"params":{"num_leaves":7},"trial_id":"sha256:a"}'
    assert decode(PlannedTrial, encode(OTHERS)) == OTHERS
    named = replace(OTHERS, learner=LearnerName.LINEAR, rows="sha256:b")
    assert decode(PlannedTrial, encode(named)) == named


def test_a_plan_opens_the_rows_of_all_its_trials(plan: Plan) -> None:
    assert plan.artifacts == plan.shard(0).artifacts == (plan.binned, plan.trials[2].rows)
    assert replace(plan, trials=plan.trials[:2]).artifacts == (plan.binned,)


def test_trials_of_two_learners_race_in_one_shard(plan: Plan, outcomes: Mapping[str, Trial]) -> None:
    assert set(outcomes) == {trial.trial_id for trial in plan.trials}
    assert sorted(trial.state for trial in outcomes.values()) == [
        TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED,
    ]  # fmt: skip


def test_beside_another_learner_a_trial_has_the_losses_that_it_has_alone(
    plan: Plan, outcomes: Mapping[str, Trial], vault: Folder
) -> None:
    alone = trained(replace(plan, trials=plan.trials[2:], shards=((0,),)), vault)[LINEAR]
    together = outcomes[LINEAR].losses
    assert alone.losses[: len(together)] == together


def test_the_winner_says_its_learner_and_is_made_again_from_its_own_rows(
    plan: Plan, features: FeatureSet, vault: Folder
) -> None:
    own = replace(plan, trials=plan.trials[2:], shards=((0,),))
    best = refit.winner(own, features, trained(own, vault).values())
    work = refit.work(own, best)
    assert (best.learner, work.binned) == (LearnerName.LINEAR, own.trials[0].rows)
    model = refit.refit(work, opened=vault)
    assert learner(LearnerName.LINEAR).verify(best, model) == model
    rows = matrix.rows_of(features, features.split.holdout, vault, stretch="holdout")
    assert len(load(model.decode()).predict(rows.matrix(features.features))) == len(rows.label)
    evaluated = evaluate(
        plan=own, plan_digest="sha256:plan", features=features, best=best, model=vault.put(model), opened=vault
    )
    assert evaluated.metrics["auc"] > 0.55
    assert evaluated.skill is not None


def test_an_order_tells_its_learner_where_pydantic_is_not(plan: Plan, features: FeatureSet, vault: Folder) -> None:
    own = replace(plan, trials=plan.trials[2:], shards=((0,),))
    best = refit.winner(own, features, trained(own, vault).values())
    for work in (plan.shard(0), refit.work(own, best)):
        document = orders.Document(
            order_id="o", plan="sha256:p", step="s", code="sha256:c", engine="sha256:e", threads=1,
            expires_at=datetime(2026, 1, 1, tzinfo=UTC), patience_seconds=1.0, work=work, artifacts={}, results={},
            recorded=(),
        )  # fmt: skip
        digest, data = orders.write(document)
        assert orders.read(data, digest=digest) == document


def test_the_name_of_a_result_is_that_of_its_learner(
    plan: Plan, outcomes: Mapping[str, Trial], features: FeatureSet
) -> None:
    best = of_linear(plan, features, {**outcomes, LINEAR: replace(outcomes[LINEAR], state=TrialState.COMPLETE)})
    names = {refit.result_name("sha256:p", replace(best, learner=name)) for name in LearnerName}
    assert len(names) == 2
    assert record_digest(replace(best, learner=LearnerName.BOOSTED_TREES)) == record_digest(
        {key: value for key, value in vars(best).items() if key != "learner"}
    )


@pytest.fixture(scope="module")
def linear_search(features: FeatureSet, vault: Folder) -> Searched:
    """A search that draws linear models."""
    space = {"l2": FloatRange(low=0.01, high=100, log=True)}
    return searched(features, vault, learner=LearnerName.LINEAR, space=space, trials=4, rungs=(2, 12))


def test_a_search_of_another_learner_draws_its_parameters_and_trains_it(
    linear_search: Searched, features: FeatureSet, vault: Folder
) -> None:
    plan, trials = linear_search
    assert {trial.learner for trial in plan.trials} == {LearnerName.LINEAR}
    assert plan.artifacts == (plan.binned,)
    best = winner(linear_search, features)
    model = refitted(linear_search, features, vault)
    assert learner(LearnerName.LINEAR).verify(best, model) == model
    assert decode(Plan, encode(plan)) == plan
    assert {trial.state for trial in trials.values()} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_losses_of_another_learner_are_no_start_of_a_search(linear_search: Searched, features: FeatureSet) -> None:
    plan, _ = linear_search
    space = {"l2": FloatRange(low=0.01, high=100, log=True)}
    tasks = {search.task(features, Search(space=space, rungs=(2, 12), learner=name)) for name in LearnerName}
    assert len(tasks) == 2
    assert plan.task in tasks
