"""From declared projects to Airflow's DAGs: what all of a project's DAGs are like."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any, cast

from airflow.sdk import DAG, Asset, BaseOperator, Param
from airflow.sdk.bases.timetable import BaseTimetable
from airflow.sdk.definitions.context import Context
from airflow.sdk.definitions.mappedoperator import MappedOperator

from include.core.errors import TrainyardError
from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow.approval import DataStewardApprovalSensor
from include.runtime.airflow.operators import RETRIES, StepOperator, only_what_heals
from include.runtime.code.projects import load_project, project_names
from include.runtime.trainers import trainer_of
from include.settings import Settings
from include.steps.chain import Chain, Step, step_named

Task = BaseOperator | MappedOperator


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
        tags={"trainyard", tag, project.ownership.owner},
        doc_md=doc_md,
        params={"instant": Param(None, type=["null", "string"], description=instant)},
        default_args={"owner": project.ownership.owner, "retry_policy": only_what_heals(), **RETRIES},
        on_failure_callback=_failed,
    )


def _failed(context: Context) -> None:
    from include.runtime.airflow import tasks

    tasks.run_failed(context)


def wire(project: Project, chain: Chain, *, schedule: str) -> Task:
    """The gate of *chain* and a task for each of its steps, in the DAG that is being built; the last of them.

    *schedule* is the DAG's cron line. A step that has no task is done first by that of whoever takes what it gives.
    """
    gate = DataStewardApprovalSensor(
        task_id="gate",
        project=project.name,
        patience=timedelta(minutes=project.operations.gate_patience_minutes),
        schedule=schedule,
        timezone=project.operations.timezone,
        pool="gates",
        doc_md=chain.gate,
    )
    made: dict[str, Task] = {}
    for step in chain:
        task = _task_of(
            project, step, {name: made[maker].output for name, maker in step.makers.items() if maker in made}
        )
        if task is not None:
            task.set_upstream([made[name] for name in _tasks_before(step, made)] or gate)
            made[step.name] = task
    return made[chain.last.name]


def _tasks_before(step: Step, made: Mapping[str, Task]) -> set[str]:
    """The tasks that end before that of *step* begins."""
    found: set[str] = set()
    for name in step.before:
        found |= {name} if name in made else _tasks_before(step_named(name), made)
    return found


def _task_of(project: Project, step: Step, inputs: Mapping[str, object]) -> Task | None:
    """The task of *step*, called like it; *inputs* are what earlier tasks return.

    ``None``: it has none. A refit in this deployment's own processes is no task of its own: one less is quicker.
    The number of shards is declared, so that Airflow knows them before the plan is drawn.
    """
    operator: Any = StepOperator
    given: dict[str, Any] = {"task_id": step.name, "project": project.name, "inputs": inputs, "doc_md": step.text}
    if step.placed:
        trainer = trainer_of(Settings.from_environment())
        if not step.mapped and not trainer.elsewhere:
            return None
        form = trainer.task(step.name, project)
        operator, given = resolve_name(form.operator), {**given, **form.given}
    else:
        given["step"] = step.name
    if step.mapped:
        return cast(Task, operator.partial(**given).expand(shard=list(range(project.learning.search.shards))))
    return cast(Task, operator(**given))


def drift_asset(project: str) -> Asset:
    """What a watch signals when it has asked for a retraining. Only a signal: what was asked stands in the ledger."""
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
