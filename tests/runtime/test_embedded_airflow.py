"""Airflow as it really behaves, and our nights in it. To be run at every upgrade of Airflow."""

import json
import os
import re
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from include.core import streams
from include.core.errors import DeclarationError
from include.core.events import LineageEmitted, RunStarted, StepReused
from include.ledger import Ledger
from include.ledger.lease import holder
from include.lineage.datasets import PRODUCER
from include.runtime.embedded import process, process_sessions
from include.runtime.embedded.client import AirflowRefused, Client
from include.runtime.embedded.environment import PARALLELISM, USERS, airflow_home, passwords_file
from include.runtime.embedded.process import RunningAirflow
from tests.runtime.conftest import NIGHT_SECONDS, Listener
from tests.runtime.nights import INSTANT, declare, hold, reaches, task, until

pytestmark = pytest.mark.airflow

# ── the processes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_listens_beyond_the_loopback_address(airflow: RunningAirflow) -> None:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for pid in process_sessions.processes(airflow.settings)
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", airflow.port)}


def test_secrets_are_for_their_owner_alone(airflow: RunningAirflow) -> None:
    home = airflow_home(airflow.settings)
    for secret in (passwords_file(airflow.settings), home / "secrets.json"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    printed = "".join(log.read_text() for log in (home / "logs" / "processes").iterdir())
    passwords = json.loads(passwords_file(airflow.settings).read_text())
    assert passwords.keys() >= USERS.keys()
    assert not any(password in printed for password in passwords.values())


def test_no_thread_runs_where_airflow_forks_its_tasks(airflow: RunningAirflow, night: tuple[str, str]) -> None:
    """A night has run: what forks the next task is still as single as on the first day."""
    found = {}
    for pid, command in process_sessions.processes(airflow.settings).items():
        if "LocalExecutor" in command:
            found[pid] = sorted(task.read_text().strip() for task in Path(f"/proc/{pid}/task").glob("*/comm"))
    assert len(found) == PARALLELISM
    assert all(len(threads) == 1 for threads in found.values()), found


def test_a_second_airflow_of_the_same_home_is_refused(airflow: RunningAirflow) -> None:
    with pytest.raises(DeclarationError, match=f"port {airflow.port}"):
        process.start(airflow.settings)


# ── the night ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_task_ran_once_in_its_order(dana: Client, night: tuple[str, str]) -> None:
    tasks = dana.tasks(*night)
    assert {(one.state, one.try_number) for one in tasks} == {("success", 1)}
    ended = {one.task_id: one.end for one in tasks}
    started = {one.task_id: one.start for one in tasks}
    for before, after in [("snapshot", "validate"), ("validate", "plan"), ("features", "plan"), ("train", "evaluate")]:
        assert ended[before] <= started[after]


def test_the_instant_is_the_one_asked_for_and_recorded_once(
    airflow: RunningAirflow, dana: Client, night: tuple[str, str]
) -> None:
    entries = Ledger.open(airflow.settings.ledger).read(f"run/punctual/{night[1]}")
    begun = [entry.event for entry in entries if isinstance(entry.event, RunStarted)]
    assert [event.run.instant for event in begun] == [INSTANT]
    assert begun[0].separation_of_duties.startswith("NOT SHOWN")


def test_only_digests_cross_from_task_to_task(dana: Client, night: tuple[str, str]) -> None:
    dag_id, run_id = night
    entries = dana.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/~/xcomEntries?limit=100")
    crossed = [
        dana.call(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{one['task_id']}/xcomEntries/{one['key']}"
            f"?map_index={one['map_index']}",
        )["value"]
        for one in entries["xcom_entries"]
    ]
    assert len(crossed) == 8
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in crossed)


def test_the_lineage_of_every_task_reached_the_ledger(airflow: RunningAirflow, night: tuple[str, str]) -> None:
    entries = Ledger.open(airflow.settings.ledger).read("lineage")
    events = [entry.event.event for entry in entries if isinstance(entry.event, LineageEmitted)]
    for name in ("gate", "snapshot", "validate", "features", "plan", "train", "evaluate", "promote"):
        job = f"train_punctual.{name}"
        for kind in ("START", "COMPLETE"):
            assert any(f'"{job}"' in event and f'"{kind}"' in event for event in events), (job, kind)


def test_the_event_of_a_step_names_the_task_and_the_dag_run_as_airflow_itself_does(
    airflow: RunningAirflow, night: tuple[str, str]
) -> None:
    entries = Ledger.open(airflow.settings.ledger).read("lineage")
    events = [json.loads(entry.event.event) for entry in entries if isinstance(entry.event, LineageEmitted)]
    jobs = {event["run"]["runId"]: event["job"] for event in events if event["producer"] != PRODUCER}
    told = {
        event["job"]["name"].removeprefix("punctual."): event["run"]["facets"]["parent"]
        for event in events
        if event["producer"] == PRODUCER and event["job"]["name"].startswith("punctual.")
    }
    assert set(told) >= {"snapshot", "validate", "features", "plan", "train-0", "train-1", "evaluate", "promote"}
    for step, facet in told.items():
        parent, root = facet, facet["root"]
        task_id = {"refit": "evaluate"}.get(step, step.split("-")[0])
        assert parent["job"]["name"] == f"train_punctual.{task_id}"
        assert root["job"]["name"] == "train_punctual"
        for run in (parent, root):  # Airflow's events of that run call it so
            job = jobs[run["run"]["runId"]]
            assert (job["namespace"], job["name"]) == (run["job"]["namespace"], run["job"]["name"])
    assert len({told[f"train-{shard}"]["run"]["runId"] for shard in (0, 1)}) == 2


def test_a_night_whose_grants_are_in_force_passes_its_gate_without_waiting(
    airflow: RunningAirflow, dana: Client, night: tuple[str, str]
) -> None:
    dag_id, _ = night
    run_id = dana.trigger(dag_id, instant=INSTANT)
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    assert not list((airflow_home(airflow.settings) / "logs").glob(f"dag_id={dag_id}/run_id={run_id}/**/*.trigger.*"))
    assert holder(reversed(Ledger.open(airflow.settings.ledger).read(streams.lease("punctual")))) is None


def test_a_killed_step_is_tried_again_and_a_deployment_changes_nothing_of_the_night_that_goes_on(
    airflow: RunningAirflow, dana: Client, night: tuple[str, str]
) -> None:
    dag_id, _ = night
    held, later = (hold(airflow.settings.projects, "punctual", name) for name in ("plan", "evaluate"))
    held.touch()
    later.touch()
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "plan", "running")
    # The task is the child of the executor's worker that supervises it.
    children = until(lambda: _tasks_of(airflow), seconds=60, what="the task has a process")
    for child in children:
        os.kill(child, signal.SIGKILL)
    held.unlink()
    reaches(dana, dag_id, run_id, "evaluate", "running")
    file = airflow.settings.projects / "punctual" / "__init__.py"
    before = file.read_text()
    file.write_text(before.replace("miles=flights.distance", "miles=flights.distance * 2"))
    try:
        later.unlink()
        assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    finally:
        file.write_text(before)
    assert task(dana, dag_id, run_id, "plan").try_number == 2
    for name in ("evaluate", "promote"):
        assert "goes on with its own" in dana.log(dag_id, run_id, name)
    entries = Ledger.open(airflow.settings.ledger).read(f"run/punctual/{run_id}")
    again = {entry.event.step for entry in entries if isinstance(entry.event, StepReused)}
    assert {"evaluate", "promote"} <= again, "the first night made both, by the code that this one began with"


def _tasks_of(airflow: RunningAirflow) -> list[int]:
    workers = [
        pid for pid, command in process_sessions.processes(airflow.settings).items() if "LocalExecutor" in command
    ]
    return [child.pid for pid in workers for child in psutil.Process(pid).children() if pid != child.pid]


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_decides_without_signing_in_and_only_a_steward_does(
    airflow: RunningAirflow, dana: Client, night: tuple[str, str]
) -> None:
    assert httpx.get(f"{airflow.url}/trainyard/requests", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(f"{airflow.url}/trainyard/health", trust_env=False).status_code == httpx.codes.OK
    grant = dana.call("GET", "/trainyard/grants")[0]
    with pytest.raises(AirflowRefused, match="403"):
        dana.call("POST", f"/trainyard/grants/{grant['grant_id']}/revoke", {"reason": "I would rather not"})


def test_a_gate_marked_successful_by_hand_opens_nothing_and_is_not_tried_again(
    airflow: RunningAirflow, dana: Client, listener: Listener
) -> None:
    dag_id = declare(airflow.settings.projects, "ungranted")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "gate", "deferred")
    dana.call("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/gate", {"new_state": "success"})
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    snapshot = task(dana, dag_id, run_id, "snapshot")
    assert (snapshot.state, snapshot.try_number) == ("failed", 1)
    assert "AccessDenied" in dana.log(dag_id, run_id, "snapshot")
    until(lambda: "ungranted: the night failed" in listener.titles(), seconds=60, what="ops are told")
    ledger = Ledger.open(airflow.settings.ledger)  # given back after the alert, which goes out whatever else fails
    until(
        lambda: holder(reversed(ledger.read(streams.lease("ungranted")))) is None, seconds=60, what="the lease is free"
    )


def test_the_days_of_a_backfill_begin_in_the_order_of_their_dates(
    airflow: RunningAirflow, dana: Client, steward: Client
) -> None:
    """And a day that fails, as here at its gate, lets the next one begin."""
    dag_id = declare(airflow.settings.projects, "filled")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    dates = {"from_date": "2010-01-01T00:00:00Z", "to_date": "2012-06-01T00:00:00Z"}

    def taken() -> bool:
        """Airflow refuses to make one where another process writes to its SQLite in that moment."""
        with airflow.client("olly") as ops, suppress(AirflowRefused):
            ops.call("POST", "/api/v2/backfills", {"dag_id": dag_id, **dates, "max_active_runs": 3})
            return True
        return False

    until(taken, seconds=60, what="the backfill is made")
    ledger = Ledger.open(airflow.settings.ledger)

    def begun() -> list[int]:
        """The years of the nights that have begun, in order; 0 for the one that the schedule had before today.

        That one Airflow may begin once days before it are filled back.
        """
        events = [entry.event for entry in ledger.read_all(kinds=(RunStarted,))]
        runs = [each.run for each in events if isinstance(each, RunStarted) and each.run.project == "filled"]
        return [run.instant.year if run.run_id.startswith("backfill") else 0 for run in runs]

    def gates() -> list[str | None]:
        runs = dana.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?run_type=backfill")["dag_runs"]
        return [task(dana, dag_id, run["dag_run_id"], "gate").state for run in runs]

    until(
        lambda: gates() == ["deferred"] * 3,
        seconds=NIGHT_SECONDS,
        what="all wait, the first for stewards",
    )
    assert set(begun()) - {0} == {2010}

    def asked() -> list[str]:
        return [one["request_id"] for one in steward.call("GET", "/trainyard/requests") if one["project"] == "filled"]

    def refuse() -> None:
        steward.call("POST", "/trainyard/contracts/flights/adopt", {})
        for request_id in asked():
            steward.call("POST", f"/trainyard/requests/{request_id}/deny", {"reason": "a test"})

    def turn(years: list[int]) -> bool:
        if (so_far := begun())[-1] == 0:
            refuse()
        return so_far[-1] != 0 and [year for year in so_far if year] == years and bool(asked())

    for years in ([2010], [2010, 2011], [2010, 2011, 2012]):
        until(partial(turn, years), seconds=NIGHT_SECONDS, what=f"{years} have begun")
        refuse()
        until(lambda: not asked() or begun()[-1] != years[-1], seconds=60, what="no more is asked")  # noqa: B023


def test_a_refusal_ends_the_waiting_night_with_the_stewards_reason(
    airflow: RunningAirflow, dana: Client, steward: Client
) -> None:
    dag_id = declare(airflow.settings.projects, "unwanted")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "gate", "deferred")
    (asked,) = [one for one in steward.call("GET", "/trainyard/requests") if one["project"] == "unwanted"]
    steward.call("POST", f"/trainyard/requests/{asked['request_id']}/deny", {"reason": "not for this"})
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    assert "steward denied request" in dana.log(dag_id, run_id, "gate")
    assert "not for this" in dana.log(dag_id, run_id, "gate")


def test_a_gate_gives_up_and_tells_ops_and_steward(airflow: RunningAirflow, dana: Client, listener: Listener) -> None:
    dag_id = declare(airflow.settings.projects, "impatient", operations="gate_patience_minutes=0")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id)
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    run = dana.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
    assert run["logical_date"] is None
    assert "impatient: no access, the night is off" in listener.titles()
    told = next(alert for alert in listener.heard if alert["title"].startswith("impatient: no access"))
    assert "flights (stewards: steward)" in told["message"]
    begun = Ledger.open(airflow.settings.ledger).read(f"run/impatient/{run_id}")[-1]
    started = next(
        entry.event
        for entry in Ledger.open(airflow.settings.ledger).read(f"run/impatient/{run_id}")
        if isinstance(entry.event, RunStarted)
    )
    assert begun.recorded_at >= started.run.instant
    assert abs((started.run.instant - datetime.fromisoformat(run["run_after"]).astimezone(UTC)).total_seconds()) < 1


def test_clearing_a_task_of_a_night_runs_it_again(dana: Client, night: tuple[str, str]) -> None:
    """It is how ops repair a night; with a deadline on the run, Airflow 3.3.2 answers 500."""
    dag_id, run_id = night
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["promote"], "only_failed": False}
    dana.call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)
    until(lambda: task(dana, dag_id, run_id, "promote").try_number == 2, seconds=60, what="the task is tried again")
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"


def test_users_who_trigger_runs_at_once_do_not_lock_each_other_out(airflow: RunningAirflow) -> None:
    dag_id = declare(airflow.settings.projects, "popular")

    def trigger(user: str) -> list[str]:
        with airflow.client(user) as client:
            until(lambda: client.has_dag(dag_id), seconds=60, what="a new project has a DAG")
            client.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": True})
            return [client.trigger(dag_id, run_id=f"{user}-{number}") for number in range(15)]

    with ThreadPoolExecutor() as pool:
        triggered = list(pool.map(trigger, ("ada", "dana", "olly")))
    assert [len(set(run_ids)) for run_ids in triggered] == [15, 15, 15]


def test_a_project_that_cannot_load_says_so_in_a_run_of_its_own(airflow: RunningAirflow, dana: Client) -> None:
    dag_id = declare(airflow.settings.projects, "typo", text="PROJECT = undefined_name")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a broken project has a DAG")
    assert "broken" in [tag["name"] for tag in dana.call("GET", f"/api/v2/dags/{dag_id}")["tags"]]
    run_id = dana.trigger(dag_id)
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    assert "undefined_name" in dana.log(dag_id, run_id, "load")
    assert dana.call("GET", "/api/v2/importErrors")["import_errors"] == []
