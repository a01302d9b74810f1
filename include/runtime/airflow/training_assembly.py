"""From a declared project to its training DAG.

gate ─► snapshot ─► validate ─┐
              └───► features ─┴─► plan ─► train[shard] ─► [refit ─►] evaluate ─► promote

Where training is placed in pods, the refit is a task of its own, in a pod too; elsewhere ``evaluate`` does it first.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable
from airflow.sdk.definitions.mappedoperator import MappedOperator

from include.core.errors import DeclarationError
from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow.assembly import Tasks, dags_of, drift_asset, project_dag
from include.runtime.airflow.names import dag_id_of
from include.runtime.airflow.operators import StepOperator
from include.settings import Placement, Settings

if TYPE_CHECKING:
    from include.runtime.airflow.pods import TrainingPodOperator

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
    "refit": "Trains the best trial again, on training and validation days, in a pod.",
    "evaluate": "Compares the refitted best trial with the champion on days that nothing has seen. Refits it first, "
    "where no task of its own did.",
    "promote": "Registers the model and decides, by the project's gates, whether it becomes champion.",
}


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
        description=project.purpose,
        schedule=AssetOrTimeSchedule(timetable=nightly, assets=[drift_asset(project.name)]),
        instant="Train as of this UTC time; empty: now.",
        doc_md=_documentation(project),
    ) as dag:
        _wire(project)
    return dag


def _wire(project: Project) -> None:
    tasks = Tasks(project=project, docs=_TASK_DOCS)
    gate = tasks.gate(schedule=project.operations.schedule)
    snapshot = tasks.step("snapshot")
    validate = tasks.step("validate", snapshot=snapshot.output)
    features = tasks.step("features", snapshot=snapshot.output)
    plan = tasks.step("plan", features=features.output)
    train, refit = _training(project, {"plan": plan.output})
    evaluate = tasks.step("evaluate", plan=plan.output, **({"model": refit.output} if refit else {}))
    promote = tasks.step("promote", evaluation=evaluate.output)
    gate >> snapshot >> [validate, features] >> plan >> train
    (train >> refit if refit else train) >> evaluate >> promote


def _training(project: Project, inputs: Mapping[str, object]) -> "tuple[MappedOperator, TrainingPodOperator | None]":
    """A task a shard, and that of the refit; ``None``: training is not placed elsewhere, and ``evaluate`` refits.

    The number of shards is declared, so that Airflow knows them before the plan is drawn.
    """
    settings, compute = Settings.from_environment(), project.operations.compute
    given: dict[str, Any] = {"project": project.name, "inputs": inputs}
    named: dict[str, Any] = {name: {"task_id": name, "doc_md": _TASK_DOCS[name]} for name in ("train", "refit")}
    shards = list(range(project.search.shards))
    if settings.placement is Placement.LOCAL:
        return StepOperator.partial(step="train", pool="training", **given, **named["train"]).expand(shard=shards), None
    from include.runtime.airflow.pods import TrainingPodOperator  # the provider is imported by no other night

    slots = max(1, compute.accelerators)
    if settings.accelerators and slots > settings.accelerators:
        raise DeclarationError(
            "a pool has the slots that a task asks for, or the task waits for ever",
            value=f"{slots} asked of {compute.pool!r}, TRAINYARD_ACCELERATORS gives each pool {settings.accelerators}",
            remedy="Lower `accelerators` of the project's Compute, or raise TRAINYARD_ACCELERATORS.",
        )
    given |= {
        "namespace": settings.namespace,
        "image": compute.image or settings.trainer_image,
        "pool": compute.pool,
        "pool_slots": slots,
    }
    train = TrainingPodOperator.partial(**given, **named["train"]).expand(shard=shards)
    return train, TrainingPodOperator(**given, **named["refit"])


def _documentation(project: Project) -> str:
    window, search = project.window, project.search
    since = f" at most, none before {window.since}" if window.since else ""
    groups = "\n".join(f"- `{group.name}`" for group in project.features)
    return f"""
**{markdown(project.purpose)}**

Owner: {markdown(project.owner)}. Runs at `{project.operations.schedule}` ({project.operations.timezone}), when drift
asks for it, or by hand for any `instant`.

Learns from {window.days} days{since}: the last {window.holdout_days} judge, the {window.validation_days} before them
choose among {search.trials} trials.

Feature groups:

{groups}
"""
