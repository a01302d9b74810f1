"""Whether a node or a quota could ever hold a pod."""

from dataclasses import replace

import pytest

from include.core.project import Compute
from include.runtime.pods.capacity import Node, Quota, never_in_quotas, never_on_nodes

PLAIN = Node(
    name="plain", allocatable={"cpu": "2", "memory": "8Gi", "ephemeral-storage": "9000000000"}, labels={}, taints=()
)
GPUS = Node(
    name="gpus",
    allocatable={"cpu": "8", "memory": "64Gi", "ephemeral-storage": "100Gi", "nvidia.com/gpu": "4"},
    labels={"nvidia.com/gpu.present": "true"},
    taints=("nvidia.com/gpu=present:NoSchedule",),
)


@pytest.mark.parametrize(("allowed", "fits"), [("4Gi", True), ("4e9", False), ("5G", True), ("4294967295", False)])
def test_a_quota_is_read_as_kubernetes_means_it(allowed: str, fits: bool) -> None:
    quota = Quota(name="small", hard={"requests.memory": allowed})
    assert (never_in_quotas(Compute(memory_mib=4096), [quota]) is None) is fits


def test_a_node_that_is_tainted_holds_nothing_that_does_not_ask_for_it() -> None:
    assert never_on_nodes(Compute(cpus=4), [GPUS]) is not None
    assert never_on_nodes(Compute(accelerators=1), [PLAIN]) is not None
    assert never_on_nodes(Compute(accelerators=1), [PLAIN, GPUS]) is None


def test_accelerators_are_found_by_their_number_whatever_labels_their_nodes_have() -> None:
    """As on GKE's own nodes and on plain EKS, where nobody sets NVIDIA's label."""
    gke = replace(GPUS, labels={"cloud.google.com/gke-accelerator": "nvidia-l4"})
    eks = replace(GPUS, labels={}, taints=())
    assert [never_on_nodes(Compute(accelerators=1), [PLAIN, each]) for each in (gke, eks)] == [None, None]


def test_what_keeps_a_pod_from_a_node_that_could_hold_it_is_named_with_what_would_let_it_there() -> None:
    aks = replace(GPUS, name="aks", labels={"pool": "gpu"}, taints=("sku=gpu:NoSchedule",))
    why = never_on_nodes(Compute(accelerators=1), [PLAIN, aks])
    assert why == (
        "none of the 2 nodes admits it: aks could hold it, but it has the taint sku=gpu:NoSchedule, which is none of "
        "the `tolerations`"
    )
    admitted = Compute(accelerators=1, tolerations=("sku=gpu:NoSchedule",), node_selector={"pool": "gpu"})
    assert never_on_nodes(admitted, [PLAIN, aks]) is None
    elsewhere = replace(admitted, node_selector={"pool": "a100"})
    assert "has not the label pool=a100" in (never_on_nodes(elsewhere, [PLAIN, aks]) or "")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [("sku", True), ("sku=gpu", True), ("sku:NoSchedule", True), ("sku=cpu", False), ("sku:NoExecute", False),
     ("other", False)],
)  # fmt: skip
def test_what_a_toleration_leaves_out_may_be_anything(toleration: str, tolerated: bool) -> None:
    tainted = replace(PLAIN, taints=("sku=gpu:NoSchedule",))
    assert (never_on_nodes(Compute(tolerations=(toleration,)), [tainted]) is None) is tolerated


def test_where_a_queue_decides_no_node_of_the_moment_is_a_reason_to_refuse() -> None:
    assert never_on_nodes(Compute(accelerators=99), [PLAIN]) is not None
    assert never_on_nodes(Compute(accelerators=99, queue="team-a"), [PLAIN]) is None


def test_a_node_that_is_cordoned_or_out_of_reach_may_hold_it_later() -> None:
    down = Node(
        name="down", allocatable=PLAIN.allocatable, labels={}, taints=("node.kubernetes.io/unreachable=:NoExecute",)
    )
    assert never_on_nodes(Compute(), [down]) is None


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("karpenter.sh/capacity-type", "spot"),
        ("cloud.google.com/gke-preemptible", "true"),
        ("cloud.google.com/gke-spot", "true"),
        ("kubernetes.azure.com/scalesetpriority", "spot"),
        ("eks.amazonaws.com/capacityType", "SPOT"),
    ],
)
def test_a_spot_node_holds_only_what_may_be_taken_away(label: str, value: str) -> None:
    spot = replace(PLAIN, labels={label: value}, taints=(f"{label}={value}:NoSchedule",))
    assert never_on_nodes(Compute(), [spot]) is not None
    assert never_on_nodes(Compute(spot=True), [spot]) is None
    assert never_on_nodes(Compute(), [replace(spot, labels={label: "on-demand"}, taints=())]) is None


def test_what_is_lacking_is_named_beside_the_node_that_comes_closest() -> None:
    why = never_on_nodes(Compute(accelerators=9), [PLAIN, GPUS])
    assert why == "it asks for 9 of nvidia.com/gpu; gpus, the node that comes closest, has 4"
    assert "200Gi" not in (why or "")
    assert "cpu" in (never_on_nodes(Compute(cpus=99), [PLAIN]) or "")


def test_a_quota_refuses_for_ever_what_is_more_than_all_of_it() -> None:
    quota = Quota(name="team", hard={"requests.nvidia.com/gpu": "2", "limits.memory": "4Gi", "pods": "10"})
    assert never_in_quotas(Compute(accelerators=2), [quota]) is None
    assert never_in_quotas(Compute(accelerators=3), [quota]) == (
        "it asks for 3 of requests.nvidia.com/gpu, and the quota 'team' allows 2"
    )
    assert "limits.memory" in (never_in_quotas(Compute(memory_mib=5000), [quota]) or "")
    assert (
        never_in_quotas(Compute(accelerators=3), [Quota(name="other", hard=quota.hard, scopes=("BestEffort",))]) is None
    )
