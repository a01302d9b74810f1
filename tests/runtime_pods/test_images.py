"""The pods of a run are made of the image that it began with, whatever is configured or carries its tag by then."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from include.core import streams
from include.core.events import TrainerImageNamed
from include.core.records import Run
from include.ledger import Ledger
from include.runtime.pods import images, shards
from include.runtime.pods.diagnosis import look, stuck
from include.runtime.pods.endings import PodEnding, PodOutcome, PodWaiting
from tests.runtime_pods.api import NAMESPACE, Api, pod_json, refusal, run, serving
from tests.runtime_pods.test_attendance import Heard
from tests.runtime_pods.test_diagnosis import pod, terminated
from tests.runtime_pods.world import request_in

D1, D2 = ("sha256:" + letter * 64 for letter in "12")
NIGHT = Run(
    project="punctual",
    run_id="night",
    instant=datetime(2013, 6, 1, tzinfo=UTC),
    code_digest="sha256:c",
    declaration_digest="sha256:d",
    fence=1,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def begin(ledger: Ledger, image: str) -> None:
    event = TrainerImageNamed(project=NIGHT.project, run_id=NIGHT.run_id, image=image)
    ledger.record(streams.run(NIGHT.project, NIGHT.run_id), event)


def ended(ledger: Ledger, asked: str, outcome: PodOutcome = PodOutcome.DONE, image_id: str = "") -> None:
    """A pod of the run that asked for an image ends, of what a node knows as *image_id*."""
    request = replace(request_in(NAMESPACE, "true"), image=asked, project=NIGHT.project, run_id=NIGHT.run_id)
    seen = look(pod(phase="Failed", state=terminated(0), image=asked, image_id=image_id), request)
    assert isinstance(seen, PodEnding)
    name = request.pod_name(0)
    shards.record(ledger, request, replace(seen, pod=name, outcome=outcome))


@pytest.mark.parametrize(
    ("reference", "image_id", "asked"),
    [
        ("trainer:1", f"docker.io/library/trainer@{D1}", f"trainer@{D1}"),
        ("team/trainer", f"docker-pullable://docker.io/team/trainer@{D1}", f"team/trainer@{D1}"),
        ("host:5000/team/trainer:1", f"host:5000/team/trainer@{D1}", f"host:5000/team/trainer@{D1}"),
        ("localhost/trainer:1", f"localhost/trainer@{D1}", f"localhost/trainer@{D1}"),
        (f"trainer:1@{D2}", f"docker.io/library/trainer@{D1}", f"trainer:1@{D2}"),
        ("trainer:1", D1, None),
        ("trainer:1", f"mirror.example.org/trainer@{D1}", None),
        ("trainer:1", "", None),
    ],
)
def test_an_image_is_asked_for_by_a_digest_only_where_its_own_registry_has_it_under_that(
    reference: str, image_id: str, asked: str | None
) -> None:
    """A digest of an image that was loaded into one node, or of a mirror's, no other node could find."""
    assert images.by_digest(reference, image_id) == asked


def test_a_run_keeps_the_image_that_it_began_with_and_then_the_digest_that_its_first_pod_ran(ledger: Ledger) -> None:
    assert images.kept(ledger, NIGHT) is None, "a run of an earlier release: what is configured"
    begin(ledger, "trainer:1")
    assert images.kept(ledger, NIGHT) == "trainer:1"
    ended(ledger, "trainer:1", PodOutcome.LOST)
    assert images.kept(ledger, NIGHT) == "trainer:1", "nobody saw what it ran"
    ended(ledger, "trainer:1", PodOutcome.LOST, f"docker.io/library/trainer@{D1}")
    assert images.kept(ledger, NIGHT) == f"trainer@{D1}"
    ended(ledger, "trainer:1", image_id=f"docker.io/library/trainer@{D2}")
    assert images.kept(ledger, NIGHT) == f"trainer@{D1}", "the tag was given to another image meanwhile"
    ended(ledger, f"trainer@{D1}", PodOutcome.IMAGE_MISSING)
    assert images.kept(ledger, NIGHT) == f"trainer@{D1}", "it is gone, and no other takes its place"


@pytest.mark.parametrize(
    ("outcome", "image_id"),
    [(PodOutcome.ORDER_REFUSED, f"docker.io/library/trainer@{D1}"), (PodOutcome.IMAGE_MISSING, "")],
)
def test_an_image_that_no_pod_of_the_run_could_train_in_gives_way_to_the_one_that_is_configured(
    ledger: Ledger, outcome: PodOutcome, image_id: str
) -> None:
    """It was built of other code, or misspelt: whoever corrects the setting and clears the task goes on."""
    begin(ledger, "trainer:1")
    ended(ledger, "trainer:1", outcome, image_id)
    assert images.kept(ledger, NIGHT) is None
    ended(ledger, "trainer:2", image_id=f"docker.io/library/trainer@{D2}")
    assert images.kept(ledger, NIGHT) == f"trainer@{D2}"


def test_an_image_that_nodes_were_loaded_with_is_asked_for_by_its_name_again(ledger: Ledger) -> None:
    begin(ledger, "trainer:1")
    ended(ledger, "trainer:1", image_id=D1)
    ended(ledger, "trainer:1", PodOutcome.ORDER_REFUSED, D2)
    assert images.kept(ledger, NIGHT) == "trainer:1"


def test_a_pod_that_replaces_a_lost_one_asks_for_the_digest_that_one_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, str] = {}

    async def first_lost(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if request.method == "POST":
            body = await request.json()
            made[body["metadata"]["name"]] = body["spec"]["containers"][0]["image"]
            return web.json_response(body, status=201)
        if request.path.endswith("/log"):
            return web.Response(body=b"")
        if request.method != "GET" or name == "pods":
            return web.json_response({"kind": "PodList", "items": []})
        if name not in made:
            return refusal(404, "not found")
        told = pod_json(name, {"terminated": {"exitCode": 143 if name.endswith("-0") else 0}}, phase="Failed")
        told["spec"]["containers"][0]["image"] = made[name]
        told["status"]["containerStatuses"][0]["imageID"] = f"docker.io/library/trainer@{D1}"
        return web.json_response(told)

    async def law() -> None:
        async with serving(Api(answer=first_lost), tmp_path, monkeypatch) as cluster:
            lost, done = await Heard().attend(cluster, image="trainer:1")
        assert (lost.outcome, done.outcome) == (PodOutcome.LOST, PodOutcome.DONE)

    run(law())
    assert list(made.values()) == ["trainer:1", f"trainer@{D1}"]


def test_an_image_that_is_gone_is_told_as_that_and_no_outage() -> None:
    request = replace(request_in(NAMESPACE, "true"), image=f"trainer@{D1}")
    absent = {"waiting": {"reason": "ErrImagePull", "message": f"trainer@{D1}: not found"}}
    seen = pod(phase="Pending", state=absent)
    sight = look(seen, request)
    assert isinstance(sight, PodWaiting)
    told = shards.error_of(stuck(seen, request, sight))
    assert not told.retry_heals
    assert f"cannot get the image 'trainer@{D1}'" in str(told)
    assert "a run keeps the image that it began with" in told.remedy
