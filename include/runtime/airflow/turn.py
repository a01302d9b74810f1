"""Whose turn it is: days of a backfill, which Airflow runs at once, begin in the order of their dates.

A night learns from those before it: out of order its search would not be what it is alone.
"""

from collections.abc import Mapping
from typing import Any

#: Only a run in this state is waited for: one that is queued may be kept from starting by the run that would wait.
_RUNS = "running"


def earlier(context: Mapping[str, Any], project: str, run_id: str) -> str | None:
    """Airflow's id of the run that this one, a day of a backfill, waits for: the last before it that Airflow runs.

    ``None``: it may begin; or it has begun, as the ledger shows of *run_id*, and may hold what the other waits for.
    """
    if getattr(context.get("dag_run"), "run_type", None) != "backfill":
        return None
    from include.ledger import Ledger
    from include.ledger.journal import begun
    from include.settings import Settings

    if begun(Ledger.open(Settings.from_environment().ledger), project, run_id) is not None:
        return None
    before = context["ti"].get_previous_dagrun(state=_RUNS)
    return None if before is None else str(before.run_id)


def goes_on(dag_id: str, run_id: str) -> bool:
    """Whether Airflow still runs *run_id*; asked in a thread of the triggerer."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return RuntimeTaskInstance.get_dr_count(dag_id, run_ids=[run_id], states=[_RUNS]) > 0
