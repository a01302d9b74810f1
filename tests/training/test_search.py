import dataclasses
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.canonical import encode
from include.core.project import Choice, FloatRange, IntRange, Objective
from include.core.records import Trial, TrialState
from include.training import engine, search
from include.training.matrix import contents
from tests.training.flights import Folder
from tests.training.projects import SPACE, project
from tests.training.searches import planned


def _trial(name, loss, state=TrialState.COMPLETE, **params):
    drawn = {"learning_rate": 0.1, "num_leaves": 8, "feature_fraction": 0.7, **params}
    return Trial(trial_id=name, params=drawn, state=state, losses=(loss,), rounds=12, error=None)


WARM = tuple(
    _trial(f"sha256:{number:064}", 0.5 + number / 100, learning_rate=0.02 + number / 100, num_leaves=4 + number)
    for number in range(14)
)


def test_the_same_inputs_give_the_same_plan_byte_for_byte_whatever_the_threads(features, vault):
    one, again, two = (encode(planned(features, vault, threads=threads)) for threads in (1, 1, 2))
    assert one == again == two


def test_the_order_in_which_warm_trials_are_given_changes_nothing(features, vault):
    shuffled = random.Random(3).sample(WARM, len(WARM))
    assert encode(planned(features, vault, WARM)) == encode(planned(features, vault, [*shuffled, shuffled[0]]))


def test_other_features_and_other_warm_trials_give_other_trials(features, vault):
    plans = [
        planned(features, vault),
        planned(features, vault, digest="sha256:" + "2" * 64),
        planned(features, vault, seed=7),
        planned(features, vault, WARM),
    ]
    for one, other in itertools.combinations(plans, 2):
        assert {trial.trial_id for trial in one.trials}.isdisjoint(trial.trial_id for trial in other.trials)


def test_other_code_of_training_gives_the_same_parameters_under_other_ids(features, vault, monkeypatch):
    before = planned(features, vault)
    monkeypatch.setattr(engine, "digest", lambda *_: "sha256:corrected")
    after = planned(features, vault)
    assert [trial.params for trial in after.trials] == [trial.params for trial in before.trials]
    assert {trial.trial_id for trial in after.trials}.isdisjoint(trial.trial_id for trial in before.trials)


def test_planning_opens_the_training_and_validation_days_only(features, vault):
    vault.opened.clear()
    planned(features, vault)
    assert set(vault.opened) == set(contents(features, features.split.train, features.split.validation))


def test_the_plan_names_the_warm_trials_that_the_sampler_saw(features, vault):
    unusable = [
        dataclasses.replace(_trial("sha256:failed", 0.1, TrialState.FAILED), losses=()),
        _trial("sha256:outside", 0.1, learning_rate=5.0),
        _trial("sha256:more", 0.1, max_depth=3),
        dataclasses.replace(_trial("sha256:less", 0.1), params={"learning_rate": 0.1}),
    ]
    pruned = _trial("sha256:pruned", 0.1, TrialState.PRUNED)
    known = [*WARM, *unusable, pruned]
    assert planned(features, vault, known).warm == tuple(trial.trial_id for trial in [*WARM, pruned])


def test_plans_have_one_task_exactly_if_their_losses_may_be_compared(features, vault):
    plan = planned(features, vault)
    (first, *others) = features.features
    same = [planned(features, vault, digest="sha256:" + "2" * 64), planned(features, vault, seed=5, trials=2, shards=1)]
    assert {each.task for each in same} == {plan.task}
    changed = [
        dataclasses.replace(features, label="sha256:other"),
        dataclasses.replace(features, features=(dataclasses.replace(first, definition="sha256:other"), *others)),
        dataclasses.replace(features, objective=Objective.REGRESSION),
        dataclasses.replace(features, features=tuple(others)),
    ]
    search_of = project().learning.search
    tasks = {search.task(each, search_of) for each in changed}
    tasks.add(search.task(features, dataclasses.replace(search_of, rungs=(7,))))
    assert len(tasks) == 5
    assert plan.task not in tasks


def test_fixed_parameters_are_part_of_each_trial_and_of_what_makes_a_warm_trial_usable(features, vault):
    plan = planned(features, vault, WARM, fixed={"min_data_in_leaf": 30, "max_bin": 63})
    assert all(trial.params["min_data_in_leaf"] == 30 for trial in plan.trials)
    assert plan.warm == ()
    assert plan.binned != planned(features, vault).binned


def test_the_binned_data_do_not_depend_on_what_is_drawn(features, vault):
    one, other = planned(features, vault), planned(features, vault, seed=5)
    assert one.binned == other.binned


def test_a_trials_id_covers_the_rivals_of_its_shard(features, vault):
    two, three = (
        {
            tuple(sorted(trial.params.items())): trial.trial_id
            for trial in planned(features, vault, shards=shards).trials
        }
        for shards in (2, 3)
    )
    assert two.keys() == three.keys()
    assert set(two.values()).isdisjoint(three.values())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_no_shard_has_the_large_trees_and_another_the_small_ones(drawing_only, seed):
    features, vault = drawing_only
    space = {"num_leaves": IntRange(low=4, high=64), "learning_rate": FloatRange(low=0.02, high=0.3)}
    plan = planned(features, vault, space=space, trials=16, shards=2, seed=seed)
    first, second = (sum(plan.trials[index].params["num_leaves"] ** 0.5 for index in shard) for shard in plan.shards)
    assert abs(first - second) <= 64**0.5


@settings(max_examples=15, deadline=None)
@given(trials=st.integers(1, 20), shards=st.integers(1, 6), seed=st.integers(0, 2**40))
def test_every_trial_is_within_the_space_and_in_exactly_one_shard(drawing_only, trials, shards, seed):
    features, vault = drawing_only
    shards = min(shards, trials)
    plan = planned(features, vault, trials=trials, shards=shards, seed=seed)
    assert len(plan.trials) == len({trial.trial_id for trial in plan.trials}) == trials
    assert sorted(itertools.chain(*plan.shards)) == list(range(trials))
    assert max(map(len, plan.shards)) - min(map(len, plan.shards)) <= 1
    assert 0 <= plan.seed < 2**31
    for trial in plan.trials:
        for name, part in SPACE.items():
            assert part.low <= trial.params[name] <= part.high


def test_a_round_leans_towards_what_earlier_rounds_found_good(drawing_only):
    features, vault = drawing_only
    rates = [0.02 * 15 ** (step / 39) for step in range(40)]
    warm = [_trial(f"sha256:{rate}", abs(rate - 0.05), learning_rate=rate) for rate in rates]

    def mean_distance(trials):
        plans = [planned(features, vault, trials, trials=16, seed=seed) for seed in range(3)]
        return sum(abs(trial.params["learning_rate"] - 0.05) for plan in plans for trial in plan.trials)

    assert mean_distance(warm) < mean_distance([]) / 2


def test_a_round_leans_away_from_what_halving_stopped_in_earlier_rounds(drawing_only):
    features, vault = drawing_only
    complete = [_trial(f"sha256:good/{place}", 0.5, learning_rate=0.04 + place / 1000) for place in range(4)]
    rates = [0.06 + 0.24 * step / 35 for step in range(36)]
    stopped = [_trial(f"sha256:{rate}", 0.4, TrialState.PRUNED, learning_rate=rate) for rate in rates]

    def share_of_stopped(trials):
        plans = [planned(features, vault, trials, trials=16, seed=seed) for seed in range(3)]
        return sum(trial.params["learning_rate"] > 0.06 for plan in plans for trial in plan.trials) / 48

    assert share_of_stopped([*complete, *stopped]) < share_of_stopped(complete) - 0.2


def test_a_space_with_few_points_gives_each_of_them_once(drawing_only):
    features, vault = drawing_only
    space = {"num_leaves": Choice(options=(7, 15)), "max_depth": IntRange(low=3, high=4)}
    plan = planned(features, vault, space=space, trials=9, shards=5)
    assert sorted((trial.params["num_leaves"], trial.params["max_depth"]) for trial in plan.trials) == [
        (7, 3), (7, 4), (15, 3), (15, 4),
    ]  # fmt: skip
    assert len(plan.shards) == 4


@pytest.fixture(scope="module")
def drawing_only(features, vault: Folder):
    """The features, with the binning done once: these tests are about what is drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "prepare_rows", lambda *_, **__: "sha256:rows")
        yield features, vault


@pytest.mark.parametrize("part", [IntRange(low=4, high=31), IntRange(low=4, high=31, log=True)])
def test_trials_of_a_range_that_was_one_of_fractions_are_known_where_they_are_whole(drawing_only, part):
    features, vault = drawing_only
    whole = _trial("sha256:whole", 0.3, num_leaves=7.0)
    unusable = [_trial("sha256:half", 0.1, num_leaves=7.5), _trial("sha256:true", 0.1, num_leaves=True)]
    plan = planned(features, vault, [whole, *unusable, *WARM], space={**SPACE, "num_leaves": part})
    assert plan.warm == tuple(trial.trial_id for trial in (*WARM, whole))
    assert all(type(trial.params["num_leaves"]) is int for trial in plan.trials)


def test_trials_of_a_range_that_was_one_of_whole_numbers_are_known(drawing_only):
    features, vault = drawing_only
    plan = planned(features, vault, WARM, space={**SPACE, "num_leaves": FloatRange(low=4, high=31)})
    assert plan.warm == tuple(trial.trial_id for trial in WARM)
