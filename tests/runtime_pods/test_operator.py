"""What the task of a shard and its trigger leave behind, when they cannot go on."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from include.core import streams
from include.core.canonical import decode, encode
from include.core.errors import CodeChanged, LeaseHeld, LedgerUnavailable, TrainyardError
from include.core.events import PodEnded
from include.core.records import TrainerCost, TrialCost, TrialState
from include.ledger import Ledger
from include.ledger.costs import cost_of
from include.runtime import deployment
from include.runtime.airflow.attendance import TrainingPodTrigger
from include.runtime.airflow.pods import TrainingPodOperator
from include.runtime.pods import shards
from include.runtime.pods.endings import PodEnding, PodOutcome
from include.settings import Settings
from tests.runtime_pods.world import request_in

REQUEST = request_in("trainyard", "true", run_id="night", deployment="d")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRAINYARD_NAMESPACE", REQUEST.namespace)
    for name in ("LEDGER", "KEYS"):
        monkeypatch.delenv(f"TRAINYARD_{name}", raising=False)
    return Settings.from_environment()


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Namespace and selector of what was removed from the cluster."""
    cleared: list[tuple[str, str]] = []
    monkeypatch.setattr(shards, "clear", lambda *given: cleared.append(given))
    return cleared


def operator(monkeypatch: pytest.MonkeyPatch, error: TrainyardError) -> TrainingPodOperator:
    """The task of a shard whose run cannot be taken up."""

    def shard(self: TrainingPodOperator, context: Any) -> Any:
        raise error

    monkeypatch.setattr(TrainingPodOperator, "_placed", shard)
    return TrainingPodOperator(task_id="train", project=REQUEST.project, inputs={"plan": REQUEST.plan}, shard=0)


def ours(kind: type[TrainyardError]) -> TrainyardError:
    return kind("a test says no", value="nothing", remedy="None.")


@pytest.mark.parametrize("kind", [CodeChanged, LeaseHeld, LedgerUnavailable])
def test_pods_that_ended_are_removed_though_their_run_cannot_be_taken_up(
    home: Settings, removed: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, kind: type[TrainyardError]
) -> None:
    task = operator(monkeypatch, ours(kind))
    with pytest.raises(kind):
        task.execute_complete({"run_id": "night"}, {"request": encode(REQUEST).decode(), "endings": "[]"})
    assert removed == [(REQUEST.namespace, REQUEST.selector)]


def test_what_an_earlier_attempt_left_is_removed_where_the_run_is_ours_no_more_and_kept_where_that_may_heal(
    home: Settings, removed: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = {"run_id": REQUEST.run_id}
    with pytest.raises(LedgerUnavailable):
        operator(monkeypatch, ours(LedgerUnavailable)).execute(context)
    assert removed == []
    with pytest.raises(CodeChanged):
        operator(monkeypatch, ours(CodeChanged)).execute(context)
    left = replace(REQUEST, deployment=shards.deployment_of(home))
    assert removed == [(REQUEST.namespace, left.selector)]


def test_a_trigger_that_cannot_attend_tells_the_task_of_an_end_all_the_same(home: Settings) -> None:
    async def fired() -> dict[str, str]:
        async for event in TrainingPodTrigger(encode(REQUEST).decode()).run():
            found: dict[str, str] = event.payload
            return found
        raise AssertionError("a trigger fires")

    event = asyncio.run(fired())
    (ending,) = decode(tuple[PodEnding, ...], event["endings"].encode())
    assert event["stopped"]
    assert (ending.pod, ending.outcome) == (REQUEST.pod_name(0), PodOutcome.STOPPED)
    assert event["stopped"] in ending.message


def test_the_end_of_a_pod_is_recorded_once_as_it_was_seen_first(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    first = PodEnding(pod=REQUEST.pod_name(0), outcome=PodOutcome.LOST, message="It was drained.", node="n2")
    for ending in (first, first, replace(first, message="It is gone.", node=None), replace(first, pod="another")):
        shards.record(ledger, REQUEST, ending)
    entries = ledger.read(streams.run(REQUEST.project, REQUEST.run_id))
    found = [entry.event for entry in entries if isinstance(entry.event, PodEnded)]
    assert [(event.pod, event.message) for event in found] == [
        (first.pod, "It was drained."),
        ("another", "It was drained."),
    ]
    ledger.close()


def test_what_a_pod_took_is_recorded_once_beside_its_end_with_the_time_of_its_accelerators(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    with_two = replace(REQUEST, compute=replace(REQUEST.compute, accelerators=2))
    lost = PodEnding(pod=REQUEST.pod_name(0), outcome=PodOutcome.LOST, message="It was drained.", ran_seconds=90.0)
    done = replace(lost, pod=REQUEST.pod_name(1), outcome=PodOutcome.DONE, ran_seconds=30.0)
    for ending in (lost, lost, done, replace(done, pod="gone", ran_seconds=None)):
        shards.record(ledger, with_two, ending)
    cost = cost_of(ledger, REQUEST.project, REQUEST.run_id)
    assert cost is not None
    assert (cost.in_pods.times, cost.in_pods.wall_seconds, cost.in_pods.gpu_seconds) == (2, 120.0, 240.0)
    assert (
        "0.0 s of processor, 240.0 s of accelerators and 120.0 s of time in 2 training pods; and more: of 2"
        in cost.in_words()
    )
    ledger.close()


def test_what_a_trainer_said_of_its_cost_stands_beside_that_and_of_one_that_was_killed_is_the_least(
    tmp_path: Path,
) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    trials = tuple(
        TrialCost(trial=trial, ended=ended, wall_seconds=20.0, cpu_seconds=30.0, gpu_seconds=0.0)
        for trial, ended in (("a" * 12, TrialState.PRUNED), ("b" * 12, None))
    )
    said = TrainerCost(wall_seconds=80.0, cpu_seconds=70.0, ended=False, trials=trials)
    killed = PodEnding(pod="pod-0", outcome=PodOutcome.OUT_OF_MEMORY, message="Too much.", ran_seconds=90.0, said=said)
    done = replace(killed, pod="pod-1", outcome=PodOutcome.DONE, said=replace(said, ended=True, trials=trials[:1]))
    for ending in (killed, done, killed, decode(PodEnding, encode(done))):
        shards.record(ledger, REQUEST, ending)
    cost = cost_of(ledger, REQUEST.project, REQUEST.run_id)
    assert cost is not None
    assert cost.steps == {}
    assert (cost.in_pods.times, cost.in_pods.at_least, cost.in_pods.cpu_seconds) == (2, 1, 140.0)
    assert (cost.trials["a" * 12].times, cost.trials["a" * 12].cpu_seconds) == (2, 60.0)
    assert (cost.trials["b" * 12].at_least, cost.trials["b" * 12].ended) == (1, None)
    ledger.close()


def test_deployments_are_told_apart_by_ledger_and_authority_and_not_by_a_password(home: Settings) -> None:
    postgres = replace(home, ledger="postgresql+psycopg://one:a-word@db:5432/ledger")
    same = replace(home, ledger="postgresql+psycopg://two:another@db:5432/ledger?password=x")
    other = replace(home, ledger="postgresql+psycopg://one:a-word@db:5432/ledger2")
    assert shards.deployment_of(postgres) == shards.deployment_of(same)
    assert len({shards.deployment_of(each) for each in (home, postgres, other)}) == 3
    before = shards.deployment_of(home)
    home.keys.mkdir(parents=True)
    (home.keys / deployment.AUTHORITY_PUBLIC_KEY).write_text("a key")
    assert shards.deployment_of(home) != before
