"""The sweeper on a real cluster: what a dead run left goes, what a living one has stays."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core import streams
from include.core.events import PodEnded, RunStarted, TrainingOrdered
from include.core.records import Run
from include.ledger import Ledger, lease
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.request import PodRequest
from include.runtime.pods.shards import deployment_of
from include.runtime.pods.sweeping import sweep
from include.settings import Settings
from tests.runtime.starter import settings_of
from tests.runtime_pods.world import DOCUMENT, Namespace, request_in

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class World:
    """A deployment whose shards have pods and secrets in the cluster, and nobody who attends to them."""

    def __init__(self, settings: Settings, namespace: Namespace) -> None:
        self.settings, self.namespace = settings, namespace
        self.ledger = Ledger.open(settings.ledger)
        self.now = datetime.now(UTC)

    def shard(
        self, project: str, *, known: bool = True, pod: bool = True, minutes: int = 60, **given: Any
    ) -> PodRequest:
        """One whose order ends an hour from now, its run begun under a lease of half an hour unless not *known*."""
        given = {"deployment": deployment_of(self.settings), "give_up_at": self.now + minutes * MINUTE} | given
        request = request_in(self.namespace.name, "sleep 600", project=project, run_id=f"manual__{project}", **given)
        if known:
            self._record(request)
        asyncio.run(self._make(request, pod=pod))
        return request

    def _record(self, request: PodRequest) -> None:
        project, run_id = request.project, request.run_id
        fence = lease.take(self.ledger, project, run_id=run_id, now=self.now, duration=30 * MINUTE)
        run = Run(
            project=project,
            run_id=run_id,
            instant=self.now,
            code_digest="sha256:0",
            declaration_digest="sha256:0",
            fence=fence.token,
        )
        stream = streams.run(project, run_id)
        self.ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
        ordered = TrainingOrdered(
            project=project,
            run_id=run_id,
            plan=request.plan,
            step=request.step,
            order_id=request.order_id,
            document=request.digest,
            expires_at=request.give_up_at,
        )
        self.ledger.record(stream, ordered)

    async def _make(self, request: PodRequest, *, pod: bool) -> None:
        async with Cluster.connected(self.namespace.name) as cluster:
            await cluster.make_secret(request, DOCUMENT)
            if pod:
                await cluster.make_pod(request, 0, now=self.now)

    def sweep(self, *, over: Callable[[str, str], bool] = lambda project, run_id: True, after: timedelta) -> int:
        return sweep(self.settings, self.ledger, over=over, now=self.now + after)

    def has(self, request: PodRequest) -> tuple[int, int]:
        """How many pods that nobody asked to end, and how many secrets the shard has."""
        pods = self.namespace.get("pods", request.selector)
        living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return len(living), len(self.namespace.get("secrets", request.selector))

    def ended(self, request: PodRequest) -> list[PodEnded]:
        entries = self.ledger.read(streams.run(request.project, request.run_id))
        return [entry.event for entry in entries if isinstance(entry.event, PodEnded)]


@pytest.fixture
def world(tmp_path: Path, namespace: Namespace) -> World:
    settings = settings_of(tmp_path / "home", tmp_path, tmp_path)
    settings.home.mkdir()
    return World(replace(settings, namespace=namespace.name), namespace)


def test_what_a_run_that_is_over_left_goes_once_and_what_becomes_of_its_pod_is_recorded(world: World) -> None:
    left, waits = world.shard("left"), world.shard("waits", pod=False)
    assert world.sweep(after=31 * MINUTE) == 1
    assert world.has(left) == world.has(waits) == (0, 0)
    (ended,) = world.ended(left)
    assert (ended.pod, ended.outcome) == (left.pod_name(0), "stopped")
    assert "was removed" in ended.message
    world.sweep(after=31 * MINUTE)
    assert len(world.ended(left)) == 1
    assert world.ended(waits) == []


def test_a_run_that_holds_its_lease_keeps_all_it_has_whatever_airflow_says_and_after_its_deadline(
    world: World,
) -> None:
    living = world.shard("living", minutes=1)
    assert world.sweep(after=2 * MINUTE) == 0
    assert world.has(living) == (1, 1)


def test_a_run_that_airflow_goes_on_with_keeps_all_it_has_until_its_order_ends(world: World) -> None:
    waits = world.shard("waits")
    assert world.sweep(over=lambda project, run_id: False, after=59 * MINUTE) == 0
    assert world.has(waits) == (1, 1)
    assert world.sweep(over=lambda project, run_id: False, after=HOUR) == 1
    assert world.has(waits) == (0, 0)


def test_a_pod_that_no_ledger_knows_goes_when_its_time_is_over_and_another_deployments_never(world: World) -> None:
    unknown = world.shard("unknown", known=False)
    other = world.shard("unknown", known=False, deployment="another", step="train-1")
    assert world.sweep(after=59 * MINUTE) == 0
    assert world.has(unknown) == (1, 1)
    assert world.sweep(after=HOUR) == 1
    assert world.has(unknown) == (0, 0)
    assert world.ended(unknown) == []
    assert world.has(other) == (1, 1)


def test_an_order_of_a_living_run_is_looked_at_again(world: World) -> None:
    living = world.shard("living", pod=False)
    world.shard("left", pod=False)
    world.sweep(after=MINUTE)
    assert world.has(living) == (0, 1)
    world.sweep(after=31 * MINUTE)
    assert world.has(living) == (0, 0)


def test_the_pods_own_end_is_recorded_where_it_came_to_one(world: World) -> None:
    left = world.shard("left", command=("sh", "-c", "exit 3"))
    world.namespace.kubectl(
        "wait",
        "pod",
        left.pod_name(0),
        "-n",
        world.namespace.name,
        "--for=jsonpath={.status.phase}=Failed",
        "--timeout=30s",
    )
    world.sweep(after=31 * MINUTE)
    (ended,) = world.ended(left)
    assert (ended.outcome, ended.exit_code, ended.node) == ("exit", 3, "n1")
