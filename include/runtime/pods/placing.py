"""The beginning of a step's pods: its secret and its first pod, made as soon as quotas let us."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from include.core.errors import ClusterUnavailable, TrainyardError
from include.runtime.pods import capacity, diagnosis
from include.runtime.pods.attendance import CHECK_SECONDS, ask
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodEnding
from include.runtime.pods.following import Say
from include.runtime.pods.refusal import NoRoom
from include.runtime.pods.request import PodRequest


async def place(
    cluster: Cluster, request: PodRequest, document: bytes, *, note: Say, check: Callable[[], None]
) -> PodEnding | None:
    """Make the secret and the first pod. A quota that is used up now leaves the pod to attendance.

    A quota on secrets is waited for here, since the document goes nowhere else: *note* is told, and *check*, called
    every few seconds in a thread, ends the wait by what it raises. A :class:`PodEnding` says that no node or quota
    could ever hold the pod, or had no room in time. Then, and where it raises, nothing is left.
    """
    nodes, quotas = await asyncio.gather(cluster.nodes(), cluster.quotas())
    why = capacity.never_in_quotas(request.compute, quotas)
    if why is None and nodes is not None:
        why = capacity.never_on_nodes(request.compute, nodes)
    if why is not None:
        return diagnosis.never(request, why)
    try:
        if (why := await _without_secret(cluster, request, document, note=note, check=check)) is not None:
            return diagnosis.too_long(request.pod_name(0), request, why)
        with suppress(NoRoom):
            await cluster.make_pod(request, 0, now=datetime.now(UTC))
    except (TrainyardError, asyncio.CancelledError):
        with suppress(ClusterUnavailable):
            await cluster.clear(request.selector)
        raise
    return None


async def _without_secret(
    cluster: Cluster, request: PodRequest, document: bytes, *, note: Say, check: Callable[[], None]
) -> str | None:
    """Make the secret as soon as the quota lets us; else, when the request's time is over, why it was not made."""
    told = ""
    while True:
        try:
            await cluster.make_secret(request, document)
            return None
        except NoRoom as full:
            why = f"the quota is used up ({full})"
        if why != told:
            note(f"the secret of pod {request.pod_name(0)} is not made yet: {why}")
            told = why
        if datetime.now(UTC) >= request.give_up_at:
            return why
        await ask(check)
        await asyncio.sleep(CHECK_SECONDS)
