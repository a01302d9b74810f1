"""The drift DAGs: what they are built of, and that they cost no more than the training DAGs."""

from functools import partial
from pathlib import Path

import pytest

from tests.dags.conftest import Parse, declare
from tests.dags.test_train import HEAVY
from tests.forked import ROOT

ORDER = {
    "gate": [],
    "snapshot": ["gate"],
    "score": ["snapshot"],
    "drift": ["score"],
    "verdict": ["drift"],
    "retrain": ["verdict"],
}


@pytest.fixture
def watch(parse: Parse) -> Parse:
    return partial(parse, file="watch.py")


def test_every_declared_project_has_a_drift_dag_without_any_environment(watch: Parse) -> None:
    parsed = watch()
    projects = {path.parent.name for path in (ROOT / "include" / "projects").glob("*/__init__.py")}
    assert set(parsed["dags"]) == {f"watch_{project}" for project in projects}
    assert all(set(dag["tasks"]) == set(ORDER) for dag in parsed["dags"].values())
    assert not HEAVY & set(parsed["modules"])


def test_the_tasks_their_order_pools_owners_and_retries_are_exactly_these(watch: Parse, tmp_path: Path) -> None:
    declare(tmp_path / "declared", "late_trains")
    dag = watch(projects=tmp_path / "declared")["dags"]["watch_late_trains"]
    tasks = dag["tasks"]
    assert {task_id: task["upstream"] for task_id, task in tasks.items()} == ORDER
    assert {task_id for task_id, task in tasks.items() if task["pool"] != "default_pool"} == {"gate"}
    assert {task["owner"] for task in tasks.values()} == {"team-late_trains"}
    assert {task["retries"] for task in tasks.values()} == {3}
    assert all(task["documented"] for task in tasks.values())
    assert {task_id: task["outlets"] for task_id, task in tasks.items() if task["outlets"]} == {
        "retrain": ["trainyard://drift/late_trains"]
    }


def test_a_watch_is_started_by_its_own_clock_one_at_a_time_and_never_for_the_past(watch: Parse, tmp_path: Path) -> None:
    declare(tmp_path / "declared", "late_trains")
    dag = watch(projects=tmp_path / "declared")["dags"]["watch_late_trains"]
    assert dag["schedule"] == "0 6 * * *"
    assert (dag["max_active_runs"], dag["catchup"], dag["start_date"]) == (1, False, None)
    assert dag["tags"] == ["drift", "team-late_trains", "trainyard"]
    assert dag["documented"]


def test_a_project_that_cannot_load_is_a_broken_dag_here_too(watch: Parse, tmp_path: Path) -> None:
    folder = tmp_path / "declared"
    declare(folder, "late_trains")
    declare(folder, "typo", "PROJECT = undefined_name")
    dags = watch(projects=folder)["dags"]
    assert set(dags["watch_typo"]["tasks"]) == {"load"}
    assert set(dags["watch_late_trains"]["tasks"]) == set(ORDER)
    assert set(watch(only="watch_late_trains", projects=folder)["dags"]) == {"watch_late_trains"}
