"""Makes a retraining exactly once of an ask, whatever Airflow lost, doubled or forgot of it.

The ledger says what was asked and which night answers. Airflow is only asked how its runs are doing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from include.core import runs as ids
from include.core import streams
from include.core.errors import LeaseHeld
from include.core.events import ModelRegistered, RetrainingAsked
from include.core.records import RetrainingOutcome
from include.ledger import Ledger, lease
from include.registry.champions import Champions
from include.retraining import asks, verdicts
from include.runtime.airflow.names import dag_id_of

#: An asset event becomes a run within seconds; one that took longer is taken for lost. If it comes after all, it finds
#: nothing to do.
PATIENCE = timedelta(minutes=10)
_OVER, _GOING_ON = ("success", "failed"), ("queued", "running")


class RunCounts(Protocol):
    """How many runs Airflow knows (:class:`airflow.sdk.types.RuntimeTaskInstanceProtocol`)."""

    def get_dr_count(
        self, dag_id: str, *, run_ids: list[str] | None = None, states: list[str] | None = None
    ) -> int: ...


@dataclass(frozen=True, kw_only=True)
class NightStart:
    """A training night to start, under an id that Airflow takes once."""

    dag_id: str
    run_id: str


def lost(ledger: Ledger, projects: Sequence[str], runs: RunCounts, *, now: datetime) -> Iterator[NightStart]:
    """The nights to start for asks whose asset event never became one.

    The id is made of the ask, so that looking twice starts one; a next one is tried only after a run that ended without
    having taken the ask. What waits in Airflow's queue is left there.
    """
    for project in projects:
        for ask in asks.lost(ledger, project, now=now, patience=PATIENCE):
            found = _next_run(dag_id_of(project), ask.ask_id, runs)
            if found is not None:
                yield NightStart(dag_id=dag_id_of(project), run_id=found)


def _next_run(dag_id: str, ask_id: str, runs: RunCounts) -> str | None:
    attempt = 1
    while True:
        run_id = ids.retraining(ask_id, attempt)
        if not runs.get_dr_count(dag_id, run_ids=[run_id]):
            return run_id
        if not runs.get_dr_count(dag_id, run_ids=[run_id], states=list(_OVER)):
            return None
        attempt += 1


def ask_late(ledger: Ledger, projects: Sequence[str], champions: Champions) -> int:
    """Ask for what verdicts wanted whose watch was killed before it asked; how many got a night."""
    found = {project: champions.in_force(project) for project in projects}
    answers = [
        verdicts.ask_late(ledger, project, champion=champion.number if champion else None)
        for project, champion in found.items()
    ]
    return sum(isinstance(answer, RetrainingAsked) for answer in answers)


def close_ended(ledger: Ledger, projects: Sequence[str], runs: RunCounts, *, now: datetime) -> int:
    """Record the end of nights that answered an ask and are over, though nothing told of it; how many."""
    closed = 0
    for project in projects:
        for each in asks.known(ledger, project).retrainings:
            if each.in_flight and each.started is not None and _over(ledger, each, runs, now=now):
                asks.end(ledger, project, each.started, _outcome(ledger, project, each.started))
                closed += 1
    return closed


def is_over(runs: RunCounts, dag_id: str, run_id: str) -> bool:
    """Whether Airflow has ended the run, or knows none of that name."""
    return not runs.get_dr_count(dag_id, run_ids=[run_id], states=list(_GOING_ON))


def _over(ledger: Ledger, each: asks.Retraining, runs: RunCounts, *, now: datetime) -> bool:
    """Whether the night has ended: Airflow says so or, of a run that it does not know, the lease."""
    dag_id, run_ids = dag_id_of(each.ask.project), [str(each.started)]
    if runs.get_dr_count(dag_id, run_ids=run_ids):
        return bool(runs.get_dr_count(dag_id, run_ids=run_ids, states=list(_OVER)))
    try:
        lease.require_free(ledger, each.ask.project, run_id="", now=now)
    except LeaseHeld:
        return False
    return each.started_at is not None and each.started_at + lease.DURATION <= now


def _outcome(ledger: Ledger, project: str, run_id: str) -> RetrainingOutcome:
    for model in ledger.events(streams.model(project), ModelRegistered):
        if model.run_id == run_id:
            return RetrainingOutcome.PROMOTED if model.verdict.promote else RetrainingOutcome.KEPT
    return RetrainingOutcome.FAILED
