"""A shard that a process elsewhere trains leaves what one that is trained here leaves: one contract over both."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from aiohttp import web

from include import steps
from include.core.canonical import digest_of, encode
from include.core.errors import AccessDenied, DeclarationError, ShardUnfinished, StoreError, TrainingError
from include.core.events import (
    ArtifactOpened,
    BenchmarkTrained,
    ModelRegistered,
    StepFailed,
    TrainingOrdered,
    TrialRecorded,
)
from include.core.project import Project
from include.core.records import BenchmarkTrial, Order, Plan, Run, Trial, TrialState, short_id
from include.elsewhere import document as orders
from include.elsewhere.results import LARGEST_BYTES
from include.ledger.costs import cost_of
from include.runtime.pods.endings import PodEnding, PodOutcome
from include.runtime.pods.request import PodRequest
from include.runtime.pods.shards import StepInPods, record
from include.settings import Placement
from include.store import Store
from tests import buckets
from tests.night import killed
from tests.night.conftest import MakeYard
from tests.night.elsewhere import LIFETIME, ONE, TRIALS, Elsewhere, changed, planned, utc_now
from tests.night.yard import FLIGHTS, Yard
from tests.runtime_pods import api


def long(project: Project, rounds: int = 100_000) -> Project:
    """*project* with one trial that takes minutes."""
    return project.varied(search=replace(project.learning.search, trials=1, shards=1, rungs=(rounds,)))


Outcome = Trial | BenchmarkTrial


def learnt(yard: Yard) -> list[Outcome]:
    """What is recorded of the trials and, after them, of the benchmark."""
    trials = [event.trial for event in yard.events(TrialRecorded) if isinstance(event, TrialRecorded)]
    beside = [event.benchmark for event in yard.events(BenchmarkTrained) if isinstance(event, BenchmarkTrained)]
    return [*trials, *beside]


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, production: Path, new_home: Path
) -> tuple[str, list[Outcome]]:
    """What the only shard of :data:`ONE` makes where nothing goes wrong: its digest, and its trials as recorded."""
    yard = Yard.built(tmp_path_factory.mktemp("undisturbed") / "home", production, new_home)
    yard.grant(FLIGHTS, now=utc_now())
    run, plan = planned(yard)
    digest = steps.train(yard.platform, ONE, run, plan, 0, now=utc_now())
    return digest, learnt(yard)


@pytest.fixture
def yard(yard_in_bucket: Yard) -> Yard:
    return yard_in_bucket


def ordered(yard: Yard, run: Run, plan: str, project: Project = ONE) -> Order:
    order = steps.order(yard.platform, project, run, plan, 0, now=utc_now(), lifetime=LIFETIME)
    assert order is not None
    return order


def collected(yard: Yard, run: Run, plan: str) -> str:
    return steps.collect(yard.platform, ONE, run, plan, 0, now=utc_now())


def stored(yard: Yard, trial_id: str) -> bytes | None:
    """What lies in the bucket as the result of the trial."""
    return yard.platform.vault.result(trial_id, most_bytes=3 * LARGEST_BYTES)


class Trained(Elsewhere):
    """Where a shard is trained by such a process."""

    def train(self, yard: Yard, run: Run, plan: str) -> str:
        order = steps.order(yard.platform, ONE, run, plan, 0, now=utc_now(), lifetime=LIFETIME)
        if order is None:
            return steps.train(yard.platform, ONE, run, plan, 0, now=utc_now())
        status, output = self.run(order)
        assert status == 0, output
        return collected(yard, run, plan)

    def train_and_die(self, yard: Yard, run: Run, plan: str, *, after: int) -> int:
        process = self.start(ordered(yard, run, plan))
        assert process.stdout is not None
        seen = -1  # the first line only says that it began
        for line in process.stdout:
            seen += line.startswith("trainyard: ")
            if seen == after:
                process.kill()
        return process.wait()


class Here:
    """The worker's own process."""

    def train(self, yard: Yard, run: Run, plan: str) -> str:
        return steps.train(yard.platform, ONE, run, plan, 0, now=utc_now())

    def train_and_die(self, yard: Yard, run: Run, plan: str, *, after: int) -> int:
        given = killed.Given(run_id=run.run_id, plan=plan, number=0, shards=1)
        return killed.shard(yard.home, yard.production, yard.settings.vault, given, die_after=after)


class Place(Protocol):
    """Where shards are trained."""

    def train(self, yard: Yard, run: Run, plan: str) -> str:
        """Train the only shard of *plan* to its end; what the step returns."""

    def train_and_die(self, yard: Yard, run: Run, plan: str, *, after: int) -> int:
        """Begin to, and die by SIGKILL when so many trials have ended; the exit status."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Trained:
    return Trained(tmp_path / "elsewhere")


@pytest.fixture(params=["here", "elsewhere"])
def place(request: pytest.FixtureRequest) -> Place:
    return Here() if request.param == "here" else request.getfixturevalue("elsewhere")


# ── one contract, here and elsewhere ──────────────────────────────────────────────────────────────────────────────────


def test_a_shard_has_the_same_record_and_digest_wherever_it_is_trained_and_records_nothing_twice(
    yard: Yard, place: Place, undisturbed: tuple[str, list[Outcome]]
) -> None:
    digest, known = undisturbed
    run, plan = planned(yard)
    assert place.train(yard, run, plan) == digest
    assert learnt(yard) == known
    assert place.train(yard, run, plan) == digest
    assert collected(yard, run, plan) == digest
    assert learnt(yard) == known


def test_a_shard_that_is_killed_after_any_trial_and_runs_again_leaves_the_same_record(
    yard: Yard, place: Place, undisturbed: tuple[str, list[Outcome]]
) -> None:
    digest, known = undisturbed
    run, plan = planned(yard)
    for after in (0, 1, 1, 1):
        assert place.train_and_die(yard, run, plan, after=after) == -signal.SIGKILL
    assert place.train(yard, run, plan) == digest
    assert sorted(map(encode, learnt(yard))) == sorted(map(encode, known))
    if isinstance(place, Here):
        cost = cost_of(yard.platform.ledger, run.project, run.run_id)
        assert cost is not None
        assert (cost.steps["train-0"].times, cost.steps["train-0"].at_least) == (5, 4)
        assert {trial: spent.ended for trial, spent in cost.trials.items()} == {
            short_id(each.trial_id): each.state if isinstance(each, Trial) else TrialState.COMPLETE for each in known
        }
        assert all(spent.wall_seconds > 0 for spent in cost.trials.values())


def test_a_shard_that_was_begun_here_is_ended_elsewhere(
    yard: Yard, elsewhere: Trained, undisturbed: tuple[str, list[Outcome]]
) -> None:
    digest, _ = undisturbed
    run, plan = planned(yard)
    Here().train_and_die(yard, run, plan, after=2)
    order = ordered(yard, run, plan)
    status, output = elsewhere.run(order)
    assert status == 0, output
    assert output.splitlines()[0] == f"trainyard: train-0, {TRIALS} trials, 2 already stored"
    assert collected(yard, run, plan) == digest


# ── what is under way ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shard_that_is_killed_elsewhere_in_its_first_rung_goes_on_from_what_it_kept_and_leaves_nothing_of_it(
    yard: Yard, tmp_path: Path, undisturbed: tuple[str, list[Outcome]]
) -> None:
    """SIGKILL to the whole group of a process that has nothing but its order, again and again."""
    digest, known = undisturbed
    run, plan = planned(yard)
    order, there = ordered(yard, run, plan), Trained(tmp_path / "there")
    trials = [trial.trial_id for trial in yard.platform.load(Plan, plan).trials]
    reached = 0
    for there.dies_after in (1, 2, 1):
        reached += there.dies_after
        process = there.start(order)
        assert process.wait() == -signal.SIGKILL
        assert len(under_way(yard)) == reached
        assert {stored(yard, trial_id) for trial_id in trials} == {None}, "nothing was certain yet"
    there.dies_after = None
    status, output = there.run(order)
    assert status == 0, output
    first = yard.platform.load(Plan, plan).rungs[0]
    assert output.count(f"a training goes on after {first} rounds") == len(trials), output
    assert collected(yard, run, plan) == digest
    assert learnt(yard) == known
    assert under_way(yard) == []


def under_way(yard: Yard) -> list[str]:
    """The names of what the vault's bucket keeps of trainings that are not over."""
    bucket, prefix = yard.settings.vault.removeprefix("s3://").split("/", 1)
    found = buckets.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/working/")
    return [each["Key"] for each in found.get("Contents", ())]


# ── the order ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_a_receipted_opening_that_says_when_it_ends_and_keeps_its_addresses_to_itself(yard: Yard) -> None:
    run, plan = planned(yard)
    before = len(yard.events(ArtifactOpened))
    order = ordered(yard, run, plan)
    receipts, (event,) = yard.events(ArtifactOpened)[before:], yard.events(TrainingOrdered)
    assert [receipt.count for receipt in receipts if isinstance(receipt, ArtifactOpened)] == [2]
    assert isinstance(event, TrainingOrdered)
    assert (event.order_id, event.document, event.expires_at) == (order.order_id, order.digest, order.expires_at)
    assert b"X-Amz-Signature" in order.document
    assert "X-Amz" not in repr(order)
    assert not any(b"X-Amz" in encode(each) for each in yard.events())


def test_a_shard_ordered_again_has_the_same_id_and_a_later_end(yard: Yard) -> None:
    run, plan = planned(yard)
    first, second = ordered(yard, run, plan), ordered(yard, run, plan)
    assert first.order_id == second.order_id
    assert first.expires_at < second.expires_at
    assert first.digest != second.digest


def test_an_order_reaches_the_shards_inputs_and_results_and_nothing_else(yard: Yard) -> None:
    run, plan = planned(yard)
    drawn, document = yard.platform.load(Plan, plan), json.loads(ordered(yard, run, plan).document)
    assert drawn.benchmark is not None
    assert set(document["artifacts"]) == {drawn.binned, drawn.benchmark.rows}
    assert set(document["results"]) == {*(trial.trial_id for trial in drawn.trials), drawn.benchmark.trial_id}
    assert document["recorded"] == []


def test_a_shard_whose_trials_are_recorded_is_not_ordered(yard: Yard) -> None:
    run, plan = planned(yard)
    steps.train(yard.platform, ONE, run, plan, 0, now=utc_now())
    assert steps.order(yard.platform, ONE, run, plan, 0, now=utc_now(), lifetime=LIFETIME) is None


def test_nothing_is_ordered_without_a_grant(yard: Yard) -> None:
    run, plan = planned(yard)
    for grant in yard.platform.access.grants(now=utc_now()):
        yard.authority.revoke(grant.grant_id, user=grant.steward, reason="a test")
    before = len(yard.events(ArtifactOpened))
    with pytest.raises(AccessDenied):
        ordered(yard, run, plan)
    assert len(yard.events(ArtifactOpened)) == before
    assert yard.events(TrainingOrdered) == []
    assert [event.step for event in yard.events(StepFailed) if isinstance(event, StepFailed)] == ["train-0"]


def test_a_vault_in_a_folder_orders_nothing_and_says_what_does(make_yard: MakeYard) -> None:
    yard = make_yard()
    yard.grant(FLIGHTS, now=utc_now())
    run, plan = planned(yard)
    before = len(yard.events(ArtifactOpened))
    with pytest.raises(DeclarationError, match="TRAINYARD_VAULT to s3://"):
        ordered(yard, run, plan)
    assert len(yard.events(ArtifactOpened)) == before


# ── the process elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────


def test_it_tells_of_each_trial_and_never_of_an_address(yard: Yard, elsewhere: Trained) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    status, output = elsewhere.run(order)
    first, *lines = output.splitlines()
    assert status == 0
    assert first == f"trainyard: train-0, {TRIALS} trials, 0 already stored"
    assert len(lines) == TRIALS + 1
    assert lines[-2].endswith(f"({TRIALS} of {TRIALS})")
    assert lines[-1].startswith("trainyard: linear benchmark, loss ")
    assert all(word not in output for word in ("http", "X-Amz", os.environ["AWS_ACCESS_KEY_ID"] + "/"))
    _, again = elsewhere.run(order)
    assert again.splitlines() == [
        f"trainyard: train-0, {TRIALS} trials, {TRIALS} already stored",
        "trainyard: linear benchmark, already stored",
    ]


def test_an_order_that_is_not_the_recorded_one_or_expired_or_for_other_code_is_refused(
    yard: Yard, elsewhere: Trained
) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    past, other = utc_now() - timedelta(seconds=1), f"sha256:{'0' * 64}"
    unknown = replace(order, document=order.document.replace(b'"work"', b'"labour"'))
    for refused, digest, why in (
        (order, other, "the recorded one"),
        (replace(order, document=order.document + b" "), None, "the recorded one"),
        (changed(order, expires_at=past), None, "before it expires"),
        (changed(order, engine=other), None, "Build the trainer image again from the checkout that the run began with"),
        (unknown, digest_of(unknown.document), "Build the trainer image again"),
        (changed(order, order_id="o-another"), None, "its own id"),
    ):
        status, output = elsewhere.run(refused, digest=digest)
        assert status == 64
        assert why in output
        assert "http" not in output
    assert {stored(yard, trial.trial_id) for trial in yard.platform.load(Plan, plan).trials} == {None}


def test_each_pod_of_a_run_asks_for_the_image_that_the_run_began_with_whatever_is_configured_then(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.settings = replace(yard.settings, placement=Placement.KUBERNETES, trainer_image="trainer:1")
    run, plan = planned(yard)
    deployed = replace(yard.settings, trainer_image="trainer:2")
    made: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and request.path.endswith("/pods"):
            made.append((await request.json())["spec"]["containers"][0]["image"])
        return api.empty() if request.method in ("GET", "DELETE") else web.json_response(await request.json())

    async def law() -> None:
        async with api.serving(api.Api(answer=answer), tmp_path, monkeypatch):
            for _ in range(2):
                step = StepInPods(settings=deployed, platform=yard.platform, project=ONE, run=run, plan=plan, shard=0)
                request = await step._begin(print, lambda: None)
                assert isinstance(request, PodRequest)
                ended = PodEnding(
                    pod=request.pod_name(0), outcome=PodOutcome.LOST, message="Lost.", image_digest="sha256:1"
                )
                record(yard.platform.ledger, request, replace(ended, image="trainer@sha256:1"))

    api.run(law())
    assert made == ["trainer:1", "trainer@sha256:1"]


def test_an_altered_or_missing_input_ends_it_and_is_set_aside_and_made_again_by_the_plan(
    yard: Yard, elsewhere: Trained
) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    bucket, _, prefix = yard.settings.vault.removeprefix("s3://").partition("/")
    name = yard.platform.load(Plan, plan).binned.removeprefix("sha256:")
    lies = {"Bucket": bucket, "Key": f"{prefix}/sha256/{name[:2]}/{name[2:]}"}
    buckets.client().put_object(**lies, Body=b"other rows")
    status, output = elsewhere.run(order)
    assert (status, "was altered" in output) == (65, True)
    there = StepInPods(settings=yard.settings, platform=yard.platform, project=ONE, run=run, plan=plan, shard=0)
    ended = PodEnding(pod="pod", outcome=PodOutcome.INPUT_ALTERED, message="an input was altered.", exit_code=65)
    with pytest.raises(StoreError, match="was altered, and is set aside"):
        there._collect((ended,))
    assert [each.digest for each in yard.platform.vault.altered()] == [f"sha256:{name}"]
    status, output = elsewhere.run(order)
    assert (status, "is in the vault" in output) == (65, True)
    assert steps.plan(yard.platform, ONE, run, yard.platform.load(Plan, plan).features, now=utc_now()) == plan
    yard.platform.vault.verify(f"sha256:{name}")


def test_addresses_that_the_store_refuses_end_it_with_a_status_of_their_own(yard: Yard, elsewhere: Trained) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    text = order.document.replace(b"X-Amz-Signature=", b"X-Amz-Signature=0")
    status, output = elsewhere.run(replace(order, digest=orders.digest_of(text), document=text))
    assert (status, "ordered again by itself" in output) == (77, True)
    assert "X-Amz" not in output


def test_a_result_that_differs_from_the_stored_one_ends_it_with_a_status_of_its_own(
    yard: Yard, elsewhere: Trained
) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    results = orders.read(order.document, digest=order.digest).results
    for addresses in results.values():
        httpx.put(addresses.write, content=b"{}", headers={"If-None-Match": "*"}).raise_for_status()
    status, output = elsewhere.run(order)
    assert (status, "is the record of a trial" in output) == (70, True)
    # One that was written after this process had looked for it.
    nothing = Store(yard.settings.vault).result_addresses(f"sha256:{'0' * 64}", expires_at=utc_now() + LIFETIME).read
    late = changed(order, results={name: replace(each, read=nothing) for name, each in results.items()})
    status, output = elsewhere.run(late)
    assert (status, "Compare the images and processors" in output) == (70, True)


def test_a_machine_that_can_train_no_trial_ends_it_with_a_status_of_its_own_and_stores_no_result(
    yard: Yard, elsewhere: Trained
) -> None:
    fixed = {**ONE.learning.search.fixed, "device_type": "gpu", "gpu_platform_id": 99}
    project = ONE.varied(search=replace(ONE.learning.search, fixed=fixed))
    run, plan = planned(yard, project)
    status, output = elsewhere.run(ordered(yard, run, plan, project))
    assert (status, "not on the device type 'gpu'" in output) == (71, True)
    assert {stored(yard, trial.trial_id) for trial in yard.platform.load(Plan, plan).trials} == {None}


def test_a_store_out_of_reach_ends_it_when_its_patience_does(yard: Yard, elsewhere: Trained) -> None:
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    text = order.document.replace(os.environ["AWS_ENDPOINT_URL"].encode(), b"http://127.0.0.1:9")
    document = orders.read(text, digest=orders.digest_of(text))
    digest, data = orders.write(replace(document, patience_seconds=1.0))
    status, output = elsewhere.run(replace(order, digest=digest, document=data))
    assert status == 69
    assert "network policy" in output


def test_sigterm_ends_it_at_once_and_what_is_stored_is_kept(yard: Yard, elsewhere: Trained) -> None:
    project = long(FLIGHTS)
    run, plan = planned(yard, project)
    process = elsewhere.start(ordered(yard, run, plan, project))
    assert process.stdout is not None
    assert process.stdout.readline() == "trainyard: train-0, 1 trials, 0 already stored\n"
    time.sleep(1)
    began = time.monotonic()
    process.terminate()
    assert process.wait() == 143
    assert time.monotonic() - began < 1


# ── what comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shard_without_all_results_is_unfinished_heals_and_records_nothing(yard: Yard, elsewhere: Trained) -> None:
    run, plan = planned(yard)
    assert steps.stored(yard.platform, run, plan, steps.step_of(0)) == 0
    elsewhere.train_and_die(yard, run, plan, after=1)
    assert 1 <= steps.stored(yard.platform, run, plan, steps.step_of(0)) < TRIALS
    with pytest.raises(ShardUnfinished, match="has a result when its process has ended") as raised:
        collected(yard, run, plan)
    assert raised.value.retry_heals
    assert yard.events(TrialRecorded) == []


Forgery = Callable[[dict[str, Any]], object]


def with_fields(**fields: object) -> Forgery:
    return lambda trial: {**trial, **fields}


FORGERIES: tuple[tuple[Forgery, str], ...] = (
    (lambda trial: [trial], "is the record of a trial"),
    (with_fields(losses=["0.5"]), "is the record of a trial"),
    (with_fields(losses=[]), "is the record of a trial"),
    (with_fields(error="a name out of the rows"), "is the record of a trial"),
    (with_fields(state="failed", losses=[], error="a name out of the rows"), "is the record of a trial"),
    (with_fields(trial_id=f"sha256:{'0' * 64}"), "canonical record of its own trial"),
    (with_fields(params={}), "canonical record of its own trial"),
    (with_fields(rounds=7), "canonical record of its own trial"),
    (with_fields(more="text"), "canonical record of its own trial"),
)


def test_a_result_that_its_trial_cannot_have_is_refused_named_set_aside_and_never_recorded(
    yard: Yard, elsewhere: Trained, undisturbed: tuple[str, list[Outcome]]
) -> None:
    digest, known = undisturbed
    run, plan = planned(yard)
    order = ordered(yard, run, plan)
    best = next(trial for trial in known if trial.state == "complete")
    address = json.loads(order.document)["results"][best.trial_id]["write"]

    def forge(forged: Forgery) -> str:
        data = encode(forged(json.loads(encode(best))))
        httpx.put(address, content=data, headers={"If-None-Match": "*"}).raise_for_status()
        return orders.digest_of(data)

    for number, (forged, rule) in enumerate(FORGERIES):
        kept = forge(forged)
        with pytest.raises(TrainingError, match=rule) as raised:
            (ordered if number % 2 else collected)(yard, run, plan)
        assert best.trial_id in str(raised.value)
        assert "a name" not in str(raised.value)
        assert not raised.value.retry_heals
        assert yard.platform.vault.has(kept)
        assert stored(yard, best.trial_id) is None

    forge(lambda trial: {**trial, "losses": [2.0 * loss + 1e9 for loss in trial["losses"]]})
    assert elsewhere.run(order)[0] == 0
    with pytest.raises(TrainingError, match="halving stops a trial"):
        collected(yard, run, plan)
    assert yard.events(TrialRecorded) == []
    assert elsewhere.train(yard, run, plan) == digest


def test_a_result_that_is_too_large_is_refused_by_its_size_and_only_its_beginning_is_read_and_kept(yard: Yard) -> None:
    run, plan = planned(yard)
    trial_id = yard.platform.load(Plan, plan).trials[0].trial_id
    addresses = json.loads(ordered(yard, run, plan).document)["results"][trial_id]
    data = b" " * (2 * LARGEST_BYTES)
    httpx.put(addresses["write"], content=data, headers={"If-None-Match": "*"}).raise_for_status()
    with pytest.raises(TrainingError, match=f"{LARGEST_BYTES} bytes at most"):
        collected(yard, run, plan)
    assert yard.platform.vault.has(orders.digest_of(data[: LARGEST_BYTES + 1]))
    assert not yard.platform.vault.has(orders.digest_of(data))
    assert stored(yard, trial_id) is None


# ── a grant that ends ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_revocation_ends_a_trial_that_runs_here_within_30_seconds_and_nothing_is_recorded(
    make_yard: MakeYard,
) -> None:
    yard, project = make_yard(), long(FLIGHTS)
    grants = yard.grant(FLIGHTS, now=utc_now())
    run, plan = planned(yard, project)
    revoked: list[float] = []

    def revoke() -> None:
        grant = next(each for each in yard.platform.access.grants(now=utc_now()) if each.grant_id == grants[0])
        yard.authority.revoke(grant.grant_id, user=grant.steward, reason="a test")
        revoked.append(time.monotonic())

    timer = threading.Timer(2, revoke)
    timer.start()
    with pytest.raises(AccessDenied):
        steps.train(yard.platform, project, run, plan, 0, now=utc_now())
    assert time.monotonic() - revoked[0] < 30
    assert yard.events(TrialRecorded, ModelRegistered) == []
    assert yard.attempts("night")["train-0"] == ["AccessDenied"]
