"""The best trial of a search, trained again on all rows that are not held out: the model that is evaluated."""

from collections.abc import Callable, Iterable

from include.core.canonical import record_digest
from include.core.errors import TrainingError
from include.core.records import FeatureSet, Plan, PlannedTrial, Refit, Trial, TrialState, Winner
from include.learner import learner
from include.learner.port import ParametersRefused, fault
from include.training import engine
from include.training.artifacts import Artifacts
from include.training.checkpoints import Checkpoints, begin
from include.training.meter import ShardMeter


def winner(plan: Plan, features: FeatureSet, outcomes: Iterable[Trial]) -> Winner:
    """The complete trial of *plan* with the lowest loss, at the rung where it had it; raises as :func:`best_trial`."""
    best = best_trial(plan, outcomes)
    return Winner(
        trial_id=best.trial_id,
        params=best.params,
        rounds=best_rounds(plan, best),
        objective=plan.objective,
        seed=plan.seed,
        features=tuple(feature.name for feature in features.features),
        learner=_planned(plan, best.trial_id).learner,
    )


def work(plan: Plan, best: Winner) -> Refit:
    """What makes the model of *best*, the winner of *plan*."""
    return Refit(winner=best, binned=_planned(plan, best.trial_id).rows or plan.binned)


def result_name(plan_digest: str, best: Winner) -> str:
    """The name of the model's bytes where they are stored as the result of an order."""
    return record_digest(("refit", engine.digest(best.learner), plan_digest, best))


def refit(
    work: Refit,
    *,
    opened: Artifacts,
    threads: int = 1,
    allowed: Callable[[], None] = lambda: None,
    meter: ShardMeter | None = None,
    checkpoints: Checkpoints | None = None,
    name: str = "",
    resumed: Callable[[int], None] = lambda rounds: None,
) -> bytes:
    """The model's text as bytes: the same *work* gives the same bytes. *opened* holds ``work.binned``.

    *threads* changes no result. *allowed* is called before each round, and ends the training by raising.
    *meter* counts what it takes as that of the winner. *checkpoints* keeps it under its *name* while it goes on, and
    until its model is kept; *resumed* is called with the rounds of it that an earlier attempt had trained.

    Raises:
        MachineFault: parameters that a trial was trained with cannot be trained here, or the rows cannot be loaded.
    """
    best, meter, checkpoints = work.winner, meter or ShardMeter(), checkpoints or Checkpoints()
    chosen = learner(best.learner)
    rows = chosen.open(opened.path(work.binned), best.params, threads=threads)
    try:
        with meter.training(best.trial_id, accelerators=chosen.accelerators(best.params)):
            training = begin(
                chosen,
                rows,
                best.params,
                objective=best.objective,
                seed=best.seed,
                threads=threads,
                checkpoint=checkpoints.of(name).checkpoint,
            )
            resumed(training.rounds)
            while training.rounds < best.rounds:
                allowed()
                training.advance()
                checkpoints.reached(name, training)
            text = training.text()
    except ParametersRefused:
        device = best.params.get("device_type", "cpu")
        raise fault("the winner of a search can be trained again", f"not on the device type {device!r} here") from None
    meter.end(best.trial_id, TrialState.COMPLETE)
    return text.encode()


def best_trial(plan: Plan, outcomes: Iterable[Trial]) -> Trial:
    """The complete trial of *plan* with the lowest loss at any rung, equal ones told apart by id.

    Raises:
        TrainingError: an outcome is missing, or no trial is complete.
    """
    trials = {trial.trial_id: trial for trial in outcomes}
    planned = [trial.trial_id for trial in plan.trials]
    if missing := [trial_id for trial_id in planned if trial_id not in trials]:
        raise TrainingError(
            "every planned trial is recorded before the best of them is refitted",
            value=f"{len(missing)} of {len(planned)} have no outcome",
            remedy="Run the shards of this plan again: they skip what is recorded.",
        )
    complete = [
        (loss, trial_id)
        for trial_id in planned
        if trials[trial_id].state is TrialState.COMPLETE and (loss := trials[trial_id].loss) is not None
    ]
    if not complete:
        errors = sorted({trials[trial_id].error or "pruned" for trial_id in planned})
        raise TrainingError(
            "at least one trial of a search is complete",
            value=f"none of {len(planned)}: {'; '.join(errors)}",
            remedy="Narrow the search space to parameters that its learner accepts.",
        )
    return trials[min(complete)[1]]


def _planned(plan: Plan, trial_id: str) -> PlannedTrial:
    return next(trial for trial in plan.trials if trial.trial_id == trial_id)


def best_rounds(plan: Plan, trial: Trial) -> int:
    """The rung at which *trial* had its lowest loss; of equal ones the first."""
    return min(zip(trial.losses, plan.rungs, strict=False))[1]
