"""A night as people look at it beside its model: read from the ledger and the open store alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import RegistryError
from include.core.events import ModelEvaluated, StepFinished, StepReused, StepStarted, TrialRecorded
from include.core.project import Objective, Severity
from include.core.records import (
    BenchmarkFigures,
    Days,
    Evaluation,
    FeatureSet,
    Partition,
    Plan,
    Run,
    Snapshot,
    Trial,
    TrialState,
    Validation,
)
from include.ledger import Ledger
from include.ledger.journal import begun
from include.registry.mlflow_nights import ShownNight, ShownTrial, SourceTable
from include.steps.platform import Platform, loaded
from include.steps.training import step_of
from include.training import history as trials

if TYPE_CHECKING:
    from include.store import Store


def night_of(platform: Platform, project: str, evaluation: str) -> ShownNight:
    """The night that made the model of *evaluation*: the same whenever it is asked for, and by whichever run.

    Raises:
        RegistryError: no night evaluated such a model.
    """
    found = platform.ledger.find(streams.evaluated_key(project, evaluation))
    event = found.event if found is not None else None
    run = begun(platform.ledger, project, event.run_id) if isinstance(event, ModelEvaluated) else None
    start = platform.ledger.find(streams.run(project, run.run_id)) if run is not None else None
    if not isinstance(event, ModelEvaluated) or run is None or start is None:
        raise RegistryError("a shown model was evaluated by a night", value=evaluation, remedy="Run the night again.")
    evaluated = event.evaluation
    plan, built = platform.load(Plan, evaluated.plan), platform.load(FeatureSet, evaluated.features)
    snapshot = platform.load(Snapshot, built.snapshot)
    return ShownNight(
        run=run,
        began=start.recorded_at,
        objective=evaluated.objective,
        split=built.split,
        digests={
            "binned": plan.binned,
            "code": run.code_digest,
            "declaration": run.declaration_digest,
            "evaluation": evaluation,
            "features": evaluated.features,
            "label": built.label,
            "model": evaluated.model,
            "plan": evaluated.plan,
            "profile": plan.profile,
            "snapshot": built.snapshot,
            "task": plan.task,
            "trial": evaluated.trial_id,
        },
        sources=_sources(project, snapshot, built),
        rungs=plan.rungs,
        trials=_trials(platform.ledger, project, plan, evaluated, start.recorded_at),
        commit=platform.commit(project) if platform.code(project) == run.code_digest else None,
    )


@dataclass(frozen=True, kw_only=True)
class NightFigures:
    """What a night learnt, to whoever iterates: figures of the validation days, and none of the holdout.

    ``trial`` was chosen, the number ``number`` of all; ``ended`` counts these by how they ended. ``warnings`` are the
    expectations that failed without stopping the night, with limits and counts. ``benchmark`` was trained beside
    the trials of a night.
    """

    objective: Objective
    trial: Trial
    number: int
    ended: Mapping[TrialState, int]
    days: Days
    warnings: tuple[str, ...]
    benchmark: BenchmarkFigures | None = None


def made_by(ledger: Ledger, project: str, run_id: str) -> Mapping[str, str]:
    """By step, the digest of what the run made last, or found made."""
    events = (entry.event for entry in ledger.read(streams.run(project, run_id)))
    return {event.step: event.output for event in events if isinstance(event, StepFinished | StepReused)}


def learnt_of(platform: Platform, run: Run, evaluation: Evaluation) -> NightFigures:
    """What *run* learnt before it made *evaluation*, as :func:`recorded_learnt` has it."""
    return recorded_learnt(platform.ledger, platform.store, run, evaluation)


def recorded_learnt(ledger: Ledger, store: "Store", run: Run, evaluation: Evaluation) -> NightFigures:
    """What *run* learnt before it made *evaluation*, to who has no more than the ledger and the open store.

    Raises:
        StoreError: a manifest is missing, or other code wrote it.
    """
    found = _learnt(ledger, store, run, evaluation.plan, evaluation.trial_id)
    return replace(found, benchmark=evaluation.benchmark)


def learnt_by(platform: Platform, run: Run, plan: str) -> NightFigures:
    """What *run* learnt by the trials of *plan*, all of which are recorded, where it made no evaluation.

    Raises:
        StoreError: a manifest is missing, or other code wrote it.
    """
    from include.training.refit import best_trial

    drawn = platform.load(Plan, plan)
    outcomes = trials.recorded(platform.ledger, [trial.trial_id for trial in drawn.trials])
    return _learnt(platform.ledger, platform.store, run, plan, best_trial(drawn, outcomes.values()).trial_id)


def _learnt(ledger: Ledger, store: "Store", run: Run, plan: str, chosen: str) -> NightFigures:
    from include.data.validation import summary

    drawn = loaded(store, Plan, plan)
    built = loaded(store, FeatureSet, drawn.features)
    outcomes = trials.recorded(ledger, [trial.trial_id for trial in drawn.trials])
    validated = made_by(ledger, run.project, run.run_id).get("validate")
    failed = loaded(store, Validation, validated).failed(Severity.WARNING) if validated else ()
    return NightFigures(
        objective=drawn.objective,
        trial=outcomes[chosen],
        number=[each.trial_id for each in drawn.trials].index(chosen) + 1,
        ended=Counter(each.state for each in outcomes.values()),
        days=built.split.validation,
        warnings=tuple(summary([each]) for each in failed),
    )


def _sources(project: str, snapshot: Snapshot, built: FeatureSet) -> tuple[SourceTable, ...]:
    read: dict[str, list[Partition]] = {}
    for each in snapshot.partitions:
        read.setdefault(each.table, []).append(each)
    split = built.split
    learnt = {"training": split.train, "validation": split.validation, "evaluation": split.holdout}
    labels = built.of("label")
    return (
        *(_source(name, partitions, {"snapshot": snapshot.days}, partitions) for name, partitions in read.items()),
        _source(f"{project} features", built.partitions, learnt, labels),
    )


def _source(
    name: str, partitions: Sequence[Partition], uses: dict[str, Days], counted: Sequence[Partition]
) -> SourceTable:
    digest = record_digest([(each.table, each.content) for each in partitions])
    return SourceTable(name=name, digest=digest, rows=sum(each.rows for each in counted), uses=uses)


def _trials(ledger: Ledger, project: str, plan: Plan, evaluated: Evaluation, since: datetime) -> tuple[ShownTrial, ...]:
    """In the plan's order. A trial began with its shard's attempt, where that is known: halving trains them in turn."""
    from include.training.trial_endings import endings

    ids = [trial.trial_id for trial in plan.trials]
    entries = {trial_id: ledger.find(streams.trial_key(trial_id)) for trial_id in ids}
    recorded = {
        trial_id: (entry.event, entry.recorded_at)
        for trial_id, entry in entries.items()
        if entry is not None and isinstance(entry.event, TrialRecorded)
    }
    outcomes = {trial_id: event.trial for trial_id, (event, _) in recorded.items()}
    starts = {run_id: _attempts(ledger, project, run_id) for run_id in {event.run_id for event, _ in recorded.values()}}
    shown: dict[int, ShownTrial] = {}
    for number in range(len(plan.shards)):
        told = endings(plan.shard(number), outcomes)
        for place in plan.shards[number]:
            event, ended = recorded[ids[place]]
            attempts = [at for step, at in starts[event.run_id] if step == step_of(number) and at <= ended]
            shown[place] = ShownTrial(
                number=place + 1,
                trial=event.trial,
                ending=told[ids[place]],
                best=ids[place] == evaluated.trial_id,
                began=max(attempts, default=min(since, ended)),
                ended=ended,
            )
    return tuple(shown[place] for place in sorted(shown))


def _attempts(ledger: Ledger, project: str, run_id: str) -> Sequence[tuple[str, datetime]]:
    entries = ledger.read(streams.run(project, run_id))
    return [(entry.event.step, entry.recorded_at) for entry in entries if isinstance(entry.event, StepStarted)]
