"""The winner of a search, and its model: the same bytes whatever trains it, and for whatever the holdout says."""

import dataclasses
import re

import lightgbm
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import MachineFault, TrainingError
from include.core.records import Trial, TrialState
from include.training import engine
from include.training.refit import best_rounds, best_trial, refit, result_name
from tests.training.searches import refitted, winner, work
from tests.training.searches import searched as search


@pytest.fixture(scope="module")
def searched(features, vault):
    return search(features, vault)


def test_the_same_inputs_give_the_same_model_whatever_the_threads(searched, features, vault):
    one, again, two = (refitted(searched, features, vault, threads=threads) for threads in (1, 1, 2))
    assert one == again == two
    assert re.search(rb"\[num_threads: 1\]", one)


def test_the_holdout_decides_nothing_about_the_model(searched, features, vault):
    """A search over other labels of a shorter holdout draws the same trials, and ends with the same model."""
    held = features.split.holdout
    holdout = dataclasses.replace(held, last=held.first)
    other = dataclasses.replace(
        features,
        split=dataclasses.replace(features.split, holdout=holdout),
        partitions=tuple(
            _inverted(part, vault) if part.table == "label" and part.day in held else part
            for part in features.partitions
        ),
    )
    assert other.partitions != features.partitions
    again = search(other, vault)
    assert again == searched
    assert refitted(again, other, vault) == refitted(searched, features, vault)


def _inverted(part, vault):
    """A partition of the label with every label inverted."""
    table = pq.ParquetFile(vault.path(part.content)).read()
    place = table.column_names.index("label")
    buffer = pa.BufferOutputStream()
    pq.write_table(table.set_column(place, "label", pc.subtract(1.0, table["label"])), buffer)
    return dataclasses.replace(part, content=vault.put(buffer.getvalue().to_pybytes()))


def test_a_result_is_named_by_the_plan_and_all_that_decides_the_model(searched, features, monkeypatch):
    best = winner(searched, features)
    name = result_name("sha256:plan", best)
    others = [
        result_name("sha256:other", best),
        result_name("sha256:plan", dataclasses.replace(best, rounds=best.rounds + 1)),
        result_name("sha256:plan", dataclasses.replace(best, params={**best.params, "max_depth": 2})),
    ]
    monkeypatch.setattr(engine, "digest", lambda *_: "sha256:corrected")
    assert len({name, *others, result_name("sha256:plan", best)}) == 5


def test_a_machine_without_the_device_or_with_unreadable_rows_is_at_fault_and_not_the_winner(searched, features, vault):
    asked = work(searched, features)
    params = {**asked.winner.params, "device_type": "gpu", "gpu_platform_id": 99}
    with pytest.raises(MachineFault, match="not on the device type 'gpu'") as raised:
        refit(dataclasses.replace(asked, winner=dataclasses.replace(asked.winner, params=params)), opened=vault)
    assert raised.value.retry_heals
    with pytest.raises(MachineFault, match="cannot load them"):
        refit(dataclasses.replace(asked, binned=vault.put(b"no rows")), opened=vault)


def _outcome(planned, state, *losses, error=None):
    return Trial(trial_id=planned.trial_id, params=planned.params, state=state, losses=losses, rounds=4, error=error)


def test_the_best_trial_is_the_complete_one_with_the_lowest_loss_at_any_rung(searched):
    plan, _ = searched
    outcomes = [_outcome(trial, TrialState.PRUNED, 0.1) for trial in plan.trials]
    outcomes[1] = _outcome(plan.trials[1], TrialState.COMPLETE, 0.6, 0.4, 0.4)
    outcomes[3] = _outcome(plan.trials[3], TrialState.COMPLETE, 0.5, 0.3, 0.5)
    outcomes[4] = _outcome(plan.trials[4], TrialState.COMPLETE, 0.6, 0.5, 0.3)
    best = best_trial(plan, outcomes)
    assert best.trial_id == min(plan.trials[3].trial_id, plan.trials[4].trial_id)


@given(losses=st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=3, max_size=3))
def test_a_trial_is_refitted_to_the_first_rung_at_which_its_loss_was_lowest(searched, losses):
    plan, _ = searched
    rounds = best_rounds(plan, _outcome(plan.trials[0], TrialState.COMPLETE, *losses))
    assert rounds == plan.rungs[losses.index(min(losses))]


def test_the_refitted_model_has_the_rounds_and_the_bins_of_the_search(searched, features, vault):
    plan, trials = searched
    vault.opened.clear()
    model = lightgbm.Booster(model_str=refitted(searched, features, vault).decode())
    assert model.current_iteration() == best_rounds(plan, best_trial(plan, trials.values()))
    assert vault.opened == [plan.binned]


def test_a_search_whose_trials_all_failed_says_why(searched):
    plan, _ = searched
    outcomes = [_outcome(trial, TrialState.FAILED, error="LightGBMError: refused") for trial in plan.trials]
    with pytest.raises(TrainingError, match="none of 6: LightGBMError: refused"):
        best_trial(plan, outcomes)


def test_a_refit_waits_for_every_planned_trial(searched):
    plan, trials = searched
    with pytest.raises(TrainingError, match="1 of 6 have no outcome"):
        best_trial(plan, list(trials.values())[1:])
