"""Drift retrains through a real Airflow exactly once, whatever becomes of the asset event and of the watch's tasks."""

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import psutil
import pytest

from include.core.events import (
    DataOpened,
    DriftJudged,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingStarted,
    StepStarted,
)
from include.ledger import Ledger
from include.retraining import asks
from include.runtime.embedded import process_sessions
from include.runtime.embedded.process import RunningAirflow
from include.runtime.upkeep.reconciliation import PATIENCE
from tests.runtime.conftest import NIGHT_SECONDS
from tests.runtime.drifting import LATER, NAME, POLICY, TRAIN, WATCH, House
from tests.runtime.nights import hold, reaches, task, until

pytestmark = pytest.mark.airflow


def test_a_verdict_starts_one_night_at_its_own_instant_and_a_doubled_event_finds_nothing_to_do(house: House) -> None:
    before = house.runs().keys()
    run_id = house.watch(LATER)
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    assert [(event.run_id, event.instant) for event in judged] == [(f"watch__{run_id}", LATER)]
    started = house.retrained(1)
    answer = house.runs()[started.run_id]
    assert (answer["run_type"], answer["logical_date"]) == ("asset_triggered", None)
    assert house.instant_of(started.run_id) == LATER
    consumed = house.dana.call("GET", f"/api/v2/dags/{TRAIN}/dagRuns/{started.run_id}/upstreamAssetEvents")
    assert [(one["source_dag_id"], one["source_run_id"]) for one in consumed["asset_events"]] == [(WATCH, run_id)]
    assert len(house.runs()) == len(before) + 1

    house.signal()
    until(lambda: len(house.runs()) == len(before) + 2, seconds=60, what="the doubled event starts a run")
    (doubled,) = house.runs().keys() - before - {started.run_id}
    house.found_nothing(doubled)
    assert len(house.events(RetrainingStarted)) == 1


def test_the_page_and_the_reports_tab_are_for_who_is_signed_in(house: House) -> None:
    url = house.airflow.url
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    report = f"/trainyard/drift-reports/{WATCH}/{quote(judged[0].run_id.removeprefix('watch__'), safe='')}"
    signed_in = {"Authorization": f"Bearer {house.dana.token()}"}
    for path, told in (
        ("/trainyard/pages/drift", NAME),
        (f"/trainyard/pages/drift/{NAME}", "retraining promoted"),
        (report, "<html"),
    ):
        assert httpx.get(f"{url}{path}", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
        answer = httpx.get(f"{url}{path}", headers=signed_in, trust_env=False)
        assert answer.status_code == httpx.codes.OK
        assert told in answer.text
    nothing = httpx.get(f"{url}/trainyard/drift-reports/{TRAIN}/none", headers=signed_in, trust_env=False)
    assert nothing.status_code == httpx.codes.NOT_FOUND


def test_where_no_day_has_matured_since_the_watch_is_skipped_before_it_reads(house: House) -> None:
    run_id = house.watch(LATER)
    assert {one.state for one in house.dana.tasks(WATCH, run_id)} == {"skipped"}
    assert "Nothing to watch" in house.dana.log(WATCH, run_id, "gate")
    assert house.events(DataOpened, StepStarted, stream=f"run/{NAME}/watch__{run_id}") == []


def test_a_lost_event_is_found_by_the_reconciler_and_a_late_one_finds_nothing_to_do(house: House) -> None:
    before, asked = house.runs().keys(), len(house.events(RetrainingAsked))
    # As the watch would have recorded it eleven minutes ago, with an event that never became a run.
    earlier = Ledger.open(house.airflow.settings.ledger, clock=lambda: datetime.now(UTC) - PATIENCE)
    instant = LATER + timedelta(days=20)
    wanted = RetrainingAsked(project=NAME, ask_id="lost", run_id="watch__lost", model_version=2, instant=instant)
    assert asks.ask(earlier, POLICY, wanted) == wanted
    for _ in range(2):
        house.steward()
    started = house.retrained(asked + 1)
    assert started.run_id == "retraining__lost"
    assert house.instant_of(started.run_id) == instant
    assert house.runs().keys() - before == {"retraining__lost"}, "looked for twice, started once"

    house.signal()
    until(lambda: len(house.runs()) == len(before) + 2, seconds=60, what="the delayed event starts a run")
    (late,) = house.runs().keys() - before - {"retraining__lost"}
    house.found_nothing(late)


@pytest.mark.long
def test_a_watch_that_is_killed_at_each_step_asks_for_one_night_all_the_same(house: House) -> None:
    before, asked = house.runs().keys(), len(house.events(RetrainingAsked))
    steps = ("snapshot", "score", "drift", "verdict", "retrain")
    holds = [hold(house.airflow.settings.projects, NAME, step) for step in steps]
    for held in holds:
        held.touch()
    run_id = house.dana.trigger(WATCH, instant=LATER + timedelta(days=43))
    for step, held in zip(steps, holds, strict=True):
        reaches(house.dana, WATCH, run_id, step, "running")
        until(lambda step=step: _killed(house, run_id, step), seconds=60, what=f"{step} is dead")
        held.unlink()
    assert house.dana.wait(WATCH, run_id, timeout_seconds=2 * NIGHT_SECONDS) == "success"
    assert [task(house.dana, WATCH, run_id, step).try_number for step in steps] == [2] * len(steps)
    assert task(house.dana, WATCH, run_id, "retrain").state == "success"
    assert len(house.events(RetrainingAsked)) == asked + 1
    started = house.retrained(asked + 1)
    assert house.runs().keys() - before == {started.run_id}
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    assert len([event for event in judged if event.run_id == f"watch__{run_id}"]) == 1
    assert house.events(RetrainingDeclined) == []


def _killed(house: House, run_id: str, step: str) -> bool:
    """Kill whatever task runs; whether Airflow has noticed that *step* is dead."""
    for child in _tasks_of(house.airflow):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return task(house.dana, WATCH, run_id, step).state != "running"


def _tasks_of(airflow: RunningAirflow) -> list[int]:
    workers = [
        pid for pid, command in process_sessions.processes(airflow.settings).items() if "LocalExecutor" in command
    ]
    return [child.pid for pid in workers for child in psutil.Process(pid).children() if pid != child.pid]
