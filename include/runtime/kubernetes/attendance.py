"""One shard from its request to its end: its log handed on while it runs, pods that are lost replaced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from include.core.errors import ClusterUnavailable
from include.runtime.kubernetes import capacity, diagnosis
from include.runtime.kubernetes.cluster import Cluster, NoRoom
from include.runtime.kubernetes.diagnosis import Ending, Outcome, Running, Waiting
from include.runtime.kubernetes.request import LOGGED, PodRequest

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1Pod

Answer = TypeVar("Answer")
Say = Callable[[str], None]

#: How often the caller is asked whether the shard may still be trained.
CHECK_SECONDS = 5.0
#: How many lost pods of one request are replaced.
REPLACED = 20
#: A pod that was asked to end and is still there after that long has a node that is out of reach.
_LEAVING_SECONDS = 20.0
_SOON_SECONDS, _LATER_SECONDS, _RUNNING_SECONDS = 0.2, 1.0, 5.0
_EAGER_SECONDS = 10.0
#: An API server that is away is asked on and on, but that long before it is said.
_TELL_SECONDS = 5.0
_LAST_LINES_SECONDS = 30.0


async def place(cluster: Cluster, request: PodRequest, document: bytes) -> Ending | None:
    """Make the secret and the first pod. A quota that is used up now leaves the pod to :func:`attend`.

    An :class:`Ending` says that no node or quota could ever hold the pod: nothing was made.
    """
    nodes, quotas = await asyncio.gather(cluster.nodes(), cluster.quotas())
    why = capacity.never_in_quotas(request.compute, quotas)
    if why is None and nodes is not None:
        why = capacity.never_on_nodes(request.compute, nodes)
    if why is not None:
        return diagnosis.never(request, why)
    await cluster.make_secret(request, document)
    with suppress(NoRoom):
        await cluster.make_pod(request, 0, now=datetime.now(UTC))
    return None


async def attend(
    cluster: Cluster, request: PodRequest, *, log: Say, note: Say, check: Callable[[], None]
) -> tuple[Ending, ...]:
    """Wait until a pod of *request* has ended for good; how each of its pods ended, the last one last.

    *log* is handed each line that a pod prints, once, also if this process is killed and another takes over (the lines
    of its very last moment may come again); *note* what it waits for, when that changes. *check* is called every few
    seconds, in a thread: what it raises ends the wait, after pods and secret were removed.
    """
    attendant = _Attendant(cluster.within(_TELL_SECONDS), request, log, note)
    checking = asyncio.create_task(_repeat(check))
    working = asyncio.create_task(attendant.until_ended())
    try:
        await asyncio.wait({checking, working}, return_when=asyncio.FIRST_COMPLETED)
        if checking.done() and not working.done():
            await cluster.clear(request.selector)
            checking.result()
        return await working
    finally:
        for task in (checking, working):
            task.cancel()
        await asyncio.gather(checking, working, return_exceptions=True)


async def _repeat(check: Callable[[], None]) -> None:
    while True:
        await asyncio.to_thread(check)
        await asyncio.sleep(CHECK_SECONDS)


@dataclass(kw_only=True)
class _Trouble:
    """What keeps a pod from running, and since when (the loop's clock)."""

    kind: Outcome | None = None
    since: float = 0.0


class _Attendant:
    def __init__(self, cluster: Cluster, request: PodRequest, log: Say, note: Say) -> None:
        self._cluster, self._request, self._log, self._note = cluster, request, log, note
        self._clock = asyncio.get_running_loop().time
        self._noted = ""

    async def until_ended(self) -> tuple[Ending, ...]:
        endings: list[Ending] = []
        number = await self._youngest()
        while True:
            ending = await self._one(number)
            endings.append(ending)
            if ending.outcome is not Outcome.LOST or len(endings) > REPLACED:
                return tuple(endings)
            self._tell(ending.message)
            number += 1

    async def _youngest(self) -> int:
        """The number of the request's youngest pod, 0 if it has none: a wait goes on where an earlier one ended."""
        prefix = self._request.pod_name(0)[:-1]
        names = [pod.metadata.name for pod in await self._patiently(self._cluster.pods, self._request.selector)]
        return max((int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)), default=0)

    async def _one(self, number: int) -> Ending:
        """Pod *number*, made unless it is there, to its end."""
        name = self._request.pod_name(number)
        if (ending := await self._made(number, name)) is not None:
            return ending
        trouble, leaving_since, started = _Trouble(), None, self._clock()
        async with self._following(name) as following:
            while True:
                pod = await self._patiently(self._cluster.pod, name)
                if pod is None:
                    return diagnosis.gone(name)
                sight = diagnosis.look(pod, self._request)
                if isinstance(sight, Ending):
                    await following.finish(pod)
                    return sight
                if isinstance(sight, Waiting):
                    self._tell(f"pod {name} waits: {sight.why}")
                    if self._lasting(trouble, sight):
                        return diagnosis.stuck(pod, self._request, sight)
                    why, pause = sight.why, self._pause(started)
                else:
                    following.start(pod)
                    leaving_since = (leaving_since or self._clock()) if sight.leaving else None
                    if leaving_since is not None and self._clock() - leaving_since > _LEAVING_SECONDS:
                        return diagnosis.gone(name)
                    why, pause = "it was running", _RUNNING_SECONDS
                    self._running(pod, sight)
                if datetime.now(UTC) >= self._request.give_up_at:
                    return diagnosis.too_long(name, self._request, why)
                await following.wait(pause)

    async def _made(self, number: int, name: str) -> Ending | None:
        """Make the pod, as soon as the quota lets us; an :class:`Ending`: the time was over first."""
        while True:
            now = datetime.now(UTC)
            try:
                if await self._patiently(self._cluster.pod, name) is None:
                    await self._cluster.make_pod(self._request, number, now=now)
                return None
            except NoRoom as full:
                why = f"the quota is used up ({full})"
            except ClusterUnavailable as away:
                why = str(away.value)
            self._tell(f"pod {name} is not made yet: {why}")
            if now >= self._request.give_up_at:
                return diagnosis.too_long(name, self._request, why)
            await asyncio.sleep(_LATER_SECONDS)

    async def _patiently(self, call: Callable[[str], Awaitable[Answer]], argument: str) -> Answer:
        """What *call* answers, however long the API server is away, but not past the request's end."""
        while True:
            try:
                return await call(argument)
            except ClusterUnavailable as away:
                if datetime.now(UTC) >= self._request.give_up_at:
                    raise
                self._tell(f"the cluster does not answer, and is asked again: {away.value}")

    def _lasting(self, trouble: _Trouble, sight: Waiting) -> bool:
        if sight.trouble is None:
            # Between two attempts to pull, a container is "being made" for a moment: that ends no trouble.
            return False
        if trouble.kind is not sight.trouble:
            trouble.kind, trouble.since = sight.trouble, self._clock()
        return self._clock() - trouble.since >= sight.patience_seconds

    def _pause(self, started: float) -> float:
        return _SOON_SECONDS if self._clock() - started < _EAGER_SECONDS else _LATER_SECONDS

    def _running(self, pod: "V1Pod", sight: Running) -> None:
        where = f"pod {pod.metadata.name} runs on {pod.spec.node_name}"
        self._tell(f"{where}, and was asked to end" if sight.leaving else where)

    def _tell(self, what: str) -> None:
        if what != self._noted:
            self._noted = what
            self._note(what)

    @asynccontextmanager
    async def _following(self, name: str) -> "AsyncIterator[_Follower]":
        follower = _Follower(self._cluster, name, self._log, self._note)
        try:
            yield follower
        finally:
            await follower.stop()


class _Follower:
    """Hands on a pod's log, line by line, each once: how many were handed on stands at the pod."""

    def __init__(self, cluster: Cluster, name: str, log: Say, note: Say) -> None:
        self._cluster, self._name, self._log, self._note = cluster, name, log, note
        self._task: asyncio.Task[None] | None = None
        self._seen = 0

    def start(self, pod: "V1Pod") -> None:
        """Follow the log, again if it broke off."""
        if self._task is None:
            self._seen = int((pod.metadata.annotations or {}).get(LOGGED, 0))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())

    async def wait(self, seconds: float) -> None:
        """Until the log ends, which it does with its container, and no longer than *seconds*."""
        if self._task is None:
            await asyncio.sleep(seconds)
        elif self._task.done():
            await asyncio.sleep(_SOON_SECONDS)
        else:
            await asyncio.wait({self._task}, timeout=seconds)

    async def finish(self, pod: "V1Pod") -> None:
        """Hand on what is left of the log of a container that ended: a log that is followed may break off unnoticed."""
        if not any(each.container_id for each in pod.status.container_statuses or []):
            return
        if self._task is None:
            self._seen = int((pod.metadata.annotations or {}).get(LOGGED, 0))
        await self.stop()
        try:
            await asyncio.wait_for(self._follow(last=True), _LAST_LINES_SECONDS)
        except TimeoutError:
            self._note(f"the log of pod {self._name} could not be read to its end")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, *, last: bool = False) -> None:
        while True:
            try:
                await self._read(last=last)
                return
            except OSError:
                if await self._lost():
                    return
                await asyncio.sleep(_LATER_SECONDS)

    async def _read(self, *, last: bool) -> None:
        """Read from the first line on, and hand on what is new; a line without an end only if it is the *last*."""
        skip, rest = self._seen, b""
        async for piece in self._cluster.log(self._name):
            *lines, rest = (rest + piece).split(b"\n")
            fresh, skip = lines[skip:], max(0, skip - len(lines))
            await self._hand_on(fresh)
        if rest and last and not skip:
            await self._hand_on([rest])

    async def _hand_on(self, lines: list[bytes]) -> None:
        for line in lines:
            self._log(line.decode(errors="replace"))
            self._seen += 1
        if lines:
            with suppress(ClusterUnavailable):  # we know it ourselves; it is for who takes over from us
                await self._cluster.logged(self._name, self._seen)

    async def _lost(self) -> bool:
        """Whether the pod is gone, and its log with it."""
        with suppress(ClusterUnavailable):
            return await self._cluster.pod(self._name) is None
        return False
