"""Removes the pods and secrets that nobody will take up again: their attendants died, and no attempt came after them.

A step's own task, its trigger and its next attempt remove what is theirs. This is for what has none of them left.
Nothing is removed but by its name, which holds the digest of one order: an order that is made meanwhile is another's.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.core import streams
from include.core.canonical import decode
from include.core.events import TrainingOrdered
from include.ledger import Ledger, lease
from include.runtime.pods import diagnosis
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.request import REQUEST, PodRequest, all_of, secret_name
from include.runtime.pods.shards import deployment_of, record
from include.settings import Settings

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1Pod

#: Whether the runtime that started the run of a project says that it goes on no more, or does not know it.
Over = Callable[[str, str], bool]

#: Up to where in the ledger the secrets of orders were removed is kept there under this name.
_SWEEPING = "swept orders"
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _PodSweep:
    ledger: Ledger
    over: Over
    now: datetime

    def is_left(self, project: str, run_id: str, ends_at: datetime) -> bool:
        """Whether nobody will take up what an order until *ends_at* made."""
        if self.ledger.find(streams.run(project, run_id)) is None:  # so that nobody can ask whether it runs
            return ends_at <= self.now
        if lease.holds(self.ledger, project, run_id=run_id, now=self.now):
            return False
        return ends_at <= self.now or self.over(project, run_id)


def sweep(settings: Settings, ledger: Ledger, *, over: Over, now: datetime) -> int:
    """Remove what the runs of this deployment left in the cluster; how many pods. Harmless to repeat.

    A run that holds its project's lease keeps all it has. Of another's, what belongs to an order that has ended by
    *now* (UTC) goes, and what belongs to a run that is *over*. How each pod ended is recorded, if the ledger knows the
    run.

    Raises:
        ClusterUnavailable: the cluster cannot be reached, or refuses us.
    """
    return asyncio.run(_sweep(settings, _PodSweep(ledger=ledger, over=over, now=now)))


async def _sweep(settings: Settings, sweep: _PodSweep) -> int:
    async with Cluster.connected(settings.namespace) as cluster:
        removed = 0
        for pod in await cluster.pods(all_of(deployment_of(settings))):
            removed += await _pod(cluster, sweep, pod)
        await _secrets(cluster, sweep)
    return removed


async def _pod(cluster: Cluster, sweep: _PodSweep, pod: "V1Pod") -> bool:
    try:
        request = decode(PodRequest, (pod.metadata.annotations or {}).get(REQUEST, "").encode())
    except ValueError:
        log.warning("pod %s carries no request that this code reads: it ends by itself, and is left", pod.metadata.name)
        return False
    if not sweep.is_left(request.project, request.run_id, request.give_up_at):
        return False
    if sweep.ledger.find(streams.run(request.project, request.run_id)) is not None:
        record(sweep.ledger, request, diagnosis.left(pod, request))
    await cluster.remove([pod.metadata.name], request.secret_name)
    log.info("removed pod %s of run %s of %s", pod.metadata.name, request.run_id, request.project)
    return True


async def _secrets(cluster: Cluster, sweep: _PodSweep) -> None:
    """Remove the secrets of orders that are left, without listing any: who may list secrets may read them.

    Looks at the orders since the oldest that was not left the last time.
    """
    after, _ = sweep.ledger.delivered(_SWEEPING)
    last, kept = after, list[int]()
    for entry in sweep.ledger.read_all(after=after, kinds=(TrainingOrdered,)):
        last, event = entry.position, entry.event
        if not isinstance(event, TrainingOrdered):
            continue
        if sweep.is_left(event.project, event.run_id, event.expires_at):
            await cluster.remove([], secret_name(event.order_id, event.document))
        else:
            kept.append(entry.position)
    done = min(kept, default=last + 1) - 1
    if done > after:
        sweep.ledger.mark_delivered(_SWEEPING, position=done)
