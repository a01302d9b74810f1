"""The gate: waits until no other night of the project runs and data stewards allow what this one reads.

It only waits. What keeps data from being read without a grant is the reader, which checks again: a gate that somebody
marked as successful opens nothing. Airflow keeps the class paths of this module in its database.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.core import runs
from include.core.errors import AccessDenied, ContractError, LeaseHeld, TrainyardError
from include.core.runs import RunKind
from include.runtime.airflow import turn
from include.runtime.airflow.names import access_path, dag_id_of, kind_of, run_of, watch_dag_id_of
from include.runtime.airflow.operators import one_of_ours
from include.runtime.airflow.timetable import next_start

if TYPE_CHECKING:
    from include.core.records import Scope, Start
    from include.governance.access import Access
    from include.runtime.airflow.tasks import TaskRun
    from include.settings import Settings

#: The gate gives up that long before the next scheduled night, which it would keep from starting: one run is active.
_MARGIN = timedelta(minutes=1)

_OPEN, _REFUSED, _GIVEN_UP = "open", "refused", "given up"


class DataStewardApprovalSensor(BaseSensorOperator):
    """Begins the project's night, files what access is missing, and waits, without a worker, for the grants.

    Where grants in force cover everything it passes at once. While another night of the project holds the lease it
    waits for that too, and a day of a backfill for those before it. It gives up after ``patience``, and in any case
    before the next night of ``schedule`` (a cron line in ``timezone``) would start.

    Of a drift DAG it begins the watch, which needs no lease. What has nothing to do is skipped here, before anything is
    read: a night that drift should have asked for and did not, a watch without a champion or without a new day.
    """

    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        project: str,
        patience: timedelta,
        schedule: str,
        timezone: str = "UTC",
        poll_interval: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poll_interval, timeout=patience, **kwargs)
        self.project = project
        self.patience = patience
        self.schedule = schedule
        self.timezone = timezone

    def execute(self, context: Context) -> None:
        now = datetime.now(UTC)
        self._pass(context, min(now + self.patience, next_start(self.schedule, self.timezone, now) - _MARGIN))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        """Pass if the night may go on now. Otherwise wait on or, when it is time, report to steward and ops.

        Raises:
            AccessDenied: a steward denied what the night reads, or nobody granted it in time.
            LeaseHeld: another night of the project did not end in time.
        """
        self._pass(context, datetime.fromisoformat(event["give_up_at"]), event["outcome"])

    def _pass(self, context: Context, give_up_at: datetime, outcome: str | None = None) -> None:
        try:
            self._begin(context, give_up_at, outcome)
        except AirflowSkipException:
            raise
        except Exception as error:  # a foreign text must reach no log: ours takes its place
            raise one_of_ours(error, "gate") from None

    def _begin(self, context: Context, give_up_at: datetime, outcome: str | None) -> None:
        from include.runtime.airflow import tasks
        from include.runtime.airflow.due_runs import due_of

        given_up, until = outcome == _GIVEN_UP, f"{give_up_at:%Y-%m-%d %H:%M}Z"
        due = due_of(self.dag_id, self.project, context, now=datetime.now(UTC))
        if due.nothing is not None:
            self.log.info(due.nothing)
            raise AirflowSkipException(due.nothing)
        before = turn.earlier(context, self.project, due.run_id)
        if before is not None:
            if given_up:
                self._give_up(context, _overtaken(before, give_up_at))
            self.log.info("Waiting until %s for an earlier day of the backfill: %s", until, before)
            self._wait(context, give_up_at, after=before)
            return
        try:
            night = tasks.begin(self.project, due.run_id, due.instant, kind=kind_of(self.dag_id), start=_start(context))
        except LeaseHeld as held:
            if given_up:
                self._give_up(context, _held(held, give_up_at))
            self.log.info("Waiting until %s: %s", until, held)
            self._wait(context, give_up_at)
            return
        missing = night.missing()
        if not missing:
            self.log.info("Grants in force cover all that %s reads", self.project)
            return
        if outcome == _REFUSED and night.denials():
            self._give_up(context, _refused(night))
        if given_up:
            self._give_up(context, _denied(night, give_up_at))
        requests = night.request(_started_by(context))
        self.log.info(
            "Waiting for data stewards until %s: %s. Requests: %s. Decide in Airflow's UI at %s (also this task's tab "
            "`Data access`), or with `./trainyard access approve`",
            until,
            "; ".join(f"{one.dataset} {sorted(one.names)}" for one in missing),
            ", ".join(requests),
            access_path(self.dag_id, context["run_id"]),
        )
        self._wait(context, give_up_at)

    def _wait(self, context: Context, give_up_at: datetime, *, after: str | None = None) -> None:
        trigger = DataStewardApprovalTrigger(
            project=self.project,
            run_id=run_of(self.dag_id, context["run_id"]),
            give_up_at=give_up_at.isoformat(),
            poll_interval=self.poke_interval,
            after=after,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def _give_up(self, context: Context, error: TrainyardError) -> NoReturn:
        from include.runtime.airflow import tasks

        kind = kind_of(self.dag_id)
        tasks.gave_up(error, self.project, run_of(self.dag_id, context["run_id"]), kind=kind)
        raise error


def _started_by(context: Context) -> str | None:
    """Who triggered the run; ``None`` where its schedule or drift did."""
    run = context.get("dag_run")
    return getattr(run, "triggering_user_name", None) or None


def _start(context: Context) -> "Start":
    """What set the run off, as Airflow records it: nobody who is signed in is called a schedule."""
    from include.core.records import Start, Trigger
    from include.runtime.airflow.due_runs import started_by_drift

    who = _started_by(context)
    if who is not None:
        return Start(trigger=Trigger.LOGIN, who=who)
    if started_by_drift(context):
        return Start(trigger=Trigger.DRIFT)
    scheduled = getattr(context.get("dag_run"), "run_type", None) == "scheduled"
    return Start(trigger=Trigger.SCHEDULE if scheduled else Trigger.UNKNOWN)


def _held(error: LeaseHeld, give_up_at: datetime) -> LeaseHeld:
    return LeaseHeld(
        f"{error.rule}, and the gate waited for the other until {give_up_at.isoformat()}",
        value=error.value,
        remedy="When that run has ended, clear this task.",
    )


def _overtaken(before: str, give_up_at: datetime) -> LeaseHeld:
    return LeaseHeld(
        "days of a backfill begin in the order of their dates, and the gate waited for an earlier one until "
        f"{give_up_at.isoformat()}",
        value=f"run {before!r} has not ended",
        remedy="When it has ended, or was marked as failed, clear this task.",
    )


def _refused(night: "TaskRun") -> AccessDenied:
    reasons = (f"{one.steward} denied request {one.request_id}: {one.reason!r}" for one in night.denials())
    return AccessDenied(
        f"a {night.run.kind} of {night.project.name!r} reads only what stewards have granted",
        value="; ".join(reasons),
        remedy="Settle it with the steward; clearing this task asks again.",
    )


def _denied(night: "TaskRun", give_up_at: datetime) -> AccessDenied:
    platform = night.platform
    stewards = {
        one.dataset: (platform.access.adoption(one.dataset) or platform.contracts[one.dataset]).stewards
        for one in night.missing()
    }
    return AccessDenied(
        f"a {night.run.kind} of {night.project.name!r} reads only what stewards have granted, and its gate waited "
        f"for them until {give_up_at.isoformat()}",
        value="not granted: " + ", ".join(f"{name} (stewards: {', '.join(who)})" for name, who in stewards.items()),
        remedy="Stewards: decide on the page `Data access`, or with `./trainyard access`. Ops: then clear this task.",
    )


class DataStewardApprovalTrigger(BaseTrigger):
    """Fires when the run may go on, or at ``give_up_at`` (ISO 8601). Looks every ``poll_interval`` s.

    It does not look before Airflow's run *after*, if any is named, has ended. A look that fails is made again if that
    may heal. Otherwise it fires: the gate meets the same error, and says it.
    """

    def __init__(
        self, project: str, run_id: str, give_up_at: str, poll_interval: float, after: str | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.project = project
        self.run_id = run_id
        self.give_up_at = give_up_at
        self.poll_interval = poll_interval
        self.after = after
        self._scope: Scope | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments that make this trigger again, in another process."""
        names = ("project", "run_id", "give_up_at", "poll_interval", "after")
        path = "include.runtime.airflow.approval.DataStewardApprovalTrigger"
        return path, {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, whose ``outcome`` the sensor checks for itself."""
        give_up_at = datetime.fromisoformat(self.give_up_at)
        outcome = _GIVEN_UP
        while datetime.now(UTC) < give_up_at:
            try:
                # In a thread: the triggerer's loop serves every waiting gate.
                found = await asyncio.to_thread(self._look)
                if found is not None:
                    outcome = found
                    break
            except Exception as error:  # a foreign text must reach no log
                told = one_of_ours(error, "gate")
                if not told.retry_heals:
                    self.log.warning("The gate wakes, since it cannot look: %s", told)
                    outcome = _OPEN
                    break
                self.log.warning("The gate looks again in %s s: %s", self.poll_interval, told)
            await asyncio.sleep(self.poll_interval)
        yield TriggerEvent({"outcome": outcome, "give_up_at": self.give_up_at})  # type: ignore[no-untyped-call]

    def _look(self) -> str | None:
        """What the gate has to know: the run can have lease and access, or access was denied; ``None``: wait."""
        from include.governance.access import Access
        from include.governance.signing import PUBLIC_KEY_FILE, Verifier
        from include.ledger import Ledger, lease
        from include.ledger.journal import begun
        from include.settings import Settings

        if self.after is not None:
            watches = runs.kind_of(self.run_id) is RunKind.WATCH
            dag_id_in = watch_dag_id_of if watches else dag_id_of
            return None if turn.goes_on(dag_id_in(self.project), self.after) else _OPEN
        settings, now = Settings.from_environment(), datetime.now(UTC)
        ledger = Ledger.open(settings.ledger)
        run = begun(ledger, self.project, self.run_id)
        if run is None or run.fence:
            try:
                lease.require_free(ledger, self.project, run_id=self.run_id, now=now)
            except LeaseHeld:
                return None
        if run is None:
            return _OPEN  # the gate can begin the run now, and sees what it needs
        if self._scope is None:  # a run that has begun reads the same to its end
            from include import steps
            from include.runtime.nights.platform import open_platform

            self._scope = steps.scope_of(open_platform(settings), run)
        access = Access(ledger, Verifier.load(settings.keys / PUBLIC_KEY_FILE))
        if not access.missing(self._scope, now=now):
            return _OPEN
        if access.denied(self._scope):
            return _REFUSED
        if access.replaced(self._scope) and not self._can_be_granted(settings, access):
            return _OPEN  # to say so
        # What was superseded by somebody else's asking is asked for again: the gate does so when it wakes.
        return _OPEN if access.unasked(self._scope, now=now) else None

    def _can_be_granted(self, settings: "Settings", access: "Access") -> bool:
        """Whether a steward may still adopt what the run began with, where another version is in effect."""
        from include import steps
        from include.contracts import load_folder

        assert self._scope is not None  # noqa: S101  # a run that has begun has one
        try:
            steps.require_grantable(self._scope, load_folder(settings.contracts, settings.classes), access)
        except ContractError:
            return False
        return True
