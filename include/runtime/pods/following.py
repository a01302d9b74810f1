"""A pod's log, handed on line by line while it runs, and once each whoever follows it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from include.core.errors import ClusterUnavailable
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.diagnosis import trainer
from include.runtime.pods.request import LOGGED

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1Pod

Say = Callable[[str], None]

#: Of a longer line of a pod's log only the beginning is handed on.
LINE_BYTES = 64 * 1024
#: After so long a log that ended, or broke off, is looked at again.
_SOON_SECONDS, _LATER_SECONDS = 0.2, 1.0
_LAST_LINES_SECONDS = 30.0


class Follower:
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
        container = trainer(pod)
        if container is None or not container.container_id:
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
        """Read from the first line on, and hand on what is new; a line without an end only if it is the *last*.

        Of a line that is longer than :data:`LINE_BYTES` the rest is left out, and never held.
        """
        skip, rest = self._seen, b""
        async for piece in self._cluster.log(self._name):
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[: LINE_BYTES + 1]
            fresh, skip = lines[skip:], max(0, skip - len(lines))
            await self._hand_on(fresh)
        if rest and last and not skip:
            await self._hand_on([rest])

    async def _hand_on(self, lines: list[bytes]) -> None:
        for line in lines:
            cut = " … (the line was cut)" if len(line) > LINE_BYTES else ""
            self._log(line[:LINE_BYTES].decode(errors="replace") + cut)
            self._seen += 1
        if lines:
            with suppress(ClusterUnavailable):  # we know it ourselves; it is for who takes over from us
                await self._cluster.logged(self._name, self._seen)

    async def _lost(self) -> bool:
        """Whether the pod is gone, and its log with it."""
        with suppress(ClusterUnavailable):
            return await self._cluster.pod(self._name) is None
        return False
