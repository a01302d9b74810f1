"""From a declared project to its drift DAG.

gate ─► snapshot ─► score ─► drift ─► verdict ─► retrain ──(asset event)──► the training DAG
"""

from collections.abc import Iterator

from airflow.sdk import DAG, Asset, CronTriggerTimetable
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException

from include.core.project import Project
from include.core.words import markdown
from include.runtime.airflow.assembly import Tasks, dags_of, drift_asset, project_dag
from include.runtime.airflow.names import run_of, watch_dag_id_of
from include.runtime.airflow.operators import StepOperator, one_of_ours

_TASK_DOCS = {
    "gate": "Begins the watch, beside whatever night runs, and waits until data stewards have granted what it reads. "
    "Skipped where there is nothing to watch: no champion yet, or each day that has matured was judged.",
    "snapshot": "Reads the rows that were known at the run's instant, only granted columns and only new days.",
    "score": "Builds the features of the days that are to be judged, and scores each with the champion that was in "
    "force before it.",
    "drift": "Counts loss and calibration by day, and records them; counts inputs by week. Its report tells of these.",
    "verdict": "Judges the series of all days under the project's declared policy, records the verdict, and asks for a "
    "retraining if that is what it comes to: at most one in flight, after a cooldown, within a budget.",
    "retrain": "Tells the training DAG that the ledger holds an ask. Skipped where there is none.",
}


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
        _wire(project)
    return dag


class RetrainOperator(StepOperator):
    """Sends the asset event if the verdict of this run has an ask that waits for its night; is skipped if not."""

    ui_color = "#fce8e6"

    def __init__(self, *, asset: Asset, **kwargs: object) -> None:
        super().__init__(step="retrain", outlets=[asset], **kwargs)  # type: ignore[arg-type]  # BaseOperator's own
        self.asset = asset

    def execute(self, context: Context) -> str:
        from include.runtime.airflow.watching import asked_by

        try:
            asked = asked_by(self.project, run_of(self.dag_id, context["run_id"]))
        except Exception as error:
            raise one_of_ours(error, self.step) from None
        if asked.nothing is not None:
            self.log.info(asked.nothing)
            raise AirflowSkipException(asked.nothing)
        context["outlet_events"][self.asset].extra = {"ask": asked.ask_id}
        return asked.ask_id


def _wire(project: Project) -> None:
    tasks = Tasks(project=project, docs=_TASK_DOCS)
    gate = tasks.gate(schedule=project.operations.watch_schedule)
    snapshot = tasks.step("snapshot")
    score = tasks.step("score", snapshot=snapshot.output)
    drift = tasks.step("drift", scored=score.output)
    verdict = tasks.step("verdict", live=drift.output)
    retrain = RetrainOperator(
        task_id="retrain", project=project.name, asset=drift_asset(project.name), doc_md=_TASK_DOCS["retrain"]
    )
    gate >> snapshot >> score >> drift >> verdict >> retrain


def _documentation(project: Project) -> str:
    policy = project.drift
    head = f"""
**Watches the champion of {project.name} on the days that came after it.**

Owner: {markdown(project.owner)}. Runs at `{project.operations.watch_schedule}` ({project.operations.timezone}), or by
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
