"""Parses a DAG file as Airflow does, and prints what came of it as JSON. Run with an empty environment.

Arguments: the id of the DAG that the parsing context asks for (empty: all), and the file's name in ``dags``.
"""

import json
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    if sys.argv[1]:
        os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = sys.argv[1]
    sys.path.insert(0, str(ROOT))
    file = str(ROOT / "dags" / sys.argv[2])
    found = {"dags": {dag.dag_id: _described(dag) for dag in _parse(file)}, "modules": sorted(sys.modules)}
    if not _is_looked_at(file):
        found["dags"] = {}
    print(json.dumps(found))  # noqa: T201  # the test reads it


def _is_looked_at(file: str) -> bool:
    """Whether Airflow looks for DAGs in the file at all: by default its text has to name it."""
    from airflow.utils.file import might_contain_dag

    return might_contain_dag(file, safe_mode=True)


def _parse(file: str) -> list:
    from airflow.sdk import DAG

    names = runpy.run_path(file)
    return list({value.dag_id: value for value in names.values() if isinstance(value, DAG)}.values())


def _described(dag) -> dict:
    condition = getattr(dag.timetable, "asset_condition", None)
    return {
        "tags": sorted(dag.tags),
        "documented": bool(dag.doc_md),
        "documentation": dag.doc_md,
        "start_date": dag.start_date and dag.start_date.isoformat(),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "assets": [asset.uri for asset in getattr(condition, "objects", [])],
        "cron": getattr(getattr(dag.timetable, "timetable", None), "expression", None),
        "schedule": getattr(dag.timetable, "expression", None),
        "zone": str(getattr(getattr(dag.timetable, "timetable", dag.timetable), "timezone", None)),
        "gate_zone": getattr(next((task for task in dag.tasks if task.task_id == "gate"), None), "timezone", None),
        "deadlines": len(dag.deadline or []) if isinstance(dag.deadline, list) else int(dag.deadline is not None),
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task) -> dict:
    return {
        "owner": task.owner,
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "pool": task.pool,
        "outlets": [asset.uri for asset in task.outlets],
        "mapped": task.is_mapped,
        "slots": task.pool_slots,
        "operator": task.task_type,
        "upstream": sorted(task.upstream_task_ids),
        "documented": bool(task.doc_md),
        "start_date": task.start_date and task.start_date.isoformat(),
    }


if __name__ == "__main__":
    main()
