"""From a declared project to its training DAG: the chain of the night, by clock, by drift or by hand."""

from collections.abc import Iterator
from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow.assembly import dags_of, drift_asset, project_dag, wire
from include.runtime.airflow.names import dag_id_of
from include.steps.chain import NIGHT

#: A project that appears within that time after a scheduled start still runs for it; later, it waits for the next.
#: The DAGs have no start date: with one, Airflow starts the last missed night as soon as a project appears, and that
#: night, waiting at its gate, would keep everyone else's from starting.
_CATCH_LAST_START = timedelta(minutes=5)


def training_dags(only: str | None) -> Iterator[DAG]:
    """The training DAG of each declared project, or just the one that is called *only*: see :func:`dags_of`."""
    return dags_of(dag_id_of, training_dag, only)


def training_dag(project: Project) -> DAG:
    """The project's night: scheduled by its cron line, by a drift event, or by hand for any instant."""
    operations = project.operations
    nightly = CronTriggerTimetable(operations.schedule, timezone=operations.timezone, run_immediately=_CATCH_LAST_START)
    with project_dag(
        project,
        dag_id=dag_id_of(project.name),
        tag="training",
        description=project.ownership.purpose,
        schedule=AssetOrTimeSchedule(timetable=nightly, assets=[drift_asset(project.name)]),
        instant="Train as of this UTC time; empty: now.",
        doc_md=_documentation(project),
    ) as dag:
        wire(project, NIGHT, schedule=operations.schedule)
    return dag


def _documentation(project: Project) -> str:
    window, search, when = project.learning.window, project.learning.search, project.operations
    since = f" at most, none before {window.since}" if window.since else ""
    groups = "\n".join(f"- `{group.name}`" for group in project.learning.features)
    return f"""
**{markdown(project.ownership.purpose)}**

Owner: {markdown(project.ownership.owner)}. Runs at `{when.schedule}` ({when.timezone}), when drift
asks for it, or by hand for any `instant`.

Learns from {window.days} days{since}: the last {window.holdout_days} judge, the {window.validation_days} before them
choose among {search.trials} trials.

Feature groups:

{groups}
"""
