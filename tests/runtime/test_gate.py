"""The gate waits for stewards, and for another night of its project, and says why when it gives up."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from include.core.errors import AccessDenied, ContractError, DeclarationError, LeaseHeld, StepCrashed
from include.core.events import AccessRequested, RunStarted, StepFailed
from include.governance.signing import Signer, create_key
from include.ledger import Ledger, lease
from include.runtime import deployment
from include.runtime.airflow import tasks
from include.runtime.airflow.approval import DataStewardApprovalSensor, DataStewardApprovalTrigger
from include.runtime.code.projects import load_project
from include.runtime.server.service import open_authority
from include.settings import ROOT, Settings
from tests.runtime.nights import INSTANT

PROJECT = "flight_delay"
CONTEXT: Any = {"run_id": "night", "params": {"instant": INSTANT.isoformat()}}
SOON = timedelta(seconds=1)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    settings = Settings.from_environment()
    deployment.prepare(settings)
    key = settings.authority_keys / "authority.key"
    if not key.exists():
        create_key(key)
    Signer.load(key).publish(settings.keys / "authority.pub")
    return Ledger.open(settings.ledger)


@pytest.fixture
def gate() -> DataStewardApprovalSensor:
    return DataStewardApprovalSensor(
        task_id="gate", project=PROJECT, patience=timedelta(hours=1), schedule="0 4 1 1 *", poll_interval=0.02
    )


def held(ledger: Ledger, duration: timedelta) -> None:
    """Another night of the project has just taken the lease."""
    lease.take(ledger, PROJECT, run_id="other", now=datetime.now(UTC), duration=duration)


def deferred(deferral: TaskDeferred) -> DataStewardApprovalTrigger:
    trigger = deferral.trigger
    assert isinstance(trigger, DataStewardApprovalTrigger)
    assert deferral.method_name == "execute_complete"
    return trigger


def waits(gate: DataStewardApprovalSensor) -> DataStewardApprovalTrigger:
    with pytest.raises(TaskDeferred) as deferral:
        gate.execute(CONTEXT)
    return deferred(deferral.value)


def event(trigger: DataStewardApprovalTrigger, *, within: float) -> Any:
    """What the trigger fires with. Raises TimeoutError if it does not."""

    async def first() -> Any:
        async with asyncio.timeout(within):
            return (await anext(trigger.run())).payload

    return asyncio.run(first())


def failures(ledger: Ledger) -> list[tuple[str, str]]:
    events = [entry.event for entry in ledger.read(f"run/{PROJECT}/night")]
    return [(event.step, event.error) for event in events if isinstance(event, StepFailed)]


def test_a_night_that_finds_another_running_waits_and_then_begins(
    ledger: Ledger, gate: DataStewardApprovalSensor
) -> None:
    held(ledger, timedelta(hours=2))
    trigger = waits(gate)
    assert datetime.fromisoformat(trigger.give_up_at) - datetime.now(UTC) < timedelta(hours=1)
    with pytest.raises(TimeoutError):
        event(trigger, within=0.5)
    assert ledger.read(f"run/{PROJECT}/night") == [], "it did not fail, and has not begun"

    lease.release(ledger, PROJECT, run_id="other")
    fired = event(trigger, within=20)
    with pytest.raises(TaskDeferred) as deferral:  # for the stewards now, and no longer than it had before
        gate.execute_complete(CONTEXT, fired)
    again = deferred(deferral.value)
    assert again.give_up_at == trigger.give_up_at
    assert ledger.find(f"run/{PROJECT}/night") is not None
    assert [entry.event.kind for entry in ledger.read_all(kinds=(RunStarted,))] == [RunStarted.kind]
    with pytest.raises(TimeoutError):
        event(again, within=0.5)
    assert failures(ledger) == []


def test_a_holder_that_died_gives_way_when_its_lease_ends(ledger: Ledger, gate: DataStewardApprovalSensor) -> None:
    held(ledger, SOON)
    trigger = waits(gate)
    assert event(trigger, within=20)["outcome"] == "open"


def requesters(ledger: Ledger) -> set[str]:
    events = [entry.event for entry in ledger.read_all(kinds=(AccessRequested,))]
    return {event.requester for event in events if isinstance(event, AccessRequested)}


def test_a_run_that_a_person_triggered_asks_in_their_name(ledger: Ledger, gate: DataStewardApprovalSensor) -> None:
    context: Any = {**CONTEXT, "dag_run": SimpleNamespace(run_type="manual", triggering_user_name="steward")}
    with pytest.raises(TaskDeferred):
        gate.execute(context)
    assert requesters(ledger) == {"steward"}


def test_a_run_that_nobody_triggered_asks_in_the_name_of_the_projects_owner(
    ledger: Ledger, gate: DataStewardApprovalSensor
) -> None:
    context: Any = {**CONTEXT, "dag_run": SimpleNamespace(run_type="scheduled", triggering_user_name=None)}
    with pytest.raises(TaskDeferred):
        gate.execute(context)
    settings = Settings.from_environment()
    assert requesters(ledger) == {load_project(PROJECT, settings.projects).ownership.owner}


def test_a_night_whose_lease_another_took_while_it_waited_for_stewards_waits_for_that_too(
    ledger: Ledger, gate: DataStewardApprovalSensor
) -> None:
    trigger = waits(gate)
    lease.release(ledger, PROJECT, run_id="night")
    held(ledger, timedelta(hours=2))
    with pytest.raises(TaskDeferred):
        gate.execute_complete(CONTEXT, {"outcome": "open", "give_up_at": trigger.give_up_at})
    assert failures(ledger) == []


def test_a_gate_that_waited_in_vain_for_another_night_names_it(ledger: Ledger, gate: DataStewardApprovalSensor) -> None:
    held(ledger, timedelta(hours=2))
    gate.patience = -SOON
    given_up = event(waits(gate), within=20)
    with pytest.raises(LeaseHeld, match=r"waited for the other until .*run 'other' of 'flight_delay' holds the lease"):
        gate.execute_complete(CONTEXT, given_up)
    assert failures(ledger) == [("gate", "LeaseHeld")]


def test_a_gate_that_waited_in_vain_for_stewards_says_so_in_the_ledger(
    ledger: Ledger, gate: DataStewardApprovalSensor
) -> None:
    gate.patience = -SOON
    given_up = event(waits(gate), within=20)
    with pytest.raises(AccessDenied, match="stewards: "):
        gate.execute_complete(CONTEXT, given_up)
    assert failures(ledger) == [("gate", "AccessDenied")]


@contextmanager
def store_away() -> Iterator[None]:
    store = Settings.from_environment().home / "store"
    aside = store.rename(store.with_name("aside"))
    store.touch()  # no folder: whoever looks for an artifact is told that the store cannot be reached
    yield
    store.unlink()
    aside.rename(store)


def test_a_gate_whose_store_is_away_looks_again(ledger: Ledger, gate: DataStewardApprovalSensor) -> None:
    trigger = waits(gate)
    with store_away(), pytest.raises(TimeoutError):
        event(trigger, within=1)
    with pytest.raises(TimeoutError):
        event(trigger, within=0.5)


def test_a_gate_that_can_never_look_wakes_and_says_why(ledger: Ledger, gate: DataStewardApprovalSensor) -> None:
    trigger = waits(gate)
    (Settings.from_environment().keys / deployment.PSEUDONYM_KEY).unlink()
    fired = event(trigger, within=20)
    with pytest.raises(DeclarationError, match=deployment.PSEUDONYM_KEY):
        gate.execute_complete(CONTEXT, fired)


def test_a_gate_whose_run_began_before_its_contracts_new_version_wakes_and_says_to_start_another_night(
    ledger: Ledger, gate: DataStewardApprovalSensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = shutil.copytree(ROOT / "include" / "contracts", tmp_path / "contracts")
    monkeypatch.setenv("TRAINYARD_CONTRACTS", str(contracts))
    trigger = waits(gate)
    file = contracts / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# another version\n")
    with pytest.raises(TimeoutError):  # an edit that nobody has adopted may be taken back
        event(trigger, within=0.5)
    open_authority(Settings.from_environment()).authority.adopt("flights", user="steward")
    fired = event(trigger, within=20)
    with pytest.raises(ContractError, match="Start another run"):
        gate.execute_complete(CONTEXT, fired)


def test_what_a_run_reads_is_fetched_once_however_often_its_gate_looks(
    ledger: Ledger, gate: DataStewardApprovalSensor
) -> None:
    trigger = waits(gate)
    with pytest.raises(TimeoutError):
        event(trigger, within=1)
    (Settings.from_environment().keys / deployment.PSEUDONYM_KEY).unlink()  # without it no platform opens
    with pytest.raises(TimeoutError):
        event(trigger, within=0.5)


def test_a_gate_raises_nothing_that_a_foreign_error_says(
    gate: DataStewardApprovalSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ValueError("N12345")

    monkeypatch.setattr(tasks, "_open", broken)
    with pytest.raises(StepCrashed) as caught:
        gate.execute(CONTEXT)
    assert "N12345" not in str(caught.value)
