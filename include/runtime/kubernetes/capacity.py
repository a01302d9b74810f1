"""Whether a node or a quota could ever hold a pod: pure functions of what the cluster says of itself."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from include.core.project import Compute
from include.runtime.kubernetes.request import ACCELERATOR, is_spot, node_selector, resources

_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
#: Taints that come and go: they keep a pod from a node for a while, not for ever.
_PASSING_TAINTS = "node.kubernetes.io/"
#: Quotas that are about other pods than ours, which request something and end at a deadline.
_FOREIGN_SCOPES = {"NotTerminating", "BestEffort", "PriorityClass", "CrossNamespacePodAffinity"}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node: what pods may take of it by resource (Kubernetes' quantities), its labels, the keys of its taints."""

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


def quantity(text: str) -> Decimal:
    """The number that a Kubernetes quantity (``250m``, ``4Gi``, ``1e3``) stands for.

    Raises:
        ValueError: *text* is none.
    """
    found = re.fullmatch(r"([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?", text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * _UNITS[found[2] or ""]


def never_on_nodes(compute: Compute, nodes: Sequence[Node]) -> str | None:
    """Why none of *nodes* could ever hold the pod, even an empty one; ``None``: one could."""
    asked = {name: quantity(text) for name, text in resources(compute).items()}
    eligible = [node for node in nodes if _admits(node, compute)]
    if not eligible:
        selected = ", ".join(f"{name}={value}" for name, value in node_selector(compute).items())
        return f"none of the {len(nodes)} nodes admits it (it needs {selected or 'one without taints, not spot'})"
    if any(_lacking(asked, node.allocatable) is None for node in eligible):
        return None
    best = max(eligible, key=lambda node: _of(node.allocatable, ACCELERATOR if compute.accelerators else "memory"))
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
            if quantity(wanted[name]) > quantity(quota.hard[name]):
                return f"it asks for {wanted[name]} of {name}, and the quota {quota.name!r} allows {quota.hard[name]}"
    return None


def _admits(node: Node, compute: Compute) -> bool:
    tolerated = {ACCELERATOR} if compute.accelerators else set()
    hindered = [key for key in node.taints if key not in tolerated and not key.startswith(_PASSING_TAINTS)]
    selected = all(node.labels.get(name) == value for name, value in node_selector(compute).items())
    spot = is_spot(node.labels)
    return selected and (compute.spot or not spot) and (not hindered or (spot and compute.spot))


def _lacking(asked: Mapping[str, Decimal], allocatable: Mapping[str, str]) -> str | None:
    return next((name for name in reversed(list(asked)) if asked[name] > _of(allocatable, name)), None)


def _of(allocatable: Mapping[str, str], name: str) -> Decimal:
    return quantity(allocatable.get(name, "0"))
