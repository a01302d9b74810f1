"""Training in processes of this machine: a night's own, or Airflow's tasks."""

import multiprocessing
import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from include.core.clocks import utc_now
from include.core.flat_projects import FlatDeclaration
from include.runtime.trainers.port import Note, OnTraining, Opener, TaskForm, TrainingPool, unheard
from include.settings import Settings

if TYPE_CHECKING:
    from include.core.project import Project
    from include.core.records import Run
    from include.ledger import Ledger
    from include.runtime.pods.sweeping import Over
    from include.training.progress import TrainingProgress

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

    def train(
        self,
        run: "Run",
        plan: str,
        shards: Sequence[int | None],
        opened: Opener,
        note: Note,
        on_training: OnTraining = unheard,
    ) -> list[str]:
        """Spawned, since a forked child may not use OpenMP again."""
        others = set(multiprocessing.active_children())
        workers = min(len(shards), multiprocessing.cpu_count())
        with _heard(on_training) as reports, _workers(workers, reports) as pool:
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


_SPAWN = multiprocessing.get_context("spawn")
#: In a worker: where it says how far its training is.
_reports: Any = None


@contextmanager
def _heard(on_training: OnTraining) -> Iterator[Any]:
    """A queue by which workers tell *on_training*."""
    reports = _SPAWN.Queue()
    said = iter(reports.get, None)

    def listen() -> None:
        try:
            for told in said:
                on_training(*told)
        finally:
            for _ in said:  # a worker ends once what it said is read
                pass

    thread = threading.Thread(target=listen, name="progress", daemon=True)
    thread.start()
    try:
        yield reports
    finally:
        reports.put(None)
        thread.join(timeout=5)  # a worker that was killed while it wrote may have left the queue closed to all


def _workers(number: int, reports: Any = None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(number, mp_context=_SPAWN, initializer=_begin_worker, initargs=(reports,))


def _begin_worker(reports: Any) -> None:
    """Report there, and end when the process that started this worker is gone: killed, it cannot end its workers."""
    global _reports  # one a process, as a pool begins its workers
    _reports = reports
    warnings.simplefilter("ignore", FlatDeclaration)  # the process that started it has shown them
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
    platform = replace(platform, on_training=_tell)
    run = steps.resume(platform, project, run_id=run_id, now=utc_now())
    step = step_named(steps.step_of(shard))
    return step.perform(platform, project, run, {"plan": plan, "shard": shard}, clock=utc_now)


def _tell(step: str, progress: "TrainingProgress") -> None:
    """In a worker: tell the process that started it how far *step* is."""
    if _reports is not None:
        _reports.put((step, progress))
