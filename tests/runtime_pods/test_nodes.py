"""Which nodes of a real cluster a pod goes to: what is declared, and nothing that nobody declared."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from include.runtime.pods.endings import PodOutcome
from tests.runtime_pods.world import SMALL, Attended, Namespace, request_in

GPU = replace(SMALL, accelerators=1)


@pytest.fixture
def marked(namespace: Namespace) -> Iterator[Namespace]:
    """The node with accelerators as AKS marks it, without NVIDIA's label."""
    namespace.kubectl("label", "node", "n2", "nvidia.com/gpu.present-", "pool=gpu")
    namespace.kubectl("taint", "node", "n2", "sku=gpu:NoSchedule")
    yield namespace
    namespace.kubectl("taint", "node", "n2", "sku-")
    namespace.kubectl("label", "node", "n2", "nvidia.com/gpu.present=true", "pool-")


def test_a_node_is_found_by_its_accelerators_and_by_the_labels_and_taints_that_are_declared(marked: Namespace) -> None:
    refused = Attended(request=request_in(marked.name, "true", compute=GPU)).start().ended(seconds=20).last
    assert refused.outcome is PodOutcome.NEVER
    assert "n2 could hold it, but it has the taint sku=gpu:NoSchedule" in refused.message
    declared = replace(GPU, tolerations=("sku=gpu:NoSchedule",), node_selector={"pool": "gpu"})
    done = Attended(request=request_in(marked.name, "true", compute=declared)).start().ended().last
    assert (done.outcome, done.node) == (PodOutcome.DONE, "n2")
