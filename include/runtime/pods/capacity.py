"""Whether a node or a quota could ever hold a pod: pure functions of what the cluster says of itself."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.core.project import Compute
from include.runtime.pods.request import (
    ACCELERATOR,
    is_spot,
    node_selector,
    resources,
    taint_of,
    tolerations,
)

#: Taints that come and go: they keep a pod from a node for a while, not for ever.
_PASSING_TAINTS = re.compile(
    r"(?:node\.kubernetes\.io|node\.cloudprovider\.kubernetes\.io|karpenter\.sh)/|ToBeDeletedByClusterAutoscaler"
    r"|.*[-/]not-ready"
)
#: Quotas that are about other pods than ours, which request something and end at a deadline.
_FOREIGN_SCOPES = {"NotTerminating", "BestEffort", "PriorityClass", "CrossNamespacePodAffinity"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node: what pods may take of it by resource (Kubernetes' quantities), its labels, its taints.

    A taint is written ``key=value:Effect``, as ``kubectl taint`` does.
    """

    name: str
    allocatable: Mapping[str, str]
    labels: Mapping[str, str]
    taints: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A namespace's quota: its hard limits by resource (Kubernetes' quantities), and the scopes it is about."""

    name: str
    hard: Mapping[str, str]
    scopes: tuple[str, ...] = ()


def never_on_nodes(compute: Compute, nodes: Sequence[Node]) -> str | None:
    """Why none of *nodes* could ever hold the pod, even an empty one; ``None``: one could, or its queue decides."""
    if compute.queue is not None:  # which may send it to other nodes, have some made, and tolerate their taints
        return None
    asked = {name: _quantity(text) for name, text in resources(compute).items()}
    able = [node for node in nodes if _lacking(asked, node.allocatable) is None]
    hindrances = [_hindrance(node, compute) for node in able]
    if None in hindrances:
        return None
    if able:
        return f"none of the {len(nodes)} nodes admits it: {able[0].name} could hold it, but {hindrances[0]}"
    if not nodes:
        return "the cluster has no nodes"
    best = max(nodes, key=lambda node: _of(node.allocatable, ACCELERATOR if compute.accelerators else "memory"))
    name = _lacking(asked, best.allocatable) or ACCELERATOR
    has = best.allocatable.get(name, "0")
    return f"it asks for {resources(compute)[name]} of {name}; {best.name}, the node that comes closest, has {has}"


def never_in_quotas(compute: Compute, quotas: Iterable[Quota]) -> str | None:
    """Why one of *quotas* would refuse the pod even if nothing else ran; ``None``: none would."""
    asked = resources(compute)
    wanted = {"pods": "1", "count/pods": "1", "cpu": asked["cpu"], "memory": asked["memory"]}
    wanted |= {f"{kind}.{name}": text for name, text in asked.items() for kind in ("requests", "limits")}
    for quota in quotas:
        if _FOREIGN_SCOPES & set(quota.scopes):
            continue
        for name in sorted(wanted.keys() & quota.hard.keys()):
            if _quantity(wanted[name]) > _quantity(quota.hard[name]):
                return f"it asks for {wanted[name]} of {name}, and the quota {quota.name!r} allows {quota.hard[name]}"
    return None


def _hindrance(node: Node, compute: Compute) -> str | None:
    """What keeps the pod from a node that is large enough, and what of its Compute lets it there."""
    for name, value in node_selector(compute).items():
        if node.labels.get(name) != value:
            return f"it has not the label {name}={value} of `node_selector`"
    if is_spot(node.labels) and not compute.spot:
        return "it may be taken away at any moment (`spot`)"
    tolerated = tolerations(compute)
    for taint in node.taints:
        if not _PASSING_TAINTS.match(taint_of(taint)[0]) and not any(_tolerates(each, taint) for each in tolerated):
            return f"it has the taint {taint}, which is none of the `tolerations`"
    return None


def _tolerates(toleration: Mapping[str, Any], taint: str) -> bool:
    key, value, effect = taint_of(taint)
    if toleration["key"] != key or toleration.get("effect", effect) != effect:
        return False
    return bool(toleration["operator"] == "Exists" or toleration["value"] == (value or ""))


def _lacking(asked: Mapping[str, Decimal], allocatable: Mapping[str, str]) -> str | None:
    return next((name for name in reversed(list(asked)) if asked[name] > _of(allocatable, name)), None)


def _of(allocatable: Mapping[str, str], name: str) -> Decimal:
    return _quantity(allocatable.get(name, "0"))


def _quantity(text: str) -> Decimal:
    from kubernetes.utils.quantity import parse_quantity  # type: ignore[import-untyped]  # it publishes no types

    return Decimal(parse_quantity(text))
