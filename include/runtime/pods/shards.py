"""A step of a night, done in pods: ordered, attended under the run's lease and grants, collected, cleaned away."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from include import steps
from include.core import streams
from include.core.errors import (
    LeaseHeld,
    LedgerError,
    LedgerUnavailable,
    PodFailed,
    PodLost,
    ShardUnfinished,
    TrainyardError,
)
from include.core.events import Event, PodEnded, PodMeasured, TrialsMeasured
from include.core.project import Project
from include.core.records import Plan, Run
from include.ledger import Ledger, lease
from include.ledger.entry import Fence
from include.runtime import deployment
from include.runtime.pods import attendance, images, placing
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodEnding, PodOutcome
from include.runtime.pods.following import Say
from include.runtime.pods.request import PodRequest, selector_of
from include.settings import Settings
from include.steps import Platform, progress
from include.steps.training import while_allowed
from include.training.progress import TrainingProgress, read_line


@dataclass(frozen=True, kw_only=True)
class StepInPods:
    """Shard *shard* of *plan* (``None``: the refit of its winner), in the run of an opened night.

    ``labels`` are added to those of its pods.
    """

    settings: Settings
    platform: Platform
    project: Project
    run: Run
    plan: str
    shard: int | None
    labels: Mapping[str, str] = field(default_factory=dict)

    def begin(self, *, note: Say, check: Callable[[], None] | None = None) -> PodRequest | str:
        """Take up the pod that an earlier attempt asked for, or order the step and ask for one.

        A full quota on secrets is waited for: *note* is told, and *check*, :func:`still_allowed` if none is given, ends
        the wait by what it raises.

        Returns what to attend to; or, where all of it is recorded already, the digest that the step returns.

        Raises:
            PodFailed: no node or quota could ever hold its pod, or the cluster's rules refuse it.
            AccessDenied: no grant in force covers what the project reads.
            ClusterUnavailable: the cluster cannot be reached.
        """
        return asyncio.run(self._begin(note, check or still_allowed(self.platform, self.run)))

    async def _begin(self, note: Say, check: Callable[[], None]) -> PodRequest | str:
        image = images.kept(self.platform.ledger, self.run) or images.configured(self.settings, self.project)
        async with Cluster.connected(self.settings.namespace) as cluster:
            living = await cluster.living(self._selector, now=datetime.now(UTC))
            if living is not None:
                return replace(living, fence=self.run.fence)
            await cluster.clear(self._selector)
            now = datetime.now(UTC)
            lifetime = timedelta(minutes=self.project.operations.compute.maximum_minutes)
            order = steps.order(
                self.platform, self.project, self.run, self.plan, self.shard, now=now, lifetime=lifetime
            )
            if order is None:
                return steps.collect(self.platform, self.project, self.run, self.plan, self.shard, now=now)
            request = PodRequest(
                namespace=self.settings.namespace,
                image=image,
                compute=self.project.operations.compute,
                project=self.project.name,
                run_id=self.run.run_id,
                plan=self.plan,
                step=steps.step_of(self.shard),
                fence=self.run.fence,
                code_digest=self.run.code_digest,
                order_id=order.order_id,
                digest=order.digest,
                give_up_at=min(order.expires_at, now + lifetime),
                labels=self.labels,
                cut_short=order.expires_at < now + lifetime,
                deployment=deployment_of(self.settings),
            )
            never = await placing.place(cluster, request, order.document, note=note, check=check)
        if never is not None:
            record(self.platform.ledger, request, never)
            raise error_of(never)
        return request

    def finish(self, request: PodRequest, endings: tuple[PodEnding, ...]) -> str:
        """Record how its pods ended and what they stored, and remove pods and secret. The digest that the step returns.

        What a pod stored counts, however the pod ended.

        Raises:
            PodFailed: something has no result, and the last pod's end says why.
            StoreError: what was trained on is altered, or is not there.
            AccessDenied: no grant in force covers what the project reads any more.
            ClusterUnavailable: pods and secret could not be removed; the next attempt will.
        """
        try:
            for ending in endings:
                record(self.platform.ledger, request, ending)
            return self._collect(endings)
        finally:
            progress.forget(self.platform.store, request.project, request.run_id, request.step)
            clear(request.namespace, self._selector)

    def _collect(self, endings: tuple[PodEnding, ...]) -> str:
        now = datetime.now(UTC)
        try:
            return steps.collect(self.platform, self.project, self.run, self.plan, self.shard, now=now)
        except ShardUnfinished:
            if endings and endings[-1].outcome is PodOutcome.INPUT_ALTERED:  # which sets it aside, to be made again
                for artifact in self.platform.load(Plan, self.plan).artifacts:
                    self.platform.vault.verify(artifact)
            if endings and endings[-1].exit_code != 0:
                raise error_of(endings[-1]) from None
            raise

    @property
    def _selector(self) -> str:
        step = steps.step_of(self.shard)
        return selector(self.settings, project=self.project.name, run_id=self.run.run_id, plan=self.plan, step=step)


def selector(settings: Settings, *, project: str, run_id: str, plan: str, step: str) -> str:
    """Selects the pods and secrets of one step of a run of the deployment that *settings* name."""
    return selector_of(deployment=deployment_of(settings), project=project, run_id=run_id, plan=plan, step=step)


def deployment_of(settings: Settings) -> str:
    """Tells this deployment from others in the same namespace: by where its ledger is, and whose word it trusts.

    No part of the ledger's address that is secret goes in.
    """
    address = urlsplit(settings.ledger)
    place = [value for name, value in parse_qsl(address.query) if name in ("host", "port", "dbname")]
    ledger = f"{address.hostname}:{address.port}{address.path} {place}"
    trusted = settings.keys / deployment.AUTHORITY_PUBLIC_KEY
    key = trusted.read_bytes() if trusted.exists() else b""
    return sha256(ledger.encode() + key).hexdigest()[:16]


def record(ledger: Ledger, request: PodRequest, ending: PodEnding) -> None:
    """Record how a pod ended, unless that is known: it is told as soon as it is seen, and once more at the end.

    Raises:
        LedgerUnavailable: the ledger's database cannot be reached.
    """
    event = PodEnded(
        project=request.project,
        run_id=request.run_id,
        step=request.step,
        order_id=request.order_id,
        pod=ending.pod,
        node=ending.node,
        image=ending.image or request.image,
        image_digest=ending.image_digest,
        code_digest=request.code_digest,
        outcome=str(ending.outcome),
        exit_code=ending.exit_code,
        message=ending.message,
    )
    key = streams.pod_ended_key(request.project, request.run_id, ending.pod)
    if ledger.find(key) is not None:  # the first to see it knows best: who comes later may only find it gone
        return
    try:
        ledger.record(streams.run(request.project, request.run_id), event, key=key, beside=_cost(request, ending))
    except LedgerError:  # another attendant of the same pod was first
        if ledger.find(key) is None:
            raise


def _cost(request: PodRequest, ending: PodEnding) -> list[tuple[str, Event]]:
    """What the pod took and, as it says itself, its trials, where anybody saw it run."""
    if ending.ran_seconds is None:
        return []
    of: dict[str, str] = {"project": request.project, "run_id": request.run_id, "step": request.step}
    said, events = ending.said, list[Event]()
    events.append(
        PodMeasured(
            **of,
            pod=ending.pod,
            wall_seconds=ending.ran_seconds,
            gpu_seconds=ending.ran_seconds * request.compute.accelerators,
            cpu_seconds=None if said is None else said.cpu_seconds,
            at_least=ending.at_least or (said is not None and not said.ended),
        )
    )
    if said is not None and said.trials:
        events.append(TrialsMeasured(**of, attempt=ending.pod, in_pod=True, trials=said.trials))
    return [(streams.cost_of_run(request.project, request.run_id), event) for event in events]


def error_of(ending: PodEnding) -> TrainyardError:
    """The error that a pod's end is, where its results are missing: it heals if the end says so."""
    kind = PodLost if ending.outcome.heals else PodFailed
    what, _, remedy = ending.message.rpartition(". ")
    return kind("a training pod ends with its results stored", value=what, remedy=remedy)


def still_allowed(platform: Platform, run: Run) -> Callable[[], None]:
    """To be called every few seconds while a step is attended: renews the lease and asks for the grants.

    Raises AccessDenied once no grant covers what the run reads, and LeaseHeld once another run took its lease.
    """
    allowed, fence = while_allowed(platform, run, now=datetime.now(UTC)), Fence.of(run)

    def check() -> None:
        allowed()
        with suppress(LedgerUnavailable):  # the next call may reach it; what must not outlast it is asked above
            if fence is None or lease.renew(platform.ledger, fence, now=datetime.now(UTC), duration=lease.DURATION):
                return
            raise LeaseHeld(
                "one night of a project runs at a time",
                value=f"run {run.run_id!r} lost its lease",
                remedy="Start it again when the other has ended: what is recorded is not computed again.",
            )

    return check


def stored(platform: Platform, run: Run, request: PodRequest) -> Callable[[], int]:
    """To be called when a pod of *request* was killed: how many results lie there that nobody has recorded."""
    return partial(steps.stored, platform, run, request.plan, request.step)


class HeardProgress:
    """How far a pod says that it is, in the lines that it prints; kept for whoever looks at its run."""

    def __init__(self, platform: Platform, request: PodRequest) -> None:
        self._platform, self._request = platform, request
        self._heard: TrainingProgress | None = None

    def line(self, line: str) -> TrainingProgress | None:
        """What *line* says of it; ``None``: nothing."""
        found = read_line(line)
        self._heard = found or self._heard
        return found

    def checking(self, check: Callable[[], None]) -> Callable[[], None]:
        """*check*, which is called in a thread every few seconds, and what was heard since is kept."""

        def checked() -> None:
            heard, self._heard = self._heard, None
            if heard is not None:
                where = self._request.project, self._request.run_id, self._request.step
                progress.keep(self._platform.store, *where, heard, at=datetime.now(UTC))
            check()

        return checked


async def attend(request: PodRequest, attention: attendance.Attention) -> tuple[PodEnding, ...]:
    """:func:`include.runtime.pods.attendance.attend`, in the cluster that the request was made to."""
    async with Cluster.connected(request.namespace) as cluster:
        return await attendance.attend(cluster, request, attention)


def clear(namespace: str, selector: str) -> None:
    """Remove the pods and secrets that *selector* selects."""

    async def call() -> None:
        async with Cluster.connected(namespace) as cluster:
            await cluster.clear(selector)

    asyncio.run(call())
