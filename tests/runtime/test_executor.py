"""Airflow's local executor, whose workers ours waits for: to be run at every upgrade."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.utils.state import TaskInstanceState

from include.runtime.airflow import executor as executors
from include.runtime.airflow.executor import PromptExecutor

FAR_SECONDS = 120.0

Start = Callable[[float], PromptExecutor]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts an executor whose only worker, a process, takes so many seconds for a task."""
    started: list[PromptExecutor] = []

    def begin(task_seconds: float) -> PromptExecutor:
        monkeypatch.setattr(BaseExecutor, "run_workload", staticmethod(lambda *_, **__: time.sleep(task_seconds)))
        started.append(PromptExecutor(parallelism=1))
        started[0].start()
        return started[0]

    yield begin
    started[0].end()


def queue(executor: PromptExecutor) -> ExecuteTask:
    instance = TaskInstanceDTO(
        id=uuid4(), dag_version_id=uuid4(), dag_id="train", task_id="plan", run_id="night", try_number=1, map_index=-1,
        pool_slots=1, queue="default", priority_weight=1,
    )  # fmt: skip
    task = ExecuteTask(
        ti=instance, dag_rel_path=Path("train.py"), token="", bundle_info=BundleInfo(name="b"), log_path=""
    )
    executor.queue_workload(task, session=None)  # type: ignore[arg-type]  # it uses none
    return task


def beat(executor: PromptExecutor) -> float:
    """The seconds that the scheduler stands still."""
    began = time.monotonic()
    executor.heartbeat()
    return time.monotonic() - began


def test_the_end_of_a_task_ends_the_wait(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "LONGEST_WAIT_SECONDS", FAR_SECONDS)
    executor = start(0.3)
    task = queue(executor)
    assert 0.3 <= beat(executor) < FAR_SECONDS / 2
    assert executor.get_event_buffer()[task.key][0] == TaskInstanceState.SUCCESS
    assert executors.IDLE_WAIT_SECONDS <= beat(executor) < FAR_SECONDS / 2, "nothing runs any more"


def test_a_task_that_goes_on_holds_the_scheduler_no_longer_than_that(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "LONGEST_WAIT_SECONDS", 0.05)
    executor = start(0.5)
    task = queue(executor)
    assert beat(executor) >= 0.05
    assert task.key not in executor.get_event_buffer()
    assert beat(executor) >= 0.05, "it is waited for at every beat"


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has such a policy")
def test_a_supervisor_that_is_woken_pushes_no_ending_task_off_its_core(start: Start) -> None:
    executor = start(0)
    assert {os.sched_getscheduler(worker) for worker in executor.workers} == {os.SCHED_BATCH}
