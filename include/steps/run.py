"""A run begins, is taken up by each of its steps, and ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import CodeChanged, DeclarationError, LedgerError
from include.core.events import (
    CardDeclared,
    EnvironmentRecorded,
    Event,
    GatesDeclared,
    LooksDeclared,
    RunStarted,
    RunTriggered,
    TrainerImageNamed,
)
from include.core.project import Project
from include.core.records import Promotion, RetrainingOutcome, Run, Start, Trigger
from include.core.runs import RunKind
from include.ledger import Fence, Ledger, lease
from include.ledger.journal import Journal, begun, record_failure
from include.retraining import asks
from include.steps.declaring import declare
from include.steps.platform import Platform, contract_in_effect

#: A run holds its project's lease that long after its last sign of life: each step renews it while it runs.
LEASE = lease.DURATION

#: What set a run off of which nobody says.
UNKNOWN = Start(trigger=Trigger.UNKNOWN)


def begin(
    platform: Platform,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    now: datetime,
    kind: RunKind = RunKind.NIGHT,
    start: Start = UNKNOWN,
) -> Run:
    """Start the run *run_id* of *project* at *instant*, or go on with it: a run keeps its first instant.

    Derives from the code what the run reads. A night takes the project's lease, and one that cannot begin leaves it to
    the next; other kinds take none. What set it off (*start*) is recorded with it.

    Raises:
        LeaseHeld: another night of this project is running.
        CodeChanged: the run began under other code.
        DeclarationError: the project is refused by :func:`include.steps.declare`, or *instant* has no time zone.
        LedgerError: a position or a trigger of the ledger is missing.
    """
    from include.declared.declaration import digest_of

    stream, night = streams.run(project.name, run_id), kind is RunKind.NIGHT
    if platform.ledger.find(stream) is not None:
        resumed = resume(platform, project, run_id=run_id, now=now)
        _declare_again(platform, project, resumed)
        return resumed
    with _failure_recorded(platform, project, run_id, "declare"):
        declared = digest_of(project, platform.contracts)
    with _failure_recorded(platform, project, run_id, "begin"):
        _require_zone(instant)
        platform.ledger.require_order()
        code = platform.code(project.name)
        platform.keep_code(project.name, code)
        fence = lease.take(platform.ledger, project.name, run_id=run_id, now=now, duration=LEASE) if night else None
    run = Run(
        project=project.name,
        run_id=run_id,
        instant=instant.astimezone(UTC),
        code_digest=code,
        declaration_digest=declared,
        fence=fence.token if fence else 0,
        kind=kind,
    )
    try:
        Journal(platform.ledger, run).once(
            "declare",
            (declared,),
            lambda: platform.keep(declare(project, platform.contracts)),
            kept=platform.store.has,
        )
        _record_start(platform, run, start, fence)
        platform.ledger.record_all(stream, [*_beginning(platform, project, run)], fence=fence)
    except BaseException:  # a signal too
        with suppress(LedgerError):  # out of reach: the lease expires
            finish(platform, run)
        raise
    return run


def _require_zone(instant: datetime) -> None:
    if instant.tzinfo is None:
        raise DeclarationError(
            "an instant has a time zone",
            value=instant.isoformat(),
            remedy=f"Write {instant.isoformat()}Z if UTC is meant.",
        )


def _beginning(platform: Platform, project: Project, run: Run) -> Iterator[tuple[Event, str]]:
    """What a run records when it begins, each with its key: of a night, by which gates and looks it is decided too."""
    name, run_id, drift = project.name, run.run_id, project.quality.drift
    yield RunStarted(run=run, separation_of_duties=platform.separation_of_duties), streams.run(name, run_id)
    if image := platform.trainer_image(project):
        yield TrainerImageNamed(project=name, run_id=run_id, image=image), streams.image_key(name, run_id)
    if run.kind is RunKind.NIGHT:
        gates = GatesDeclared(project=name, run_id=run_id, gates=project.quality.gates, watched=drift is not None)
        yield gates, streams.gates_key(name, run_id)
        if drift is not None and drift.looks:
            looks = LooksDeclared(project=name, run_id=run_id, looks=drift.looks)
            yield looks, streams.looks_key(name, run_id)
        yield from _described(platform, project, run)


def _described(platform: Platform, project: Project, run: Run) -> Iterator[tuple[Event, str]]:
    """What a night records of its model beforehand: who answers for it, what they say of it, and in what it is made."""
    name, run_id, ownership = project.name, run.run_id, project.ownership
    card = CardDeclared(
        project=name, run_id=run_id, owner=ownership.owner, purpose=ownership.purpose, card=ownership.card
    )
    yield card, streams.card_key(name, run_id)
    if (found := platform.environment()) is not None:
        environment = EnvironmentRecorded(project=name, run_id=run_id, environment=platform.keep(found))
        yield environment, streams.environment_key(name, run_id)


def resume(platform: Platform, project: Project, *, run_id: str, now: datetime) -> Run:
    """The run that :func:`begin` recorded, its lease renewed; one that took none when it began goes on without.

    Raises:
        LeaseHeld: another night of this project took the lease meanwhile.
        CodeChanged: the code moved under the running night.
        DeclarationError: no such run has begun.
    """
    run = begun(platform.ledger, project.name, run_id)
    if run is None:
        raise DeclarationError("a step belongs to a run that has begun", value=run_id, remedy="Begin the run first.")
    with _failure_recorded(platform, project, run_id, "resume"):
        code = platform.code(project.name)
        if run.code_digest != code:
            raise CodeChanged(
                f"the run {run_id!r} of {project.name!r} is computed by the code that it began with",
                value=f"{code}, begun with {run.code_digest}",
                remedy="Start a new run: what did not change is found in the ledger and not computed again.",
            )
        if not run.fence:
            return run
        fence = lease.take(platform.ledger, project.name, run_id=run_id, now=now, duration=LEASE)
    return replace(run, fence=fence.token)


def _declare_again(platform: Platform, project: Project, run: Run) -> None:
    """Make the run's recorded declaration again if it was lost; it is the same as long as the adopted contracts are."""
    recorded = Journal(platform.ledger, run).output("declare", record_digest((run.code_digest, run.declaration_digest)))
    if recorded is not None and not platform.store.has(recorded):
        with _failure_recorded(platform, project, run.run_id, "declare"):
            contracts = {name: contract_in_effect(platform, name) for name in platform.contracts}
            platform.keep(declare(project, contracts))


def _record_start(platform: Platform, run: Run, start: Start, fence: Fence | None) -> None:
    """Record what set the run off, if nobody did before."""
    key = streams.triggered_key(run.project, run.run_id)
    if platform.ledger.find(key) is None:
        triggered = RunTriggered(project=run.project, run_id=run.run_id, trigger=start.trigger, who=start.who)
        platform.ledger.record(streams.triggers(run.project), triggered, key=key, fence=fence)


def finish(platform: Platform, run: Run, promotion: str | None = None) -> None:
    """End *run*, wherever it ran: record how it answered what drift asked for, and give its project's lease back.

    *promotion* is the digest of its decision; ``None``: it stops without one, and may go on. Harmless if it has ended.
    """
    try:
        if promotion is not None:
            asks.answered(platform.ledger, run, platform.load(Promotion, promotion))
    finally:
        lease.release(platform.ledger, run.project, run_id=run.run_id)


def fail(ledger: Ledger, project: str, run_id: str) -> None:
    """End a run that failed, or could not begin: give its lease back, and record that what it answers has failed."""
    lease.release(ledger, project, run_id=run_id)
    asks.end(ledger, project, run_id, RetrainingOutcome.FAILED)


@contextmanager
def _failure_recorded(platform: Platform, project: Project, run_id: str, step: str) -> Iterator[None]:
    """What fails here is before any attempt of a step: record it, whoever holds the lease."""
    try:
        yield
    except Exception as error:
        record_failure(platform.ledger, error, project=project.name, run_id=run_id, step=step)
        raise
