"""What nobody starts by hand: late runs are told, lineage is delivered, lost attempts and lost asks are closed."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task

from include.runtime.airflow import alerts
from include.runtime.airflow.names import dag_id_of
from include.runtime.airflow.operators import RETRIES, only_what_heals
from include.runtime.trainers import trainer_of
from include.settings import Settings

log = logging.getLogger(__name__)

#: What of a bucket nobody read for so long leaves the home's cache. No task lasts that long.
CACHED = timedelta(days=7)


def stewardship_dag() -> DAG:
    """One DAG for the whole deployment, every quarter of an hour."""
    with DAG(
        dag_id="stewardship",
        description="Reports late runs and requests, delivers lineage events, closes and removes what runs left",
        schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=1,
        tags={"trainyard", "stewardship"},
        doc_md="Reports late nights and watches to ops, delivers OpenLineage events to `TRAINYARD_LINEAGE`, closes "
        "lost attempts, removes artifacts whose declared time is over and training pods that lost runs left, reports "
        "rollbacks to ops and has MLflow's alias follow them, and sees that each retraining that drift asked for is "
        "started once and ended.",
        default_args={"owner": "trainyard", "retry_policy": only_what_heals(), **RETRIES},
        dagrun_timeout=timedelta(minutes=14),
        on_failure_callback=_failed,
    ) as dag:
        tell_late_nights()
        deliver_lineage()
        tell_stewards()
        close_lost_attempts()
        carry_out_retention()
        follow_rollbacks()
        draw_plots()
        settings = Settings.from_environment()
        if trainer_of(settings).elsewhere:
            remove_left_pods()
            tell_waiting_training()
        if settings.has_cache:
            trim_cache()
        TriggerDagRunOperator.partial(
            task_id="start_lost_retrainings",
            logical_date=None,
            skip_when_already_exists=True,
            doc_md="Starts the night of an ask whose asset event was lost. Skipped where none was.",
        ).expand_kwargs(find_lost_retrainings())
    return dag


def _failed(context: Mapping[str, Any]) -> None:
    """What the DAG does when its run has failed: report it to ops."""
    told = f"Run {context['run_id']}: {alerts.reason_of(context)}. {alerts.LOOK}"
    alerts.send(Settings.from_environment(), "stewardship failed", told)


@task
def tell_late_nights() -> None:
    """Alerts ops, once a run, of nights and watches that take longer than allowed, the steward's time apart."""
    from include.runtime.upkeep.lateness import tell_late_runs

    tell_late_runs(Settings.from_environment(), get_current_context()["ti"], now=datetime.now(UTC))


@task
def deliver_lineage() -> None:
    """Hands events that are new to the file or the endpoint, in order. One that is down gets all of them later. What it
    refuses for good is set aside, and reported to ops once.
    """
    from include.runtime.upkeep.lineage import deliver, tell_set_aside

    settings = Settings.from_environment()
    try:
        deliver(settings)
    finally:
        tell_set_aside(settings, partial(alerts.send, settings))


@task
def tell_stewards() -> None:
    """Sends to `TRAINYARD_ADDRESSES_FILE`, once each, what stewards and those who asked are to be told, and lets
    requests lapse that nobody decided about.
    """
    from include.runtime.upkeep import notices

    notices.tell(Settings.from_environment(), now=datetime.now(UTC))


@task
def close_lost_attempts() -> None:
    """Records the end of attempts whose process was killed and which nobody tried again."""
    from include.ledger import Ledger
    from include.ledger.lost_attempts import close_lost

    close_lost(Ledger.open(Settings.from_environment().ledger), now=datetime.now(UTC))


@task
def carry_out_retention() -> None:
    """Once a day, removes artifacts whose declared time is over, each after its tombstone in the ledger. What a running
    run may need is removed in a later round. With them go copies of code that no run of a month began with.
    """
    from include.runtime.code import kept as kept_code
    from include.runtime.nights.platform import open_platform
    from include.steps import retention

    settings, now = Settings.from_environment(), datetime.now(UTC)
    platform = open_platform(settings)
    if retention.is_due(platform.ledger, now=now):
        retention.carry_out(platform, now=now)
        kept_code.remove_unneeded(settings, platform.ledger, now=now)


@task
def follow_rollbacks() -> None:
    """Reports each rollback and retirement to ops once, and has MLflow's alias follow where whoever asked for them did
    not see to it.
    """
    from include.runtime.nights import aliases
    from include.runtime.nights.platform import open_platform
    from include.runtime.upkeep.rollbacks import tell_rollbacks

    settings = Settings.from_environment()
    platform = open_platform(settings)
    tell_rollbacks(settings, platform.ledger, platform.champions, now=datetime.now(UTC))
    for told in aliases.follow_rollbacks(platform):
        log.info(told)


@task
def draw_plots() -> None:
    """Draws for MLflow the plots of versions that nights registered since the last round. While MLflow is away they
    wait.
    """
    from include.core.errors import RegistryUnavailable
    from include.runtime.nights.platform import open_platform
    from include.runtime.upkeep.plots import draw_new

    try:
        draw_new(open_platform(Settings.from_environment()))
    except RegistryUnavailable as error:  # no alert each quarter of an hour for that: a later round draws them
        log.warning("plots: %s", error)


@task
def remove_left_pods() -> None:
    """Removes training pods, and the orders that they mount, of runs that nobody will take up again."""
    from include.ledger import Ledger
    from include.runtime.upkeep import reconciliation

    settings, runs = Settings.from_environment(), get_current_context()["ti"]

    def over(project: str, run_id: str) -> bool:
        return reconciliation.is_over(runs, dag_id_of(project), run_id)

    trainer_of(settings).sweep(Ledger.open(settings.ledger), over=over, now=datetime.now(UTC))


@task
def trim_cache() -> None:
    """Removes from the home's cache what no task has read of a bucket for a week. It can be fetched again."""
    from include.runtime.deployment import vault_of

    vault_of(Settings.from_environment()).trim_cache(unused_since=datetime.now(UTC) - CACHED)


@task
def tell_waiting_training() -> None:
    """Alerts ops, once a run, of training that waits for its pool in vain, or longer than its Compute allows."""
    from include.runtime.upkeep import pool_waits

    pool_waits.tell_waiting_training(Settings.from_environment(), get_current_context()["ti"], now=datetime.now(UTC))


@task
def find_lost_retrainings() -> list[dict[str, str]]:
    """Finds what drift asked for and no night has taken up for ten minutes; records the end of those that ended, and
    asks in place of a watch that was killed between its verdict and the ask.
    """
    from include.ledger import Ledger
    from include.runtime.code.projects import project_names
    from include.runtime.deployment import champions_of
    from include.runtime.upkeep import reconciliation

    settings, now = Settings.from_environment(), datetime.now(UTC)
    ledger, projects, runs = Ledger.open(settings.ledger), project_names(settings.projects), get_current_context()["ti"]
    reconciliation.close_ended(ledger, projects, runs, now=now)
    reconciliation.ask_late(ledger, projects, champions_of(settings, ledger))
    found = reconciliation.lost(ledger, projects, runs, now=now)
    return [{"trigger_dag_id": start.dag_id, "trigger_run_id": start.run_id} for start in found]
