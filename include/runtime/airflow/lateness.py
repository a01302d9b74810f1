"""Tells ops that a night is late, the time that it waited for a data steward not counted.

Airflow calls back when the time is up, counted from when the run was queued. What the ledger says of the gate decides
how much longer the night has; until then this waits, in the triggerer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from include.settings import Settings

_POLL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a night is, as the ledger tells. Times are UTC; ``None``: not yet."""

    begun: datetime | None
    passed_gate: datetime | None
    ended: bool

    def waited(self, now: datetime) -> timedelta:
        """How long the gate has kept the night waiting, up to *now* if it still does."""
        return timedelta(0) if self.begun is None else (self.passed_gate or now) - self.begun


async def tell_if_late(
    project: str, late_after_minutes: float, context: Mapping[str, Any], poll_seconds: float = _POLL_SECONDS
) -> str:
    """Called when the run has been queued for *late_after_minutes*: alert once its own time is up, unless it ended."""
    run = context["dag_run"]
    queued = datetime.fromisoformat(run["queued_at"])
    settings = Settings.from_environment()
    while True:
        progress = await asyncio.to_thread(progress_of, settings, project, run["dag_run_id"])
        if progress.ended:
            return "ended in time"
        now = datetime.now(UTC)
        if now >= queued + timedelta(minutes=late_after_minutes) + progress.waited(now):
            break
        await asyncio.sleep(poll_seconds)

    from include.runtime.airflow import alerts

    minutes = progress.waited(now).total_seconds() / 60
    await asyncio.to_thread(
        alerts.send,
        settings,
        f"{project}: the night is late",
        f"Run {run['dag_run_id']} has not ended {late_after_minutes:g} minutes after it was queued; "
        f"the {minutes:.0f} minutes that it waited for a data steward are not counted.",
    )
    return "late"


def progress_of(settings: Settings, project: str, run_id: str) -> Progress:
    """What the ledger says of the run: a step that started has passed the gate, a lease given back has ended."""
    from include.core.events import LeaseReleased, RunStarted, StepStarted
    from include.ledger import Ledger

    ledger = Ledger.open(settings.ledger)
    entries = ledger.read(f"run/{project}/{run_id}")
    begun = next((entry.recorded_at for entry in entries if isinstance(entry.event, RunStarted)), None)
    steps = (entry.recorded_at for entry in entries if isinstance(entry.event, StepStarted))
    ended = any(
        isinstance(entry.event, LeaseReleased) and entry.event.run_id == run_id
        for entry in ledger.read(f"lease/{project}")
    )
    return Progress(begun=begun, passed_gate=next(steps, None), ended=ended)
