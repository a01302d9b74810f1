"""Why a trial ended: halving's own reason, told from what is recorded."""

from include.core.project import Objective
from include.core.records import PlannedTrial, Shard, Trial, TrialState
from include.training.trial import outcome
from include.training.trial_endings import endings

LOSSES = {"a": (0.9, 0.8), "b": (0.7, 0.95), "c": (0.95,), "d": (0.99,), "e": ()}


def test_a_trial_that_was_stopped_says_its_place_among_its_rivals_and_how_many_went_on() -> None:
    shard = Shard(
        objective=Objective.BINARY,
        binned="sha256:b",
        training_rows=1,
        trials=tuple(PlannedTrial(trial_id=name, params={}) for name in LOSSES),
        rungs=(10, 40),
        reduction=2,
        seed=1,
    )
    states = {2: TrialState.COMPLETE, 1: TrialState.PRUNED, 0: TrialState.FAILED}

    def trial(place: int, name: str) -> Trial:
        state = states[len(LOSSES[name])]
        return outcome(shard, shard.trials[place], state, LOSSES[name], "refused" if not LOSSES[name] else None)

    told = endings(shard, {name: trial(place, name) for place, name in enumerate(LOSSES)})
    assert told == {
        "a": "trained to the last of 40 rounds",
        "b": "trained to the last of 40 rounds",
        "c": "stopped after 10 rounds: its loss was number 3 of 4 from the lowest, and the best 2 went on",
        "d": "stopped after 10 rounds: its loss was number 4 of 4 from the lowest, and the best 2 went on",
        "e": "failed after 0 rounds: refused",
    }
