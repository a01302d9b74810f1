"""Reports to ops that a night or a watch is late. The time that it waited for a data steward does not count.

A look at the ledger every quarter of an hour, not a deadline of Airflow's: where a run has one, Airflow 3.3.2 fails
to clear its tasks, which is how ops repair a night.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core import streams
from include.core.errors import TrainyardError
from include.core.events import LeaseFreed, LeaseReleased, RunLate, RunStarted, StepStarted
from include.core.project import Project
from include.core.records import Run
from include.core.runs import RunKind
from include.ledger import Ledger, of_kind
from include.runtime.airflow import alerts
from include.runtime.airflow.names import watch_dag_id_of, watch_in_airflow
from include.runtime.code.projects import load_project, project_names
from include.runtime.upkeep.reconciliation import RunCounts, is_over
from include.settings import Settings
from include.steps.chain import is_step

#: A run that began longer ago is not looked at any more.
_LONGEST = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """How far a run is, as the ledger shows. Times are UTC; ``None``: not yet."""

    begun: datetime
    passed_gate: datetime | None
    ended: bool

    def waited(self, now: datetime) -> timedelta:
        """How long the gate has kept the run waiting, up to *now* if it still does."""
        return (self.passed_gate or now) - self.begun

    def own_time(self, now: datetime) -> timedelta:
        """How long it has run, its steward's time not counted."""
        return now - self.begun - self.waited(now)


def tell_late_runs(settings: Settings, airflow: RunCounts, *, now: datetime) -> int:
    """Alert once for each run whose own time is up and that has not ended; how many alerts were sent.

    A night that gave its lease back has ended. A watch takes none: whether it goes on, *airflow* says.
    """
    ledger = Ledger.open(settings.ledger)
    started = [event.run for entry, event in ledger.all_of(RunStarted) if entry.recorded_at > now - _LONGEST]
    told = 0
    for name in project_names(settings.projects):
        runs = [run for run in started if run.project == name and _is_told(run, airflow)]
        try:
            project = load_project(name, settings.projects) if runs else None
        except TrainyardError:  # its DAG says so
            continue
        if project is not None:
            told += sum(_tell_if_late(settings, ledger, project, run, now) for run in runs)
    return told


def _is_told(run: Run, airflow: RunCounts) -> bool:
    watch = watch_in_airflow(run.run_id)
    if run.kind is RunKind.NIGHT or watch is None:
        return run.kind is RunKind.NIGHT
    return not is_over(airflow, watch_dag_id_of(run.project), watch)


def _tell_if_late(settings: Settings, ledger: "Ledger", project: "Project", run: Run, now: datetime) -> bool:
    progress = progress_of(ledger, run)
    key = streams.late_key(run.project, run.run_id)
    allowed = timedelta(minutes=project.operations.late_after_minutes)
    if progress.ended or progress.own_time(now) < allowed or ledger.find(key) is not None:
        return False
    own, waited = (time.total_seconds() / 60 for time in (progress.own_time(now), progress.waited(now)))
    sent = alerts.send(
        settings,
        f"{run.project}: the {run.kind} is late",
        f"Run {run.run_id} has not ended after {own:.0f} minutes of its own, {allowed.total_seconds() / 60:g} are "
        f"allowed; the {waited:.0f} minutes that it waited for a data steward are not counted.",
    )
    if not sent:  # told again at the next look
        return False
    late = RunLate(project=run.project, run_id=run.run_id, own_minutes=round(own, 1), waited_minutes=round(waited, 1))
    ledger.record(streams.run(run.project, run.run_id), late, key=key)
    return True


def progress_of(ledger: "Ledger", run: Run) -> RunProgress:
    """What the ledger says: a run that began a step of its chain has passed the gate, with its lease back it ended."""
    entries = ledger.read(streams.run(run.project, run.run_id))
    begun = next(entry.recorded_at for entry in entries if isinstance(entry.event, RunStarted))
    steps = (entry.recorded_at for entry, event in of_kind(entries, StepStarted) if is_step(event.step))
    ended = any(
        isinstance(entry.event, LeaseReleased | LeaseFreed) and entry.event.run_id == run.run_id
        for entry in ledger.read(streams.lease(run.project))
    )
    return RunProgress(begun=begun, passed_gate=next(steps, None), ended=ended)
