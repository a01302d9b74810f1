"""A step's pod and its secret, as Kubernetes is asked for them. Pure; the order itself is in the secret alone."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from include.core.canonical import encode
from include.core.project import Compute

#: The container that trains, the only one that we ask for.
CONTAINER = "train"
#: The resource by which NVIDIA's device plugin offers accelerators, and the usual taint of nodes that have some.
ACCELERATOR = "nvidia.com/gpu"
#: How long a pod may take to end after it was asked to: what it stored is kept, and of what is under way what a round
#: that ends meanwhile came to.
GRACE_SECONDS = 5
#: A pod whose node is out of reach is given up after that long.
_UNREACHABLE_SECONDS = 30
_USER = 65532
_ORDER_FOLDER = "/var/run/trainyard"
_TEMPORARY = "/tmp"  # noqa: S108  # the pod's own folder, mounted there
#: Annotations: the request itself, and how many lines of the log were handed on.
REQUEST, LOGGED = "trainyard/request", "trainyard/logged"
#: The label by which Kueue knows the queue of a pod.
_QUEUE = "kueue.x-k8s.io/queue-name"

#: How clouds mark nodes that are taken away at any moment, by a label and mostly by a taint as well.
_SPOT = (
    ("cloud.google.com/gke-spot", "true"),
    ("cloud.google.com/gke-preemptible", "true"),
    ("cloud.google.com/gke-provisioning", "spot"),
    ("cloud.google.com/gke-provisioning", "preemptible"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("karpenter.sh/capacity-type", "spot"),
)


@dataclass(frozen=True, kw_only=True)
class PodRequest:
    """One step, a shard or the refit, to be done in a pod until ``give_up_at`` (UTC), waiting for a place included.

    ``digest`` is that of the order's document, which lies in a secret of the pod's own. ``fence`` is the token of the
    run's lease. ``command`` is what the pod runs; ``labels`` are added to ours. ``cut_short`` says that the order ends
    before the Compute's ``maximum_minutes`` are over, with the grant. ``deployment`` tells those apart that share a
    namespace. None of it is secret.
    """

    namespace: str
    image: str
    compute: Compute
    project: str
    run_id: str
    plan: str
    step: str
    fence: int
    code_digest: str
    order_id: str
    digest: str
    give_up_at: datetime
    command: tuple[str, ...] = ("python", "-m", "include", "train")
    labels: Mapping[str, str] = field(default_factory=dict)
    cut_short: bool = False
    deployment: str = ""

    @property
    def selector(self) -> str:
        """Selects what belongs to this step of this run of this deployment."""
        return ",".join(f"{name}={value}" for name, value in _own_labels(self).items())

    @property
    def secret_name(self) -> str:
        return secret_name(self.order_id, self.digest)

    def pod_name(self, number: int) -> str:
        """The name of the order's pod *number* (from 0): asked for twice, it is made once."""
        return f"{self.secret_name}-{number}"


def secret_name(order_id: str, digest: str) -> str:
    """The name of the secret of the order *order_id* whose document has *digest*: no other order has one of it."""
    return f"{order_id}-{digest.removeprefix('sha256:')[:10]}"


def all_of(deployment: str) -> str:
    """Selects what belongs to any step of one deployment."""
    return ",".join(f"{name}={value}" for name, value in _deployment_labels(deployment).items())


def selector_of(*, deployment: str, project: str, run_id: str, plan: str, step: str) -> str:
    """Selects what belongs to one step of one run of one deployment."""
    labels = _step_labels(deployment, project, run_id, plan, step)
    return ",".join(f"{name}={value}" for name, value in labels.items())


def secret_manifest(request: PodRequest, document: bytes) -> dict[str, Any]:
    """The secret that holds the order's *document*. Nothing of it may be logged."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": request.secret_name,
            "namespace": request.namespace,
            "labels": _own_labels(request),
            "annotations": {"trainyard/expires": request.give_up_at.isoformat()},
        },
        "immutable": True,
        "type": "Opaque",
        "data": {"order.json": b64encode(document).decode()},
    }


def pod_manifest(request: PodRequest, number: int, *, now: datetime, any_user: bool = False) -> dict[str, Any]:
    """The order's pod *number*: Pod Security ``restricted``, a read-only root, no credential but the order.

    It may run until the request is given up, and no longer. *any_user* leaves user and groups to the platform, which
    need then have none in common with the order's file: only this pod has it.
    """
    compute = request.compute
    seconds_left = max(1, round((request.give_up_at - now).total_seconds()))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": request.pod_name(number),
            "namespace": request.namespace,
            "labels": {**request.labels, **_own_labels(request), **({_QUEUE: compute.queue} if compute.queue else {})},
            "annotations": {REQUEST: encode(request).decode()},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds_left,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                **({} if any_user else {"runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER}),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(request)],
            "volumes": [
                {
                    "name": "order",
                    "secret": {"secretName": request.secret_name, "defaultMode": 0o444 if any_user else 0o440},
                },
                {"name": "temporary", "emptyDir": {"sizeLimit": f"{compute.ephemeral_storage_mib}Mi"}},
            ],
            "nodeSelector": node_selector(compute),
            "tolerations": tolerations(compute),
            **({} if compute.spot else {"affinity": _never_on_spot()}),
        },
    }


def resources(compute: Compute) -> dict[str, str]:
    """What the container asks for, which is also its limit."""
    asked = {
        "cpu": f"{round(compute.cpus * 1000)}m",
        "memory": f"{compute.memory_mib}Mi",
        "ephemeral-storage": f"{compute.ephemeral_storage_mib}Mi",
    }
    return asked | ({ACCELERATOR: str(compute.accelerators)} if compute.accelerators else {})


def node_selector(compute: Compute) -> dict[str, str]:
    """The labels of the nodes that it may run on: those that are declared. Accelerators are found by their number."""
    return dict(compute.node_selector or {})


def tolerations(compute: Compute) -> list[dict[str, Any]]:
    lost = [
        {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
        | {"tolerationSeconds": _UNREACHABLE_SECONDS}
        for state in ("not-ready", "unreachable")
    ]
    accelerators = [{"key": ACCELERATOR, "operator": "Exists", "effect": "NoSchedule"}] if compute.accelerators else []
    spot = [{"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"} for key, value in _SPOT]
    declared = [_toleration(taint) for taint in compute.tolerations]
    return [*lost, *accelerators, *(spot if compute.spot else []), *declared]


def taint_of(text: str) -> tuple[str, str | None, str | None]:
    """Key, value and effect of a taint as ``kubectl taint`` writes it (``key=value:Effect``); ``None``: left out."""
    said, colon, effect = text.partition(":")
    key, equals, value = said.partition("=")
    return key, value if equals else None, effect if colon else None


def is_spot(labels: Mapping[str, str]) -> bool:
    """Whether the labels of a node say that it may be taken away at any moment."""
    return any(labels.get(key) == value for key, value in _SPOT)


def _container(request: PodRequest) -> dict[str, Any]:
    asked = resources(request.compute)
    return {
        "name": CONTAINER,
        "image": request.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(request.command),
        "args": [request.order_id, request.digest],
        "env": [
            {"name": "TRAINYARD_ORDER", "value": f"{_ORDER_FOLDER}/order.json"},
            {"name": "TMPDIR", "value": _TEMPORARY},
            {"name": "HOME", "value": _TEMPORARY},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
        ],
        "resources": {"requests": asked, "limits": asked},
        "volumeMounts": [
            {"name": "order", "mountPath": _ORDER_FOLDER, "readOnly": True},
            {"name": "temporary", "mountPath": _TEMPORARY},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _toleration(taint: str) -> dict[str, Any]:
    key, value, effect = taint_of(taint)
    matched = {"operator": "Exists"} if value is None else {"operator": "Equal", "value": value}
    return {"key": key, **matched, **({} if effect is None else {"effect": effect})}


def _never_on_spot() -> dict[str, Any]:
    rules = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in _SPOT]
    terms = {"nodeSelectorTerms": [{"matchExpressions": rules}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _own_labels(request: PodRequest) -> dict[str, str]:
    return _step_labels(request.deployment, request.project, request.run_id, request.plan, request.step)


def _step_labels(deployment: str, project: str, run_id: str, plan: str, step: str) -> dict[str, str]:
    return {
        **_deployment_labels(deployment),
        "trainyard/project": _label(project),
        "trainyard/run": _label(run_id),
        "trainyard/plan": plan.removeprefix("sha256:")[:32],
        "trainyard/step": step,
    }


def _deployment_labels(deployment: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "trainyard", "trainyard/deployment": deployment}


def _label(text: str) -> str:
    """*text* as a label's value: itself where it may be, else shortened, and told apart by its digest."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", text):
        return text
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:46]
    return f"{readable}-{sha256(text.encode()).hexdigest()[:12]}".lstrip("-")
