"""One shard from its request to its end: its log handed on while it runs, pods that are lost replaced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from include.core.errors import ClusterUnavailable, LedgerUnavailable, TrainyardError
from include.runtime.pods import diagnosis
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodEnding, PodOutcome, PodRunning, PodWaiting
from include.runtime.pods.following import Follower, Say
from include.runtime.pods.refusal import NoRoom
from include.runtime.pods.replacing import Replacements
from include.runtime.pods.request import PodRequest
from include.steps.training import UNANSWERED_SECONDS

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1Pod

Answer = TypeVar("Answer")

#: How often the caller is asked whether the shard may still be trained.
CHECK_SECONDS = 5.0
#: A pod that was asked to end and is still there after that long has a node that is out of reach.
_LEAVING_SECONDS = 20.0
_SOON_SECONDS, _LATER_SECONDS, _RUNNING_SECONDS = 0.2, 1.0, 5.0
_EAGER_SECONDS = 10.0
#: What has not changed for a while is looked at again after a share of that while, and no later than that.
_WAITED_SHARE, _LATEST_SECONDS = 0.1, 15.0
#: Threads of our own: those of the loop are shared with every waiting gate, and a pod is removed when a check waits.
_THREADS = ThreadPoolExecutor(16, thread_name_prefix="attendance")
#: An API server that is away is asked on and on, but that long before it is said.
_TELL_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What is told and asked while pods are attended to; all but the first two in a thread.

    ``log`` is handed each line that a pod prints, once, also if this process is killed and another takes over (the
    lines of its very last moment may come again); ``note`` what it waits for, when that changes. ``ended`` is handed
    each pod's end as soon as it is seen; it may be handed the same again. ``check`` is called every few seconds: what
    it raises ends the wait, as does no answer for :data:`~include.steps.training.UNANSWERED_SECONDS`. ``stored`` says
    how many results pods have stored and nobody has recorded yet: it is asked when a pod was killed.
    """

    log: Say
    note: Say
    check: Callable[[], None]
    stored: Callable[[], int]
    ended: Callable[[PodEnding], None]


async def attend(cluster: Cluster, request: PodRequest, attention: Attention) -> tuple[PodEnding, ...]:
    """Wait until a pod of *request* has ended for good; how each of its pods ended, the last one last.

    Whatever it raises, the pod that was attended to has an end, ``STOPPED``, and pods and secret were removed.
    """
    attendant = _Attendant(cluster.within(_TELL_SECONDS), request, attention)
    checking = asyncio.create_task(_repeat(attention.check))
    working = asyncio.create_task(attendant.until_ended())
    try:
        await asyncio.wait({checking, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        await _cancelled(working)  # or else it makes another pod while we remove them
        checking.result()
        raise AssertionError("a check that is repeated ends by what it raises")
    except Exception as error:  # whatever it is, nothing may be left
        try:
            await cluster.clear(request.selector)
        finally:
            await attendant.stopped(error)
        raise
    finally:
        await _cancelled(checking)
        await _cancelled(working)


async def in_thread(call: Callable[..., Answer], *arguments: object) -> Answer:
    """What *call* returns, called in a thread that nothing but attendance takes."""
    bound = partial(copy_context().run, call, *arguments)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, bound)


def _later(waited_seconds: float) -> float:
    """How long until what has not changed for so long is looked at again: many pods may wait for long."""
    return min(max(_LATER_SECONDS, waited_seconds * _WAITED_SHARE), _LATEST_SECONDS)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel *task* and wait for its end; again, where a call that was being answered swallowed that."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_LATER_SECONDS)


async def _repeat(check: Callable[[], None]) -> None:
    while True:
        await ask(check)
        await asyncio.sleep(CHECK_SECONDS)


async def ask(check: Callable[[], None]) -> None:
    """Call *check*, in a thread; what it raises is raised, as is no answer within its time."""
    try:
        await asyncio.wait_for(in_thread(check), UNANSWERED_SECONDS)
    except TimeoutError:
        raise LedgerUnavailable(
            "the ledger answers whether the grants still hold",
            value=f"no answer within {UNANSWERED_SECONDS:.0f} s",
            remedy="Check that its database runs and is in reach, then retry.",
        ) from None


@dataclass(kw_only=True)
class _Trouble:
    """What keeps a pod from running, and since when (the loop's clock)."""

    kind: PodOutcome | None = None
    since: float = 0.0


class _Attendant:
    def __init__(self, cluster: Cluster, request: PodRequest, attention: Attention) -> None:
        self._cluster, self._request, self._attention = cluster, request, attention
        self._replacing = Replacements(request=request)
        self._clock = asyncio.get_running_loop().time
        self._noted, self._noted_at, self._began = "", self._clock(), self._clock()
        self._number = 0
        self._ran: dict[str, tuple[float, float]] = {}  # by pod, when it was first and last seen running
        self._endings: list[PodEnding] = []

    async def until_ended(self) -> tuple[PodEnding, ...]:
        self._number = await self._youngest()
        while True:
            ending = await self._judged(await self._one(self._number))
            await self._end(ending)
            if not self._replacing.follows(ending):
                return tuple(self._endings)
            self._tell(ending.message)
            if ending.outcome is PodOutcome.REQUEUED:  # however fast a queue takes pods back, they are made slowly
                await asyncio.sleep(_later(self._clock() - self._began))
            self._number += 1
            if ending.image is not None:  # whatever its reference names by now
                self._request = replace(self._request, image=ending.image)

    async def stopped(self, error: Exception) -> None:
        """Say how the pod that was attended to ended, unless that was seen."""
        name = self._request.pod_name(self._number)
        if not any(ending.pod == name for ending in self._endings):
            await self._end(diagnosis.stopped(name, error))

    async def _judged(self, ending: PodEnding) -> PodEnding:
        """The end as it stands beside those of the pods before it."""
        stored: int | None = None
        if ending.outcome is PodOutcome.KILLED:
            with suppress(TrainyardError, TimeoutError):  # what nobody can count ends no request
                stored = await asyncio.wait_for(in_thread(self._attention.stored), UNANSWERED_SECONDS)
        return self._replacing.judged(ending, stored)

    async def _end(self, ending: PodEnding) -> None:
        if ending.ran_seconds is None and ending.pod in self._ran:  # it ran for so long at least
            first, last = self._ran[ending.pod]
            ending = replace(ending, ran_seconds=round(last - first, 3), at_least=True)
        self._endings.append(ending)
        with suppress(LedgerUnavailable, TimeoutError):  # who takes the endings from us records them once more
            await asyncio.wait_for(in_thread(self._attention.ended, ending), UNANSWERED_SECONDS)

    async def _youngest(self) -> int:
        """The number of the request's youngest pod, 0 if it has none: a wait goes on where an earlier one ended."""
        prefix = self._request.pod_name(0)[:-1]
        names = [pod.metadata.name for pod in await self._patiently(self._cluster.pods, self._request.selector)]
        return max((int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)), default=0)

    async def _one(self, number: int) -> PodEnding:
        """Pod *number*, made unless it is there, to its end."""
        name = self._request.pod_name(number)
        if (ending := await self._made(number, name)) is not None:
            return ending
        trouble, leaving_since, started, seen = _Trouble(), None, self._clock(), None
        async with self._following(name) as following:
            while True:
                pod = await self._patiently(self._cluster.pod, name)
                if pod is None:
                    return diagnosis.gone(name, self._request, seen)
                seen = pod
                sight = diagnosis.look(pod, self._request)
                if isinstance(sight, PodEnding):
                    await following.finish(pod)
                    return sight
                if isinstance(sight, PodWaiting):
                    self._tell(f"pod {name} waits: {sight.why}")
                    if self._lasting(trouble, sight):
                        return diagnosis.stuck(pod, self._request, sight)
                    why, pause = sight.why, self._pause(started)
                else:
                    following.start(pod)
                    leaving_since = (leaving_since or self._clock()) if sight.leaving else None
                    if leaving_since is not None and self._clock() - leaving_since > _LEAVING_SECONDS:
                        return diagnosis.gone(name, self._request, pod)
                    why, pause = "it was running", _RUNNING_SECONDS
                    self._running(pod, sight)
                if datetime.now(UTC) >= self._request.give_up_at:
                    return diagnosis.too_long(name, self._request, why)
                await following.wait(min(pause, self._left_seconds()))

    async def _made(self, number: int, name: str) -> PodEnding | None:
        """Make the pod, as soon as the quota lets us; an :class:`PodEnding`: the time was over first."""
        while True:
            now = datetime.now(UTC)
            why = "the one before it had ended"
            try:
                if await self._patiently(self._cluster.pod, name) is not None:
                    return None
                if now < self._request.give_up_at:
                    await self._cluster.make_pod(self._request, number, now=now)
                    return None
            except NoRoom as full:
                why = f"the quota is used up ({full})"
            except ClusterUnavailable as away:
                why = str(away.value)
            self._tell(f"pod {name} is not made yet: {why}")
            if now >= self._request.give_up_at:
                return diagnosis.too_long(name, self._request, why)
            await self._sleep()

    async def _patiently(self, call: Callable[[str], Awaitable[Answer]], argument: str) -> Answer:
        """What *call* answers, however long the API server is away, but not past the request's end."""
        while True:
            try:
                return await call(argument)
            except ClusterUnavailable as away:
                if datetime.now(UTC) >= self._request.give_up_at:
                    raise
                self._tell(f"the cluster does not answer, and is asked again: {away.value}")
            await self._sleep()

    def _lasting(self, trouble: _Trouble, sight: PodWaiting) -> bool:
        if sight.trouble is None:
            # Between two attempts to pull, a container is "being made" for a moment: that ends no trouble.
            return False
        if trouble.kind is not sight.trouble:
            trouble.kind, trouble.since = sight.trouble, self._clock()
        return self._clock() - trouble.since >= sight.patience_seconds

    def _pause(self, started: float) -> float:
        return _SOON_SECONDS if self._clock() - started < _EAGER_SECONDS else _later(self._clock() - self._noted_at)

    async def _sleep(self) -> None:
        await asyncio.sleep(min(_later(self._clock() - self._noted_at), self._left_seconds()))

    def _left_seconds(self) -> float:
        """Until the request's time is over, but long enough to be no busy wait."""
        return max(_SOON_SECONDS, (self._request.give_up_at - datetime.now(UTC)).total_seconds())

    def _running(self, pod: "V1Pod", sight: PodRunning) -> None:
        first, _ = self._ran.get(pod.metadata.name, (self._clock(), 0.0))
        self._ran[pod.metadata.name] = (first, self._clock())
        where = f"pod {pod.metadata.name} runs on {pod.spec.node_name}"
        self._tell(f"{where}, and was asked to end" if sight.leaving else where)

    def _tell(self, what: str) -> None:
        if what != self._noted:
            self._noted, self._noted_at = what, self._clock()
            self._attention.note(what)

    @asynccontextmanager
    async def _following(self, name: str) -> "AsyncIterator[Follower]":
        follower = Follower(self._cluster, name, self._attention.log, self._attention.note)
        try:
            yield follower
        finally:
            await follower.stop()
