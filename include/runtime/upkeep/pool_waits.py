"""Reports to ops training that waits for slots of its pool in vain, or for longer than its Compute allows.

Who waits for a pool has not begun and can end nothing. Airflow tells no task how many slots a pool has and lets no task
end another; but how many tasks wait, and how many hold slots, it does tell.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from include.core import streams
from include.core.events import RunStarted, StepFinished, StepReused, TrainingWaits
from include.core.project import Compute
from include.core.records import Run
from include.core.runs import RunKind
from include.ledger import Ledger
from include.runtime.airflow import alerts
from include.runtime.airflow.names import dag_id_of
from include.runtime.code.projects import loadable
from include.settings import Settings

#: What takes slots of a pool of accelerators.
TASKS = ("train", "refit")
#: A task that waits is looked at again after that long: the scheduler queues one that has a place within seconds.
_AGAIN_SECONDS = 20.0
_WAITS, _HOLDS = ("scheduled",), ("queued", "running", "deferred", "restarting")


class TaskCounts(Protocol):
    """How many task instances Airflow knows (:class:`airflow.sdk.types.RuntimeTaskInstanceProtocol`)."""

    def get_ti_count(
        self, dag_id: str, *, task_ids: list[str] | None = None, states: list[str] | None = None
    ) -> int: ...


def tell_waiting_training(
    settings: Settings, airflow: TaskCounts, *, now: datetime, pause: Callable[[float], None] = time.sleep
) -> int:
    """Alert once a run and reason of training that waits for its pool; how many alerts were sent.

    In vain: no training task of a declared project holds a slot of the pool, and yet one waits. Too long: it has been
    free to begin for the ``maximum_minutes`` of its Compute.
    """
    asked = {project.name: project.operations.compute for project in loadable(settings.projects)}
    if not any(_count(airflow, [each], _WAITS) for each in asked):
        return 0
    ledger, told = Ledger.open(settings.ledger), 0
    pause(_AGAIN_SECONDS)
    for project, compute in asked.items():
        waiting = _count(airflow, [project], _WAITS)
        run = _latest(ledger, project) if waiting else None
        if run is None:
            continue
        sharing = [other for other, its in asked.items() if its.pool == compute.pool]
        told += _tell(settings, ledger, compute, run, waiting, held=_count(airflow, sharing, _HOLDS), now=now)
    return told


def _count(airflow: TaskCounts, projects: Iterable[str], states: Iterable[str]) -> int:
    return sum(airflow.get_ti_count(dag_id_of(each), task_ids=list(TASKS), states=list(states)) for each in projects)


def _latest(ledger: Ledger, project: str) -> Run | None:
    """The project's last night: one runs at a time."""
    begun = (event.run for _, event in ledger.all_of(RunStarted))
    nights = [run for run in begun if run.project == project and run.kind is RunKind.NIGHT]
    return nights[-1] if nights else None


def _tell(
    settings: Settings, ledger: Ledger, compute: Compute, run: Run, waiting: int, *, held: int, now: datetime
) -> bool:
    slots = max(1, compute.accelerators)
    free_since = _planned_at(ledger, run)
    if not held:
        reason = "in vain"
        why = (
            f"no training task holds a slot of it: it has fewer than {slots}, is not there, or others than training "
            f"hold them. Give it {slots} slots or more in Admin > Pools, or lower `accelerators` of the project's "
            "Compute"
        )
    elif free_since is not None and now - free_since >= timedelta(minutes=compute.maximum_minutes):
        reason = "too long"
        why = (
            f"the `maximum_minutes` of its Compute, {compute.maximum_minutes}, are over. Make room: give the pool more "
            "slots in Admin > Pools, start nights at other times, or mark the run as failed"
        )
    else:
        return False
    key = streams.waits_key(run.project, run.run_id, reason)
    if ledger.find(key) is not None:
        return False
    sent = alerts.send(
        settings,
        f"{run.project}: training waits for the pool {compute.pool!r} {reason}",
        f"Run {run.run_id}: {waiting} of its tasks {' and '.join(TASKS)} wait for {slots} slots each, and {why}.",
    )
    if not sent:  # told again at the next look
        return False
    event = TrainingWaits(
        project=run.project, run_id=run.run_id, pool=compute.pool, slots=slots, tasks=waiting, reason=reason
    )
    ledger.record(streams.run(run.project, run.run_id), event, key=key)
    return True


def _planned_at(ledger: Ledger, run: Run) -> datetime | None:
    """When the last step that training or the refit of the run waits for had ended."""
    ended = [
        entry.recorded_at
        for entry in ledger.read(streams.run(run.project, run.run_id))
        if isinstance(entry.event, StepFinished | StepReused) and entry.event.step == "plan"
    ]
    return ended[-1] if ended else None
