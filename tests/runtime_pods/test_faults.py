"""Faults injected into a real cluster while a shard is attended: it ends as if nothing had been."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from include.core.errors import AccessDenied, PodFailed
from include.runtime.pods.endings import PodOutcome
from tests.runtime_pods.world import SMALL, Attended, Namespace, request_in

GPU = replace(SMALL, accelerators=1)
WORK = "trap 'exit 143' TERM; echo begin; for i in $(seq {seconds}); do sleep 1; done; echo end"


def begun(namespace: Namespace, *, seconds: int, **given: Any) -> Attended:
    return (
        Attended(request=request_in(namespace.name, WORK.format(seconds=seconds), **given))
        .start()
        .until_prints("begin")
    )


def outcomes(attended: Attended) -> list[PodOutcome]:
    assert attended.error is None, repr(attended.error)
    return [ending.outcome for ending in attended.endings]


def test_a_killed_pod_is_replaced_by_another_that_ends_well(namespace: Namespace) -> None:
    attended = begun(namespace, seconds=6)
    name = attended.request.pod_name(0)
    namespace.kubectl("delete", "pod", name, "-n", namespace.name, "--grace-period=0", "--force")
    attended.until(lambda: [ending.outcome for ending in attended.seen] == [PodOutcome.LOST])
    assert outcomes(attended.ended()) == [PodOutcome.LOST, PodOutcome.DONE]
    assert tuple(attended.seen) == attended.endings
    assert attended.lines == ["begin", "begin", "end"]


def test_an_evicted_pod_is_replaced_by_another_that_ends_well(namespace: Namespace) -> None:
    attended = begun(namespace, seconds=6)
    name = attended.request.pod_name(0)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace.name},
    }
    path = f"/api/v1/namespaces/{namespace.name}/pods/{name}/eviction"
    namespace.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
    assert outcomes(attended.ended()) == [PodOutcome.LOST, PodOutcome.DONE]


def test_a_pod_of_a_drained_node_waits_for_the_next_place_says_so_and_ends_well(
    namespace: Namespace,
) -> None:
    attended = begun(namespace, seconds=4, compute=GPU)
    drain = ("drain", "n2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    try:
        namespace.kubectl(*drain, f"--pod-selector={attended.request.selector}")
        attended.until(lambda: any("unschedulable" in note for note in attended.notes))
    finally:
        namespace.kubectl("uncordon", "n2")
    assert outcomes(attended.ended()) == [PodOutcome.LOST, PodOutcome.DONE]


def test_who_takes_over_from_a_killed_attendant_goes_on_with_the_same_pod_and_loses_no_line(
    namespace: Namespace,
) -> None:
    """Killed between a line and the note that it was told, it tells that line twice, and no other."""
    script = "for i in $(seq 8); do echo line $i; sleep 1; done"
    first = Attended(request=request_in(namespace.name, script)).start().until_prints("line 3")
    first.die()
    second = Attended(request=first.request, placed=True).start().ended()
    assert outcomes(second) == [PodOutcome.DONE]
    told = second.lines[1:] if second.lines[0] == first.lines[-1] else second.lines
    assert first.lines + told == [f"line {number}" for number in range(1, 9)]
    assert len(namespace.get("pods", first.request.selector)) == 1


def test_what_the_check_raises_removes_pod_and_secret_and_ends_the_wait_within_30_seconds(namespace: Namespace) -> None:
    revoked = threading.Event()

    def check() -> None:
        if revoked.is_set():
            raise AccessDenied("a test revokes", value="nothing", remedy="None.")

    attended = Attended(request=request_in(namespace.name, WORK.format(seconds=120)), check=check).start()
    attended.until_prints("begin")
    started = time.monotonic()
    revoked.set()
    attended.ended(seconds=30)
    assert isinstance(attended.error, AccessDenied)
    assert [ending.outcome for ending in attended.seen] == [PodOutcome.STOPPED]
    selector = attended.request.selector
    while namespace.get("pods", selector) or namespace.get("secrets", selector):
        assert time.monotonic() - started < 30
        time.sleep(0.2)


def test_a_quota_that_is_used_up_is_waited_for_and_named_and_one_that_is_too_small_refuses_at_once(
    namespace: Namespace,
) -> None:
    namespace.quota("accelerators", **{"requests.nvidia.com_gpu": "1"})
    try:
        first = begun(namespace, seconds=5, compute=GPU)
        second = Attended(request=request_in(namespace.name, "echo two", compute=GPU)).start()
        second.until(lambda: any("exceeded quota: accelerators" in note for note in second.notes))
        never = Attended(request=request_in(namespace.name, "true", compute=replace(GPU, accelerators=2))).start()
        assert never.ended(seconds=10).last.outcome is PodOutcome.NEVER
        assert "2 of limits.nvidia.com/gpu" in never.last.message or "the quota 'accelerators' allows 1" in (
            never.last.message
        )
        first.ended()
        namespace.kubectl("delete", "pod", first.request.pod_name(0), "-n", namespace.name)
        assert second.ended().last.outcome is PodOutcome.DONE
    finally:
        namespace.kubectl("delete", "resourcequota", "accelerators", "-n", namespace.name)


def test_a_quota_on_secrets_is_waited_for_and_named_too(namespace: Namespace) -> None:
    namespace.quota("secrets", secrets="0")
    try:
        attended = Attended(request=request_in(namespace.name, "echo made")).start()
        attended.until(lambda: any("exceeded quota: secrets" in note for note in attended.notes))
        assert not attended.placed
        namespace.kubectl("delete", "resourcequota", "secrets", "-n", namespace.name)
        assert attended.ended().last.outcome is PodOutcome.DONE
    finally:
        namespace.kubectl("delete", "resourcequota", "secrets", "-n", namespace.name, "--ignore-not-found")


def test_six_pods_of_one_accelerator_queue_on_four_and_all_end(namespace: Namespace) -> None:
    shards = [
        Attended(request=request_in(namespace.name, "sleep 3; echo done", compute=GPU, step=f"train-{shard}")).start()
        for shard in range(6)
    ]
    shards[0].until(lambda: any("Insufficient nvidia.com/gpu" in note for each in shards for note in each.notes))
    assert [each.ended().last.outcome for each in shards] == [PodOutcome.DONE] * 6
    assert {each.last.node for each in shards} == {"n2"}


def test_a_namespace_whose_rules_refuse_the_pod_says_so_at_once(namespace: Namespace) -> None:
    limits = {"spec": {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}}
    namespace.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, **limits})
    try:
        attended = Attended(request=request_in(namespace.name, "true")).start()
        attended.ended(seconds=15)
        assert isinstance(attended.error, PodFailed)
        assert "maximum memory usage per Container is 32Mi" in str(attended.error)
        assert not namespace.get("secrets", attended.request.selector)
    finally:
        namespace.kubectl("delete", "limitrange", "small", "-n", namespace.name)


@pytest.mark.parametrize("name", ["kubelet-n1", "containerd-n1"])
def test_a_pod_outlives_its_nodes_own_processes(
    namespace: Namespace, component: Callable[[str, str], None], name: str
) -> None:
    attended = begun(namespace, seconds=12)
    component("kill", name)
    time.sleep(5)
    component("start", name)
    assert outcomes(attended.ended()) == [PodOutcome.DONE]
    assert attended.lines == ["begin", "end"]


def test_an_api_server_that_is_away_for_45_seconds_costs_no_pod_and_no_line(
    namespace: Namespace, component: Callable[[str, str], None]
) -> None:
    script = "for i in $(seq 60); do echo line $i; sleep 1; done"
    attended = Attended(request=request_in(namespace.name, script)).start().until_prints("line 2")
    component("stop", "apiserver")
    time.sleep(45)
    component("start", "apiserver")
    assert outcomes(attended.ended(seconds=90)) == [PodOutcome.DONE]
    # Scheduler and kubelet wait longer before they ask again: what follows would meet a cluster that is not itself yet.
    assert (
        Attended(request=request_in(namespace.name, "true")).start().ended(seconds=240).last.outcome is PodOutcome.DONE
    )
    assert attended.lines == [f"line {number}" for number in range(1, 61)]
    assert any("does not answer" in note for note in attended.notes)
