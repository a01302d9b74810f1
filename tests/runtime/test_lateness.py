"""Lateness counts a night's own time, not its steward's."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.events import RunStarted, StepStarted
from include.core.records import Run
from include.ledger import Ledger, lease
from include.runtime.airflow.lateness import tell_if_late
from include.settings import Settings

RUN = "manual__1"
#: A night of two thirds of a second.
LATE_AFTER_MINUTES = 0.011


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    ledger = Ledger.open(Settings.from_environment().ledger)
    fence = lease.take(ledger, "p", run_id=RUN, now=datetime.now(UTC), duration=timedelta(hours=1))
    run = Run(
        project="p",
        run_id=RUN,
        instant=datetime(2013, 3, 1, tzinfo=UTC),
        code_digest="sha256:0",
        declaration_digest="sha256:0",
        fence=fence.token,
    )
    ledger.record(f"run/p/{RUN}", RunStarted(run=run, separation_of_duties="NOT SHOWN"))
    return ledger


def start_a_step(ledger: Ledger) -> None:
    ledger.record(f"run/p/{RUN}", StepStarted(project="p", run_id=RUN, step="snapshot", attempt="1"))


async def told() -> str:
    context = {"dag_run": {"dag_run_id": RUN, "queued_at": datetime.now(UTC).isoformat()}}
    return await tell_if_late("p", LATE_AFTER_MINUTES, context, poll_seconds=0.05)


def test_a_night_is_late_once_its_own_time_is_up(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    start_a_step(ledger)
    assert asyncio.run(asyncio.wait_for(told(), 10)) == "late"
    assert "p: the night is late" in caplog.text


def test_a_night_that_waits_for_its_steward_is_not_late(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> str:
        asked = asyncio.create_task(told())
        await asyncio.sleep(1.5)
        assert not asked.done()
        assert caplog.text == ""
        start_a_step(ledger)
        return await asyncio.wait_for(asked, 10)

    assert asyncio.run(scene()) == "late"


def test_a_night_that_ended_is_not_late(ledger: Ledger) -> None:
    start_a_step(ledger)
    lease.release(ledger, "p", run_id=RUN)
    assert asyncio.run(asyncio.wait_for(told(), 10)) == "ended in time"
