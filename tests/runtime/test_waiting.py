"""Training that waits for a pool in vain, or for too long, is told once; one that has its turn to come is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core import streams
from include.core.events import RunStarted, StepFinished, TrainingWaits
from include.core.records import Run
from include.ledger import Ledger, lease
from include.runtime.upkeep.pool_waits import tell_waiting_training
from include.settings import Settings
from tests.runtime.conftest import settings_in
from tests.runtime.nights import declare

RUN = "manual__1"
BEGUN = datetime(2026, 3, 1, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COMPUTE = 'compute=Compute(pool="a100", accelerators=2, maximum_minutes=60)'


class Airflow:
    """Knows how many tasks of each training DAG wait, and how many hold slots."""

    def __init__(self, *, waiting: dict[str, int], holding: dict[str, int] | None = None) -> None:
        self.waiting, self.holding = waiting, holding or {}

    def get_ti_count(self, dag_id: str, *, task_ids: list[str] | None = None, states: list[str] | None = None) -> int:
        assert task_ids == ["train", "refit"]
        known = self.waiting if states == ["scheduled"] else self.holding
        return known.get(dag_id.removeprefix("train_"), 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_in(tmp_path, tmp_path / "production")
    for name in ("patient", "neighbour"):
        declare(settings.projects, name, operations=COMPUTE)
    return settings


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    """One in which a night of the project has planned its trials."""
    ledger = Ledger.open(settings.ledger, clock=lambda: BEGUN)
    fence = lease.take(ledger, "patient", run_id=RUN, now=BEGUN, duration=MINUTE)
    run = Run(
        project="patient",
        run_id=RUN,
        instant=BEGUN,
        code_digest="sha256:0",
        declaration_digest="sha256:0",
        fence=fence.token,
    )
    ledger.record(streams.run("patient", RUN), RunStarted(run=run, separation_of_duties="NOT SHOWN"))
    planned = StepFinished(
        project="patient", run_id=RUN, step="plan", attempt="1", inputs="sha256:1", output="sha256:2"
    )
    ledger.record(streams.run("patient", RUN), planned)
    return ledger


def told(settings: Settings, airflow: Airflow, *, minutes: int = 1) -> int:
    return tell_waiting_training(settings, airflow, now=BEGUN + minutes * MINUTE, pause=lambda seconds: None)


def test_training_that_waits_while_nobody_holds_a_slot_is_told_once_with_the_remedy(
    settings: Settings, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    airflow = Airflow(waiting={"patient": 3})
    assert [told(settings, airflow), told(settings, airflow)] == [1, 0]
    assert "patient: training waits for the pool 'a100' in vain" in caplog.text
    assert "fewer than 2" in caplog.text
    assert "Admin > Pools" in caplog.text
    (event,) = [entry.event for entry in ledger.read_all(kinds=(TrainingWaits,))]
    assert isinstance(event, TrainingWaits)
    assert (event.pool, event.slots, event.tasks, event.reason) == ("a100", 2, 3, "in vain")


def test_training_whose_turn_is_to_come_is_told_only_when_its_time_is_over(
    settings: Settings, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    airflow = Airflow(waiting={"patient": 3}, holding={"neighbour": 1})
    assert told(settings, airflow, minutes=59) == 0
    assert [told(settings, airflow, minutes=60), told(settings, airflow, minutes=75)] == [1, 0]
    assert "patient: training waits for the pool 'a100' too long" in caplog.text


def test_training_that_waits_is_told_until_an_alert_is_sent(settings: Settings, ledger: Ledger, tmp_path: Path) -> None:
    airflow, unreadable = Airflow(waiting={"patient": 3}), replace(settings, alerts_file=tmp_path / "nowhere")
    assert [told(unreadable, airflow), told(unreadable, airflow)] == [0, 0]
    assert [told(settings, airflow), told(settings, airflow)] == [1, 0]


def test_training_that_is_queued_while_we_look_again_does_not_wait(settings: Settings, ledger: Ledger) -> None:
    airflow = Airflow(waiting={"patient": 1})
    assert tell_waiting_training(settings, airflow, now=BEGUN, pause=lambda seconds: airflow.waiting.clear()) == 0


def test_a_slot_of_another_pool_is_none_of_this_one(settings: Settings, ledger: Ledger) -> None:
    declare(settings.projects, "elsewhere", operations='compute=Compute(pool="l4")')
    assert told(settings, Airflow(waiting={"patient": 1}, holding={"elsewhere": 1})) == 1


def test_where_nothing_waits_nothing_is_told(settings: Settings) -> None:
    assert told(settings, Airflow(waiting={})) == 0
