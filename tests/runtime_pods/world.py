"""Pods that stand for training ones: a shell in the place of the trainer, in a namespace of a real cluster."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from include.core.canonical import digest_of
from include.core.project import Compute
from include.runtime.pods.attendance import Attention, attend
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodEnding
from include.runtime.pods.placing import place
from include.runtime.pods.request import PodRequest

SHELL = "local/busybox:1"
SMALL = Compute(cpus=0.1, memory_mib=64, ephemeral_storage_mib=64, maximum_minutes=5)
DOCUMENT = b'{"no": "addresses"}'


@dataclass(frozen=True, kw_only=True)
class Namespace:
    name: str
    kubectl: Callable[..., str]

    def get(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        chosen = ["-l", selector] if selector else []
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-n", self.name, *chosen, "-o", "json"))[
            "items"
        ]
        return items

    def apply(self, manifest: dict[str, Any]) -> None:
        self.kubectl("apply", "-n", self.name, "-f", "-", text=json.dumps(manifest))

    def quota(self, name: str, **hard: str) -> None:
        spec = {"hard": {key.replace("_", "/"): value for key, value in hard.items()}}
        self.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec})


def request_in(
    namespace: str, script: str, *, compute: Compute = SMALL, seconds: float = 240, **given: Any
) -> PodRequest:
    """A shard whose pod runs *script* in a shell."""
    asked = PodRequest(
        namespace=namespace,
        image=SHELL,
        compute=compute,
        project="punctual",
        run_id=f"manual__2013-06-01T04:00+00:00 {secrets.token_hex(3)}",
        plan="sha256:" + "a" * 64,
        step="train-0",
        fence=1,
        code_digest="sha256:" + "c" * 64,
        order_id=f"o-{secrets.token_hex(4)}",
        digest=digest_of(DOCUMENT),
        give_up_at=datetime.now(UTC) + timedelta(seconds=seconds),
        command=("sh", "-c", script),
    )
    return replace(asked, **given)


@dataclass(kw_only=True)
class Attended:
    """A shard that is placed and attended in a thread of its own, as a triggerer would."""

    request: PodRequest
    check: Callable[[], None] = lambda: None
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    endings: tuple[PodEnding, ...] = ()
    seen: list[PodEnding] = field(default_factory=list)
    error: BaseException | None = None
    placed: bool = False
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> "Attended":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._attend()), daemon=True)
        self._thread.start()
        return self

    async def _attend(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with Cluster.connected(self.request.namespace) as cluster:
                if not self.placed:
                    ending = await place(cluster, self.request, DOCUMENT, note=self.notes.append, check=self.check)
                    self.placed = True
                    if ending is not None:
                        self.endings = (ending,)
                        return
                attention = Attention(
                    log=self.lines.append,
                    note=self.notes.append,
                    check=self.check,
                    stored=lambda: 0,
                    ended=self.seen.append,
                )
                self.endings = await attend(cluster, self.request, attention)
        except BaseException as error:
            self.error = error

    def until(self, holds: Callable[[], object], *, seconds: float = 30) -> "Attended":
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.error is None, self.error
            assert time.monotonic() < deadline, f"not within {seconds} s; notes: {self.notes}, lines: {self.lines}"
            time.sleep(0.05)
        return self

    def until_prints(self, line: str, *, seconds: float = 30) -> "Attended":
        return self.until(lambda: line in self.lines, seconds=seconds)

    def die(self) -> None:
        """End as a triggerer that is killed: nothing is cleaned up in the cluster."""
        assert self._loop is not None
        assert self._thread is not None
        for task in asyncio.all_tasks(self._loop):
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join(20)

    def ended(self, *, seconds: float = 60) -> "Attended":
        assert self._thread is not None
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"not within {seconds} s; notes: {self.notes}, lines: {self.lines}"
        return self

    @property
    def last(self) -> PodEnding:
        assert self.error is None, repr(self.error)
        return self.endings[-1]


def clear(request: PodRequest) -> None:
    async def call() -> None:
        async with Cluster.connected(request.namespace) as cluster:
            await cluster.clear(request.selector)

    asyncio.run(call())
