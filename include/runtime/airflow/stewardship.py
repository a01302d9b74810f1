"""What nobody starts by hand: lineage is delivered, and attempts that ended without a word are closed."""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, task

from include.runtime.airflow.operators import RETRIES, only_what_heals


def stewardship_dag() -> DAG:
    """One DAG for the whole deployment, every quarter of an hour."""
    with DAG(
        dag_id="stewardship",
        description="Delivers lineage events and closes attempts that ended without a word",
        schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags={"trainyard", "stewardship"},
        doc_md="Delivers new OpenLineage events to `TRAINYARD_LINEAGE`, and closes what killed tasks left open.",
        default_args={"owner": "trainyard", "retry_policy": only_what_heals(), **RETRIES},
        dagrun_timeout=timedelta(minutes=14),
    ) as dag:
        _deliver_lineage() >> _close_lost_attempts()
    return dag


@task(
    task_id="deliver_lineage",
    doc_md="Hands events that are new to the file or the endpoint, in order. One that is down gets all of them later.",
)
def _deliver_lineage() -> None:
    from include.runtime.lineage import deliver
    from include.settings import Settings

    deliver(Settings.from_environment())


@task(
    task_id="close_lost_attempts",
    doc_md="Records the end of attempts whose process was killed and which nobody tried again.",
)
def _close_lost_attempts() -> None:
    from datetime import UTC, datetime

    from include.ledger import Ledger
    from include.ledger.journal import close_lost
    from include.settings import Settings

    close_lost(Ledger.open(Settings.from_environment().ledger), now=datetime.now(UTC))
