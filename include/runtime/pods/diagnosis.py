"""What a pod's state means: waiting and why, running, or ended and how, in one line with its remedy. Pure."""

from dataclasses import replace
from typing import TYPE_CHECKING

from include.core.errors import TrainyardError
from include.elsewhere import last_words
from include.runtime.pods.endings import PodEnding, PodOutcome, PodRunning, PodWaiting
from include.runtime.pods.images import by_digest
from include.runtime.pods.request import CONTAINER, PodRequest
from include.runtime.pods.waits import NOT_CREATED, waiting

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1ContainerStateTerminated, V1ContainerStatus, V1Pod


Sight = PodWaiting | PodRunning | PodEnding

_SIGTERM, _SIGKILL = 143, 137
#: By which Kueue says of a pod that it takes it back.
_TAKEN_BACK = "TerminationTarget"
_WAITS_ANEW = "Another one waits in it, and goes on from what it stored."

_STATUSES = {
    64: (
        PodOutcome.ORDER_REFUSED,
        "the order was refused",
        "Its last line says why; clear the task to order it again.",
    ),
    65: (
        PodOutcome.INPUT_ALTERED,
        "an input's bytes are not those of its digest",
        "Find out who writes to the store, then clear the task `plan`: it makes it again.",
    ),
    69: (
        PodOutcome.STORE_UNREACHABLE,
        "the artifact store could not be reached",
        "It is tried again by itself; see that the store runs and that pods may reach it.",
    ),
    70: (
        PodOutcome.RESULT_DIFFERS,
        "the stored result of a trial is not the one that it has there",
        "Its last line says how; compare the images and processors that trained it, then clear the task.",
    ),
    71: (
        PodOutcome.MACHINE_FAULT,
        "no trial could be trained on that node",
        "It is tried again by itself, in another pod; see the node's device, its driver and its memory.",
    ),
    77: (
        PodOutcome.ADDRESSES_LAPSED,
        "the store refused the order's addresses, or the credentials that signed them have ended",
        "It is ordered again by itself; credentials that outlive `maximum_minutes` avoid it.",
    ),
}


def look(pod: "V1Pod", request: PodRequest) -> Sight:
    """What the pod's state means."""
    status, own = pod.status, trainer(pod)
    state = own.state if own is not None else None
    if status.phase in ("Succeeded", "Failed") or (state is not None and state.terminated is not None):
        terminated = state.terminated if state is not None else None
        said = last_words.read((terminated.message if terminated is not None else None) or "")
        return replace(_ended(pod, terminated, request), ran_seconds=_ran_seconds(terminated), said=said)
    if state is not None and state.running is not None:
        return PodRunning(leaving=pod.metadata.deletion_timestamp is not None)
    if pod.metadata.deletion_timestamp is not None:
        return _taken(pod, request, None) or _ending(
            pod, PodOutcome.LOST, "was deleted before it ran", "Another one is asked for."
        )
    return waiting(pod, request, state)


def gone(name: str, request: PodRequest, seen: "V1Pod | None") -> PodEnding:
    """The end of a pod of which nobody knows any more; *seen*: as it was last."""
    queue = request.compute.queue
    if queue is None:
        outcome, why = PodOutcome.LOST, "deleted, or its node drained. Another one goes on from what it stored."
    else:
        outcome, why = PodOutcome.REQUEUED, f"taken back by its queue {queue!r}, or deleted. {_WAITS_ANEW}"
    ending = PodEnding(pod=name, outcome=outcome, message=f"Pod {name} is gone: {why}")
    return ending if seen is None else _seen(seen, ending, None)


def killed_in_vain(ending: PodEnding, request: PodRequest, pods: int) -> PodEnding:
    """The end of a pod that was killed as those before it were, *pods* of them without a new result."""
    return replace(
        ending,
        outcome=PodOutcome.KILLED_IN_VAIN,
        message=f"Pod {ending.pod} was killed (status {ending.exit_code}), as those before it: {pods} with nothing "
        f"newly stored; memory is the likely cause, its limit being {request.compute.memory_mib} MiB. "
        "Raise `memory_mib` of the project's Compute, or see who kills processes on the node, then clear the task.",
    )


def stuck(pod: "V1Pod", request: PodRequest, wait: PodWaiting) -> PodEnding:
    """The end of a pod whose trouble lasted."""
    if wait.trouble is PodOutcome.IMAGE_MISSING:
        remedy = (
            f"See that {request.image!r} exists and that the nodes may pull it; a run keeps the image that it began "
            "with, and TRAINYARD_TRAINER_IMAGE names that of the next."
        )
    else:
        remedy = "Repair what it names, then clear the task."
    return _ending(pod, wait.trouble or PodOutcome.NOT_STARTED, wait.why, remedy)


def too_long(name: str, request: PodRequest, why: str) -> PodEnding:
    """The end of a request whose time is over, before or while its pod ran."""
    if request.cut_short:
        return PodEnding(
            pod=name,
            outcome=PodOutcome.ORDER_OVER,
            message=f"Pod {name} had an order until {request.give_up_at:%Y-%m-%d %H:%M} UTC, when the grant ended; at "
            f"last: {why}. It is ordered again, if a grant holds by then, and goes on from what it stored.",
        )
    return PodEnding(
        pod=name,
        outcome=PodOutcome.TOO_LONG,
        message=f"Pod {name} had {request.compute.maximum_minutes} minutes to wait and to run, and they are over; at "
        f"last: {why}. Raise `maximum_minutes` of the project's Compute, or make room, then clear the task.",
    )


def stopped(name: str, error: Exception) -> PodEnding:
    """The end of a pod that was given up for *error*, whatever became of it."""
    why = type(error).__name__ + (f": {error.rule}" if isinstance(error, TrainyardError) else "")
    return PodEnding(
        pod=name,
        outcome=PodOutcome.STOPPED,
        message=f"Pod {name} was given up ({why}). What it stored is kept: see to that, then clear the task.",
    )


def left(pod: "V1Pod", request: PodRequest) -> PodEnding:
    """The end of a pod that is removed since nobody will take it up: its own, if it came to one."""
    sight = look(pod, request)
    if isinstance(sight, PodEnding):
        return sight
    why = "was left by a run that is over, or whose order has ended, and was removed"
    return _ending(pod, PodOutcome.STOPPED, why, "What it stored is kept: clear the task to go on from it.")


def never(request: PodRequest, why: str) -> PodEnding:
    """What becomes of a request that nothing could ever satisfy."""
    return PodEnding(
        pod=request.pod_name(0),
        outcome=PodOutcome.NEVER,
        message=f"No pod was made, as none could ever run: {why}. "
        "Lower the project's Compute, or have the cluster changed, then clear the task.",
    )


def _ended(pod: "V1Pod", terminated: "V1ContainerStateTerminated | None", request: PodRequest) -> PodEnding:
    """How the trainer ended, whatever became of the pod after it; or how the pod did, where it was ended with it."""
    code = terminated.exit_code if terminated is not None else None
    if code == 0:
        return _ending(pod, PodOutcome.DONE, "ended with status 0", "", code)
    ended = _ended_with_its_pod(pod, request, code)
    if ended is not None:
        return ended
    if terminated is None:
        failed = _failed_before(pod)
        return failed or _lost(pod, f"ended as {pod.status.phase} with no word of its container", code)
    return _ended_by_itself(pod, terminated, request)


def _ran_seconds(terminated: "V1ContainerStateTerminated | None") -> float | None:
    if terminated is None or terminated.started_at is None or terminated.finished_at is None:
        return None
    return float((terminated.finished_at - terminated.started_at).total_seconds())


def _ended_with_its_pod(pod: "V1Pod", request: PodRequest, code: int | None) -> PodEnding | None:
    """What ended the pod as a whole: its time, what it wrote, its queue, its node; ``None``: nothing that is known."""
    status = pod.status
    if status.reason == "DeadlineExceeded":
        return _seen(pod, too_long(pod.metadata.name, request, "it was running"), code)
    if status.reason == "Evicted" and _own_fault(status.message or ""):
        limit = f"{request.compute.ephemeral_storage_mib} MiB"
        return _ending(
            pod,
            PodOutcome.OUT_OF_STORAGE,
            f"wrote more than its {limit} to disk and was evicted",
            "Raise `ephemeral_storage_mib` of the project's Compute, then clear the task.",
            code,
        )
    if (taken := _taken(pod, request, code)) is not None:
        return taken
    if status.reason or _disrupted(pod):
        return _lost(pod, f"{status.reason or 'disrupted'}: {status.message or _disrupted(pod)}", code)
    return None


def _ended_by_itself(pod: "V1Pod", terminated: "V1ContainerStateTerminated", request: PodRequest) -> PodEnding:
    code = terminated.exit_code
    if terminated.reason == "OOMKilled":
        limit = f"{request.compute.memory_mib} MiB"
        return _ending(
            pod,
            PodOutcome.OUT_OF_MEMORY,
            f"took more than its {limit} of memory and was killed",
            "Raise `memory_mib` of the project's Compute, then clear the task.",
            code,
        )
    return _exited(pod, terminated.exit_code, terminated.reason or "")


def _exited(pod: "V1Pod", code: int, reason: str) -> PodEnding:
    if code == _SIGKILL and reason == "Error" and pod.metadata.deletion_timestamp is None:
        what = f"was killed (status {code}), and nobody says why"
        return _ending(pod, PodOutcome.KILLED, what, "Another one goes on from what it stored.", code)
    if code in (_SIGTERM, _SIGKILL) or pod.metadata.deletion_timestamp is not None:
        return _lost(pod, f"was killed (status {code})", code)
    if reason in NOT_CREATED or reason == "ContainerCannotRun":
        return _ending(pod, PodOutcome.NOT_STARTED, f"could not start ({reason})", "See that the image is ours.", code)
    if code in _STATUSES:
        outcome, what, remedy = _STATUSES[code]
        return _ending(pod, outcome, f"ended with status {code}: {what}", remedy, code)
    return _ending(
        pod,
        PodOutcome.EXIT,
        f"ended with status {code}",
        "Its log says why; repair that, then clear it.",
        code,
    )


def _lost(pod: "V1Pod", what: str, code: int | None) -> PodEnding:
    return _ending(pod, PodOutcome.LOST, what.rstrip(". "), "Another one goes on from what it stored.", code)


def _ending(pod: "V1Pod", outcome: PodOutcome, what: str, remedy: str, code: int | None = None) -> PodEnding:
    node = f" on {pod.spec.node_name}" if pod.spec.node_name else ""
    line = " ".join(f"Pod {pod.metadata.name}{node} {what}. {remedy}".split())
    return _seen(pod, PodEnding(pod=pod.metadata.name, outcome=outcome, message=line), code)


def _seen(pod: "V1Pod", ending: PodEnding, code: int | None) -> PodEnding:
    status = trainer(pod)
    image_id = (status.image_id or "") if status is not None else ""
    digest = image_id.rpartition("@")[2]
    asked = next((each.image for each in pod.spec.containers or [] if each.name == CONTAINER and each.image), None)
    return replace(
        ending,
        node=pod.spec.node_name,
        image=by_digest(asked, image_id) if asked and image_id else None,
        image_digest=digest if digest.startswith("sha256:") else None,
        exit_code=code,
    )


def _taken(pod: "V1Pod", request: PodRequest, code: int | None) -> PodEnding | None:
    """Its end, if its queue took it back, which deletes it; a queue's pod that somebody else deletes waits anew too."""
    queue, told = request.compute.queue, _told(pod, _TAKEN_BACK)
    if queue is None or (told is None and pod.metadata.deletion_timestamp is None):
        return None
    what = f"was taken back by its queue {queue!r}, or deleted" + (f" ({told})" if told else "")
    return _ending(pod, PodOutcome.REQUEUED, what, _WAITS_ANEW, code)


def _disrupted(pod: "V1Pod") -> str | None:
    return _told(pod, "DisruptionTarget")


def _told(pod: "V1Pod", condition_type: str) -> str | None:
    for condition in pod.status.conditions or []:
        if condition.type == condition_type and condition.status == "True":
            return f"{condition.reason}: {condition.message}"
    return None


def _failed_before(pod: "V1Pod") -> PodEnding | None:
    """The end of a pod of which something that was added to it failed before the trainer could begin."""
    for each in pod.status.init_container_statuses or []:
        ended = each.state.terminated if each.state is not None else None
        if ended is not None and ended.exit_code != 0:
            what = f"could not start: {each.name!r}, which was added to it, ended with status {ended.exit_code}"
            remedy = "See who adds it to pods of this namespace, or leave them out, then clear the task."
            return _ending(pod, PodOutcome.NOT_STARTED, what, remedy)
    return None


def _own_fault(message: str) -> bool:
    """Whether a pod was evicted for what it wrote, and not for what its node lacked."""
    return "exceeds the" in message or "exceeded" in message


def trainer(pod: "V1Pod") -> "V1ContainerStatus | None":
    """What is said of the container that trains, of however many others the pod has: a sidecar may come before it."""
    return next((each for each in pod.status.container_statuses or [] if each.name == CONTAINER), None)
