import time
from math import ceil

import lightgbm
import pytest

from include.core.errors import MachineFault
from include.core.project import Choice
from include.core.records import TrialState, short_id
from include.training.meter import ShardMeter
from include.training.trial import train_shard
from tests.training.flights import Folder
from tests.training.projects import SPACE
from tests.training.searches import planned


class Killed(Exception):
    """The process died here."""


def _train(plan, vault, shards=None, recorded=(), threads=1, die_after=None):
    """What a shard records; with *die_after* the process dies after so many records."""
    outcomes = dict(recorded)

    def record(trial):
        if die_after is not None and len(outcomes) == die_after:
            raise Killed
        assert trial.trial_id not in outcomes
        outcomes[trial.trial_id] = trial

    for shard in range(len(plan.shards)) if shards is None else shards:
        try:
            train_shard(plan.shard(shard), opened=vault, recorded=dict(outcomes), record=record, threads=threads)
        except Killed:
            return outcomes
    return outcomes


@pytest.fixture(scope="module")
def plan(features, vault):
    return planned(features, vault, trials=10)


@pytest.fixture(scope="module")
def outcomes(plan, vault):
    return _train(plan, vault)


def test_every_planned_trial_is_recorded_once(plan, outcomes):
    assert set(outcomes) == {trial.trial_id for trial in plan.trials}


def test_at_every_rung_the_best_of_the_shard_go_on(plan, outcomes):
    for shard in plan.shards:
        alive = [outcomes[plan.trials[index].trial_id] for index in shard]
        for depth, rounds in enumerate(plan.rungs):
            alive.sort(key=lambda trial: (trial.losses[depth], trial.trial_id))
            kept = alive[: ceil(len(alive) / plan.reduction)] if depth < len(plan.rungs) - 1 else alive
            for trial in alive[len(kept) :]:
                assert trial.state is TrialState.PRUNED
                assert (trial.rounds, len(trial.losses)) == (rounds, depth + 1)
            alive = kept
        assert alive
        assert all(trial.state is TrialState.COMPLETE and trial.rounds == plan.rungs[-1] for trial in alive)


def test_one_rung_trains_every_trial_fully(features, vault):
    plan = planned(features, vault, rungs=(5,), trials=4)
    assert {trial.state for trial in _train(plan, vault).values()} == {TrialState.COMPLETE}


def test_a_pruned_trial_had_the_losses_of_the_full_trial_so_far(features, vault):
    halved, full = (planned(features, vault, rungs=rungs, trials=4, shards=1) for rungs in ((4, 8, 12), (4,)))
    firsts = {str(trial.params): trial.losses[0] for trial in _train(full, vault).values()}
    for trial in _train(halved, vault).values():
        assert firsts[str(trial.params)] == trial.losses[0]


def test_the_number_of_threads_changes_no_recorded_digit(plan, vault, outcomes):
    assert _train(plan, vault, threads=2) == outcomes


def test_a_shard_that_dies_after_any_record_and_runs_again_records_the_same(plan, vault, outcomes):
    count = len(plan.shards[0])
    whole = {plan.trials[index].trial_id for index in plan.shards[0]}
    for deaths in range(count):
        first = _train(plan, vault, shards=[0], die_after=deaths)
        assert len(first) == deaths
        assert _train(plan, vault, shards=[0], recorded=first) == {name: outcomes[name] for name in whole}


def test_a_shard_that_dies_at_every_trial_still_ends_with_the_same_outcomes(plan, vault, outcomes):
    recorded = {}
    for _ in range(len(plan.shards[1])):
        recorded = _train(plan, vault, shards=[1], recorded=recorded, die_after=len(recorded) + 1)
    assert recorded == {plan.trials[index].trial_id: outcomes[plan.trials[index].trial_id] for index in plan.shards[1]}


def test_a_shard_that_is_recorded_entirely_opens_nothing(plan, vault, outcomes):
    vault.opened.clear()
    assert _train(plan, vault, recorded=outcomes) == outcomes
    assert vault.opened == []


def test_a_shard_opens_only_the_binned_data(plan, vault):
    vault.opened.clear()
    _train(plan, vault, shards=[0])
    assert vault.opened == [plan.binned]


def test_a_shard_needs_nothing_that_another_process_had(plan, vault, outcomes, tmp_path):
    elsewhere = Folder(tmp_path)
    elsewhere.take((plan.binned,), vault)
    trained = _train(plan, elsewhere, shards=[1])
    assert trained == {trial_id: outcomes[trial_id] for trial_id in trained}


def test_a_trial_that_lightgbm_refuses_is_recorded_and_the_others_go_on(features, vault):
    # LightGBM wants at least two leaves.
    plan = planned(features, vault, space={**SPACE, "num_leaves": Choice(options=(-1, 8))}, trials=6, shards=1)
    refused = {trial.trial_id for trial in plan.trials if trial.params["num_leaves"] == -1}
    outcomes = _train(plan, vault)
    assert 0 < len(refused) < 6
    assert set(outcomes) == {trial.trial_id for trial in plan.trials}
    for trial_id, trial in outcomes.items():
        assert (trial.state is TrialState.FAILED) == (trial_id in refused)
        assert trial.error == ("LightGBMError: LightGBM refused these parameters" if trial_id in refused else None)
        assert trial.losses == () if trial_id in refused else trial.losses
    some = dict(list(outcomes.items())[:2])
    assert _train(plan, vault, recorded=some) == outcomes


def _refused_here(plan, vault):
    """What a shard records that ends by a fault of the machine."""
    recorded = []
    with pytest.raises(MachineFault) as raised:
        train_shard(plan.shard(0), opened=vault, recorded={}, record=recorded.append)
    assert raised.value.retry_heals
    return recorded


def test_a_device_that_is_not_there_is_the_machines_fault_and_no_trials(features, vault):
    # No machine has a hundred platforms of OpenCL.
    assert _refused_here(planned(features, vault, fixed={"device_type": "gpu", "gpu_platform_id": 99}), vault) == []


def test_binned_data_that_cannot_be_loaded_are_the_machines_fault_and_no_trials(plan, vault, tmp_path):
    elsewhere = Folder(tmp_path)
    elsewhere._file(plan.binned).write_bytes(vault.bytes(plan.binned)[:1000])
    assert _refused_here(plan, elsewhere) == []


def test_memory_that_is_short_is_the_machines_fault_and_no_trials(plan, vault, monkeypatch):
    def short(_):
        raise lightgbm.basic.LightGBMError("std::bad_alloc")

    monkeypatch.setattr(lightgbm.Booster, "update", short)
    assert _refused_here(plan, vault) == []


def test_a_device_that_is_lost_in_the_middle_leaves_what_was_recorded_and_fails_no_trial(plan, vault, monkeypatch):
    update, left = lightgbm.Booster.update, 20

    def lost(booster):
        nonlocal left
        left -= 1
        if left < 0:
            raise lightgbm.basic.LightGBMError("Device Not Available")
        return update(booster)

    with monkeypatch.context() as patch:
        patch.setattr(lightgbm.Booster, "update", lost)
        recorded = _refused_here(plan, vault)
    assert TrialState.FAILED not in {trial.state for trial in recorded}


def test_a_regression_lowers_the_absolute_error(delays, vault):
    plan = planned(delays, vault, trials=2, shards=1, rungs=(1, 30))
    best = next(trial for trial in _train(plan, vault).values() if trial.state is TrialState.COMPLETE)
    assert best.losses[1] < best.losses[0]


def test_a_record_that_cannot_be_written_stops_the_shard(plan, vault):
    def full(_):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train_shard(plan.shard(0), opened=vault, recorded={}, record=full)


def test_each_training_of_a_trial_is_measured_pruned_failed_and_unfinished_ones_too(plan, vault, outcomes):
    shard, meter, told = plan.shard(0), ShardMeter(), {}

    def record(trial):
        told[short_id(trial.trial_id)] = meter.of(trial.trial_id)
        if len(told) == 2:
            raise Killed

    with pytest.raises(Killed):
        train_shard(shard, opened=vault, recorded={}, record=record, meter=meter)
    assert {trial: cost.ended for trial, cost in told.items()} == {
        short_id(trial_id): outcomes[trial_id].state for trial_id in outcomes if short_id(trial_id) in told
    }
    costs = meter.all()
    assert len(costs) == len(shard.trials)
    assert all(cost.wall_seconds > 0 and cost.cpu_seconds > 0 and cost.gpu_seconds == 0 for cost in costs)
    assert sum(cost.ended is None for cost in costs) == len(shard.trials) - 2


def test_what_is_recorded_is_trained_by_nobody_and_costs_nothing(plan, vault, outcomes):
    meter = ShardMeter()
    train_shard(plan.shard(0), opened=vault, recorded=outcomes, record=never, meter=meter)
    assert meter.all() == ()


def never(trial):
    raise AssertionError(trial)


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_trial_holds_its_accelerators_for_as_long_as_it_trains(held):
    meter = ShardMeter()
    with meter.training("sha256:a", accelerators=held):
        time.sleep(0.002)
    cost = meter.of("sha256:a")
    assert cost.gpu_seconds == pytest.approx(held * cost.wall_seconds, abs=0.002)
    assert (cost.gpu_seconds > 0) == bool(held)
