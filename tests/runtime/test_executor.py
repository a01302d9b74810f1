"""Airflow's queue of results, which the executor waits on: to be run at every upgrade."""

import threading
import time
from collections.abc import Iterator

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState

from include.runtime.airflow import executor as executors
from include.runtime.airflow.executor import PromptExecutor

KEY = TaskInstanceKey(dag_id="train", task_id="plan", run_id="night")
FAR_SECONDS = 120.0


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[PromptExecutor]:
    monkeypatch.setattr(executors, "LONGEST_WAIT_SECONDS", FAR_SECONDS)
    started = PromptExecutor(parallelism=1)
    started.start()
    yield started
    started.end()


def synced_within(executor: PromptExecutor) -> float:
    began = time.monotonic()
    executor.sync()
    return time.monotonic() - began


def test_the_end_of_a_task_ends_the_wait(executor: PromptExecutor) -> None:
    executor.running.add(KEY)
    result = (KEY, TaskInstanceState.SUCCESS, None)
    threading.Timer(0.2, executor.result_queue.put, [result]).start()
    assert synced_within(executor) < FAR_SECONDS / 2
    assert KEY not in executor.running
    assert executor.get_event_buffer()[KEY][0] == TaskInstanceState.SUCCESS


def test_with_no_task_running_there_is_nothing_to_wait_for(executor: PromptExecutor) -> None:
    assert synced_within(executor) < FAR_SECONDS / 2


def test_a_task_that_goes_on_holds_the_scheduler_no_longer_than_that(
    executor: PromptExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "LONGEST_WAIT_SECONDS", 0.05)
    executor.running.add(KEY)
    assert synced_within(executor) >= 0.05
    assert KEY in executor.running
    executor.running.discard(KEY)
