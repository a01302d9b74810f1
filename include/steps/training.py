"""The trials of a search trained, and the best of them trained again, in this process."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import LedgerUnavailable
from include.core.events import Event, PodEnded, TrialRecorded
from include.core.project import Project
from include.core.records import FeatureSet, Plan, Run, Shard, Trial
from include.core.runs import RunKind
from include.ledger.journal import Journal
from include.steps import benchmarks
from include.steps.inputs import REFIT, require_made
from include.steps.measuring import measuring
from include.steps.platform import Platform, emit, once, open_artifacts, scope_of
from include.steps.progress import shown
from include.training import history as trials
from include.training.progress import ProgressCounter, TrainingProgress

#: How often a running training asks whether its grants still hold, and how long it goes on where it gets no answer.
ASK_SECONDS, UNANSWERED_SECONDS = 5.0, 20.0
#: Among the inputs of what a backtest draws and trains: a night draws its own, whatever was backtested before.
BESIDE = "beside nights"


def shards(platform: Platform, plan: str) -> list[int]:
    """The numbers of the plan's shards, one training task each."""
    return list(range(len(platform.load(Plan, plan).shards)))


def progress_of(platform: Platform, plan: str) -> dict[str, TrainingProgress]:
    """How far each shard of the plan is by what is recorded, by the name of its step."""
    drawn = platform.load(Plan, plan)
    recorded = outcomes_of(platform, drawn)
    counters = (ProgressCounter.of_shard(drawn.shard(number), recorded) for number in range(len(drawn.shards)))
    return {step_of(number): counter.progress() for number, counter in enumerate(counters)}


def train(platform: Platform, project: Project, run: Run, plan: str, shard: int, *, now: datetime) -> str:
    """Run one shard's trials and record each as it ends; skip what is recorded. Returns a digest of the outcomes.

    The benchmark, if the shard has one to train, comes last: it is no trial, and decides nothing about them.

    Raises:
        AccessDenied: no grant in force covers what the project reads, when it begins or any more, while it trains; or
            this run drew no such plan.
    """
    from include.training import benchmark
    from include.training import trial as runner
    from include.training.checkpoints import Checkpoints

    require_made(platform, project, run, step_of(shard), now=now, plan=plan)
    drawn = platform.load(Plan, plan).shard(shard)

    def compute() -> str:
        beside = benchmarks.to_train(platform, run, drawn)
        allowed, threads = while_allowed(platform, run, now=now), project.operations.threads
        with measuring(platform, run, step_of(shard)) as measured, shown(platform, run, step_of(shard)) as report:
            names = [trial.trial_id for trial in drawn.trials]
            opened = open_artifacts(platform, run, "train", drawn.artifacts, now=now, under_way=names)
            recorded = outcomes_of(platform, drawn)
            counter = ProgressCounter.of_shard(drawn, recorded, report=report)

            def record(trial: Trial) -> None:
                record_trial(platform, run, plan, trial, beside=measured.of(trial.trial_id))

            runner.train_shard(
                drawn,
                opened=opened,
                recorded=recorded,
                record=counter.recording(record),
                threads=threads,
                allowed=counter.counting(allowed),
                meter=measured.meter,
                checkpoints=Checkpoints(opened),
                resumed=counter.resumed,
            )
            if beside is not None:
                fit = benchmark.train(drawn, opened=opened, threads=threads, allowed=allowed, meter=measured.meter)
                benchmarks.record(platform, run, plan, beside, fit, beside=measured.of(beside.trial_id))
        return keep_outcomes(platform, drawn)

    return finish_shard(platform, project, run, plan, shard, compute, now=now)


def refit(platform: Platform, project: Project, run: Run, plan: str, *, now: datetime) -> str:
    """Train the plan's best trial again, on training and validation days. Returns the vault's digest of the model.

    Raises:
        AccessDenied: no grant in force covers what the project reads, when it begins or any more, while it trains; or
            this run drew no such plan.
        TrainingError: a trial of the plan has no outcome, or none is complete.
    """
    from include.training import cores
    from include.training import refit as refitting
    from include.training.checkpoints import Checkpoints

    require_made(platform, project, run, REFIT, now=now, plan=plan)
    free = cores.FreeCores()
    drawn = platform.load(Plan, plan)
    built = platform.load(FeatureSet, drawn.features)

    def compute() -> str:
        best = refitting.winner(drawn, built, outcomes_of(platform, drawn).values())
        with measuring(platform, run, REFIT) as measured, shown(platform, run, REFIT) as report:
            counter = ProgressCounter(trials=1, all_rounds=best.rounds, report=report)
            work, name = refitting.work(drawn, best), refitting.result_name(plan, best)
            opened = open_artifacts(platform, run, REFIT, work.artifacts, now=now, under_way=[name])
            checkpoints = Checkpoints(opened)
            model = refitting.refit(
                work,
                opened=opened,
                threads=free.threads(project.operations.threads),
                allowed=counter.counting(while_allowed(platform, run, now=now)),
                meter=measured.meter,
                checkpoints=checkpoints,
                name=name,
                resumed=counter.resumed,
            )
            kept = platform.vault.put(model)
            checkpoints.ended(name)
        return kept

    return finish_refit(platform, project, run, plan, compute, now=now)


def while_allowed(platform: Platform, run: Run, *, now: datetime) -> Callable[[], None]:
    """To be called often from *now* on: raises AccessDenied once no grant covers what the run reads.

    It asks every :data:`ASK_SECONDS` at most, and bears a ledger out of reach for :data:`UNANSWERED_SECONDS`.
    """
    scope, began = scope_of(platform, run), time.monotonic()
    asked = answered = began

    def allowed() -> None:
        nonlocal asked, answered
        moment = time.monotonic()
        if moment - asked < ASK_SECONDS:
            return
        asked = moment
        try:
            platform.access.require(scope, now=now + timedelta(seconds=moment - began), run=run)
        except LedgerUnavailable:
            if moment - answered > UNANSWERED_SECONDS:
                raise
        else:
            answered = moment

    return allowed


def finish_shard(
    platform: Platform, project: Project, run: Run, plan: str, shard: int, compute: Callable[[], str], *, now: datetime
) -> str:
    """The digest of the shard's outcomes, by *compute* if it was never trained; reported to OpenLineage."""
    from include.lineage import walk

    step = step_of(shard)
    drawn = platform.load(Plan, plan)

    def recorded() -> str:
        outcomes = compute()
        if not is_beside(run):
            for trial in outcomes_of(platform, drawn.shard(shard)).values():
                adopt_trial(platform, run, plan, trial)
        return outcomes

    def kept(outcomes: str) -> bool:
        return platform.store.has(outcomes) and benchmarks.to_train(platform, run, drawn.shard(shard)) is None

    inputs = (plan, shard, BESIDE) if is_beside(run) else (plan, shard)
    digest = once(platform, project, run, step, inputs, recorded, now=now, kept=kept)
    took = walk.training(project.name, platform.load(FeatureSet, drawn.features), drawn)
    made = walk.trials(project.name, shard, digest)
    searched, where = _searched(drawn, shard), _pod(platform, run, step)
    emit(platform, project, run, step, took, made, now=now, parameters=searched, tags=where)
    return digest


def finish_refit(
    platform: Platform, project: Project, run: Run, plan: str, compute: Callable[[], str], *, now: datetime
) -> str:
    """The digest of the plan's model, by *compute* if it was never made or is lost; reported to OpenLineage."""
    from include.lineage import walk
    from include.training.refit import winner

    digest = once(platform, project, run, REFIT, (plan,), compute, now=now, kept=platform.vault.has)
    drawn = platform.load(Plan, plan)
    built, outcomes = platform.load(FeatureSet, drawn.features), outcomes_of(platform, drawn)
    took = walk.training(project.name, built, drawn)
    for shard, indices in enumerate(drawn.shards):
        recorded = record_digest([outcomes[drawn.trials[index].trial_id] for index in indices])
        took += walk.trials(project.name, shard, recorded)
    best = winner(drawn, built, outcomes.values())
    learnt, where = {**best.params, "rounds": best.rounds}, _pod(platform, run, REFIT)
    made = walk.model(project.name, built, digest)
    emit(platform, project, run, REFIT, took, made, now=now, parameters=learnt, tags=where)
    return digest


def _pod(platform: Platform, run: Run, step: str) -> dict[str, str]:
    """Where the step was done last, as its lineage event shows; empty where that was no pod."""
    entries = platform.ledger.read(streams.run(run.project, run.run_id))
    ended = [entry.event for entry in entries if isinstance(entry.event, PodEnded) and entry.event.step == step]
    if not ended:
        return {}
    pod = ended[-1]
    told = {"pod": pod.pod, "node": pod.node, "image": pod.image, "image_digest": pod.image_digest}
    return {name: value for name, value in told.items() if value is not None}


def _searched(drawn: Plan, shard: int) -> dict[str, object]:
    """What was the same for all trials of a shard, as its lineage event shows."""
    return {
        "shard": shard,
        "trials": len(drawn.shards[shard]),
        "rungs": list(drawn.rungs),
        "reduction": drawn.reduction,
        "seed": drawn.seed,
    }


def record_trial(
    platform: Platform, run: Run, plan: str, trial: Trial, *, beside: Sequence[tuple[str, Event]] = ()
) -> None:
    """Record the outcome of a trial of *plan*, unless it is known, and what it took *beside* it."""
    event = TrialRecorded(project=run.project, run_id=run.run_id, plan=plan, instant=run.instant, trial=trial)
    apart = is_beside(run)
    stream = streams.trials_beside(run.project) if apart else streams.trials(run.project)
    key = trials.trial_key(trial.trial_id, beside=apart)
    Journal(platform.ledger, run).fact(stream, event, key=key, beside=beside)


def adopt_trial(platform: Platform, run: Run, plan: str, trial: Trial) -> None:
    """Record the outcome of a trial of *plan* that only a backtest trained, so that later nights start from it too."""
    if platform.ledger.find(trials.trial_key(trial.trial_id)) is None:
        record_trial(platform, run, plan, trial)


def is_beside(run: Run) -> bool:
    """Whether the run trains beside nights, as a backtest does: it holds no lease."""
    return run.kind is not RunKind.NIGHT


def outcomes_of(platform: Platform, drawn: Plan | Shard) -> Mapping[str, Trial]:
    """The recorded outcomes of the trials of a plan or a shard, by trial id."""
    return trials.recorded(platform.ledger, [trial.trial_id for trial in drawn.trials])


def keep_outcomes(platform: Platform, drawn: Shard) -> str:
    """Store the outcomes of a shard, all of which are recorded; the digest."""
    outcomes = outcomes_of(platform, drawn)
    return platform.keep([outcomes[trial.trial_id] for trial in drawn.trials])


def step_of(shard: int | None) -> str:
    """The name of the step that trains the shard *shard* or, if it is ``None``, the winner of all shards again."""
    return REFIT if shard is None else f"train-{shard}"


def shard_of(step: str) -> int | None:
    """The shard that the step of that name trains; ``None``: it trains the winner of all again."""
    return None if step == REFIT else int(step.removeprefix("train-"))
