"""From declared projects to Airflow's DAGs: what all of a project's DAGs are like."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, BaseOperator, Param
from airflow.sdk.bases.timetable import BaseTimetable
from airflow.sdk.definitions.context import Context

from include.core.errors import TrainyardError
from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow import alerts
from include.runtime.airflow.approval import DataStewardApprovalSensor
from include.runtime.airflow.operators import RETRIES, StepOperator, only_what_heals
from include.runtime.code.projects import load_project, project_names
from include.settings import Settings


def dags_of(id_of: Callable[[str], str], build: Callable[[Project], DAG], only: str | None) -> Iterator[DAG]:
    """A DAG for each declared project, or just the one that is called *only*: no other project is then loaded.

    A project that cannot be loaded becomes a DAG tagged `broken` whose only task raises the error.
    """
    folder = Settings.from_environment().projects
    for name in project_names(folder):
        if only in (None, id_of(name)):
            try:
                yield build(load_project(name, folder))
            except TrainyardError as error:
                yield broken_dag(id_of(name), name, error)


def project_dag(
    project: Project, *, dag_id: str, tag: str, description: str, schedule: BaseTimetable, instant: str, doc_md: str
) -> DAG:
    """A DAG of *project* without its tasks. *instant* describes the parameter of that name, a UTC time."""
    return DAG(
        dag_id=dag_id,
        description=description,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        tags={"trainyard", tag, project.owner},
        doc_md=doc_md,
        params={"instant": Param(None, type=["null", "string"], description=instant)},
        default_args={"owner": project.owner, "retry_policy": only_what_heals(), **RETRIES},
        on_failure_callback=alerts.run_failed,
    )


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Makes the tasks of one DAG of *project*. ``docs`` explains each, by its id."""

    project: Project
    docs: Mapping[str, str]

    def gate(self, *, schedule: str) -> DataStewardApprovalSensor:
        """What waits for data stewards; *schedule* is the DAG's cron line."""
        return DataStewardApprovalSensor(
            task_id="gate",
            project=self.project.name,
            patience=timedelta(minutes=self.project.operations.gate_patience_minutes),
            schedule=schedule,
            timezone=self.project.operations.timezone,
            pool="gates",
            doc_md=self.docs["gate"],
        )

    def step(self, step: str, **inputs: object) -> StepOperator:
        """The task that is called as its step; *inputs* are what earlier tasks return."""
        return StepOperator(task_id=step, project=self.project.name, step=step, inputs=inputs, doc_md=self.docs[step])


def drift_asset(project: str) -> Asset:
    """What a watch tells of when it has asked for a retraining. Only a signal: what was asked stands in the ledger."""
    return Asset(name=f"{project} has drifted", uri=f"trainyard://drift/{project}")


def broken_dag(dag_id: str, name: str, error: TrainyardError) -> DAG:
    """What stands for a project that cannot be loaded: its only task raises *error*."""
    with DAG(
        dag_id=dag_id,
        description=f"{name} cannot be loaded",
        schedule=None,
        catchup=False,
        tags={"trainyard", "broken"},
        doc_md=f"**This project cannot be loaded.**\n\n{markdown(str(error))}",
    ) as dag:
        RaiseOperator(task_id="load", error=error, retries=0)
    return dag


class RaiseOperator(BaseOperator):
    """Raises the error that it was made with."""

    def __init__(self, *, error: TrainyardError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def execute(self, context: Context) -> None:
        raise self.error
