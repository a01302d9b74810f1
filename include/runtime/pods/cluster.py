"""Calls to a cluster, each of which outlasts an API server that is away for a while."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from include.core.canonical import decode
from include.core.errors import ClusterUnavailable
from include.runtime.pods.capacity import Node, Quota
from include.runtime.pods.refusal import NoRoom, Refusal, RefusalKind, unable
from include.runtime.pods.request import (
    CONTAINER,
    GRACE_SECONDS,
    LOGGED,
    REQUEST,
    PodRequest,
    pod_manifest,
    secret_manifest,
)

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1Pod

Answer = TypeVar("Answer")
Renew = Callable[[], Awaitable[None]]

#: How long a call is tried again while the API server is away, unless the caller says otherwise.
PATIENCE_SECONDS = 120.0
_CALL_SECONDS = 15.0
#: After so long a call is tried again, and later after a share of the time that it has been tried for.
_PAUSE_SECONDS, _PAUSED_SHARE, _LONGEST_PAUSE_SECONDS = 1.0, 0.1, 10.0


class Cluster:
    """One namespace of the cluster that ``KUBECONFIG`` names, or else of the one that we run in.

    A method raises :class:`~include.core.errors.ClusterUnavailable` where the API server is away, or refuses us, for
    longer than *patience_seconds*.
    """

    def __init__(self, api: Any, namespace: str, *, renew: Renew, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """*renew* loads anew what *api* identifies itself by: a token may have ended."""
        self._api, self.namespace, self._renew, self._patience = api, namespace, renew, patience_seconds
        self._chooses_users: bool | None = None

    @staticmethod
    @asynccontextmanager
    async def connected(namespace: str, *, patience_seconds: float = PATIENCE_SECONDS) -> "AsyncIterator[Cluster]":
        """The namespace *namespace*, until the block ends.

        Raises:
            ClusterUnavailable: nothing says where a cluster is.
        """
        from kubernetes_asyncio import client, config

        configuration = client.Configuration()

        async def load() -> None:
            await config.load_config(client_configuration=configuration)

        try:
            await load()
        except (config.ConfigException, OSError) as error:
            raise ClusterUnavailable(
                "KUBECONFIG names a cluster, or this process runs in one",
                value=type(error).__name__,
                remedy="Set KUBECONFIG to a kubeconfig file, or place training locally (TRAINYARD_PLACEMENT=local).",
            ) from None
        async with client.ApiClient(configuration) as connection:
            api = client.CoreV1Api(connection)
            yield Cluster(api, namespace, renew=load, patience_seconds=patience_seconds)

    def within(self, patience_seconds: float) -> "Cluster":
        """The same, with another patience."""
        return Cluster(self._api, self.namespace, renew=self._renew, patience_seconds=patience_seconds)

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def make_secret(self, request: PodRequest, document: bytes) -> None:
        """The secret with the order's *document*; harmless if it is there.

        Raises:
            NoRoom: the namespace's quota is used up now.
            PodFailed: the cluster's rules refuse such a secret.
        """
        body = secret_manifest(request, document)
        await self._call(lambda: self._api.create_namespaced_secret(self.namespace, body), made=True)

    async def make_pod(self, request: PodRequest, number: int, *, now: datetime) -> None:
        """The order's pod *number*; harmless if it is there.

        Raises:
            NoRoom: the namespace's quota is used up now.
            PodFailed: the cluster's rules refuse such a pod.
        """
        body = pod_manifest(request, number, now=now, any_user=await self._is_openshift())
        await self._call(lambda: self._api.create_namespaced_pod(self.namespace, body), made=True)

    async def try_out(self, request: PodRequest, *, now: datetime) -> None:
        """Have the API server say what it would answer to secret and pod, and make neither. A full quota is no answer.

        Raises:
            PodFailed: the cluster's rules refuse such a secret or such a pod.
        """
        secret = secret_manifest(request, b"")
        pod = pod_manifest(request, 0, now=now, any_user=await self._is_openshift())
        tried = {"dry_run": "All"}
        for call in (
            lambda: self._api.create_namespaced_secret(self.namespace, secret, **tried),
            lambda: self._api.create_namespaced_pod(self.namespace, pod, **tried),
        ):
            with suppress(NoRoom):
                await self._call(call, made=True)

    async def _is_openshift(self) -> bool:
        """Whether the platform gives each namespace a range of user ids, and refuses a pod that names another."""
        from kubernetes_asyncio import client

        if self._chooses_users is None:
            groups = client.CustomObjectsApi(self._api.api_client)
            found = await self._optional(lambda: groups.get_api_resources("security.openshift.io", "v1"))
            self._chooses_users = found is not None
        return self._chooses_users

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def pod(self, name: str) -> "V1Pod | None":
        """The pod *name*, if there is one."""
        return await self._call(lambda: self._api.read_namespaced_pod(name, self.namespace), missing=True)

    async def pods(self, selector: str) -> "list[V1Pod]":
        """The pods that *selector* selects, oldest first."""
        found = await self._call(lambda: self._api.list_namespaced_pod(self.namespace, label_selector=selector))
        return sorted(found.items, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name))

    async def living(self, selector: str, *, now: datetime) -> PodRequest | None:
        """What the youngest living pod that *selector* selects was asked for; ``None``: none of them lives."""
        for pod in reversed(await self.pods(selector)):
            request = decode(PodRequest, pod.metadata.annotations[REQUEST].encode())
            active = pod.status.phase in ("Pending", "Running") and pod.metadata.deletion_timestamp is None
            if active and request.give_up_at > now:
                return request
        return None

    async def nodes(self) -> tuple[Node, ...] | None:
        """The cluster's nodes; ``None``: we may not list them."""
        found = await self._optional(self._api.list_node)
        if found is None:
            return None
        return tuple(
            Node(
                name=each.metadata.name,
                allocatable=each.status.allocatable or {},
                labels=each.metadata.labels or {},
                taints=tuple(
                    f"{taint.key}={taint.value or ''}:{taint.effect}"
                    for taint in each.spec.taints or []
                    if taint.effect in ("NoSchedule", "NoExecute")
                ),
            )
            for each in found.items
        )

    async def quotas(self) -> tuple[Quota, ...]:
        """The namespace's quotas; none where we may not list them."""
        found = await self._optional(lambda **given: self._api.list_namespaced_resource_quota(self.namespace, **given))
        return tuple(
            Quota(name=each.metadata.name, hard=each.spec.hard or {}, scopes=tuple(each.spec.scopes or ()))
            for each in (found.items if found is not None else ())
        )

    async def log(self, name: str) -> AsyncIterator[bytes]:
        """What the pod's container prints, from its first byte on, in pieces, until it ends.

        Raises ``OSError`` where the log cannot be read, or breaks off.
        """
        import aiohttp
        from kubernetes_asyncio.client import ApiException

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            answer = await self._api.read_namespaced_pod_log(
                name, self.namespace, container=CONTAINER, follow=True, _preload_content=False, _request_timeout=timeout
            )
            async with answer:
                if answer.status != 200:
                    raise OSError(f"status {answer.status}")
                async for piece in answer.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, ApiException) as error:
            raise OSError(type(error).__name__) from error

    async def logged(self, name: str, lines: int) -> None:
        """Note at the pod that *lines* of its log were handed on. Harmless if it is gone."""
        body = {"metadata": {"annotations": {LOGGED: str(lines)}}}
        await self._call(lambda: self._api.patch_namespaced_pod(name, self.namespace, body), missing=True)

    # ── removing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def clear(self, selector: str) -> None:
        """Delete all secrets and pods that *selector* selects; harmless if there are none.

        The secrets first: a pod that is made meanwhile can never start.
        """
        options = {"label_selector": selector}
        await self._call(lambda: self._api.delete_collection_namespaced_secret(self.namespace, **options))
        await self._call(
            lambda: self._api.delete_collection_namespaced_pod(
                self.namespace, **options, grace_period_seconds=GRACE_SECONDS
            )
        )

    async def remove(self, pods: Iterable[str], secret: str) -> None:
        """Delete the *secret* and then *pods*, by their names; harmless if they are gone."""
        await self._call(lambda: self._api.delete_namespaced_secret(secret, self.namespace), missing=True)
        for name in pods:
            await self._delete_pod(name)

    async def _delete_pod(self, name: str) -> None:
        await self._call(
            lambda: self._api.delete_namespaced_pod(name, self.namespace, grace_period_seconds=GRACE_SECONDS),
            missing=True,
        )

    # ── calling ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _call(
        self, call: Callable[[], Awaitable[Answer]], *, missing: bool = False, made: bool = False
    ) -> Answer | Any:
        """What *call* answers, asked again while the server is away.

        *missing*: ``None`` for what is not there. *made*: ``None`` for what is there already, and a rule of the cluster
        that refuses what would be made is an error of its own.
        """
        import aiohttp
        from kubernetes_asyncio.client import ApiException

        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            try:
                return await asyncio.wait_for(call(), timeout=_CALL_SECONDS)
            except ApiException as error:
                if missing and error.status == 404:
                    return None
                refusal = Refusal.of(error.status, error.body, str(error.reason))
                waited, why = loop.time() - started, str(refusal)
                if made and refusal.meaning is RefusalKind.THERE:
                    return None
                refusal.require_asking_again(self.namespace, waited, made=made)
                if error.status == 401:
                    await self._identify()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                waited, why = loop.time() - started, type(error).__name__
            if waited >= self._patience:
                raise unable(self.namespace, why) from None
            await asyncio.sleep(min(_pause(waited), self._patience - waited))

    async def _identify(self) -> None:
        """Load the configuration again; where that fails, the API server's next answer says so."""
        from kubernetes_asyncio.config import ConfigException

        with suppress(ConfigException, OSError, TimeoutError, ValueError):
            await asyncio.wait_for(self._renew(), timeout=_CALL_SECONDS)

    async def _optional(self, call: Callable[..., Awaitable[Answer]]) -> Answer | Any:
        """What *call* answers, or ``None`` where we have not the right, or there is no such thing in the cluster."""
        from kubernetes_asyncio.client import ApiException

        async def asked() -> Answer | None:
            try:
                return await call()
            except ApiException as error:
                if error.status in (403, 404):
                    return None
                raise

        return await self._call(asked)


def _pause(waited_seconds: float) -> float:
    """How long until a call is tried again: longer each time, and differently for each of many that collided."""
    pause = min(max(_PAUSE_SECONDS, waited_seconds * _PAUSED_SHARE), _LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.7, 1.3)  # noqa: S311  # nobody gains by guessing it
