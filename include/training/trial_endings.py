"""Why each trial of a shard ended where it did, in words."""

from collections.abc import Mapping
from math import ceil

from include.core.records import Shard, Trial, TrialState
from include.training.trial import halve


def endings(shard: Shard, outcomes: Mapping[str, Trial]) -> Mapping[str, str]:
    """By trial id; *outcomes* are those of all trials of *shard*, by trial id."""
    reached: list[dict[str, float]] = [{} for _ in shard.rungs]
    told = {trial_id: _told(shard, outcomes[trial_id]) for trial_id in (each.trial_id for each in shard.trials)}

    def loss(trial_id: str, depth: int) -> float | None:
        losses = outcomes[trial_id].losses
        if depth >= len(losses):
            return None
        reached[depth][trial_id] = losses[depth]
        return losses[depth]

    def cut(trial_id: str, depth: int) -> None:
        rivals = reached[depth]
        place = sorted(rivals, key=lambda each: (rivals[each], each)).index(trial_id) + 1
        told[trial_id] = (
            f"stopped after {shard.rungs[depth]} rounds: its loss was number {place} of {len(rivals)} from the lowest, "
            f"and the best {ceil(len(rivals) / shard.reduction)} went on"
        )

    halve(shard, loss, cut)
    return told


def _told(shard: Shard, trial: Trial) -> str:
    if trial.state is TrialState.FAILED:
        return f"failed after {trial.rounds} rounds: {trial.error}"
    return f"trained to the last of {shard.rungs[-1]} rounds"
