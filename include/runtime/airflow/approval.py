"""The gate: begins a night and waits until data stewards allow what it reads.

It only waits. What keeps data from being read without a grant is the reader, which checks again: a gate that somebody
marked as successful opens nothing. Airflow keeps the class paths of this module in its database.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.definitions.context import Context
from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core.errors import AccessDenied, LedgerUnavailable

#: The gate gives up that long before the next scheduled night, which it would keep from starting: one run is active.
_MARGIN = timedelta(minutes=1)

_GRANTED, _GIVEN_UP = "granted", "given up"


class DataStewardApprovalSensor(BaseSensorOperator):
    """Begins the project's night, files what access is missing, and waits, without a worker, for the grants.

    Where grants in force cover everything it passes at once. It gives up after ``patience``, and in any case before the
    next night of ``schedule`` (a cron line in UTC) would start.
    """

    ui_color = "#fef7e0"

    def __init__(
        self, *, project: str, patience: timedelta, schedule: str, poll_interval: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(poke_interval=poll_interval, timeout=patience, **kwargs)
        self.project = project
        self.patience = patience
        self.schedule = schedule

    def execute(self, context: Context) -> None:
        from include.runtime.airflow import tasks

        now = datetime.now(UTC)
        night = tasks.begin(self.project, context["run_id"], tasks.instant_of(context))
        missing = night.missing()
        if not missing:
            self.log.info("Grants in force cover all that %s reads", self.project)
            return
        requests = night.request()
        give_up_at = min(now + self.patience, _next_start(self.schedule, now) - _MARGIN)
        self.log.info(
            "Waiting for data stewards until %s: %s. Requests: %s. Approve with `./trainyard approve`",
            f"{give_up_at:%Y-%m-%d %H:%M}Z",
            "; ".join(f"{one.dataset} {sorted(one.names)}" for one in missing),
            ", ".join(requests),
        )
        trigger = DataStewardApprovalTrigger(
            project=self.project,
            run_id=context["run_id"],
            give_up_at=give_up_at.isoformat(),
            poll_interval=self.poke_interval,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        """Pass if the grants hold; otherwise tell steward and ops.

        Raises:
            AccessDenied: nobody granted the access in time.
        """
        from include.runtime.airflow import alerts, tasks

        night = tasks.resume(self.project, context["run_id"])
        missing = night.missing()
        if not missing:
            self.log.info("Granted: %s may read what it asks for", self.project)
            return
        stewards = {one.dataset: night.platform.contracts[one.dataset].stewards for one in missing}
        error = AccessDenied(
            f"a night of {self.project!r} reads only what stewards have granted, and its gate waited for them until "
            f"{event.get('give_up_at')}",
            value="not granted: " + ", ".join(f"{name} (stewards: {', '.join(who)})" for name, who in stewards.items()),
            remedy="Stewards: decide with `./trainyard approve`. Ops: then clear this task.",
        )
        alerts.send(night.settings, f"{self.project}: no access, the night is off", str(error))
        raise error


class DataStewardApprovalTrigger(BaseTrigger):
    """Fires when grants cover what the run reads, or at ``give_up_at`` (ISO 8601). Looks every ``poll_interval`` s."""

    def __init__(self, project: str, run_id: str, give_up_at: str, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.project = project
        self.run_id = run_id
        self.give_up_at = give_up_at
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments that make this trigger again, in another process."""
        return (
            "include.runtime.airflow.approval.DataStewardApprovalTrigger",
            {
                "project": self.project,
                "run_id": self.run_id,
                "give_up_at": self.give_up_at,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, whose ``outcome`` the sensor checks for itself."""
        give_up_at = datetime.fromisoformat(self.give_up_at)
        outcome = _GIVEN_UP
        while datetime.now(UTC) < give_up_at:
            try:
                # In a thread: the triggerer's loop serves every waiting gate.
                if not await asyncio.to_thread(_missing, self.project, self.run_id):
                    outcome = _GRANTED
                    break
            except LedgerUnavailable as error:
                self.log.warning("The gate looks again in %s s: %s", self.poll_interval, error)
            await asyncio.sleep(self.poll_interval)
        yield TriggerEvent({"outcome": outcome, "give_up_at": self.give_up_at})  # type: ignore[no-untyped-call]


def _missing(project: str, run_id: str) -> bool:
    """Whether access is still missing for a run that has begun. Loads no project: what it reads is in the ledger."""
    from include import steps
    from include.core.events import RunStarted
    from include.runtime.local import open_platform
    from include.settings import Settings

    platform = open_platform(Settings.from_environment())
    entry = platform.ledger.find(f"run/{project}/{run_id}")
    if entry is None or not isinstance(entry.event, RunStarted):
        return True
    return bool(steps.missing_access(platform, entry.event.run, now=datetime.now(UTC)))


def _next_start(schedule: str, now: datetime) -> datetime:
    from croniter import croniter  # type: ignore[import-untyped]  # it publishes no types

    found: datetime = croniter(schedule, now).get_next(datetime)
    return found
