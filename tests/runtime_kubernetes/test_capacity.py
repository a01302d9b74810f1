"""Whether a node or a quota could ever hold a pod."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.project import Compute
from include.runtime.kubernetes.capacity import Node, Quota, never_in_quotas, never_on_nodes, quantity

PLAIN = Node(
    name="plain", allocatable={"cpu": "2", "memory": "8Gi", "ephemeral-storage": "9000000000"}, labels={}, taints=()
)
GPUS = Node(
    name="gpus",
    allocatable={"cpu": "8", "memory": "64Gi", "ephemeral-storage": "100Gi", "nvidia.com/gpu": "4"},
    labels={"nvidia.com/gpu.present": "true"},
    taints=("nvidia.com/gpu",),
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("4", "4"),
        ("1Ki", "1024"),
        ("2Gi", "2147483648"),
        ("1e3", "1000"),
        ("5M", "5000000"),
        ("0", "0"),
    ],
)
def test_a_quantity_is_the_number_that_kubernetes_means(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@given(st.text(alphabet="0123456789.abcGKMi -", max_size=6))
def test_what_is_no_quantity_is_an_error_and_never_a_guess(text: str) -> None:
    try:
        assert quantity(text) >= 0 or text.startswith("-")
    except ValueError:
        return


def test_a_node_that_is_tainted_or_not_labelled_holds_nothing_that_does_not_ask_for_it() -> None:
    assert never_on_nodes(Compute(cpus=4), [GPUS]) is not None
    assert never_on_nodes(Compute(accelerators=1), [PLAIN]) is not None
    assert never_on_nodes(Compute(accelerators=1), [PLAIN, GPUS]) is None


def test_a_node_that_is_cordoned_or_out_of_reach_may_hold_it_later() -> None:
    down = Node(name="down", allocatable=PLAIN.allocatable, labels={}, taints=("node.kubernetes.io/unreachable",))
    assert never_on_nodes(Compute(), [down]) is None


def test_a_spot_node_holds_only_what_may_be_taken_away() -> None:
    spot = Node(name="spot", allocatable=PLAIN.allocatable, labels={"karpenter.sh/capacity-type": "spot"})
    assert never_on_nodes(Compute(), [spot]) is not None
    assert never_on_nodes(Compute(spot=True), [spot]) is None


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
