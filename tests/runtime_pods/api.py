"""An API server's answers, over HTTP, where a real one cannot be brought to give them at will."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from include.runtime.pods.cluster import Cluster

NAMESPACE = "trainyard"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(kw_only=True)
class Api:
    """Answers calls by *answer*, notes them in ``calls`` ("DELETE secrets"), and lets in who has ``token``.

    It is that of an ``openshift``, or says that it knows nothing of such things.
    """

    answer: Answer
    token: str = "ours"  # noqa: S105  # nobody's
    openshift: bool = False
    calls: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/apis/"):
            return self._group(request.path.removeprefix("/apis/"))
        self.calls.append(f"{request.method} {request.path.partition(f'/namespaces/{NAMESPACE}/')[2]}")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Unauthorized")
        if request.path.endswith("/nodes"):
            return refusal(403, "nodes is forbidden")
        return await self.answer(request)

    def _group(self, name: str) -> web.Response:
        if not self.openshift or name != "security.openshift.io/v1":
            return web.Response(status=404, text="404 page not found")
        return web.json_response({"kind": "APIResourceList", "groupVersion": name, "resources": []})


def refusal(status: int, message: str, reason: str = "") -> web.Response:
    told = {"kind": "Status", "reason": reason, "message": message, "code": status}
    return web.json_response(told, status=status)


def kubeconfig(folder: Path, url: str) -> Path:
    """A kubeconfig whose user is known by what the file ``token`` beside it holds."""
    (folder / "token").write_text("ours")
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"tokenFile": str(folder / "token")}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(written))
    return path


@asynccontextmanager
async def serving(api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[Cluster]":
    """The cluster that the answers make, as :meth:`Cluster.connected` finds it."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.__call__)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        (address,) = runner.addresses
        path = str(kubeconfig(folder, f"http://127.0.0.1:{address[1]}"))
        for module in ("kubernetes_asyncio.config", "kubernetes_asyncio.config.kube_config"):
            monkeypatch.setattr(f"{module}.KUBE_CONFIG_DEFAULT_LOCATION", path)
        async with Cluster.connected(NAMESPACE) as cluster:
            yield cluster
    finally:
        await runner.cleanup()


def empty() -> web.Response:
    return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []})


def pod_json(name: str, state: dict[str, Any], *, phase: str = "Running") -> dict[str, Any]:
    container = {"name": "train", "image": "x", "imageID": "", "ready": True, "restartCount": 0, "containerID": "c://1"}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "creationTimestamp": "2026-03-01T12:00:00Z"},
        "spec": {"nodeName": "n2", "containers": [{"name": "train", "image": "x"}]},
        "status": {"phase": phase, "containerStatuses": [container | {"state": state}]},
    }


def run(call: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(call, 60)

    asyncio.run(main())
