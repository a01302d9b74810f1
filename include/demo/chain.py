"""The demonstration, on real flights through a real Airflow: from an empty folder to a champion that is retrained.

A training night; then the watch over the days that followed it, until a verdict asks for a retraining; then that.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include import steps
from include.contracts import load_folder
from include.core import streams
from include.core.errors import AuthorityError, TrainyardError
from include.core.events import StepFinished, StepReused
from include.core.records import Run
from include.ledger.journal import begun
from include.retraining import asks, series
from include.runtime import deployment
from include.runtime.airflow.names import dag_id_of, run_of, watch_dag_id_of
from include.runtime.code.projects import load_project
from include.runtime.embedded.client import FINISHED, Client
from include.runtime.embedded.process import RunningAirflow
from include.runtime.nights.local import NightResult, night_of
from include.runtime.nights.platform import open_platform
from include.runtime.nights.watch import WatchResult, watched
from include.runtime.server.client import authority
from include.settings import Settings
from include.steps import backlog

PROJECT = "flight_delay"
TRAINING, WATCH = dag_id_of(PROJECT), watch_dag_id_of(PROJECT)
#: A night with a full window before it and four months of recorded days after it.
INSTANT = datetime(2013, 9, 1, 4, tzinfo=UTC)
#: The demo looks back on this many days at a time, as a watch that had waited for them, until the recorded year ends.
LOOK_BACK = timedelta(days=14)
YEAR_END = datetime(2013, 12, 31, 4, tzinfo=UTC)
STEWARD, DATA_SCIENTIST = "steward", "dana"

_DAG_SECONDS = 120
_NIGHT_SECONDS = 1800
_POLL_SECONDS = 0.5
_LAST_LINES = 8

#: Told what happens, a line at a time.
Tell = Callable[[str], None]


class DemoFailed(TrainyardError):
    """A run of the demo did not succeed."""


def prepare(settings: Settings, on_day: Callable[[int, int], None]) -> None:
    """Make the home, its keys, and the production data; harmless when they are there. *on_day*: days landed, of all."""
    from include.demo.flights import land_flights

    deployment.prepare(settings)
    land_flights(settings.production, on_day)
    deployment.versions_of(settings).prepare()


def adopt(settings: Settings, tell: Tell) -> None:
    """As the demo's steward, put into effect the contracts that never were, and ours where an earlier one of ours is.

    One that cannot be adopted as it is written stops none of the others.
    """
    from include.demo.contracts import renews

    for dataset in load_folder(settings.contracts, settings.classes).broken:
        tell(f"the data contract of {dataset} cannot be used: `./trainyard status` says why")
    with authority(settings, STEWARD, introduce=True) as client:
        for contract in client.contracts():
            dataset, adopted = contract["dataset"], contract["adopted_digest"]
            renewed = renews(adopted, contract["digest"])
            if STEWARD not in contract["stewards"] or not (adopted is None or renewed):
                continue
            try:
                client.adopt(dataset)
            except AuthorityError as error:
                tell(f"the data contract of {dataset} is not adopted: {error}")
                continue
            tell(f"{STEWARD} adopted the data contract of {dataset}")
            if renewed:
                tell("  grants under its earlier version have ended: `./trainyard status` names those to renew")


def start(airflow: RunningAirflow, dag_id: str, instant: datetime) -> str:
    """Trigger the night or the watch at *instant*, or take up one that another demo began or ended well; its run id."""
    with airflow.client(DATA_SCIENTIST) as client:
        _await_dag(client, dag_id)
        if client.call("GET", f"/api/v2/dags/{dag_id}")["is_paused"]:  # as it begins under `./trainyard start`
            client.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
        runs = client.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-start_date&limit=50")["dag_runs"]
        ours = [run for run in runs if run["dag_run_id"].startswith("demo__")]
        going = [run["dag_run_id"] for run in ours if run["state"] not in FINISHED]
        well = [run["dag_run_id"] for run in ours if run["state"] == "success"]
        if taken := going + [run_id for run_id in well if run_id.startswith(_prefix(instant))]:
            return str(taken[0])
        return client.trigger(dag_id, instant=instant, run_id=f"{_prefix(instant)}{len(ours) + 1}")


def _prefix(instant: datetime) -> str:
    return f"demo__{instant:%Y-%m-%dT%H:%M}__"


def open_requests(settings: Settings) -> tuple[str, ...]:
    """The ids of the requests of the demo's project that wait for a steward."""
    return tuple(asked.request_id for asked in open_platform(settings).access.requests(PROJECT))


def denials(settings: Settings, run_id: str) -> tuple[str, ...]:
    """What stewards denied of what the night reads, a sentence each."""
    platform = open_platform(settings)
    run = begun(platform.ledger, PROJECT, run_id)
    if run is None:
        return ()
    denied = platform.access.denied(steps.scope_of(platform, run))
    return tuple(f"{one.steward} denied request {one.request_id}: {one.reason}" for one in denied)


def approve(settings: Settings, tell: Tell) -> None:
    """As the demo's steward, approve what waits, through the same authenticated API as anybody."""
    with authority(settings, STEWARD) as client:
        for request_id in open_requests(settings):
            client.grant(request_id, reason="approved as the demo's steward", days=30)
            tell(f"{STEWARD} approved request {request_id}")


@dataclass(frozen=True, kw_only=True)
class NightProgress:
    """Where a night stands. ``waiting``: its gate waits for a steward."""

    state: str
    tasks: Mapping[str, str]
    waiting: bool


def progress(airflow: RunningAirflow, dag_id: str, run_id: str) -> NightProgress:
    """Look at the run once: the states of its tasks, mapped ones as ``train[0]``."""
    with airflow.client(DATA_SCIENTIST) as client:
        found = client.tasks(dag_id, run_id)
        tasks = {
            task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": task.state or "waiting"
            for task in found
        }
        return NightProgress(
            state=client.run_state(dag_id, run_id), tasks=tasks, waiting=tasks.get("gate") == "deferred"
        )


def failure(airflow: RunningAirflow, dag_id: str, run_id: str) -> DemoFailed:
    """What went wrong, with the last lines that the task wrote that failed first."""
    value = f"{run_id} failed"
    with airflow.client(DATA_SCIENTIST) as client:
        failed = next((task for task in client.tasks(dag_id, run_id) if task.state == "failed"), None)
        if failed is not None:
            log = client.log(dag_id, run_id, failed.task_id, map_index=failed.map_index, try_number=failed.try_number)
            value = f"{failed.task_id} failed in {run_id}, and said last:\n{last_words(log)}\n"
    return DemoFailed(
        "the runs of the demo succeed",
        value=value,
        remedy=f"Look at {airflow.url}/dags/{dag_id}/runs/{run_id}; the next `./trainyard demo` starts another run.",
    )


def last_words(log: str) -> str:
    """The last lines of a task's *log*, indented, without the marks that only Airflow's log page understands."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("::")]
    return "\n".join(f"    {line}" for line in lines[-_LAST_LINES:])


def outcome(settings: Settings, run_id: str) -> NightResult:
    """What the night decided, from the ledger."""
    platform = open_platform(settings)
    digests = {
        entry.event.step: entry.event.output
        for entry in platform.ledger.read(streams.run(PROJECT, run_id))
        if isinstance(entry.event, StepFinished | StepReused)
    }
    started = platform.ledger.find(streams.run(PROJECT, run_id))
    run: Run = started.event.run  # type: ignore[union-attr]  # a run that ended has begun
    return night_of(platform, run, evaluation=digests["evaluate"], promotion=digests["promote"])


def looks(settings: Settings) -> Iterator[datetime]:
    """The instants at which the demo watches, from the first that has something to judge; asked anew after each."""
    platform, project = open_platform(settings), load_project(PROJECT, settings.projects)
    instant = INSTANT + LOOK_BACK
    while instant <= YEAR_END:
        if not isinstance(backlog.due(platform, project, run_id="", instant=instant), str):
            yield instant
        instant += LOOK_BACK


def verdict(settings: Settings, run_id: str) -> WatchResult:
    """What the watch *run_id* (Airflow's id) came to, from the ledger."""
    return watched(open_platform(settings).ledger, PROJECT, run_of(WATCH, run_id))


def recipe(settings: Settings) -> tuple[str, ...]:
    """What the judged days say of the recipe, and of its retrainings, in a line each."""
    ledger = open_platform(settings).ledger
    return series.skill_in_words(ledger, PROJECT), series.did_it_help(ledger, PROJECT)


def in_flight(settings: Settings) -> asks.Retraining | None:
    """The retraining that drift asked for and that has not ended, if there is one."""
    last = last_retraining(settings)
    return last if last is not None and last.in_flight else None


def last_retraining(settings: Settings) -> asks.Retraining | None:
    """The last retraining that drift asked for, whatever became of it."""
    known = asks.known(open_platform(settings).ledger, PROJECT)
    return known.retrainings[-1] if known.retrainings else None


def retraining_night(settings: Settings) -> str:
    """The id of the night that Airflow starts for the ask in flight; waits for it.

    Raises:
        DemoFailed: it did not start, though what Airflow loses is started again after some minutes.
    """
    deadline = time.monotonic() + _NIGHT_SECONDS
    while (flying := in_flight(settings)) is not None and flying.started is None:
        if time.monotonic() > deadline:
            raise DemoFailed(
                "a night answers what drift asks for", value=flying.ask.ask_id, remedy="Look at the DAG `stewardship`."
            )
        time.sleep(_POLL_SECONDS)
    last = last_retraining(settings)
    assert last is not None  # noqa: S101  # it was in flight
    return str(last.started)


def _await_dag(client: Client, dag_id: str) -> None:
    deadline = time.monotonic() + _DAG_SECONDS
    while not client.has_dag(dag_id):
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"Airflow knows {dag_id} within {_DAG_SECONDS} s", value="it does not", remedy="Look at its logs."
            )
        time.sleep(_POLL_SECONDS)
