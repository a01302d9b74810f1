"""What a pod's state means, for states that a test cluster cannot be brought into at will."""

from dataclasses import replace
from typing import Any

import pytest

from include.core.records import TrainerCost
from include.elsewhere.pod import Exit
from include.runtime.pods.diagnosis import gone, look
from include.runtime.pods.endings import PodEnding, PodOutcome, PodRunning, PodWaiting
from include.runtime.pods.shards import error_of
from tests.runtime_pods.world import request_in

REQUEST = request_in("trainyard", "true")
QUEUED = replace(REQUEST, compute=replace(REQUEST.compute, queue="team-a"))


def pod(
    *,
    phase: str = "PodRunning",
    state: dict[str, Any] | None = None,
    deleted: bool = False,
    beside: tuple[dict[str, Any], ...] = (),
    gates: tuple[str, ...] = (),
    image: str = "x",
    image_id: str = "",
    **status: Any,
) -> Any:
    """A pod as the API describes it, with its container in *state* and, before it, those that others put in *beside*.

    A node that has not been found has no name in it.
    """
    from kubernetes_asyncio.client import ApiClient

    metadata = {"name": "o-1"} | ({"deletionTimestamp": "2026-03-01T12:00:00Z"} if deleted else {})
    containers = [*beside, container("train", state, image_id)]
    where = {"schedulingGates": [{"name": gate} for gate in gates]} if gates else {"nodeName": "n2"}
    body = {
        "metadata": metadata,
        "spec": {**where, "containers": [{"name": "train", "image": image}]},
        "status": {"phase": phase, **({"containerStatuses": containers} if state else {}), **status},
    }
    return ApiClient.__new__(ApiClient)._ApiClient__deserialize(body, "V1Pod")


def container(name: str, state: dict[str, Any] | None, image_id: str = "") -> dict[str, Any]:
    said = {"name": name, "image": "x", "imageID": image_id, "ready": False, "restartCount": 0}
    return said | {"state": state}


def terminated(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


@pytest.mark.parametrize(
    ("code", "reason", "outcome"),
    [
        (0, "Completed", PodOutcome.DONE),
        (1, "Error", PodOutcome.EXIT),
        (64, "Error", PodOutcome.ORDER_REFUSED),
        (65, "Error", PodOutcome.INPUT_ALTERED),
        (69, "Error", PodOutcome.STORE_UNREACHABLE),
        (70, "Error", PodOutcome.RESULT_DIFFERS),
        (71, "Error", PodOutcome.MACHINE_FAULT),
        (77, "Error", PodOutcome.ADDRESSES_LAPSED),
        (137, "OOMKilled", PodOutcome.OUT_OF_MEMORY),
        (137, "Error", PodOutcome.KILLED),
        (137, "ContainerStatusUnknown", PodOutcome.LOST),
        (143, "Error", PodOutcome.LOST),
        (128, "StartError", PodOutcome.NOT_STARTED),
    ],
)
def test_each_way_to_end_is_told_apart_in_one_line(code: int, reason: str, outcome: PodOutcome) -> None:
    found = look(pod(phase="Succeeded" if code == 0 else "Failed", state=terminated(code, reason)), REQUEST)
    assert isinstance(found, PodEnding)
    assert (found.outcome, found.exit_code, found.node) == (outcome, code, "n2")
    assert "\n" not in found.message
    healing = {
        PodOutcome.DONE,
        PodOutcome.LOST,
        PodOutcome.KILLED,
        PodOutcome.STORE_UNREACHABLE,
        PodOutcome.MACHINE_FAULT,
    }
    assert found.outcome.heals == (outcome in healing | {PodOutcome.ADDRESSES_LAPSED})


def test_how_long_the_trainer_ran_is_what_the_cluster_says_and_unknown_where_it_does_not() -> None:
    state = terminated(1)
    assert ran(look(pod(phase="Failed", state=state), REQUEST)) is None
    state["terminated"] |= {"startedAt": "2026-03-01T12:00:00Z", "finishedAt": "2026-03-01T12:01:30Z"}
    assert ran(look(pod(phase="Failed", state=state), REQUEST)) == 90.0
    assert ran(look(pod(phase="Failed", reason="Evicted"), REQUEST)) is None


def test_what_the_trainer_said_last_of_its_cost_is_taken_also_from_one_that_was_killed() -> None:
    state = terminated(137, "OOMKilled")
    found = look(pod(phase="Failed", state=state), REQUEST)
    assert isinstance(found, PodEnding)
    assert found.said is None
    state["terminated"] |= {"message": '{"wall":9.5,"cpu":12.25,"ended":false,"trials":[]}   '}
    found = look(pod(phase="Failed", state=state), REQUEST)
    assert isinstance(found, PodEnding)
    assert found.said == TrainerCost(wall_seconds=9.5, cpu_seconds=12.25, ended=False, trials=())


def ran(found: object) -> float | None:
    assert isinstance(found, PodEnding)
    return found.ran_seconds


def test_every_status_of_a_trainer_has_a_line_of_its_own() -> None:
    told = [look(pod(phase="Failed", state=terminated(status)), REQUEST) for status in Exit]
    assert len({each.message for each in told if isinstance(each, PodEnding)}) == len(Exit)
    assert PodOutcome.EXIT not in {each.outcome for each in told if isinstance(each, PodEnding)}


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("The node was low on resource: memory.", PodOutcome.LOST),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 64Mi.", PodOutcome.OUT_OF_STORAGE),
        ('Usage of EmptyDir volume "temporary" exceeds the limit "64Mi".', PodOutcome.OUT_OF_STORAGE),
    ],
)
def test_an_eviction_for_what_the_pod_wrote_is_its_own_fault_and_any_other_is_not(
    message: str, outcome: PodOutcome
) -> None:
    found = look(pod(phase="Failed", reason="Evicted", message=message, state=terminated(137)), REQUEST)
    assert isinstance(found, PodEnding)
    assert found.outcome is outcome


def test_a_pod_that_was_preempted_is_lost_whatever_its_status_says() -> None:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "preempted",
        "lastTransitionTime": None,
    }
    found = look(pod(phase="Failed", state=terminated(1), conditions=[condition]), REQUEST)
    assert isinstance(found, PodEnding)
    assert found.outcome is PodOutcome.LOST


def test_an_image_that_is_not_there_is_hopeless_at_once_and_a_registry_that_is_away_is_not() -> None:
    waiting = {"reason": "ErrImagePull"}
    hopeless = look(pod(phase="Pending", state={"waiting": {**waiting, "message": "manifest unknown"}}), REQUEST)
    away = look(pod(phase="Pending", state={"waiting": {**waiting, "message": "dial tcp: i/o timeout"}}), REQUEST)
    assert isinstance(hopeless, PodWaiting)
    assert isinstance(away, PodWaiting)
    assert hopeless.trouble is away.trouble is PodOutcome.IMAGE_MISSING
    assert hopeless.patience_seconds == 0 < away.patience_seconds


def test_of_a_pod_with_a_sidecar_before_the_trainer_the_trainer_is_told() -> None:
    """As a service mesh's webhook makes it; the sidecar runs on when the trainer has ended."""
    proxy = container("istio-proxy", {"running": {"startedAt": None}}, f"mesh/proxy@sha256:{'b' * 64}")
    trained = pod(state=terminated(64), beside=(proxy,))
    trained.status.container_statuses[1].image_id = f"team/trainer@sha256:{'a' * 64}"
    found = look(trained, REQUEST)
    assert isinstance(found, PodEnding)
    assert (found.outcome, found.exit_code) == (PodOutcome.ORDER_REFUSED, 64)
    assert found.image_digest == f"sha256:{'a' * 64}"
    failed = container("istio-proxy", terminated(1), f"mesh/proxy@sha256:{'b' * 64}")
    assert look(pod(state={"running": {"startedAt": None}}, beside=(failed,)), REQUEST) == PodRunning(leaving=False)
    unseen = look(pod(phase="Failed", reason="Evicted", message="low on memory", beside=(proxy,), state={}), REQUEST)
    assert isinstance(unseen, PodEnding)
    assert unseen.image_digest is None


def test_a_trainer_that_ended_well_is_done_though_its_pod_was_ended_later() -> None:
    """Its sidecar ran on until the pod's deadline, say."""
    late = look(pod(phase="Failed", reason="DeadlineExceeded", state=terminated(0, "Completed")), REQUEST)
    assert isinstance(late, PodEnding)
    assert late.outcome is PodOutcome.DONE


def test_what_others_put_before_the_trainer_and_cannot_start_is_named() -> None:
    """It would be no use to try such a pod again twenty times."""
    state = {"waiting": {"reason": "PodInitializing"}}
    ended = look(
        pod(phase="Failed", state=state, initContainerStatuses=[container("istio-init", terminated(1))]), REQUEST
    )
    assert isinstance(ended, PodEnding)
    assert (ended.outcome, ended.outcome.heals) == (PodOutcome.NOT_STARTED, False)
    assert "'istio-init', which was added to it, ended with status 1" in ended.message
    absent = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    waits = look(pod(phase="Pending", state=state, initContainerStatuses=[container("proxy", absent)]), REQUEST)
    assert isinstance(waits, PodWaiting)
    assert waits.trouble is PodOutcome.NOT_STARTED
    assert "'proxy', which was added to it" in waits.why


def test_a_pod_that_a_scheduling_gate_holds_waits_for_its_queue() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}
    gated = {"phase": "Pending", "conditions": [condition | {"lastTransitionTime": None}]}
    queued = look(pod(**gated, gates=("kueue.x-k8s.io/admission",)), QUEUED)
    assert queued == PodWaiting(why="its turn in the queue 'team-a' has not come (kueue.x-k8s.io/admission)")
    other = look(pod(**gated, gates=("example.com/held",)), REQUEST)
    assert other == PodWaiting(why="the scheduling gate example.com/held holds it")


def test_a_pod_that_its_queue_takes_back_is_requeued_and_none_that_is_lost() -> None:
    """Kueue sets the condition TerminationTarget, and deletes the pod."""
    condition = {
        "type": "TerminationTarget",
        "status": "True",
        "reason": "WorkloadEvictedDueToPreempted",
        "message": "Preempted to accommodate a workload",
        "lastTransitionTime": None,
    }
    for state in (terminated(137), terminated(143), {"waiting": {"reason": "ContainerCreating"}}):
        phase = "Pending" if "waiting" in state else "Failed"
        taken = pod(phase=phase, state=state, deleted=True, conditions=[condition])
        found = look(taken, QUEUED)
        assert isinstance(found, PodEnding)
        assert (found.outcome, found.outcome.heals) == (PodOutcome.REQUEUED, True)
        assert "taken back by its queue 'team-a'" in found.message
        assert "WorkloadEvictedDueToPreempted: Preempted to accommodate a workload" in found.message
        assert gone("o-1", QUEUED, taken).outcome is PodOutcome.REQUEUED
        assert gone("o-1", REQUEST, taken).outcome is PodOutcome.LOST


def test_a_running_pod_that_was_asked_to_end_is_leaving() -> None:
    state = {"running": {"startedAt": None}}
    assert look(pod(state=state), REQUEST) == PodRunning(leaving=False)
    assert look(pod(state=state, deleted=True), REQUEST) == PodRunning(leaving=True)


def test_an_order_that_ended_with_its_grant_is_ordered_again_and_asks_for_no_more_minutes() -> None:
    late = {"phase": "Failed", "reason": "DeadlineExceeded", "state": terminated(137)}
    whole, short = (look(pod(**late), replace(REQUEST, cut_short=each)) for each in (False, True))
    assert isinstance(whole, PodEnding)
    assert isinstance(short, PodEnding)
    assert (whole.outcome, whole.outcome.heals) == (PodOutcome.TOO_LONG, False)
    assert "Raise `maximum_minutes`" in whole.message
    assert (short.outcome, short.outcome.heals) == (PodOutcome.ORDER_OVER, True)
    assert "ordered again" in short.message
    assert "maximum_minutes" not in short.message
    assert error_of(short).retry_heals
