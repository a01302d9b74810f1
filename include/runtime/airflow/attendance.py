"""The trigger that attends to a step's pods while its task is deferred; its class path is in Airflow's database."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core.canonical import decode, encode
from include.core.errors import TrainyardError

if TYPE_CHECKING:
    from include.runtime.pods.endings import PodEnding
    from include.runtime.pods.request import PodRequest
    from include.runtime.pods.shards import HeardProgress


class TrainingPodTrigger(BaseTrigger):
    """Fires when the last pod of *request* (a :class:`PodRequest`, encoded) has ended, or the step must be given up.

    Meanwhile it logs what the pods print and what they wait for, replaces those that are lost, renews the run's lease
    and asks for its grants: once they hold no more it removes pods and secret.
    """

    def __init__(self, request: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.request = request

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments that make this trigger again, in another process."""
        return "include.runtime.airflow.attendance.TrainingPodTrigger", {"request": self.request}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the pods' endings, and what stopped the wait, which the task verifies for itself."""
        from include.runtime.pods import diagnosis, shards
        from include.runtime.pods.attendance import Attention, in_thread
        from include.runtime.pods.endings import PodEnding
        from include.runtime.pods.request import PodRequest

        request = decode(PodRequest, self.request.encode())
        seen: list[PodEnding] = []
        stopped = ""
        try:
            check, stored, record, heard = await in_thread(_opened, request)

            def log(line: str) -> None:
                heard.line(line)
                self.log.info("%s", line)

            def ended(ending: PodEnding) -> None:
                seen.append(ending)
                record(ending)

            attention = Attention(
                log=log,
                note=lambda what: self.log.info("Trainyard: %s", what),
                check=heard.checking(check),
                stored=stored,
                ended=ended,
            )
            await shards.attend(request, attention)
        except TrainyardError as error:
            self.log.warning("Trainyard: %s", error)
            stopped = type(error).__name__
            if not seen:
                seen.append(diagnosis.stopped(request.pod_name(0), error))
        event = {"request": self.request, "endings": encode(tuple(seen)).decode(), "stopped": stopped}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Remove pods and secret: a user ended the task."""
        from include.runtime.pods.cluster import Cluster
        from include.runtime.pods.request import PodRequest

        request = decode(PodRequest, self.request.encode())
        async with Cluster.connected(request.namespace) as cluster:
            await cluster.clear(request.selector)


def _opened(
    request: "PodRequest",
) -> "tuple[Callable[[], None], Callable[[], int], Callable[[PodEnding], None], HeardProgress]":
    """What asks whether the step may go on, and what of it is stored; what records how a pod of it ended, and what
    keeps how far it says that it is.
    """
    from include.core.errors import DeclarationError
    from include.ledger.journal import begun
    from include.runtime.nights.platform import open_platform
    from include.runtime.pods.shards import HeardProgress, record, still_allowed, stored
    from include.settings import Settings

    platform = open_platform(Settings.from_environment())
    run = begun(platform.ledger, request.project, request.run_id)
    if run is None:
        raise DeclarationError(
            "what is trained in a pod belongs to a run that has begun",
            value=request.run_id,
            remedy="Begin the run first.",
        )
    check = still_allowed(platform, replace(run, fence=request.fence))
    recording = partial(record, platform.ledger, request)
    return check, stored(platform, run, request), recording, HeardProgress(platform, request)
