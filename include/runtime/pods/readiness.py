"""Whether cluster and bucket would take a project's shards: asked of both before a night, which would meet it late."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from include.core.errors import DeclarationError
from include.core.project import Project
from include.runtime.pods import capacity, diagnosis, images
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.request import PodRequest
from include.runtime.pods.shards import deployment_of, error_of
from include.settings import Settings
from include.store import Store

#: A cluster that is not there is reported soon: nothing has begun that could outlast it.
_PATIENCE_SECONDS = 5.0
_NOTHING = f"sha256:{sha256(b'').hexdigest()}"


def require_ready(settings: Settings, project: Project) -> str:
    """The image that shards of *project* would train in, where nothing is known that would keep their pods from it.

    Nothing is made: the API server only says what it would answer. What it cannot know is NOT SHOWN: whether nodes get
    the image, and whether pods reach the bucket.

    Raises:
        DeclarationError: no image is named, the vault is no bucket, or its address is one of this machine alone.
        StoreUnavailable: the bucket is not there, out of reach, or refuses us.
        ClusterUnavailable: the cluster is out of reach, has no such namespace, or does not let us work there.
        PodFailed: its rules, nodes or quotas would never take such a pod.
    """
    image = images.configured(settings, project)
    _require_bucket(Store(settings.vault), project)
    asyncio.run(_require_cluster(settings, project, image))
    return image


def _require_bucket(vault: Store, project: Project) -> None:
    lifetime = timedelta(minutes=project.operations.compute.maximum_minutes)
    vault.require_issuing(lifetime)
    vault.has(_NOTHING)
    host = urlsplit(vault.read_address(_NOTHING, expires_at=datetime.now(UTC) + timedelta(minutes=1))).hostname or ""
    if _is_loopback(host):
        raise DeclarationError(
            "pods reach the bucket under the name that we know it by",
            value=f"{host}, which is another machine in each pod",
            remedy="Set AWS_ENDPOINT_URL to an address that pods reach, and see that the object store listens there.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _require_cluster(settings: Settings, project: Project, image: str) -> None:
    now = datetime.now(UTC)
    request = PodRequest(
        namespace=settings.namespace,
        image=image,
        compute=project.operations.compute,
        project=project.name,
        run_id="ready",
        plan="sha256:",
        step="train-0",
        fence=0,
        code_digest="",
        order_id="o-ready",
        digest=f"sha256:{now.timestamp():.0f}",
        give_up_at=now + timedelta(minutes=project.operations.compute.maximum_minutes),
        deployment=deployment_of(settings),
    )
    async with Cluster.connected(settings.namespace, patience_seconds=_PATIENCE_SECONDS) as cluster:
        await cluster.try_out(request, now=now)
        nodes, quotas = await asyncio.gather(cluster.nodes(), cluster.quotas())
    why = capacity.never_in_quotas(request.compute, quotas)
    if why is None and nodes is not None:
        why = capacity.never_on_nodes(request.compute, nodes)
    if why is not None:
        raise error_of(diagnosis.never(request, why))
