"""What a pod that does not run yet waits for, and what of that lasts. Pure."""

from typing import TYPE_CHECKING

from include.runtime.pods.endings import PodOutcome, PodWaiting
from include.runtime.pods.request import PodRequest

if TYPE_CHECKING:
    from kubernetes_asyncio.client import V1ContainerState, V1Pod

#: Words of a container runtime that an image is not there, or is nobody's to pull: waiting would change nothing.
_NO_IMAGE = ("not found", "notfound", "manifest unknown", "denied", "unauthorized", "invalid reference")
_PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
NOT_CREATED = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
_PULL_PATIENCE_SECONDS, _CREATE_PATIENCE_SECONDS = 20.0, 20.0
#: What somebody else put into the pod, a service mesh say, may take longer: it is no fault of ours.
_ADDED_PATIENCE_SECONDS = 120.0


def waiting(pod: "V1Pod", request: PodRequest, state: "V1ContainerState | None") -> PodWaiting:
    """What the pod waits for; *state* is its trainer's."""
    if (added := _added(pod)) is not None:
        return added
    if state is not None and state.waiting is not None and state.waiting.reason:
        return _stuck(request, state.waiting.reason, state.waiting.message or "")
    why = _gated(pod, request) or _unscheduled(pod)
    return PodWaiting(why=why or "it is scheduled, and its container is being made")


def _stuck(request: PodRequest, reason: str, message: str) -> PodWaiting:
    short = " ".join(message.split())[:300]
    if reason in _PULLING:
        hopeless = reason in _PULLING[2:] or any(word in message.lower() for word in _NO_IMAGE)
        return PodWaiting(
            why=f"cannot get the image {request.image!r} ({reason}: {short})",
            trouble=PodOutcome.IMAGE_MISSING,
            patience_seconds=0.0 if hopeless else _PULL_PATIENCE_SECONDS,
        )
    if reason in NOT_CREATED:
        why = f"cannot start ({reason}: {short})"
        return PodWaiting(why=why, trouble=PodOutcome.NOT_STARTED, patience_seconds=_CREATE_PATIENCE_SECONDS)
    return PodWaiting(why=f"its container is being made ({reason}{': ' if short else ''}{short})")


def _unscheduled(pod: "V1Pod") -> str | None:
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"the scheduler finds no place ({condition.message})"
    return None if pod.spec.node_name else "the scheduler has not looked at it yet"


def _gated(pod: "V1Pod", request: PodRequest) -> str | None:
    """What keeps the scheduler from looking at the pod: its queue, or somebody's gate."""
    gates = ", ".join(gate.name for gate in pod.spec.scheduling_gates or [])
    if not gates:
        return None
    queue = request.compute.queue
    return (
        f"its turn in the queue {queue!r} has not come ({gates})" if queue else f"the scheduling gate {gates} holds it"
    )


def _added(pod: "V1Pod") -> PodWaiting | None:
    """What somebody put into the pod to run before the trainer, a service mesh's proxy say, and cannot."""
    for each in pod.status.init_container_statuses or []:
        waiting = each.state.waiting if each.state is not None else None
        if waiting is not None and waiting.reason in (*_PULLING, *NOT_CREATED, "CrashLoopBackOff"):
            short = " ".join((waiting.message or "").split())[:300]
            why = f"cannot start: {each.name!r}, which was added to it, does not ({waiting.reason}: {short})"
            return PodWaiting(why=why, trouble=PodOutcome.NOT_STARTED, patience_seconds=_ADDED_PATIENCE_SECONDS)
    return None
