"""The search: its trials drawn, and trained here or by a process elsewhere, to the same record."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from include.core.canonical import encode
from include.core.errors import LedgerUnavailable, ShardUnfinished, TrainingError
from include.core.events import PodEnded, ShardOrdered, TrialRecorded
from include.core.project import Project
from include.core.records import FeatureSet, Order, Plan, Run, Shard, Trial
from include.governance.access import identifier
from include.ledger import Fence
from include.ledger.journal import Journal, record_failure, run_stream
from include.steps.platform import (
    Platform,
    declaration_of,
    emit,
    known,
    once,
    open_artifacts,
    scope_of,
    tell_failure,
)
from include.training import history as trials

#: How long the store may be out of reach of a shard that is trained elsewhere.
PATIENCE_SECONDS = 120.0
#: How often a running training asks whether its grants still hold, and how long it goes on where it gets no answer.
ASK_SECONDS, UNANSWERED_SECONDS = 5.0, 20.0


def plan(platform: Platform, project: Project, run: Run, features: str, *, now: datetime) -> str:
    """Draw the trials of one seeded round. Returns the digest of the :class:`Plan`; a recorded plan is reused."""
    from include.lineage import walk
    from include.training import matrix, search

    built = platform.load(FeatureSet, features)

    def alike(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.load(Plan, earlier).task == search.task(built, project.search)

    inputs = (features, run.declaration_digest)

    def compute() -> str:
        wanted = matrix.contents(built, built.split.train, built.split.validation)
        opened = open_artifacts(platform, run, "plan", wanted, now=now)
        earlier = known(platform, run, "plan", inputs)
        if earlier is not None and platform.store.has(earlier):
            # Its rows were lost. What the sampler had seen when it was drawn is not what it would see now.
            search.bin_rows(built, project.search.fixed, opened, platform.vault)
            return earlier
        drawn = search.plan(
            project=project,
            features=built,
            features_digest=features,
            opened=opened,
            vault=platform.vault,
            warm=trials.earlier(platform.ledger, project.name, before=run.instant, alike=alike),
        )
        return platform.keep(drawn)

    def kept(earlier: str) -> bool:
        if not platform.store.has(earlier):
            return False
        drawn = platform.load(Plan, earlier)
        return platform.vault.has(drawn.binned) and platform.vault.has(drawn.binned_validation)

    digest = once(platform, project, run, "plan", inputs, compute, now=now, kept=kept)
    took = walk.features(project.name, built, declaration_of(platform, run))
    made = walk.training(project.name, built, platform.load(Plan, digest))
    emit(platform, project, run, "plan", took, made, now=now)
    return digest


def shards(platform: Platform, plan: str) -> list[int]:
    """The numbers of the plan's shards, one training task each."""
    return list(range(len(platform.load(Plan, plan).shards)))


def train(platform: Platform, project: Project, run: Run, plan: str, shard: int, *, now: datetime) -> str:
    """Run one shard's trials and record each as it ends; skip what is recorded. Returns a digest of the outcomes.

    Raises:
        AccessDenied: no grant in force covers what the project reads, when it begins or any more, while it trains.
    """
    from include.training import trial as runner

    drawn = platform.load(Plan, plan).shard(shard)

    def compute() -> str:
        runner.train_shard(
            drawn,
            opened=open_artifacts(platform, run, "train", [drawn.binned, drawn.binned_validation], now=now),
            recorded=trials.recorded(platform.ledger, _ids(drawn)),
            record=lambda trial: _record(platform, run, plan, trial),
            threads=project.operations.threads,
            allowed=while_allowed(platform, run, now=now),
        )
        return _outcomes(platform, drawn)

    return _finish(platform, project, run, plan, shard, compute, now=now)


def order(
    platform: Platform, project: Project, run: Run, plan: str, shard: int, *, now: datetime, lifetime: timedelta
) -> Order | None:
    """Hand the shard to a process elsewhere, which reaches its inputs and results for *lifetime* and nothing else.

    Ordered again, it has the same id and a later end; trials that are recorded or have a result are not trained again.
    ``None``: every trial is recorded already, and :func:`train` only has to say so.

    Raises:
        AccessDenied: no grant in force covers what the project reads.
        DeclarationError: the vault is none that others can reach.
        TrainingError: as :func:`collect`.
    """
    from include.training import order as orders

    drawn = platform.load(Plan, plan).shard(shard)
    recorded = trials.recorded(platform.ledger, _ids(drawn))
    missing = [trial_id for trial_id in _ids(drawn) if trial_id not in recorded]
    if not missing:
        return None
    try:
        _stored(platform, drawn, missing)  # one that its trial cannot have would stop every process that is sent
        issued = platform.vault.issue(
            [drawn.binned, drawn.binned_validation],
            missing,
            run=run,
            step="train",
            scope=scope_of(platform, run),
            now=now,
            lifetime=lifetime,
        )
        document = orders.Document(
            order_id=identifier("o", project.name, run.run_id, plan, shard),
            plan=plan,
            number=shard,
            code=run.code_digest,
            engine=orders.engine(),
            expires_at=issued.expires_at,
            threads=project.operations.threads,
            patience_seconds=PATIENCE_SECONDS,
            shard=drawn,
            artifacts=issued.artifacts,
            results=issued.results,
            recorded=tuple(recorded[trial_id] for trial_id in _ids(drawn) if trial_id in recorded),
        )
        digest, data = orders.write(document)
        event = ShardOrdered(
            project=project.name,
            run_id=run.run_id,
            plan=plan,
            shard=shard,
            order_id=document.order_id,
            document=digest,
            expires_at=issued.expires_at,
        )
        platform.ledger.record(run_stream(project.name, run.run_id), event, fence=Fence.of(run))
    except Exception as error:  # no attempt of the step has begun: whatever ended the order is recorded, then raised
        record_failure(platform.ledger, error, project=project.name, run_id=run.run_id, step=_step(shard))
        tell_failure(platform, project, run, _step(shard), error, at=now)
        raise
    return Order(order_id=document.order_id, digest=digest, document=data, expires_at=issued.expires_at)


def collect(platform: Platform, project: Project, run: Run, plan: str, shard: int, *, now: datetime) -> str:
    """Record what a process elsewhere made of the shard that it was ordered; returns what :func:`train` returns.

    Each result is held against the plan, and all of them against the halving, before any is recorded. One that it
    cannot be is kept for whoever looks into it, and is trained again.

    Raises:
        ShardUnfinished: trials have no result yet.
        TrainingError: a result is none that its trial can have; names the trial and the rule.
        AccessDenied: no grant in force covers what the project reads.
    """
    drawn = platform.load(Plan, plan).shard(shard)

    def compute() -> str:
        for trial in _collected(platform, drawn):
            platform.store.put(encode(trial))
            _record(platform, run, plan, trial)
        return _outcomes(platform, drawn)

    return _finish(platform, project, run, plan, shard, compute, now=now)


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
            platform.access.require(scope, now=now + timedelta(seconds=moment - began))
        except LedgerUnavailable:
            if moment - answered > UNANSWERED_SECONDS:
                raise
        else:
            answered = moment

    return allowed


def _collected(platform: Platform, drawn: Shard) -> list[Trial]:
    """The verified outcomes of the trials that are not recorded yet, in the order in which they ended."""
    from include.training import results

    recorded = trials.recorded(platform.ledger, _ids(drawn))
    missing = [trial_id for trial_id in _ids(drawn) if trial_id not in recorded]
    checked = _stored(platform, drawn, missing)
    if lacking := [trial_id for trial_id in missing if trial_id not in checked]:
        raise ShardUnfinished(
            "every trial of an ordered shard has a result when its process has ended",
            value=f"none of {', '.join(lacking)}",
            remedy="The shard is ordered again, and skips the trials that have one.",
        )
    try:
        ended = results.halved(drawn, {**recorded, **checked})
    except TrainingError:
        for trial_id, trial in checked.items():
            platform.vault.refuse_result(trial_id, encode(trial))
        raise
    return [checked[trial_id] for trial_id in ended if trial_id in checked]


def _stored(platform: Platform, drawn: Shard, trial_ids: list[str]) -> dict[str, Trial]:
    """The results that a process elsewhere has written so far, each verified; the first that is not is set aside."""
    from include.training import results

    checked: dict[str, Trial] = {}
    for trial_id in trial_ids:
        data = platform.vault.result(trial_id, most_bytes=results.LARGEST_BYTES + 1)
        if data is None:
            continue
        try:
            checked[trial_id] = results.verified(drawn, trial_id, data)
        except TrainingError:
            platform.vault.refuse_result(trial_id, data)
            raise
    return checked


def _finish(
    platform: Platform, project: Project, run: Run, plan: str, shard: int, compute: Callable[[], str], *, now: datetime
) -> str:
    from include.lineage import walk

    digest = once(platform, project, run, _step(shard), (plan, shard), compute, now=now)
    drawn = platform.load(Plan, plan)
    took = walk.training(project.name, platform.load(FeatureSet, drawn.features), drawn)
    made = walk.trials(project.name, shard, digest)
    searched, where = _searched(drawn, shard), _pod(platform, run, shard)
    emit(platform, project, run, _step(shard), took, made, now=now, parameters=searched, tags=where)
    return digest


def _pod(platform: Platform, run: Run, shard: int) -> dict[str, str]:
    """Where the shard was trained last, as its lineage event tells; empty where that was no pod."""
    entries = platform.ledger.read(run_stream(run.project, run.run_id))
    ended = [entry.event for entry in entries if isinstance(entry.event, PodEnded) and entry.event.shard == shard]
    if not ended:
        return {}
    pod = ended[-1]
    told = {"pod": pod.pod, "node": pod.node, "image": pod.image, "image_digest": pod.image_digest}
    return {name: value for name, value in told.items() if value is not None}


def _searched(drawn: Plan, shard: int) -> dict[str, object]:
    """What was the same for all trials of a shard, as its lineage event tells."""
    return {
        "shard": shard,
        "trials": len(drawn.shards[shard]),
        "rungs": list(drawn.rungs),
        "reduction": drawn.reduction,
        "seed": drawn.seed,
    }


def _record(platform: Platform, run: Run, plan: str, trial: Trial) -> None:
    event = TrialRecorded(project=run.project, run_id=run.run_id, plan=plan, instant=run.instant, trial=trial)
    Journal(platform.ledger, run).fact(f"trials/{run.project}", event, key=f"trial/{trial.trial_id}")


def _outcomes(platform: Platform, drawn: Shard) -> str:
    outcomes = trials.recorded(platform.ledger, _ids(drawn))
    return platform.keep([outcomes[trial_id] for trial_id in _ids(drawn)])


def _ids(drawn: Shard) -> list[str]:
    return [trial.trial_id for trial in drawn.trials]


def _step(shard: int) -> str:
    return f"train-{shard}"
