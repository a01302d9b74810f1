"""The OpenLineage run of the Airflow task that is running: what the provider's events of it are called too."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.lineage.emission import ParentRuns, RunReference


def parents_of_this_task() -> "ParentRuns | None":
    """The task of the running process as the parent, its DAG run as the root; ``None`` outside a task.

    Where the DAG run was started with a root of its own (``conf["openlineage"]``), that is the root.
    """
    from airflow.sdk import get_current_context

    try:
        context: Mapping[str, Any] = get_current_context()
    except RuntimeError:  # what it raises outside a task
        return None
    return parents_of(context["ti"])


def parents_of(task_instance: Any) -> "ParentRuns":
    """The runs that Airflow's OpenLineage provider names in its own events of *task_instance*, by its own functions."""
    from airflow.providers.openlineage.plugins import macros

    from include.lineage.emission import ParentRuns

    return ParentRuns(
        parent=_reference(macros.lineage_parent_id(task_instance)),
        root=_reference(macros.lineage_root_parent_id(task_instance)),
    )


def _reference(identifier: str) -> "RunReference":
    """The run that ``namespace/job/run`` names; neither a job (``dag.task``) nor a UUID has a slash."""
    from include.lineage.emission import RunReference

    namespace, job, run_id = identifier.rsplit("/", 2)
    return RunReference(namespace=namespace, job=job, run_id=run_id)
