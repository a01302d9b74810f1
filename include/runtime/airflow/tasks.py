"""What the tasks of a project's DAGs do: each opens the platform, takes up its run and calls one step.

Only digests go in and come out. The run's identity is Airflow's run id; its instant is recorded by the gate, once.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from include.core.errors import AccessDenied, DeclarationError, TrainyardError
from include.core.runs import RunKind
from include.runtime.airflow.names import kind_of, project_of, run_of
from include.runtime.code import earlier
from include.steps.chain import NIGHT, WATCH, step_named

if TYPE_CHECKING:
    from include.core.events import RequestDenied
    from include.core.project import Project
    from include.core.records import DatasetScope, Run, Start
    from include.lineage.emission import ParentRuns
    from include.settings import Settings
    from include.steps import Platform

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """A run, opened by one of its tasks."""

    settings: "Settings"
    platform: "Platform"
    project: "Project"
    run: "Run"

    def missing(self) -> "tuple[DatasetScope, ...]":
        """What no grant in force covers now."""
        from include import steps

        return steps.missing_access(self.platform, self.run, now=datetime.now(UTC))

    def denials(self) -> "tuple[RequestDenied, ...]":
        """What stewards denied of it, and nobody asked for again."""
        from include import steps

        return self.platform.access.denied(steps.scope_of(self.platform, self.run))

    def request(self, requester: str | None) -> tuple[str, ...]:
        """Ask the stewards for what is missing; return the requests' ids.

        *requester* is the person who started the run, as they are called when they sign in; ``None``: nobody did, and
        the project's owner asks.
        """
        from include import steps

        now = datetime.now(UTC)
        return steps.request_access(
            self.platform, self.run, requester=requester or self.project.ownership.owner, now=now
        )


def begin(
    project_name: str, run_id: str, instant: datetime, *, start: "Start", kind: RunKind = RunKind.NIGHT
) -> TaskRun:
    """Begin the run, or go on with it: a run keeps the instant that it began with. A night takes the lease.

    Nothing is computed here of a run that began with other code, whose later steps that code does.

    Raises:
        LeaseHeld: another night of the project is running. It is no failure yet, and not recorded: the gate may wait.
        CodeChanged: the run began under other code, of which no copy was kept.
    """
    from include import steps
    from include.ledger import lease
    from include.runtime.code.projects import load_project

    settings, platform = _open()
    project = load_project(project_name, settings.projects)
    if kind is RunKind.NIGHT:
        lease.require_free(platform.ledger, project_name, run_id=run_id, now=datetime.now(UTC))
    now = datetime.now(UTC)
    began = earlier.moved(platform, project_name, run_id)
    if began is not None:
        platform = replace(platform, code=lambda _: began.code_digest)
        run = steps.resume(platform, project, run_id=run_id, now=now)
    else:
        run = steps.begin(platform, project, run_id=run_id, instant=instant, now=now, kind=kind, start=start)
    return TaskRun(settings=settings, platform=platform, project=project, run=run)


def resume(project_name: str, run_id: str) -> TaskRun:
    """Take up a run that has begun.

    Raises:
        LeaseHeld: another night of the project took the lease meanwhile.
        CodeChanged: the code moved under the running night.
    """
    return _resumed(*_open(), project_name, run_id)


def perform(step: str, project_name: str, run_id: str, inputs: Mapping[str, Any]) -> str:
    """Do one step of a run that has begun, and return the digest of what it made: by the code that the run began with.

    Raises:
        CodeChanged: the run began under other code, of which no copy is left.
    """
    settings, platform = _open()
    done = _done_by_then(settings, platform, step, project_name, run_id, inputs)
    return _done(step, _resumed(settings, platform, project_name, run_id), inputs) if done is None else done


def perform_if_moved(step: str, project_name: str, run_id: str, inputs: Mapping[str, Any]) -> str | None:
    """:func:`perform`, if the run began with other code than lies here; ``None``: nothing was done."""
    return _done_by_then(*_open(), step, project_name, run_id, inputs)


def _done_by_then(
    settings: "Settings", platform: "Platform", step: str, project_name: str, run_id: str, inputs: Mapping[str, Any]
) -> str | None:
    began = earlier.moved(platform, project_name, run_id)
    if began is None:
        return None
    log.info("The run began before other code was deployed, and goes on with its own: %s", began.code_digest)
    return earlier.perform(settings, platform, began, step, inputs, parents=platform.parents)


def perform_pinned(
    step: str, project_name: str, run_id: str, inputs: Mapping[str, Any], *, parents: "ParentRuns | None"
) -> str:
    """:func:`perform`, in a process that was started for it by :func:`include.runtime.code.earlier.perform`.

    *parents* are those of the task that waits for it; ``None``: a process without Airflow does.
    The DAG is of what was deployed since, and may have more shards than were planned, or fewer.
    """
    from include import steps

    night = _resumed(*_open_within(parents), project_name, run_id)
    planned = steps.shards(night.platform, inputs["plan"]) if "plan" in inputs else []
    done = step_named(step)
    if done.mapped:
        if inputs["shard"] in planned:
            return _trained(night, inputs["plan"], inputs["shard"])
        return str(inputs["plan"])
    for shard in planned:
        _trained(night, inputs["plan"], shard)
    return _trained(night, inputs["plan"], None) if done.placed else _done(step, night, inputs)


def _trained(night: TaskRun, plan: str, shard: int | None) -> str:
    """What training *shard* (``None``: the refit) returns, wherever it is placed."""
    from include import steps
    from include.runtime.nights.platform import opened
    from include.runtime.trainers import trainer_of

    trainer = trainer_of(night.settings)
    if trainer.elsewhere:
        again = partial(opened, night.settings, night.project.name)
        return trainer.train(night.run, plan, [shard], again, lambda what: None)[0]
    return _done(steps.step_of(shard), night, {"plan": plan, "shard": shard})


def _done(step: str, night: TaskRun, inputs: Mapping[str, Any]) -> str:
    from include import steps
    from include.runtime.airflow import watch_alerts

    done = step_named(step)
    digest = done.perform(night.platform, night.project, night.run, inputs, clock=lambda: datetime.now(UTC))
    if done is NIGHT.last:
        steps.finish(night.platform, night.run, digest)
    elif done is WATCH.last:
        watch_alerts.tell(night.settings, night.platform.ledger, night.project.name, night.run.run_id)
    return digest


def run_failed(context: Mapping[str, Any]) -> None:
    """What a project's DAG does when its run has failed: tell ops why, and end it by :func:`include.steps.fail`."""
    from include import steps
    from include.core.errors import LedgerError
    from include.ledger import Ledger
    from include.ledger.journal import failure_in_words
    from include.runtime.airflow import alerts
    from include.settings import Settings

    dag_id, run_id, why = context["dag"].dag_id, context["run_id"], ""
    settings, project, run = Settings.from_environment(), project_of(dag_id), run_of(dag_id, run_id)
    with suppress(LedgerError):  # what cannot be asked may be what failed
        why = failure_in_words(Ledger.open(settings.ledger), project, run)
    told = f"Run {run_id} of {dag_id}: {alerts.reason_of(context)}. {why}{alerts.LOOK}"
    alerts.send(settings, f"{project}: the {kind_of(dag_id)} failed", told)
    steps.fail(Ledger.open(settings.ledger), project, run)


def gave_up(error: TrainyardError, project_name: str, run_id: str, *, kind: RunKind) -> None:
    """Record that the gate gave up, whoever holds the lease, and report it to ops."""
    from include.ledger import Ledger
    from include.ledger.journal import record_failure
    from include.runtime.airflow import alerts
    from include.settings import Settings

    settings = Settings.from_environment()
    record_failure(Ledger.open(settings.ledger), error, project=project_name, run_id=run_id, step="gate")
    why = "no access" if isinstance(error, AccessDenied) else f"another {kind} runs"
    alerts.send(settings, f"{project_name}: {why}, the {kind} is off", str(error))


def instant_of(context: Mapping[str, Any], *, now: datetime) -> datetime:
    """The instant that a run stands for (UTC): what its configuration says, else its logical date, else its start.

    Raises:
        DeclarationError: the configured instant is no time with a zone, or the instant is after *now*.
    """
    from include.runtime.nights.instants import require_past

    asked = (context.get("params") or {}).get("instant")
    if asked is None:
        run = context["dag_run"]
        found: datetime = run.logical_date or run.run_after
        return require_past(found.astimezone(UTC), now=now)
    try:
        instant = datetime.fromisoformat(str(asked))
    except ValueError:
        instant = datetime.min  # noqa: DTZ901  # refused below, as any time without a zone
    if instant.tzinfo is None:
        raise DeclarationError(
            "a run's instant is a time with its zone", value=asked, remedy='Write it like "2013-09-01T04:00:00Z".'
        )
    return require_past(instant.astimezone(UTC), now=now)


def _open() -> "tuple[Settings, Platform]":
    from include.runtime.airflow.lineage_parents import parents_of_this_task

    return _open_within(parents_of_this_task())


def _open_within(parents: "ParentRuns | None") -> "tuple[Settings, Platform]":
    from include.runtime.nights.platform import open_platform
    from include.settings import Settings
    from include.training.progress import by_tenths

    settings = Settings.from_environment()
    said = by_tenths(lambda how_far: log.info("%s", how_far))
    platform = replace(open_platform(settings), on_training=said)
    if parents is None:
        return settings, platform
    return settings, replace(platform, parents=parents, await_authority=_await_api_server)


def _resumed(settings: "Settings", platform: "Platform", project_name: str, run_id: str) -> TaskRun:
    from include import steps
    from include.runtime.code.projects import load_project

    project = load_project(project_name, settings.projects)
    run = steps.resume(platform, project, run_id=run_id, now=datetime.now(UTC))
    return TaskRun(settings=settings, platform=platform, project=project, run=run)


def _await_api_server(decided: Callable[[], bool]) -> None:
    """Wait for the authority in Airflow's API server, which is built when it is first asked, and woken by that."""
    import httpx
    from airflow.configuration import conf

    from include.runtime.nights import promoting

    def wake() -> None:
        url = f"{str(conf.get('api', 'base_url', fallback='')).rstrip('/')}/trainyard/health"
        with suppress(httpx.HTTPError, httpx.InvalidURL):  # it looks by itself, soon
            httpx.get(url, timeout=30, trust_env=False)

    promoting.until(decided, wake=wake)
