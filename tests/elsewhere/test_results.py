"""What comes back from elsewhere is believed only as far as the plan allows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import encode
from include.core.errors import TrainingError
from include.core.project import Objective
from include.core.records import PlannedTrial, Shard, Trial, TrialState
from include.elsewhere.results import LARGEST_BYTES, halved, verified
from include.learner.boosted import BoostedTrees
from include.training.trial import NOT_FINITE, halve, outcome

RUNGS = (5, 10, 20)
SHARD = Shard(
    objective=Objective.BINARY,
    binned="sha256:a",
    training_rows=9,
    trials=tuple(PlannedTrial(trial_id=f"sha256:{number}", params={"num_leaves": number + 2}) for number in range(5)),
    rungs=RUNGS,
    reduction=2,
    seed=7,
)
#: For each trial its loss at each rung; none: it fails there.
LOSSES = st.tuples(*[st.tuples(*[st.sampled_from((0.1, 0.2, 0.3, None)) for _ in RUNGS]) for _ in SHARD.trials])


def raced(losses: tuple[tuple[float | None, ...], ...]) -> dict[str, Trial]:
    """The outcomes of an undisturbed shard with these losses, in the order in which they end."""
    known = {trial.trial_id: mine for trial, mine in zip(SHARD.trials, losses, strict=True)}
    planned = {trial.trial_id: trial for trial in SHARD.trials}
    outcomes: dict[str, Trial] = {}

    def end(trial_id: str, state: TrialState, rungs: int, error: str | None = None) -> None:
        reached = tuple(loss for loss in known[trial_id][:rungs] if loss is not None)
        outcomes[trial_id] = outcome(SHARD, planned[trial_id], state, reached, error)

    def loss(trial_id: str, depth: int) -> float | None:
        found = known[trial_id][depth]
        if found is None:
            end(trial_id, TrialState.FAILED, depth, BoostedTrees.refused if depth else NOT_FINITE)
        elif depth == len(RUNGS) - 1:
            end(trial_id, TrialState.COMPLETE, depth + 1)
        return found

    halve(SHARD, loss, lambda trial_id, depth: end(trial_id, TrialState.PRUNED, depth + 1))
    return outcomes


@given(losses=LOSSES)
def test_what_a_shard_really_makes_is_accepted_in_the_order_in_which_it_ended(
    losses: tuple[tuple[float | None, ...], ...],
) -> None:
    outcomes = raced(losses)
    read = {trial_id: verified(SHARD, trial_id, encode(trial)) for trial_id, trial in outcomes.items()}
    assert read == outcomes
    assert halved(SHARD, read) == list(outcomes)


@given(losses=LOSSES, choice=st.integers(0, 4), data=st.data())
def test_a_trial_that_stopped_or_went_on_where_halving_would_not_is_refused(
    losses: tuple[tuple[float | None, ...], ...], choice: int, data: st.DataObject
) -> None:
    outcomes = raced(losses)
    trial = outcomes[f"sha256:{choice}"]
    rungs = data.draw(st.integers(0, len(RUNGS)))
    state = data.draw(st.sampled_from(TrialState))
    error = BoostedTrees.refused if state is TrialState.FAILED else None
    other = outcome(SHARD, SHARD.trials[choice], state, (0.05, 0.05, 0.05)[:rungs], error)
    mine = (0.05, 0.05, 0.05)[:rungs] + ((None,) * (len(RUNGS) - rungs) if state is TrialState.FAILED else ())
    mine += (0.05,) * (len(RUNGS) - len(mine))
    again = raced(tuple(mine if number == choice else each for number, each in enumerate(losses)))[trial.trial_id]
    can_be = (again.state, again.losses) == (state, other.losses)
    try:
        found = verified(SHARD, trial.trial_id, encode(other))
        accepted = bool(halved(SHARD, {**outcomes, trial.trial_id: found}))
    except TrainingError:
        accepted = False
    assert accepted <= can_be


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"null", b'{"state":"complete"}'])
def test_what_is_no_record_is_refused_and_not_quoted(data: bytes) -> None:
    with pytest.raises(TrainingError, match="is the record of a trial"):
        verified(SHARD, "sha256:0", data)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "1", "true", "null"])
def test_a_loss_that_is_no_finite_number_is_refused(text: str) -> None:
    good = encode(outcome(SHARD, SHARD.trials[0], TrialState.PRUNED, (0.5,), None))
    with pytest.raises(TrainingError):
        verified(SHARD, "sha256:0", good.replace(b"0.5", text.encode()))


def test_a_trial_of_another_shard_is_refused() -> None:
    trial = replace(outcome(SHARD, SHARD.trials[0], TrialState.PRUNED, (0.5,), None), trial_id="sha256:9")
    with pytest.raises(TrainingError, match="of its shard"):
        verified(SHARD, "sha256:9", encode(trial))


def test_what_is_too_large_for_a_result_is_refused_by_its_size() -> None:
    with pytest.raises(TrainingError, match=f"{LARGEST_BYTES} bytes at most"):
        verified(SHARD, SHARD.trials[0].trial_id, b" " * (LARGEST_BYTES + 1))
