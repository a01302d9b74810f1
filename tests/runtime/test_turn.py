"""Days of a backfill begin in the order of their dates, whatever starts first; none waits for ever."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.events import RunStarted
from include.core.records import Run
from include.ledger import Ledger
from include.runtime.airflow import turn
from include.runtime.airflow.approval import DataStewardApprovalTrigger
from include.settings import Settings

FIRST = datetime(2013, 5, 1, 4, tzinfo=UTC)
DAYS = range(5)


class Backfill:
    """What Airflow knows of the runs of a backfill, by day: as its task API answers."""

    def __init__(self) -> None:
        self.states = dict.fromkeys(DAYS, "queued")

    def context(self, day: int) -> dict[str, Any]:
        def previous(state: str) -> object:
            found = [each for each in DAYS if each < day and self.states[each] == state]
            return SimpleNamespace(run_id=str(found[-1])) if found else None

        run = SimpleNamespace(run_type="backfill", logical_date=FIRST + day * timedelta(days=1))
        return {"dag_run": run, "ti": SimpleNamespace(get_previous_dagrun=previous)}

    def count(self, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        return sum(self.states[int(run_id)] in states for run_id in run_ids)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    return Ledger.open(Settings.from_environment().ledger)


class Night:
    """The gates of all days: *order* is that of Airflow's queue, *at_once* how many of them it runs."""

    def __init__(self, order: list[int], at_once: int) -> None:
        self.airflow, self.queue, self.at_once, self.begun = Backfill(), list(order), at_once, list[int]()
        self.fill()

    @property
    def running(self) -> list[int]:
        return [day for day in DAYS if self.airflow.states[day] == "running"]

    def fill(self) -> None:
        while self.queue and len(self.running) < self.at_once:
            self.airflow.states[self.queue.pop(0)] = "running"

    def look(self, day: int) -> None:
        mine = day in self.running and day not in self.begun
        if mine and turn.earlier(self.airflow.context(day), "p", f"{id(self)}-{day}") is None:
            assert day == min(self.running)
            self.begun.append(day)

    def end(self, day: int) -> None:
        """By success or failure, wherever it was."""
        if day in self.running:
            self.airflow.states[day] = "failed"
            self.fill()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations(DAYS),
    st.integers(1, len(DAYS)),
    st.lists(st.tuples(st.sampled_from(DAYS), st.sampled_from([Night.look, Night.end])), max_size=40),
)
def test_no_day_begins_while_an_earlier_one_runs_and_each_comes_to_its_turn(
    ledger: Ledger, order: list[int], at_once: int, moves: list[tuple[int, Any]]
) -> None:
    night = Night(order, at_once)
    for day, move in moves:
        move(night, day)
    for _ in DAYS:  # whatever came before, a look at all of them lets one go on
        running = night.running
        for day in running:
            night.look(day)
        for day in [day for day in running if day in night.begun][:1]:
            night.end(day)
    assert set(night.airflow.states.values()) == {"failed"}, "one waits for ever"


def test_a_day_that_has_begun_waits_for_none_which_may_wait_for_its_lease(ledger: Ledger) -> None:
    airflow = Backfill()
    airflow.states[0] = airflow.states[1] = "running"
    assert turn.earlier(airflow.context(1), "p", "1") == "0"
    run = Run(project="p", run_id="1", instant=FIRST, code_digest="c", declaration_digest="d", fence=1)
    ledger.record(streams.run("p", "1"), RunStarted(run=run, separation_of_duties=""), key=streams.run("p", "1"))
    assert turn.earlier(airflow.context(1), "p", "1") is None


@pytest.mark.parametrize("kind", ["scheduled", "manual", "asset_triggered"])
def test_a_run_that_is_no_day_of_a_backfill_asks_nobody(kind: str) -> None:
    assert turn.earlier({"dag_run": SimpleNamespace(run_type=kind)}, "p", "night") is None


def test_the_gate_wakes_when_the_earlier_day_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow, asked = Backfill(), list[str]()
    airflow.states[0] = "running"

    def count(dag_id: str, **given: Any) -> int:
        asked.append(dag_id)
        return airflow.count(dag_id, **given)

    monkeypatch.setattr(RuntimeTaskInstance, "get_dr_count", staticmethod(count))
    for run_id, dag_id in (("1", "train_p"), ("watch__1", "watch_p")):
        airflow.states[0] = "running"
        made = DataStewardApprovalTrigger("p", run_id, "2026-01-01T00:00:00+00:00", 2.0, after="0")
        trigger = DataStewardApprovalTrigger(**made.serialize()[1])
        assert trigger._look() is None
        airflow.states[0] = "success"
        assert trigger._look() == "open"
        assert set(asked[-2:]) == {dag_id}
