"""The trigger that attends to a shard's pods while its task is deferred; its class path is in Airflow's database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core.canonical import decode, encode
from include.core.errors import TrainyardError


class TrainingPodTrigger(BaseTrigger):
    """Fires when the last pod of *request* (a :class:`PodRequest`, encoded) has ended, or the shard must be given up.

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
        from include.runtime.kubernetes import shards
        from include.runtime.kubernetes.request import PodRequest

        request = decode(PodRequest, self.request.encode())
        event = {"request": self.request, "endings": "[]", "stopped": ""}
        try:
            check = await asyncio.to_thread(_check, request.project, request.run_id, request.fence)
            endings = await shards.attend(
                request,
                log=lambda line: self.log.info("%s", line),
                note=lambda what: self.log.info("Trainyard: %s", what),
                check=check,
            )
            event["endings"] = encode(endings).decode()
        except TrainyardError as error:
            self.log.warning("Trainyard: %s", error)
            event["stopped"] = type(error).__name__
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Remove pods and secret: a user ended the task."""
        from include.runtime.kubernetes.cluster import Cluster
        from include.runtime.kubernetes.request import PodRequest

        request = decode(PodRequest, self.request.encode())
        async with Cluster.connected(request.namespace) as cluster:
            await cluster.clear(request.selector)


def _check(project: str, run_id: str, fence: int) -> Callable[[], None]:
    from include.core.errors import DeclarationError
    from include.core.events import RunStarted
    from include.ledger.journal import run_stream
    from include.runtime.kubernetes.shards import still_allowed
    from include.runtime.local import open_platform
    from include.settings import Settings

    platform = open_platform(Settings.from_environment())
    entry = platform.ledger.find(run_stream(project, run_id))
    if entry is None or not isinstance(entry.event, RunStarted):
        raise DeclarationError("a shard belongs to a run that has begun", value=run_id, remedy="Begin the run first.")
    return still_allowed(platform, replace(entry.event.run, fence=fence))
