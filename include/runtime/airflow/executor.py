"""Airflow's local executor, which waits for its tasks to end instead of looking ten times a second."""

import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from airflow.executors.local_executor import LocalExecutor

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload

#: How long the scheduler's loop stands still while tasks run: what is triggered meanwhile starts so much later.
LONGEST_WAIT_SECONDS = 1.0
#: How long while none does: an Airflow that nobody uses takes a tenth of a core, not a quarter.
IDLE_WAIT_SECONDS = 0.25


class PromptExecutor(LocalExecutor):
    """Waits for tasks to end in the place of the scheduler, whose own sleep between two loops has to be 0.

    A loop of the scheduler costs 25 ms of a core, which training on the same cores lacks; and what follows a task need
    not wait for the next look: Airflow sleeps as long after the end of a task as after none.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        # Airflow's own set of what runs stays empty here: filled, each worker that was killed would keep its slot.
        self._given: set[object] = set()

    def sync(self) -> None:
        """Wait for a result, longer if a worker has been given a task and has not answered; then as Airflow does."""
        seconds = LONGEST_WAIT_SECONDS if self._given else IDLE_WAIT_SECONDS
        wait([self.result_queue._reader], seconds)  # type: ignore[attr-defined]  # no public one
        super().sync()

    def _spawn_worker(self) -> None:
        """Start a worker that lets a task which ends go on to its end, where the machine's scheduler knows how.

        Woken by a task that closes its connections, Airflow's supervisor would push it off its core, find it alive and
        sleep for a second: one task in three, while others compute.
        """
        super()._spawn_worker()  # type: ignore[no-untyped-call]
        if hasattr(os, "SCHED_BATCH"):
            with suppress(OSError):  # a sandbox may forbid it: what follows a task then starts a second later at times
                os.sched_setscheduler(next(reversed(self.workers)), os.SCHED_BATCH, os.sched_param(0))

    def change_state(self, key: Any, state: Any, info: object = None, remove_running: bool = True) -> None:
        self._given.discard(key)
        super().change_state(key, state, info, remove_running)

    def _process_workloads(self, workload_list: "Sequence[ExecutorWorkload]") -> None:
        self._given.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call]
