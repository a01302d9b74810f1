"""What a run of a project's DAGs is for: its instant, or why it has nothing to do. Asked before anything is read."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from include.core.runs import RunKind, is_retraining
from include.runtime.airflow.names import kind_of, run_of
from include.runtime.airflow.tasks import instant_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DueRun:
    """A run's id in the ledger and its instant, or why there is ``nothing`` for it to do."""

    run_id: str
    instant: datetime
    nothing: str | None = None


def due_of(dag_id: str, project: str, context: Mapping[str, Any], *, now: datetime) -> DueRun:
    """What the run of *context* is for. A night that drift started takes the instant of the ask that it answers.

    Which ask that is stands in the ledger, recorded when the first night comes for it: another night that the same ask
    starts, because Airflow signalled it twice, has nothing to do.

    Raises:
        DeclarationError: its instant is none, or after *now*.
    """
    due = DueRun(run_id=run_of(dag_id, context["run_id"]), instant=instant_of(context, now=now))
    if kind_of(dag_id) is RunKind.WATCH:
        return _watch(project, due)
    return _retraining(project, due) if started_by_drift(context) else due


def started_by_drift(context: Mapping[str, Any]) -> bool:
    """Whether an asset event started the run, or the reconciler in its place."""
    kind = getattr(context.get("dag_run"), "run_type", None)
    return kind == "asset_triggered" or is_retraining(str(context["run_id"]))


def _retraining(project: str, due: DueRun) -> DueRun:
    from include.ledger import Ledger
    from include.retraining import asks
    from include.runtime.deployment import champions_of
    from include.settings import Settings

    settings = Settings.from_environment()
    ledger = Ledger.open(settings.ledger)
    champion = champions_of(settings, ledger).in_force(project)
    ask = asks.start(ledger, project, due.run_id, champion=champion.number if champion else None)
    if ask is None:
        return replace(
            due,
            nothing="Nothing is asked for: what drift asked for is, or was, another night's to answer, or the champion "
            "that it judged is replaced",
        )
    return replace(due, instant=ask.instant)


def _watch(project: str, due: DueRun) -> DueRun:
    from include.runtime.airflow import alerts
    from include.runtime.code.projects import load_project
    from include.runtime.nights.aliases import put_back
    from include.runtime.nights.platform import open_platform
    from include.settings import Settings
    from include.steps import backlog

    settings = Settings.from_environment()
    platform, declared = open_platform(settings), load_project(project, settings.projects)
    found_alias = put_back(platform, project)
    if found_alias is not None and found_alias.late:
        log.info(found_alias.text)
    elif found_alias is not None:
        alerts.send(settings, f"{project}: MLflow's alias is not the champion's", found_alias.text)
    found = backlog.due(platform, declared, run_id=due.run_id, instant=due.instant)
    return replace(due, nothing=found) if isinstance(found, str) else due
