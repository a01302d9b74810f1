"""Lateness counts a night's own time, not its steward's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core import streams
from include.core.events import RunLate, RunStarted, StepStarted
from include.core.records import Run
from include.ledger import Ledger, lease
from include.runtime.upkeep.lateness import tell_late_runs
from include.settings import Settings
from tests.runtime.conftest import settings_in
from tests.runtime.nights import declare

RUN = "manual__1"
BEGUN = datetime(2026, 3, 1, 4, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Airflow:
    """Knows the runs of the drift DAG that *going_on* names, and none of the training DAG."""

    def __init__(self, *going_on: str) -> None:
        self.going_on = going_on

    def get_dr_count(self, dag_id: str, *, run_ids: list[str] | None = None, states: list[str] | None = None) -> int:
        assert dag_id == "watch_tardy"
        assert states == ["queued", "running"]
        return sum(run_id in self.going_on for run_id in run_ids or [])


class Clock:
    """What the ledger stamps events with."""

    now = BEGUN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_in(tmp_path, tmp_path / "production")
    declare(settings.projects, "tardy", operations="late_after_minutes=60")
    return settings


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(settings: Settings, clock: Clock) -> Ledger:
    """One in which a night has begun, and waits at its gate."""
    ledger = Ledger.open(settings.ledger, clock=clock)
    fence = lease.take(ledger, "tardy", run_id=RUN, now=BEGUN, duration=HOUR)
    begin(ledger, RUN, fence=fence.token)
    return ledger


def begin(ledger: Ledger, run_id: str, **given: Any) -> None:
    run = Run(
        project="tardy",
        run_id=run_id,
        instant=datetime(2013, 3, 1, tzinfo=UTC),
        code_digest="sha256:0",
        declaration_digest="sha256:0",
        **given,
    )
    step(ledger, "declare", run_id)
    ledger.record(streams.run("tardy", run_id), RunStarted(run=run, separation_of_duties="NOT SHOWN"))


def step(ledger: Ledger, name: str, run_id: str = RUN) -> None:
    ledger.record(streams.run("tardy", run_id), StepStarted(project="tardy", run_id=run_id, step=name, attempt=name))


def test_a_night_is_told_once_when_its_own_time_is_up(
    settings: Settings, ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now = BEGUN + 5 * HOUR  # so long the steward took
    step(ledger, "snapshot")
    assert tell_late_runs(settings, Airflow(), now=clock.now + HOUR - MINUTE) == 0
    assert tell_late_runs(settings, Airflow(), now=clock.now + HOUR) == 1
    assert "tardy: the night is late" in caplog.text
    assert tell_late_runs(settings, Airflow(), now=clock.now + 2 * HOUR) == 0
    (late,) = [entry.event for entry in ledger.read(streams.run("tardy", RUN)) if isinstance(entry.event, RunLate)]
    assert (late.own_minutes, late.waited_minutes) == (60.0, 300.0)


def test_a_late_night_is_told_until_an_alert_is_sent(settings: Settings, ledger: Ledger, tmp_path: Path) -> None:
    step(ledger, "snapshot")
    unreadable = replace(settings, alerts_file=tmp_path / "nowhere")
    assert [tell_late_runs(unreadable, Airflow(), now=BEGUN + 5 * HOUR) for _ in range(2)] == [0, 0]
    assert [tell_late_runs(settings, Airflow(), now=BEGUN + 5 * HOUR) for _ in range(2)] == [1, 0]


def test_a_night_that_waits_for_its_steward_is_not_late(settings: Settings, ledger: Ledger) -> None:
    assert tell_late_runs(settings, Airflow(), now=BEGUN + 20 * HOUR) == 0


def test_a_night_that_ended_is_not_late(settings: Settings, ledger: Ledger) -> None:
    step(ledger, "snapshot")
    lease.release(ledger, "tardy", run_id=RUN)
    assert tell_late_runs(settings, Airflow(), now=BEGUN + 5 * HOUR) == 0


def test_a_project_that_cannot_load_keeps_nobody_elses_night_from_being_told(
    settings: Settings, ledger: Ledger
) -> None:
    broken = settings.projects / "aardvark"
    broken.mkdir()
    (broken / "__init__.py").write_text("import nothing_of_that_name\n")
    step(ledger, "snapshot")
    assert tell_late_runs(settings, Airflow(), now=BEGUN + 5 * HOUR) == 1


@pytest.fixture
def watch(ledger: Ledger) -> str:
    """A watch that has passed its gate, beside the night; what Airflow calls it."""
    begin(ledger, "watch__scheduled__1", fence=0)
    step(ledger, "score", "watch__scheduled__1")
    return "scheduled__1"


def test_a_watch_that_airflow_still_runs_is_told_once_like_a_night(
    settings: Settings, ledger: Ledger, watch: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert tell_late_runs(settings, Airflow(watch), now=BEGUN + HOUR - MINUTE) == 0
    assert tell_late_runs(settings, Airflow(watch), now=BEGUN + HOUR) == 1
    assert "tardy: the watch is late" in caplog.text
    assert tell_late_runs(settings, Airflow(watch), now=BEGUN + 2 * HOUR) == 0


def test_a_watch_that_airflow_has_ended_or_that_somebody_ran_by_hand_is_not_late(
    settings: Settings, ledger: Ledger, watch: str
) -> None:
    begin(ledger, "watch__manual__2013-10-01T04:00__01234567", fence=0)
    assert tell_late_runs(settings, Airflow(), now=BEGUN + 5 * HOUR) == 0
