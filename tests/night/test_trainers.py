"""Every place to train in makes the same of the same shards: in processes of this machine, in pods of a cluster.

What a cluster's nodes do is done here: a process that is given a pod's order, and nothing else.
"""

import asyncio
import base64
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from include.core.errors import AccessDenied
from include.core.events import PodEnded, TrialRecorded
from include.core.project import Project
from include.core.records import Order
from include.runtime.trainers import Trainer, trainer_of
from include.settings import Placement
from include.steps import Platform
from tests import buckets
from tests.night.conftest import MakeYard
from tests.night.elsewhere import Elsewhere, in_bucket, planned, utc_now
from tests.night.yard import FLIGHTS, Night, Yard
from tests.object_server import ObjectServer
from tests.runtime_pods import api


@dataclass
class Nodes:
    """Runs each pod that is made in a process, with the secret that it mounts; ``left`` is what was not removed."""

    elsewhere: Elsewhere
    orders: dict[str, bytes] = field(default_factory=dict)
    pods: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind, _, name = request.path.partition(f"/namespaces/{api.NAMESPACE}/")[2].partition("/")
        if request.method == "POST":
            body = await request.json()
            made = body["metadata"]["name"]
            self.left.add(f"{kind}/{body['metadata']['labels']['trainyard/step']}")
            if kind == "secrets":
                self.orders[made] = base64.b64decode(body["data"]["order.json"])
            else:
                self.pods[made] = self._start(body["spec"])
            return web.json_response(body, status=201)
        if request.method == "DELETE":
            step = request.query["labelSelector"].rpartition("trainyard/step=")[2]
            self.left.discard(f"{kind}/{step}")
        if name.endswith("/log"):
            return web.Response(body=b"")
        if kind != "pods" or not name:
            return api.empty()
        if name not in self.pods:
            return api.refusal(404, "not found")
        status = self.pods[name].poll()
        if status is None:
            return web.json_response(api.pod_json(name, {"running": {}}))
        return web.json_response(api.pod_json(name, {"terminated": {"exitCode": status}}, phase="Succeeded"))

    def _start(self, spec: dict[str, Any]) -> "subprocess.Popen[str]":
        order_id, digest = spec["containers"][0]["args"]
        document = self.orders[spec["volumes"][0]["secret"]["secretName"]]
        order = Order(order_id=order_id, digest=digest, document=document, expires_at=datetime.now(UTC))
        return self.elsewhere.start(order)

    @contextmanager
    def serving(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Their API server answers, in a thread of its own."""
        up, ending = threading.Event(), threading.Event()

        async def serve() -> None:
            async with api.serving(api.Api(answer=self.answer), folder, monkeypatch):
                up.set()
                await asyncio.to_thread(ending.wait)

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert up.wait(30)
            yield
        finally:
            ending.set()
            thread.join()
            for process in self.pods.values():
                process.communicate()


@dataclass(frozen=True, kw_only=True)
class Training:
    yard: Yard
    trainer: Trainer
    opened: Callable[[], tuple[Platform, Project]]
    nodes: Nodes | None = None


def opened(home: Path, production: Path, vault: str) -> tuple[Platform, Project]:
    yard = Yard(home=home, production=production)
    yard.settings = replace(yard.settings, vault=vault)
    return yard.platform, FLIGHTS


def _training(yard: Yard, placement: Placement, nodes: Nodes | None = None) -> Training:
    yard.settings = replace(yard.settings, placement=placement, namespace=api.NAMESPACE, trainer_image="trainer:1")
    again = partial(opened, yard.home, yard.production, yard.settings.vault)
    return Training(yard=yard, trainer=trainer_of(yard.settings), opened=again, nodes=nodes)


@pytest.fixture
def in_processes(make_yard: MakeYard) -> Training:
    made = make_yard()
    made.grant(FLIGHTS, now=utc_now())
    return _training(made, Placement.LOCAL)


@pytest.fixture
def in_pods(
    make_yard: MakeYard, own_s3: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Training]:
    buckets.client().create_bucket(Bucket="orders")
    nodes = Nodes(elsewhere=Elsewhere(tmp_path / "nodes"))
    with nodes.serving(tmp_path, monkeypatch):
        yield _training(in_bucket(make_yard(), "s3://orders"), Placement.KUBERNETES, nodes)


@pytest.mark.parametrize("place", ["in_processes", pytest.param("in_pods", marks=pytest.mark.s3)])
def test_a_trainer_returns_what_the_steps_return_here_trains_nothing_twice_and_asks_for_the_grants_each_time(
    place: str, done: tuple[Yard, Night], request: pytest.FixtureRequest
) -> None:
    training: Training = request.getfixturevalue(place)
    run, plan = planned(training.yard, FLIGHTS)
    here = done[1].digests
    notes: list[str] = []
    train = partial(training.trainer.train, run, plan, opened=training.opened, note=notes.append)
    assert train(shards=[0, 1]) == [here["train-0"], here["train-1"]]
    trained = training.yard.events(TrialRecorded)
    assert len(trained) == FLIGHTS.learning.search.trials
    assert train(shards=[None]) == [here["refit"]]
    assert train(shards=[1]) == [here["train-1"]]
    assert training.yard.events(TrialRecorded) == trained
    if training.nodes is not None:
        assert sorted(event.step for event in training.yard.events(PodEnded)) == ["refit", "train-0", "train-1"]
        assert training.nodes.left == set(), "nothing is left in the cluster"
    for grant in training.yard.platform.access.grants(now=utc_now()):
        training.yard.authority.revoke(grant.grant_id, user=grant.steward, reason="a test")
    with pytest.raises(AccessDenied):
        train(shards=[0])


@pytest.mark.parametrize("placement", Placement)
def test_the_pool_of_a_training_task_is_one_that_is_made_and_has_its_slots(
    placement: Placement, done: tuple[Yard, Night]
) -> None:
    trainer = trainer_of(replace(done[0].settings, placement=placement, trainer_image="trainer:1"))
    slots = {pool.name: pool.slots for pool in trainer.pools()}
    given = trainer.task("train", FLIGHTS).given
    assert given.get("pool_slots", 1) <= slots[given["pool"]]
    assert (trainer.image(FLIGHTS) is not None) is trainer.elsewhere, "a run keeps an image where it has one"
