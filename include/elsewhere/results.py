"""Outcomes of trials that were trained by another process: read from bytes, and held against the plan."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from include.core.canonical import encode
from include.core.errors import TrainingError
from include.core.records import PlannedTrial, Shard, Trial, TrialState
from include.learner import learner
from include.training import benchmark
from include.training.trial import NOT_FINITE, halve, outcome

#: A result is some hundred bytes; what is larger is none.
LARGEST_BYTES = 1 << 20


def largest_bytes(shard: Shard, name: str) -> int:
    """What is larger is not the result *name* of *shard*."""
    beside = shard.benchmark
    return LARGEST_BYTES if beside is None or name != beside.trial_id else benchmark.largest_bytes(beside)


def verify(shard: Shard, name: str, data: bytes) -> None:
    """Raise TrainingError unless *data* can be the result *name* of *shard*: that of a trial, or of the benchmark."""
    if shard.benchmark is not None and name == shard.benchmark.trial_id:
        benchmark.verified(shard, data)
    else:
        verified(shard, name, data)


def verified(shard: Shard, trial_id: str, data: bytes) -> Trial:
    """The outcome of the shard's trial *trial_id* that the bytes *data* say, if that trial can have it.

    Raises:
        TrainingError: they are not the canonical bytes of an outcome of this trial; names the trial and the rule.
    """
    planned = next((trial for trial in shard.trials if trial.trial_id == trial_id), None)
    if planned is None:
        raise _refused("a result belongs to a trial of its shard", trial_id, "no such trial")
    if len(data) > LARGEST_BYTES:
        raise _refused(f"a result has {LARGEST_BYTES} bytes at most", trial_id, "more")
    try:
        trial = _outcome(shard, planned, json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused("a result is the record of a trial", trial_id, type(error).__name__) from None
    if encode(trial) != data:
        raise _refused(
            "a result is the canonical record of its own trial: its id, its parameters, the rounds of its rungs",
            trial_id,
            "other bytes",
        )
    return trial


def halved(shard: Shard, outcomes: Mapping[str, Trial]) -> list[str]:
    """The ids of the trials of *shard* in the order in which they ended, given the *outcomes* of all of them.

    Raises:
        TrainingError: a trial went on, or stopped, where successive halving would not; names it.
    """
    ended: list[str] = []

    def loss(trial_id: str, depth: int) -> float | None:
        losses = outcomes[trial_id].losses
        if depth + 1 > len(losses) or depth + 1 == len(shard.rungs):
            _require_state(shard, outcomes[trial_id], pruned=False)
            ended.append(trial_id)
        return losses[depth] if depth < len(losses) else None

    def cut(trial_id: str, depth: int) -> None:
        _require_state(shard, outcomes[trial_id], pruned=True, rungs=depth + 1)
        ended.append(trial_id)

    halve(shard, loss, cut)
    return ended


def _require_state(shard: Shard, trial: Trial, *, pruned: bool, rungs: int | None = None) -> None:
    if pruned != (trial.state is TrialState.PRUNED) or rungs not in (None, len(trial.losses)):
        raise _refused(
            "halving stops a trial where its rivals' losses say so",
            trial.trial_id,
            f"{trial.state} after {len(trial.losses)} of {len(shard.rungs)} rungs",
        )


def _outcome(shard: Shard, planned: PlannedTrial, fields: Any) -> Trial:
    """The record that *fields* say, its id, parameters and rounds taken from the plan."""
    state, losses, error = TrialState(fields["state"]), tuple(fields["losses"]), fields["error"]
    if not all(type(loss) is float and isfinite(loss) for loss in losses):
        raise ValueError("a loss is a finite number")
    whole = len(losses) == len(shard.rungs)
    fits = {
        TrialState.COMPLETE: whole and error is None,
        TrialState.PRUNED: 0 < len(losses) < len(shard.rungs) and error is None,
        TrialState.FAILED: len(losses) < len(shard.rungs) and error in (learner(planned.learner).refused, NOT_FINITE),
    }
    if not fits[state]:
        raise ValueError("a state agrees with the losses and the error")
    return outcome(shard, planned, state, losses, error)


def _refused(rule: str, trial_id: str, found: str) -> TrainingError:
    return TrainingError(
        rule, value=f"trial {trial_id}: {found}", remedy="Find out what wrote it, then run the shard again."
    )
