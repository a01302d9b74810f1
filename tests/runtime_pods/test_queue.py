"""Pods that somebody else changes on their way into a real cluster: a queue's gate, a service mesh's sidecar.

The test stands in for their webhooks and for Kueue's controller: it makes a request's first pod itself, changed, lifts
the gate, and takes a running pod back as Kueue does.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from include.runtime.pods.cluster import Cluster
from include.runtime.pods.endings import PodOutcome
from include.runtime.pods.request import PodRequest, pod_manifest
from tests.runtime_pods.world import DOCUMENT, SMALL, Attended, Namespace, request_in


def changed(namespace: Namespace, request: PodRequest, change: Callable[[dict[str, Any]], object]) -> Attended:
    """The request, attended from when its secret is there, and its first pod as *change* made its manifest."""

    async def secret() -> None:
        async with Cluster.connected(request.namespace) as cluster:
            await cluster.make_secret(request, DOCUMENT)

    asyncio.run(secret())
    manifest = pod_manifest(request, 0, now=datetime.now(UTC))
    change(manifest)
    namespace.apply(manifest)
    return Attended(request=request, placed=True).start()


def test_a_pod_waits_for_its_queue_and_what_the_queue_takes_back_waits_there_again_and_ends_well(
    namespace: Namespace,
) -> None:
    compute = replace(SMALL, queue="team-a", node_selector={"kubernetes.io/os": "linux"})
    script = "trap 'exit 143' TERM; echo begin; for i in $(seq 4); do sleep 1; done; echo end"
    request = request_in(namespace.name, script, compute=compute)

    def queue(manifest: dict[str, Any]) -> None:
        manifest["metadata"]["finalizers"] = ["kueue.x-k8s.io/managed"]
        manifest["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]

    attended = changed(namespace, request, queue)
    attended.until(lambda: any("its turn in the queue 'team-a' has not come" in note for note in attended.notes))
    name = request.pod_name(0)
    pod = ("pod", name, "-n", namespace.name)
    (made,) = namespace.get("pods", request.selector)
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    lift = json.dumps([{"op": "remove", "path": "/spec/schedulingGates"}])
    namespace.kubectl("patch", *pod, "--type=json", "-p", lift)
    attended.until_prints("begin")
    condition = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvictedDueToPreempted"}
    told = {"status": {"conditions": [condition | {"message": "Preempted to accommodate another"}]}}
    namespace.kubectl("patch", *pod, "--subresource=status", "--type=strategic", "-p", json.dumps(told))
    namespace.kubectl("delete", *pod, "--wait=false")
    attended.until(lambda: attended.seen)
    namespace.kubectl("patch", *pod, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    attended.ended()
    assert attended.error is None, repr(attended.error)
    taken, done = attended.endings
    assert (taken.outcome, done.outcome) == (PodOutcome.REQUEUED, PodOutcome.DONE)
    assert "WorkloadEvictedDueToPreempted: Preempted to accommodate another" in taken.message


def test_of_a_pod_with_a_sidecar_that_runs_on_the_trainer_s_status_log_and_end_are_told(namespace: Namespace) -> None:
    def inject(manifest: dict[str, Any]) -> None:
        spec = manifest["spec"]
        (trainer,) = spec["containers"]
        plain = {key: trainer[key] for key in ("image", "resources", "securityContext")}
        sidecar = plain | {"name": "a-mesh", "command": ["sh", "-c", "echo of the mesh; sleep 120"]}
        native = sidecar | {"name": "native", "restartPolicy": "Always"}
        spec.update(containers=[sidecar, trainer], initContainers=[native])

    attended = changed(namespace, request_in(namespace.name, "echo ours; exit 64"), inject).ended()
    assert (attended.last.outcome, attended.last.exit_code) == (PodOutcome.ORDER_REFUSED, 64)
    assert attended.lines == ["ours"]
