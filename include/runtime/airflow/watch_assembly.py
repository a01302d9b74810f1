"""From a declared project to its drift DAG: the chain of the watch, and the signal that starts the training DAG."""

from collections.abc import Iterator

from airflow.sdk import DAG, Asset, CronTriggerTimetable
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow.assembly import dags_of, drift_asset, project_dag, wire
from include.runtime.airflow.names import run_of, watch_dag_id_of
from include.runtime.airflow.operators import StepOperator, one_of_ours
from include.steps.chain import WATCH


def watch_dags(only: str | None) -> Iterator[DAG]:
    """The drift DAG of each declared project, or just the one that is called *only*."""
    return dags_of(watch_dag_id_of, watch_dag, only)


def watch_dag(project: Project) -> DAG:
    """The watch over the project's champion: by its cron line, or by hand for any instant."""
    with project_dag(
        project,
        dag_id=watch_dag_id_of(project.name),
        tag="drift",
        description=f"Watches the champion of {project.name} on the days that came after it",
        schedule=CronTriggerTimetable(project.operations.watch_schedule, timezone=project.operations.timezone),
        instant="Watch as of this UTC time; empty: now.",
        doc_md=_documentation(project),
    ) as dag:
        last = wire(project, WATCH, schedule=project.operations.watch_schedule)
        last >> RetrainOperator(
            task_id="retrain",
            project=project.name,
            asset=drift_asset(project.name),
            doc_md="Signals to the training DAG that the ledger holds an ask. Skipped where there is none.",
        )
    return dag


class RetrainOperator(StepOperator):
    """Sends the asset event if the verdict of this run has an ask that waits for its night; is skipped if not."""

    ui_color = "#fce8e6"

    def __init__(self, *, asset: Asset, **kwargs: object) -> None:
        super().__init__(step="retrain", outlets=[asset], **kwargs)  # type: ignore[arg-type]  # BaseOperator's own
        self.asset = asset

    def execute(self, context: Context) -> str:
        from include.runtime.airflow.watch_alerts import asked_by

        try:
            asked = asked_by(self.project, run_of(self.dag_id, context["run_id"]))
        except Exception as error:
            raise one_of_ours(error, self.step) from None
        if asked.nothing is not None:
            self.log.info(asked.nothing)
            raise AirflowSkipException(asked.nothing)
        context["outlet_events"][self.asset].extra = {"ask": asked.ask_id}
        return asked.ask_id


def _documentation(project: Project) -> str:
    policy, when = project.quality.drift, project.operations
    head = f"""
**Watches the champion of {project.name} on the days that came after it.**

Owner: {markdown(project.ownership.owner)}. Runs at `{when.watch_schedule}` ({when.timezone}), or by
hand for any `instant`.
"""
    if policy is None:
        return f"{head}\nThe project declares no drift policy: there is nothing to watch.\n"
    limits = "".join(
        f"- {what}: {limit}\n"
        for what, limit in (
            ("mean excess loss above", policy.excess_loss),
            ("mean calibration gap beyond ±", policy.calibration_gap),
        )
        if limit is not None
    )
    return f"""{head}
Judges the last {policy.days} matured days, {policy.minimum_days} at least. A retraining is asked for where one is true:

{limits}
At most one every {policy.cooldown_days} days and {policy.monthly_budget} in any 30. Inputs that drift only warn.
"""
