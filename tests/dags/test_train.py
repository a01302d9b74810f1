"""The DAG file: what it builds, and what it costs."""

import re
from pathlib import Path

import pytest

from tests.dags.conftest import PROJECT, Parse, declare
from tests.forked import ROOT

#: Every task and what it waits for.
ORDER = {
    "gate": [],
    "snapshot": ["gate"],
    "validate": ["snapshot"],
    "features": ["snapshot"],
    "plan": ["features", "validate"],
    "train": ["plan"],
    "evaluate": ["plan", "train"],
    "promote": ["evaluate"],
}
OPERATIONS = 'operations=Operations(schedule="15 3 * * *", timezone="Europe/Berlin")'
HEAVY = {"pandas", "numpy", "pyarrow", "duckdb", "ibis", "sqlglot", "lightgbm", "optuna", "mlflow", "scipy"}


def test_every_declared_project_has_a_training_dag_without_any_environment(parse: Parse) -> None:
    parsed = parse()
    projects = {path.parent.name for path in (ROOT / "include" / "projects").glob("*/__init__.py")}
    assert set(parsed["dags"]) == {f"train_{project}" for project in projects}
    assert all("broken" not in dag["tags"] for dag in parsed["dags"].values())


def test_the_tasks_their_order_pools_owners_and_retries_are_exactly_these(parse: Parse, tmp_path: Path) -> None:
    declare(tmp_path / "declared", "late_trains")
    dag = parse(projects=tmp_path / "declared")["dags"]["train_late_trains"]
    tasks = dag["tasks"]
    assert {task_id: task["upstream"] for task_id, task in tasks.items()} == ORDER
    assert {task_id: task["pool"] for task_id, task in tasks.items() if task["pool"] != "default_pool"} == {
        "gate": "gates",
        "train": "training",
    }
    assert [task_id for task_id, task in tasks.items() if task["mapped"]] == ["train"]
    assert {task["owner"] for task in tasks.values()} == {"team-late_trains"}
    assert {task["retries"] for task in tasks.values()} == {3}
    assert all(task["backoff"] > 1 for task in tasks.values())
    assert all(task["documented"] for task in tasks.values())


def test_a_night_is_started_by_the_clock_or_by_drift_one_at_a_time_and_never_for_the_past(
    parse: Parse, tmp_path: Path
) -> None:
    declare(tmp_path / "declared", "late_trains")
    dag = parse(projects=tmp_path / "declared")["dags"]["train_late_trains"]
    assert dag["cron"] == "15 3 * * *"
    assert (dag["zone"], dag["gate_zone"]) == ("Europe/Berlin", "Europe/Berlin")
    assert dag["assets"] == ["trainyard://drift/late_trains"]
    assert (dag["max_active_runs"], dag["catchup"], dag["start_date"]) == (1, False, None)
    assert dag["tags"] == ["team-late_trains", "training", "trainyard"]
    assert dag["documented"]
    assert dag["deadlines"] == 0  # with one, Airflow 3.3.2 cannot clear a task of the run


def test_a_project_that_cannot_load_is_a_broken_dag_and_hides_no_other(parse: Parse, tmp_path: Path) -> None:
    folder = tmp_path / "declared"
    declare(folder, "late_trains")
    declare(folder, "typo", "PROJECT = undefined_name")
    declare(folder, "six_fields", PROJECT.replace("15 3 * * *", "0 15 3 * * *"))
    declare(folder, "never", PROJECT.replace("15 3 * * *", "15 3 30 2 *"))
    dags = parse(projects=folder)["dags"]
    for broken in ("typo", "six_fields", "never"):
        assert "broken" in dags[f"train_{broken}"]["tags"]
        assert set(dags[f"train_{broken}"]["tasks"]) == {"load"}
    assert set(dags["train_late_trains"]["tasks"]) == set(ORDER)


def test_a_project_that_is_declared_without_groups_has_its_dag_for_one_release_more(
    parse: Parse, tmp_path: Path
) -> None:
    flat = re.sub(r"    (ownership|learning|quality)=\w+\(\n((?:        .*\n)*)    \),\n", r"\2", PROJECT)
    assert "Quality" not in flat
    declare(tmp_path, "late_trains", flat)
    declare(tmp_path, "late_ferries")
    trains, ferries = (parse(projects=tmp_path)["dags"][f"train_late_{kind}"] for kind in ("trains", "ferries"))
    assert set(trains["tasks"]) == set(ORDER) == set(ferries["tasks"])
    assert trains["documentation"].replace("trains", "ferries") == ferries["documentation"]


def test_a_task_parses_only_its_own_project(parse: Parse, tmp_path: Path) -> None:
    folder = tmp_path / "declared"
    declare(folder, "late_trains")
    declare(folder, "other")
    parsed = parse(only="train_late_trains", projects=folder)
    assert set(parsed["dags"]) == {"train_late_trains"}
    assert "declared.late_trains" in parsed["modules"] or any(m.endswith("late_trains") for m in parsed["modules"])
    assert not any(module.endswith(".other") or module == "other" for module in parsed["modules"])


@pytest.mark.parametrize("kind", ["train", "watch"])
def test_what_a_project_declares_in_words_is_documented_as_it_was_written_and_not_as_markdown(
    parse: Parse, tmp_path: Path, kind: str
) -> None:
    words = PROJECT.replace("Shows what a folder", "[Shows](x) <b>what</b>").replace("team-{name}", "team <i>a</i>")
    declare(tmp_path, "hostile", words)
    shown = parse(f"{kind}_hostile", tmp_path, file=f"{kind}.py")["dags"][f"{kind}_hostile"]["documentation"]
    assert r"Owner: team \<i\>a\<\/i\>." in shown
    assert (r"**\[Shows\]\(x\) \<b\>what\<\/b\> " in shown) is (kind == "train")
    assert not re.search(r"(?<!\\)<|\[Shows\]\(", shown)


def test_a_dag_file_imports_nothing_heavy(parse: Parse) -> None:
    assert not HEAVY & set(parse()["modules"])


def test_a_hundred_and_one_projects_are_as_many_dags_and_an_import_of_each(parse: Parse, tmp_path: Path) -> None:
    for number in range(101):
        declare(tmp_path, f"project_{number}")
    parsed = parse(projects=tmp_path)
    assert len(parsed["dags"]) == 101
    assert sum("project_" in module for module in parsed["modules"]) == 101


def test_dag_files_have_at_most_sixty_lines() -> None:
    for file in (ROOT / "dags").glob("*.py"):
        assert len(file.read_text().splitlines()) <= 60, file


PODS = {"TRAINYARD_PLACEMENT": "kubernetes", "TRAINYARD_TRAINER_IMAGE": "registry.invalid/trainer:1"}


def test_training_placed_in_pods_takes_as_many_slots_as_accelerators_and_refits_in_a_task_of_its_own(
    parse: Parse, tmp_path: Path
) -> None:
    compute = 'operations=Operations(schedule="15 3 * * *", compute=Compute(pool="a100", accelerators=2))'
    declare(tmp_path, "in_pods", PROJECT.replace(OPERATIONS, compute))
    tasks = parse("train_in_pods", tmp_path, **PODS)["dags"]["train_in_pods"]["tasks"]
    for name, mapped in (("train", True), ("refit", False)):
        task = tasks[name]
        assert (task["operator"], task["mapped"], task["documented"]) == ("TrainingPodOperator", mapped, True)
        assert (task["pool"], task["slots"], task["retries"]) == ("a100", 2, 3)
    upstream = {name: one["upstream"] for name, one in tasks.items()}
    assert upstream == ORDER | {"refit": ["plan", "train"], "evaluate": ["plan", "refit"]}


def test_a_project_that_asks_for_more_slots_than_its_pool_is_said_to_have_is_a_broken_dag_at_once(
    parse: Parse, tmp_path: Path
) -> None:
    compute = 'operations=Operations(compute=Compute(pool="a100", accelerators=2))'
    declare(tmp_path, "greedy", PROJECT.replace(OPERATIONS, compute))
    dag = parse("train_greedy", tmp_path, **PODS, TRAINYARD_ACCELERATORS="1")["dags"]["train_greedy"]
    assert "broken" in dag["tags"]
    assert set(dag["tasks"]) == {"load"}
    enough = parse("train_greedy", tmp_path, **PODS, TRAINYARD_ACCELERATORS="2")["dags"]["train_greedy"]
    assert enough["tasks"]["train"]["slots"] == 2


def test_only_nights_that_are_placed_in_pods_import_the_provider(parse: Parse, tmp_path: Path) -> None:
    declare(tmp_path, "plain")
    known = {"kubernetes", "kubernetes_asyncio", "airflow.providers.cncf.kubernetes.operators.pod"}
    assert not known & set(parse("train_plain", tmp_path)["modules"])
    assert known <= set(parse("train_plain", tmp_path, **PODS)["modules"])
