"""From a declared project to its training DAG.

gate ─► snapshot ─► validate ─┐
              └───► features ─┴─► plan ─► train[shard] ─► evaluate ─► promote
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    BaseOperator,
    CronTriggerTimetable,
    Param,
)
from airflow.sdk.definitions.context import Context
from airflow.sdk.definitions.mappedoperator import MappedOperator

from include.core.errors import TrainyardError
from include.core.project import Project
from include.runtime.airflow import alerts
from include.runtime.airflow.approval import DataStewardApprovalSensor
from include.runtime.airflow.names import dag_id_of
from include.runtime.airflow.operators import RETRIES, StepOperator, only_what_heals
from include.runtime.projects import load_project, project_names
from include.settings import Placement, Settings

#: A project that appears within that time after a scheduled start still runs for it; later, it waits for the next.
#: The DAGs have no start date: with one, Airflow starts the last missed night as soon as a project appears, and that
#: night, waiting at its gate, would keep everyone else's from starting.
_CATCH_LAST_START = timedelta(minutes=5)

_TASK_DOCS = {
    "gate": "Begins the night and waits until the data stewards have granted what the project reads. "
    "Marking it as successful opens nothing: each later step checks the grants itself.",
    "snapshot": "Reads the rows that were known at the run's instant, only granted columns and only new days, "
    "and freezes them.",
    "validate": "Holds the new days against the expectations of contracts and project. A critical one stops the night; "
    "the log names the report.",
    "features": "Builds the point-in-time features of the new days, and checks that none of them knows the future.",
    "plan": "Draws the trials of the hyper-parameter search and cuts them into shards.",
    "train": "Trains one shard's trials. Trials that are recorded are not trained again.",
    "evaluate": "Refits the best trial and compares it with the champion on days that nothing has seen.",
    "promote": "Registers the model and decides, by the project's gates, whether it becomes champion.",
}


def training_dags(only: str | None) -> Iterator[DAG]:
    """The training DAG of each declared project, or just the one that is called *only*: see :func:`dags_of`."""
    return dags_of(dag_id_of, training_dag, only)


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


def drift_asset(project: str) -> Asset:
    """What a watch tells of when it has asked for a retraining. Only a signal: what was asked stands in the ledger."""
    return Asset(name=f"{project} has drifted", uri=f"trainyard://drift/{project}")


def training_dag(project: Project) -> DAG:
    """The project's night: scheduled by its cron line, by a drift event, or by hand for any instant."""
    name, operations = project.name, project.operations
    with DAG(
        dag_id=dag_id_of(name),
        description=project.purpose,
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(operations.schedule, timezone="UTC", run_immediately=_CATCH_LAST_START),
            assets=[drift_asset(name)],
        ),
        catchup=False,
        max_active_runs=1,
        tags={"trainyard", "training", project.owner},
        doc_md=_documentation(project),
        params={"instant": Param(None, type=["null", "string"], description="Train as of this UTC time; empty: now.")},
        default_args={"owner": project.owner, "retry_policy": only_what_heals(), **RETRIES},
        on_failure_callback=alerts.run_failed,
    ) as dag:
        _wire(project)
    return dag


def broken_dag(dag_id: str, name: str, error: TrainyardError) -> DAG:
    """What stands for a project that cannot be loaded: its only task raises *error*."""
    with DAG(
        dag_id=dag_id,
        description=f"{name} cannot be loaded",
        schedule=None,
        catchup=False,
        tags={"trainyard", "broken"},
        doc_md=f"**This project cannot be loaded.**\n\n```\n{error}\n```",
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


def _wire(project: Project) -> None:
    def step(task_id: str, **inputs: object) -> StepOperator:
        return StepOperator(
            task_id=task_id, project=project.name, step=task_id, inputs=inputs, doc_md=_TASK_DOCS[task_id]
        )

    gate = DataStewardApprovalSensor(
        task_id="gate",
        project=project.name,
        patience=timedelta(minutes=project.operations.gate_patience_minutes),
        schedule=project.operations.schedule,
        pool="gates",
        doc_md=_TASK_DOCS["gate"],
    )
    snapshot = step("snapshot")
    validate = step("validate", snapshot=snapshot.output)
    features = step("features", snapshot=snapshot.output)
    plan = step("plan", features=features.output)
    train = _train(project, {"plan": plan.output})
    evaluate = step("evaluate", plan=plan.output)
    promote = step("promote", evaluation=evaluate.output)
    gate >> snapshot >> [validate, features] >> plan >> train >> evaluate >> promote


def _train(project: Project, inputs: Mapping[str, object]) -> MappedOperator:
    """A task a shard: their number is declared, so that Airflow knows them before the plan is drawn."""
    settings, compute = Settings.from_environment(), project.operations.compute
    given = {"task_id": "train", "project": project.name, "inputs": inputs, "doc_md": _TASK_DOCS["train"]}
    shards = list(range(project.search.shards))
    if settings.placement is Placement.LOCAL:
        return StepOperator.partial(step="train", pool="training", **given).expand(shard=shards)
    from include.runtime.airflow.pods import TrainingPodOperator  # the provider is imported by no other night

    return TrainingPodOperator.partial(
        namespace=settings.namespace,
        image=compute.image or settings.trainer_image,
        pool=compute.pool,
        pool_slots=max(1, compute.accelerators),
        **given,
    ).expand(shard=shards)


def _documentation(project: Project) -> str:
    window, search = project.window, project.search
    since = f" at most, none before {window.since}" if window.since else ""
    groups = "\n".join(f"- `{group.name}`" for group in project.features)
    return f"""
**{project.purpose}**

Owner: {project.owner}. Runs at `{project.operations.schedule}` (UTC), when drift asks for it, or by hand for any
`instant`.

Learns from {window.days} days{since}: the last {window.holdout_days} judge, the {window.validation_days} before them
choose among {search.trials} trials.

Feature groups:

{groups}
"""
