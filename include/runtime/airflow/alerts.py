"""Tells ops what they must know, wherever they listen: Apprise addresses, one a line in a file."""

import logging
from collections.abc import Mapping
from typing import Any

from include.runtime.airflow.names import is_watch, project_of, run_of
from include.settings import Settings

log = logging.getLogger(__name__)

_LOOK = "Its tasks' logs in Airflow say why and what to do."


def send(settings: Settings, title: str, body: str) -> bool:
    """Log the message as a warning, and send it to every configured address. ``False``: an address did not take it.

    An alert that cannot be sent is logged and never raises: what it tells of is worse than its own loss.
    """
    log.warning("%s. %s", title, body)
    return deliver(settings, title, body)


def deliver(settings: Settings, title: str, body: str) -> bool:
    """As :func:`send`, for who has shown the message already."""
    if settings.alerts_file is None:
        return True
    import apprise

    try:
        lines = settings.alerts_file.read_text().splitlines()
    except OSError as error:
        log.error("No alert was sent: %s cannot be read (%s)", settings.alerts_file, error.strerror)
        return False
    listeners = apprise.Apprise()
    addresses = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    understood = [listeners.add(address) for address in addresses]
    sent = bool(listeners.notify(title=title, body=body))
    if not (sent and all(understood)):
        log.error("An alert did not reach every address in %s", settings.alerts_file)
    return sent and all(understood)


def run_failed(context: Mapping[str, Any]) -> None:
    """What a project's DAG does when its run has failed: tell ops why, then give the lease back."""
    from include.runtime.airflow import tasks

    dag, run_id = context["dag"], context["run_id"]
    project = project_of(dag.dag_id)
    reason = context.get("reason") or "failed"
    send(
        Settings.from_environment(),
        f"{project}: the {'watch' if is_watch(dag.dag_id) else 'night'} failed",
        f"Run {run_id} of {dag.dag_id}: {reason}. {_LOOK}",
    )
    tasks.failed(project, run_of(dag.dag_id, run_id))  # after the alert: the ledger may be what failed


def stewardship_failed(context: Mapping[str, Any]) -> None:
    """What the DAG ``stewardship`` does when its run has failed: tell ops."""
    run_id, reason = context["run_id"], context.get("reason") or "failed"
    send(Settings.from_environment(), "stewardship failed", f"Run {run_id}: {reason}. {_LOOK}")
