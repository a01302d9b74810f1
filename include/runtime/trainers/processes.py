"""Training in processes of this machine: a night's own, or Airflow's tasks."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from include.core.clocks import utc_now
from include.runtime.trainers.port import Note, Opener, TaskForm, TrainingPool
from include.settings import Settings

if TYPE_CHECKING:
    from include.core.project import Project
    from include.core.records import Run
    from include.ledger import Ledger
    from include.runtime.pods.sweeping import Over

#: `airflow_settings.yaml` says the same to the Astro CLI.
TRAINING_SLOTS = 2


@dataclass(frozen=True)
class ProcessTrainer:
    """As many shards at a time as there are cores, or as the pool of Airflow's tasks has slots."""

    settings: Settings
    elsewhere = False
    preloaded = ()

    def image(self, project: "Project") -> None:
        """It needs none."""

    def train(self, run: "Run", plan: str, shards: Sequence[int | None], opened: Opener, note: Note) -> list[str]:
        """Spawned, since a forked child may not use OpenMP again."""
        others = set(multiprocessing.active_children())
        with _workers(min(len(shards), multiprocessing.cpu_count())) as pool:
            futures = [pool.submit(_train_shard, opened, run.run_id, plan, shard) for shard in shards]
            try:
                for future in as_completed(futures):
                    future.result()
            except (KeyboardInterrupt, SystemExit):
                for worker in set(multiprocessing.active_children()) - others:
                    worker.terminate()  # the pool would wait for all shards; what they recorded is found again
                raise
        return [future.result() for future in futures]

    def task(self, step: str, project: "Project") -> TaskForm:
        """The task's own process."""
        return TaskForm(
            operator="include.runtime.airflow.operators:StepOperator", given={"step": step, "pool": "training"}
        )

    def pools(self) -> Iterable[TrainingPool]:
        """One, for all projects."""
        return [TrainingPool(name="training", slots=TRAINING_SLOTS)]

    def require_ready(self, project: "Project") -> str:
        """They need nothing."""
        return "processes of this machine"

    def sweep(self, ledger: "Ledger", *, over: "Over", now: datetime) -> None:
        """They end with the process that started them."""


def _workers(number: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_the_parent
    )


def _end_with_the_parent() -> None:
    """End this worker when the process that started it is gone: killed, it cannot tell its workers to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # a worker has one

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), name="parent", daemon=True).start()


def _train_shard(opened: Opener, run_id: str, plan: str, shard: int | None) -> str:
    from include import steps
    from include.steps.chain import step_named

    platform, project = opened()
    run = steps.resume(platform, project, run_id=run_id, now=utc_now())
    step = step_named(steps.step_of(shard))
    return step.perform(platform, project, run, {"plan": plan, "shard": shard}, clock=utc_now)
