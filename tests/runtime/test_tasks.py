"""What the tasks are told, when they are tried again, and where their lineage and alerts go."""

import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowSkipException
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

from include.core.errors import (
    AccessDenied,
    DataError,
    DeclarationError,
    LeaseHeld,
    LedgerConflict,
    LedgerUnavailable,
    NothingToWatch,
    StepCrashed,
    StepDisconnected,
    StoreUnavailable,
    TrainyardError,
    ValidationFailed,
)
from include.core.events import LineageEmitted
from include.core.runs import RunKind
from include.governance.signing import Signer, create_key
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.airflow import alerts, tasks
from include.runtime.airflow.approval import DataStewardApprovalTrigger
from include.runtime.airflow.operators import StepOperator, only_what_heals
from include.runtime.airflow.tasks import instant_of
from include.runtime.airflow.transport import LedgerConfig, LedgerTransport
from include.settings import Settings
from include.training.progress import TrainingProgress
from tests.runtime.conftest import Listener


@dataclass
class DagRun:
    logical_date: datetime | None
    run_after: datetime


RUN_AFTER, LOGICAL = datetime(2026, 1, 2, 4, tzinfo=UTC), datetime(2026, 1, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("configured", "logical", "expected"),
    [
        ("2013-09-01T04:00:00Z", LOGICAL, datetime(2013, 9, 1, 4, tzinfo=UTC)),
        ("2013-09-01T06:00:00+02:00", None, datetime(2013, 9, 1, 4, tzinfo=UTC)),
        (None, LOGICAL, LOGICAL),
        (None, None, RUN_AFTER),
    ],
)
def test_the_instant_is_the_configured_one_else_the_logical_date_else_the_start(
    configured: str | None, logical: datetime | None, expected: datetime
) -> None:
    context = {"params": {"instant": configured}, "dag_run": DagRun(logical_date=logical, run_after=RUN_AFTER)}
    assert instant_of(context, now=RUN_AFTER) == expected


@pytest.mark.parametrize("asked", ["yesterday", "2013-09-01", "2013-09-01T04:00:00"])
def test_an_instant_without_a_zone_is_refused(asked: str) -> None:
    with pytest.raises(DeclarationError, match=asked):
        instant_of({"params": {"instant": asked}}, now=RUN_AFTER)


@pytest.mark.parametrize(
    ("configured", "logical"), [("2026-01-02T04:06:00Z", None), (None, datetime(2030, 1, 1, tzinfo=UTC))]
)
def test_an_instant_that_has_not_come_is_refused(configured: str | None, logical: datetime | None) -> None:
    context = {"params": {"instant": configured}, "dag_run": DagRun(logical_date=logical, run_after=RUN_AFTER)}
    with pytest.raises(DeclarationError, match=r"an instant that has come.*it is 2026-01-02 04:00 UTC"):
        instant_of(context, now=RUN_AFTER)


def test_a_scheduler_whose_clock_is_a_little_ahead_is_not_refused() -> None:
    context = {"params": {}, "dag_run": DagRun(logical_date=None, run_after=RUN_AFTER)}
    assert instant_of(context, now=datetime(2026, 1, 2, 3, 59, tzinfo=UTC)) == RUN_AFTER


@pytest.mark.parametrize("kind", [LedgerConflict, LedgerUnavailable, StoreUnavailable])
def test_what_may_heal_is_tried_again(kind: type[LedgerConflict]) -> None:
    decision = only_what_heals().evaluate(kind("rule", value=1, remedy="wait"), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, None)  # the task's own delay, which grows


@pytest.mark.parametrize("kind", [AccessDenied, DeclarationError, ValidationFailed])
def test_what_cannot_heal_fails_at_once(kind: type[AccessDenied]) -> None:
    assert only_what_heals().evaluate(kind("rule", value=1, remedy="act"), 1, 3).action is RetryAction.FAIL


def test_a_bug_fails_at_once() -> None:
    assert only_what_heals().evaluate(KeyError("x"), 1, 3).action is RetryAction.FAIL


TAIL = "N12345"


@pytest.mark.parametrize(
    ("error", "kind", "action"),
    [
        (KeyError(TAIL), StepCrashed, RetryAction.FAIL),
        (ValueError(f"could not convert {TAIL}"), StepCrashed, RetryAction.FAIL),
        (ConnectionResetError(TAIL), StepDisconnected, RetryAction.RETRY),
        (TimeoutError(TAIL), StepDisconnected, RetryAction.RETRY),
        (DataError("a rule", value="known", remedy="Act."), DataError, RetryAction.FAIL),
        (StoreUnavailable("a rule", value="known", remedy="Act."), StoreUnavailable, RetryAction.RETRY),
    ],
)
def test_what_a_step_raises_says_nothing_that_a_foreign_error_says(
    error: Exception, kind: type[TrainyardError], action: RetryAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_project() -> None:
        try:
            raise RuntimeError(f"within: {TAIL}")
        except RuntimeError as cause:
            raise error from cause

    monkeypatch.setattr(tasks, "_open", open_project)
    operator = StepOperator(task_id="features", project="p", step="features")
    with pytest.raises(kind) as caught:
        operator.execute({"run_id": "night"})
    assert type(caught.value) is kind
    seen = caught.value
    assert TAIL not in "".join(traceback.format_exception(type(seen), seen, seen.__traceback__))
    assert only_what_heals().evaluate(seen, 1, 3).action is action
    if kind in (StepCrashed, StepDisconnected):
        assert f"{type(error).__name__} at include/runtime/airflow/tasks.py:" in str(seen)


def test_a_watch_that_was_overtaken_is_skipped_and_alerts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_project() -> None:
        raise NothingToWatch("a watch has something to judge", value="all days are judged", remedy="Wait.")

    monkeypatch.setattr(tasks, "_open", open_project)
    with pytest.raises(AirflowSkipException, match="all days are judged"):
        StepOperator(task_id="score", project="p", step="score").execute({"run_id": "watch"})


def test_a_trigger_is_made_again_from_what_airflow_keeps_of_it() -> None:
    trigger = DataStewardApprovalTrigger("p", "run", "2026-01-01T00:00:00+00:00", 2.0)
    path, arguments = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    assert DataStewardApprovalTrigger(**arguments).serialize() == (path, arguments)


def test_a_lineage_event_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    event = RunEvent(
        eventType=RunState.START,
        eventTime=datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        run=Run(runId=str(UUID(int=7))),
        job=Job(namespace="trainyard", name="train_p.gate"),
        producer="https://example.org",
    )
    transport = LedgerTransport(LedgerConfig.from_dict({}))
    transport.emit(event)
    transport.emit(event)
    kept = Ledger.open(Settings.from_environment().ledger).read("lineage")
    assert [isinstance(entry.event, LineageEmitted) and "train_p.gate" in entry.event.event for entry in kept] == [True]


def test_an_alert_reaches_every_address_and_its_loss_stops_nothing(
    tmp_path: Path, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "alerts.txt"
    file.write_text(f"# ops\n\n{listener.address}\n")
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path), "TRAINYARD_ALERTS_FILE": str(file)})
    assert alerts.send(settings, "p: a test", "of alerts")
    assert {"p: a test"} <= set(listener.titles())
    file.write_text("json://127.0.0.1:9\n")
    assert not alerts.send(settings, "p: lost", "nobody listens")
    file.write_bytes(f"# für ops\n{listener.address}\n".encode("latin-1"))
    assert not alerts.send(settings, "p: lost", "nobody can be read")
    file.unlink()
    assert not alerts.send(settings, "p: lost", "nobody is named")
    assert "p: lost" in caplog.text


def test_what_was_planned_is_trained_though_the_deployed_dag_has_fewer_shards_or_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The plan has two shards; the DAG, by the code of now, a third one, or none."""
    trained: list[object] = []
    monkeypatch.setattr(tasks, "_open_within", lambda parents: (None, None))
    monkeypatch.setattr(tasks, "_resumed", lambda *_: SimpleNamespace(platform=None))
    monkeypatch.setattr(tasks, "_trained", lambda night, plan, shard: trained.append(shard) or f"trained {shard}")
    monkeypatch.setattr(tasks, "_done", lambda step, night, inputs: f"{step} done")
    monkeypatch.setattr("include.steps.shards", lambda platform, plan: [0, 1])

    def perform(step: str, **inputs: object) -> str:
        return tasks.perform_pinned(step, "p", "night", {"plan": "the plan", **inputs}, parents=None)

    assert perform("train", shard=2) == "the plan"
    assert trained == []
    assert perform("train", shard=1) == "trained 1"
    trained.clear()
    assert perform("evaluate") == "evaluate done"
    assert trained == [0, 1], "what is recorded is not trained again"
    assert perform("refit") == "trained None"
    assert tasks.perform_pinned("features", "p", "night", {"snapshot": "s"}, parents=None) == "features done"


@pytest.mark.parametrize(
    ("run_id", "kind"), [("1", RunKind.NIGHT), ("watch__1", RunKind.WATCH), ("watch__1", RunKind.NIGHT)]
)
def test_a_gate_that_gives_up_tells_ops_what_kind_of_run_is_off(
    run_id: str, kind: RunKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    for error, why in ((AccessDenied, "no access"), (LeaseHeld, f"another {kind} runs")):
        tasks.gave_up(error("a", value="b", remedy="c"), "p", run_id, kind=kind)
        assert caplog.records.pop().message.startswith(f"p: {why}, the {kind.value} is off. ")


def test_the_log_of_a_task_that_trains_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    settings = Settings.from_environment()
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    Signer.load(settings.authority_keys / "authority.key").publish(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)
    _, platform = tasks._open_within(None)
    with caplog.at_level("INFO", logger=tasks.__name__):
        for done in range(1, 1001):
            how_far = TrainingProgress(
                trials=4, ended=done // 250, best=0.5, rounds=done, all_rounds=1000, seconds=float(done)
            )
            platform.on_training("train-0", how_far)
    said = [record.getMessage() for record in caplog.records]
    assert said[4] == "train-0: 2 of 4 trials, best loss 0.5000, 500 of 1,000 rounds, about 8 min left"
    assert len(said) == 10
