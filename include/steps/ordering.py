"""Training by a process elsewhere: a step is ordered, and what came of it is verified and recorded as if made here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from include.core import streams
from include.core.canonical import encode
from include.core.errors import ShardUnfinished, TrainingError
from include.core.events import TrainingOrdered
from include.core.project import Project
from include.core.records import FeatureSet, Order, Plan, Refit, Run, Shard, Trial, Winner
from include.governance.access import identifier
from include.learner import learner
from include.ledger import Fence
from include.ledger.journal import record_failure
from include.steps import benchmarks, training
from include.steps.inputs import REFIT, require_made
from include.steps.platform import Platform, known, report_failure, scope_of
from include.steps.training import shard_of, step_of

if TYPE_CHECKING:
    from include.governance.vault import IssuedAddresses

#: How long the store may be out of reach of a process elsewhere.
PATIENCE_SECONDS = 120.0


def order(
    platform: Platform,
    project: Project,
    run: Run,
    plan: str,
    shard: int | None,
    *,
    now: datetime,
    lifetime: timedelta,
) -> Order | None:
    """Hand a shard or, if *shard* is ``None``, the refit of the winner to a process elsewhere.

    It reaches its inputs and results for *lifetime* and nothing else. Ordered again, the order has the same id and a
    later end; what is recorded or has a result is not trained again. ``None``: all of it is recorded already, and
    :func:`collect` only has to say so.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run drew no such plan.
        DeclarationError: no other process can reach the vault.
        TrainingError: as :func:`collect`, or there is no winner.
    """
    step = step_of(shard)
    require_made(platform, project, run, step, now=now, plan=plan)
    part = _part(platform, run, plan, shard)
    try:
        missing = part.missing()
        if not missing:
            return None
        _stored(platform, part, missing)  # one that cannot be would stop every process that is sent
        issued = platform.vault.issue(
            part.work().artifacts,
            missing,
            run=run,
            step=step,
            scope=scope_of(platform, run),
            now=now,
            lifetime=lifetime,
        )
        ordered = _written(project, run, plan, shard, part, issued)
        event = TrainingOrdered(
            project=project.name,
            run_id=run.run_id,
            plan=plan,
            step=step,
            order_id=ordered.order_id,
            document=ordered.digest,
            expires_at=ordered.expires_at,
        )
        platform.ledger.record(streams.run(project.name, run.run_id), event, fence=Fence.of(run))
    except Exception as error:  # no attempt of the step has begun: whatever ended the order is recorded, then raised
        record_failure(platform.ledger, error, project=project.name, run_id=run.run_id, step=step)
        report_failure(platform, project, run, step, error, at=now)
        raise
    return ordered


def _written(
    project: Project, run: Run, plan: str, shard: int | None, part: "_OrderedPart", issued: "IssuedAddresses"
) -> Order:
    """The order of *part*, which reaches what is *issued* to it."""
    from include.elsewhere import document as orders
    from include.training import engine

    document = orders.Document(
        order_id=identifier("o", project.name, run.run_id, plan, shard),
        plan=plan,
        step=step_of(shard),
        code=run.code_digest,
        engine=engine.digest(),
        expires_at=issued.expires_at,
        threads=project.operations.threads,
        patience_seconds=PATIENCE_SECONDS,
        work=part.work(),
        artifacts=issued.artifacts,
        results=issued.results,
        working=issued.working,
        recorded=part.recorded(),
    )
    digest, data = orders.write(document)
    return Order(order_id=document.order_id, digest=digest, document=data, expires_at=issued.expires_at)


def collect(platform: Platform, project: Project, run: Run, plan: str, shard: int | None, *, now: datetime) -> str:
    """Record what a process elsewhere made of what it was ordered; returns what the step returns where it runs here.

    Each result is held against the plan before any is recorded. One that cannot be is kept for whoever looks into it,
    and is made again.

    Raises:
        ShardUnfinished: something has no result yet.
        TrainingError: a result cannot be of this trial; names the rule, and the trial.
        AccessDenied: no grant in force covers what the project reads, or this run drew no such plan.
    """
    require_made(platform, project, run, step_of(shard), now=now, plan=plan)
    part = _part(platform, run, plan, shard)

    def compute() -> str:
        missing = part.missing()
        checked = _stored(platform, part, missing)
        if lacking := [name for name in missing if name not in checked]:
            raise ShardUnfinished(
                "all that was ordered has a result when its process has ended",
                value=f"none of {', '.join(lacking)}",
                remedy="It is ordered again, and what has a result is not made again.",
            )
        made = part.take(checked)
        for name in missing:  # what is recorded is under way no more
            platform.vault.remove_working(name)
        return made

    if shard is None:
        return training.finish_refit(platform, project, run, plan, compute, now=now)
    return training.finish_shard(platform, project, run, plan, shard, compute, now=now)


def stored(platform: Platform, run: Run, plan: str, step: str) -> int:
    """How many results of what was ordered for *step* lie there, and nobody has recorded yet.

    Raises:
        StoreUnavailable, LedgerUnavailable: nobody can say now.
    """
    part = _part(platform, run, plan, shard_of(step))
    return sum(platform.vault.result(name, most_bytes=1) is not None for name in part.missing())


def _stored(platform: Platform, part: "_OrderedPart", names: list[str]) -> dict[str, bytes]:
    """The results that a process elsewhere has written so far, each verified; the first that is not is set aside."""
    checked: dict[str, bytes] = {}
    for name in names:
        data = platform.vault.result(name, most_bytes=part.largest_bytes(name) + 1)
        if data is None:
            continue
        try:
            part.verify(name, data)
        except TrainingError:
            platform.vault.refuse_result(name, data)
            raise
        checked[name] = data
    return checked


class _OrderedPart(Protocol):
    """What can be done elsewhere: what it takes, and what its results are."""

    def largest_bytes(self, name: str) -> int:
        """What is larger is not the result *name*."""

    def missing(self) -> list[str]:
        """The names of the results that are not recorded."""

    def recorded(self) -> tuple[Trial, ...]:
        """What of it is recorded, for the process elsewhere to know."""

    def work(self) -> Shard | Refit:
        """What is ordered."""

    def verify(self, name: str, data: bytes) -> None:
        """Raise TrainingError unless *data* can be the result *name*."""

    def take(self, checked: Mapping[str, bytes]) -> str:
        """Record the verified results of all that was missing; what the step returns."""


def _part(platform: Platform, run: Run, plan: str, shard: int | None) -> _OrderedPart:
    drawn = platform.load(Plan, plan)
    if shard is None:
        return _RefitPart(platform=platform, run=run, plan=plan, drawn=drawn)
    return _ShardPart(platform=platform, run=run, plan=plan, drawn=drawn.shard(shard))


@dataclass(frozen=True, kw_only=True)
class _ShardPart:
    """The trials of a shard, each with a result of its own, by trial id."""

    platform: Platform
    run: Run
    plan: str
    drawn: Shard

    def largest_bytes(self, name: str) -> int:
        from include.elsewhere import results

        return results.largest_bytes(self.drawn, name)

    def missing(self) -> list[str]:
        known = training.outcomes_of(self.platform, self.drawn)
        lacking = [trial.trial_id for trial in self.drawn.trials if trial.trial_id not in known]
        beside = benchmarks.to_train(self.platform, self.run, self.drawn)
        return [*lacking, *([beside.trial_id] if beside else ())]

    def recorded(self) -> tuple[Trial, ...]:
        known = training.outcomes_of(self.platform, self.drawn)
        return tuple(known[trial.trial_id] for trial in self.drawn.trials if trial.trial_id in known)

    def work(self) -> Shard:
        return self.drawn

    def verify(self, name: str, data: bytes) -> None:
        from include.elsewhere import results

        results.verify(self.drawn, name, data)

    def take(self, checked: Mapping[str, bytes]) -> str:
        """All results are held against the halving first; they are recorded in the order in which trials ended."""
        from include.elsewhere import results
        from include.training import benchmark

        planned = {trial.trial_id for trial in self.drawn.trials}
        made = {name: results.verified(self.drawn, name, data) for name, data in checked.items() if name in planned}
        try:
            ended = results.halved(self.drawn, {**training.outcomes_of(self.platform, self.drawn), **made})
        except TrainingError:
            for trial_id in made:
                self.platform.vault.refuse_result(trial_id, checked[trial_id])
            raise
        for trial_id in ended:
            if trial_id in made:
                self.platform.store.put(encode(made[trial_id]))
                training.record_trial(self.platform, self.run, self.plan, made[trial_id])
        beside = self.drawn.benchmark
        if beside is not None and beside.trial_id in checked:
            fit = benchmark.verified(self.drawn, checked[beside.trial_id])
            benchmarks.record(self.platform, self.run, self.plan, beside, fit)
        return training.keep_outcomes(self.platform, self.drawn)


@dataclass(frozen=True, kw_only=True)
class _RefitPart:
    """The model of the plan's best trial, one result."""

    platform: Platform
    run: Run
    plan: str
    drawn: Plan

    @cached_property
    def _built(self) -> FeatureSet:
        return self.platform.load(FeatureSet, self.drawn.features)

    @cached_property
    def _best(self) -> Winner:
        from include.training import refit

        return refit.winner(self.drawn, self._built, training.outcomes_of(self.platform, self.drawn).values())

    def largest_bytes(self, name: str) -> int:
        return learner(self._best.learner).largest_bytes

    def missing(self) -> list[str]:
        from include.training import refit

        made = known(self.platform, self.run, REFIT, (self.plan,))
        kept = made is not None and self.platform.vault.has(made)
        return [] if kept else [refit.result_name(self.plan, self._best)]

    def recorded(self) -> tuple[Trial, ...]:
        return ()

    def work(self) -> Refit:
        from include.training import refit

        return refit.work(self.drawn, self._best)

    def verify(self, name: str, data: bytes) -> None:
        learner(self._best.learner).verify(self._best, data)

    def take(self, checked: Mapping[str, bytes]) -> str:
        (model,) = checked.values()
        # A pod of before may have written what none writes any more.
        return self.platform.vault.put(learner(self._best.learner).verify(self._best, model))
