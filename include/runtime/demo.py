"""The demonstration: a training night on real flights through a real Airflow, from an empty folder to a champion."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from include import steps
from include.core.errors import TrainyardError
from include.core.events import RunStarted, StepFinished, StepReused
from include.core.records import Evaluation, Promotion, Run
from include.ledger.journal import run_stream
from include.runtime import deployment
from include.runtime.airflow.client import FINISHED, Client
from include.runtime.airflow.names import dag_id_of
from include.runtime.airflow.process import RunningAirflow
from include.runtime.authority_client import authority
from include.runtime.local import Night, open_platform
from include.settings import Settings

PROJECT = "flight_delay"
#: A night with a full window before it and four months of recorded days after it.
INSTANT = datetime(2013, 9, 1, 4, tzinfo=UTC)
STEWARD, DATA_SCIENTIST = "steward", "dana"

_DAG_SECONDS = 120
_NIGHT_SECONDS = 1800
_POLL_SECONDS = 0.5
_LAST_LINES = 8

#: Told what happens, a line at a time.
Tell = Callable[[str], None]


class DemoFailed(TrainyardError):
    """The demo's night did not succeed."""


def prepare(settings: Settings, on_day: Callable[[int, int], None]) -> None:
    """Make the home, its keys, and the production data; harmless when they are there. *on_day*: days landed, of all."""
    from include.data.landing import land_flights

    deployment.prepare(settings)
    land_flights(settings.production, on_day)
    deployment.versions_of(settings).prepare()


def adopt(settings: Settings, tell: Tell) -> None:
    """As the demo's steward, put into effect the contracts that never were."""
    with authority(settings, STEWARD) as client:
        for contract in client.contracts():
            if contract["adopted_digest"] is None and STEWARD in contract["stewards"]:
                client.adopt(contract["dataset"])
                tell(f"{STEWARD} adopted the data contract of {contract['dataset']}")


def start_night(airflow: RunningAirflow) -> str:
    """Trigger the night, or take up the one that an interrupted demo left; its run id."""
    dag_id = dag_id_of(PROJECT)
    with airflow.client(DATA_SCIENTIST) as client:
        _await_dag(client, dag_id)
        runs = client.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-start_date&limit=50")["dag_runs"]
        ours = [run for run in runs if run["dag_run_id"].startswith("demo__")]
        running = [run["dag_run_id"] for run in ours if run["state"] not in FINISHED]
        if running:
            return str(running[0])
        return client.trigger(dag_id, instant=INSTANT, run_id=f"demo__{INSTANT:%Y-%m-%dT%H:%M}__{len(ours) + 1}")


def open_requests(settings: Settings) -> tuple[str, ...]:
    """The ids of the requests of the demo's project that wait for a steward."""
    return tuple(asked.request_id for asked in open_platform(settings).access.requests(PROJECT))


def refusals(settings: Settings, run_id: str) -> tuple[str, ...]:
    """What stewards refused of what the night reads, a sentence each."""
    platform = open_platform(settings)
    started = platform.ledger.find(run_stream(PROJECT, run_id))
    if started is None or not isinstance(started.event, RunStarted):
        return ()
    refused = platform.access.refused(steps.scope_of(platform, started.event.run))
    return tuple(f"{one.steward} refused request {one.request_id}: {one.reason}" for one in refused)


def approve(settings: Settings, tell: Tell) -> None:
    """As the demo's steward, approve what waits, through the same authenticated API as anybody."""
    with authority(settings, STEWARD) as client:
        for request_id in open_requests(settings):
            client.grant(request_id, reason="approved as the demo's steward", days=30)
            tell(f"{STEWARD} approved request {request_id}")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a night stands. ``waiting``: its gate waits for a steward."""

    state: str
    tasks: Mapping[str, str]
    waiting: bool


def progress(airflow: RunningAirflow, run_id: str) -> Progress:
    """Look at the night once: the states of its tasks, mapped ones as ``train[0]``."""
    dag_id = dag_id_of(PROJECT)
    with airflow.client(DATA_SCIENTIST) as client:
        found = client.tasks(dag_id, run_id)
        tasks = {
            task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": task.state or "waiting"
            for task in found
        }
        return Progress(state=client.run_state(dag_id, run_id), tasks=tasks, waiting=tasks.get("gate") == "deferred")


def failure(airflow: RunningAirflow, run_id: str) -> DemoFailed:
    """What went wrong, with the last lines that the task wrote that failed first."""
    dag_id = dag_id_of(PROJECT)
    value = f"{run_id} failed"
    with airflow.client(DATA_SCIENTIST) as client:
        failed = next((task for task in client.tasks(dag_id, run_id) if task.state == "failed"), None)
        if failed is not None:
            log = client.log(dag_id, run_id, failed.task_id, map_index=failed.map_index, try_number=failed.try_number)
            value = f"{failed.task_id} failed in {run_id}, and said last:\n{last_words(log)}\n"
    return DemoFailed(
        "the demo's night succeeds",
        value=value,
        remedy=f"Look at {airflow.url}/dags/{dag_id}/runs/{run_id}; the next `./trainyard demo` starts another night.",
    )


def last_words(log: str) -> str:
    """The last lines of a task's *log*, indented, without the marks that only Airflow's log page understands."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("::")]
    return "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])


def outcome(settings: Settings, run_id: str) -> Night:
    """What the night decided, from the ledger."""
    platform = open_platform(settings)
    digests = {
        entry.event.step: entry.event.output
        for entry in platform.ledger.read(run_stream(PROJECT, run_id))
        if isinstance(entry.event, StepFinished | StepReused)
    }
    started = platform.ledger.find(run_stream(PROJECT, run_id))
    run: Run = started.event.run  # type: ignore[union-attr]  # a run that ended has begun
    return Night(
        run=run,
        evaluation=platform.load(Evaluation, digests["evaluate"]),
        promotion=platform.load(Promotion, digests["promote"]),
    )


def _await_dag(client: Client, dag_id: str) -> None:
    deadline = time.monotonic() + _DAG_SECONDS
    while not client.has_dag(dag_id):
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"Airflow knows {dag_id} within {_DAG_SECONDS} s", value="it does not", remedy="Look at its logs."
            )
        time.sleep(_POLL_SECONDS)
