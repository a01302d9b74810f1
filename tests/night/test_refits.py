"""A process elsewhere refits a winner to the model that it makes here: one contract over both."""

import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from include import steps
from include.core.errors import AccessDenied, ShardUnfinished, TrainingError
from include.core.events import ArtifactOpened, Event, ModelEvaluated, ModelRegistered, TrainingOrdered
from include.core.project import Project
from include.core.records import Evaluation, Order, Plan, Run
from include.elsewhere import document as orders
from tests import buckets
from tests.night.conftest import MakeYard
from tests.night.elsewhere import LIFETIME, ONE, Elsewhere, changed, planned, utc_now
from tests.night.yard import FLIGHTS, Yard


def trained(yard: Yard, project: Project = ONE) -> tuple[Run, str]:
    """A night up to its last trial."""
    run, plan = planned(yard, project)
    for shard in steps.shards(yard.platform, plan):
        steps.train(yard.platform, project, run, plan, shard, now=utc_now())
    return run, plan


def ordered(yard: Yard, run: Run, plan: str, project: Project = ONE) -> Order:
    order = steps.order(yard.platform, project, run, plan, None, now=utc_now(), lifetime=LIFETIME)
    assert order is not None
    return order


def collected(yard: Yard, run: Run, plan: str) -> str:
    return steps.collect(yard.platform, ONE, run, plan, None, now=utc_now())


def evaluated(yard: Yard, run: Run, plan: str, model: str) -> Evaluation:
    digest = steps.evaluate(yard.platform, ONE, run, plan, model, now=utc_now())
    return yard.platform.load(Evaluation, digest)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, production: Path, new_home: Path) -> tuple[str, Evaluation]:
    """The digest of the model of :data:`ONE` where nothing goes wrong, and what the holdout says of it."""
    yard = Yard.built(tmp_path_factory.mktemp("undisturbed") / "home", production, new_home)
    yard.grant(FLIGHTS, now=utc_now())
    run, plan = trained(yard)
    model = steps.refit(yard.platform, ONE, run, plan, now=utc_now())
    return model, evaluated(yard, run, plan, model)


@pytest.fixture
def yard(yard_in_bucket: Yard) -> Yard:
    return yard_in_bucket


class There(Elsewhere):
    """A process that is given the order and nothing else."""

    def refit(self, yard: Yard, run: Run, plan: str) -> str:
        order = steps.order(yard.platform, ONE, run, plan, None, now=utc_now(), lifetime=LIFETIME)
        if order is not None:
            status, output = self.run(order)
            assert status == 0, output
        return collected(yard, run, plan)


class Here:
    """The worker's own process."""

    def refit(self, yard: Yard, run: Run, plan: str) -> str:
        return steps.refit(yard.platform, ONE, run, plan, now=utc_now())


class Place(Protocol):
    """Where winners are refitted."""

    def refit(self, yard: Yard, run: Run, plan: str) -> str:
        """Refit the winner of *plan*; what the step returns."""


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path / "there")


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest) -> Place:
    return Here() if request.param == "here" else request.getfixturevalue("there")


# ── one contract, here and elsewhere ──────────────────────────────────────────────────────────────────────────────────


def test_a_winner_has_the_same_model_and_evaluation_wherever_it_is_refitted_and_is_refitted_once(
    yard: Yard, place: Place, undisturbed: tuple[str, Evaluation]
) -> None:
    run, plan = trained(yard)
    for _ in range(2):
        model = place.refit(yard, run, plan)
        assert (model, evaluated(yard, run, plan, model)) == undisturbed
    assert yard.attempts("night")["refit"] == ["step_finished", "step_reused"]
    assert steps.order(yard.platform, ONE, run, plan, None, now=utc_now(), lifetime=LIFETIME) is None


def test_a_model_that_was_lost_is_made_again_as_it_was(
    yard: Yard, place: Place, undisturbed: tuple[str, Evaluation]
) -> None:
    run, plan = trained(yard)
    model = place.refit(yard, run, plan)
    buckets.client().delete_object(**_lies(yard, model))
    assert not yard.platform.vault.has(model)
    assert place.refit(yard, run, plan) == model
    assert evaluated(yard, run, plan, model) == undisturbed[1]


def test_nothing_is_refitted_before_every_trial_has_an_outcome(yard: Yard, place: Place) -> None:
    run, plan = planned(yard)
    with pytest.raises(TrainingError, match="every planned trial is recorded"):
        place.refit(yard, run, plan)


def test_nothing_is_refitted_without_a_grant(yard: Yard, place: Place) -> None:
    run, plan = trained(yard)
    _revoke(yard)
    before = len(yard.events(ArtifactOpened))
    with pytest.raises(AccessDenied):
        place.refit(yard, run, plan)
    assert len(yard.events(ArtifactOpened)) == before
    assert yard.events(TrainingOrdered) == []
    assert set(yard.attempts("night")["refit"]) == {"AccessDenied"}


def _revoke(yard: Yard) -> None:
    for grant in yard.platform.access.grants(now=utc_now()):
        yard.authority.revoke(grant.grant_id, user=grant.steward, reason="a test")


def _lies(yard: Yard, digest: str) -> dict[str, str]:
    bucket, _, prefix = yard.settings.vault.removeprefix("s3://").partition("/")
    name = digest.removeprefix("sha256:")
    return {"Bucket": bucket, "Key": f"{prefix}/sha256/{name[:2]}/{name[2:]}"}


# ── the order ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_reaches_the_rows_to_learn_from_and_one_result_and_nothing_else(yard: Yard) -> None:
    run, plan = trained(yard)
    order = ordered(yard, run, plan)
    document = json.loads(order.document)
    assert list(document["artifacts"]) == [document["work"]["binned"]]
    assert document["work"]["binned"] == yard.platform.load(Plan, plan).binned
    assert len(document["results"]) == 1
    assert document["recorded"] == []
    (event,) = yard.events(TrainingOrdered)
    assert isinstance(event, TrainingOrdered)
    assert (event.step, event.order_id, event.document) == ("refit", order.order_id, order.digest)
    assert "X-Amz" not in repr(order)
    assert not any(b"X-Amz" in orders.encode(each) for each in yard.events())


def test_a_refit_ordered_again_has_the_same_id_a_later_end(yard: Yard) -> None:
    run, plan = trained(yard)
    first, second = ordered(yard, run, plan), ordered(yard, run, plan)
    assert first.order_id == second.order_id
    assert first.expires_at < second.expires_at


# ── the process elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────


def test_it_tells_what_it_refits_and_never_of_an_address_and_makes_nothing_twice(yard: Yard, there: There) -> None:
    run, plan = trained(yard)
    order = ordered(yard, run, plan)
    status, output = there.run(order)
    first, last = output.splitlines()
    assert status == 0
    assert first.startswith("trainyard: refit of trial ")
    assert last.startswith("trainyard: model of ")
    assert all(word not in output for word in ("http", "X-Amz"))
    status, again = there.run(order)
    assert (status, again.splitlines()[-1]) == (0, "trainyard: its model is already stored")


def test_a_refit_that_is_killed_and_runs_again_makes_the_same_model(
    yard: Yard, there: There, undisturbed: tuple[str, Evaluation]
) -> None:
    run, plan = trained(yard)
    process = there.start(ordered(yard, run, plan))
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert there.refit(yard, run, plan) == undisturbed[0]


def test_a_machine_without_the_device_ends_it_with_a_status_of_its_own_and_stores_nothing(
    yard: Yard, there: There
) -> None:
    run, plan = trained(yard)
    order = ordered(yard, run, plan)
    work = orders.read(order.document, digest=order.digest).work
    assert isinstance(work, orders.Refit)
    params = {**work.winner.params, "device_type": "gpu", "gpu_platform_id": 99}
    elsewhere = changed(order, work=replace(work, winner=replace(work.winner, params=params)))
    status, output = there.run(elsewhere)
    assert (status, "not on the device type 'gpu'" in output) == (71, True)
    with pytest.raises(ShardUnfinished):
        collected(yard, run, plan)


def test_an_altered_input_ends_it(yard: Yard, there: There) -> None:
    run, plan = trained(yard)
    order = ordered(yard, run, plan)
    buckets.client().put_object(**_lies(yard, json.loads(order.document)["work"]["binned"]), Body=b"other rows")
    status, output = there.run(order)
    assert (status, "was altered" in output) == (65, True)


# ── what comes back ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refit_without_a_model_is_unfinished_heals_and_records_nothing(yard: Yard) -> None:
    run, plan = trained(yard)
    ordered(yard, run, plan)
    with pytest.raises(ShardUnfinished) as raised:
        collected(yard, run, plan)
    assert raised.value.retry_heals
    assert yard.attempts("night")["refit"] == ["ShardUnfinished"]


def test_a_model_that_its_winner_cannot_have_made_is_refused_set_aside_and_never_evaluated(
    yard: Yard, there: There, undisturbed: tuple[str, Evaluation]
) -> None:
    run, plan = trained(yard)
    order = ordered(yard, run, plan)
    ((name, address),) = json.loads(order.document)["results"].items()
    forgeries = (b"", b"\x80\x04]\x94.", b"tree\nversion=v4\n", _other_seed(yard, order, there))
    for number, forged in enumerate(forgeries):
        answer = httpx.put(address["write"], content=forged, headers={"If-None-Match": "*"})
        answer.raise_for_status()
        assert there.run(order)[0] == 70
        with pytest.raises(TrainingError) as raised:
            (ordered if number % 2 else collected)(yard, run, plan)
        assert not raised.value.retry_heals
        assert yard.platform.vault.has(orders.digest_of(forged))
        assert yard.platform.vault.result(name, most_bytes=10) is None
    assert yard.events(ModelEvaluated) == []
    assert there.refit(yard, run, plan) == undisturbed[0]


def _other_seed(yard: Yard, order: Order, there: There) -> bytes:
    """A model of the same plan that was trained with another seed."""
    document = orders.read(order.document, digest=order.digest)
    assert isinstance(document.work, orders.Refit)
    other = changed(order, work=replace(document.work, winner=replace(document.work.winner, seed=1)))
    assert there.run(other)[0] == 0
    (name,) = document.results
    made = yard.platform.vault.result(name, most_bytes=1 << 24)
    assert made is not None
    yard.platform.vault.refuse_result(name, made)
    return made


# ── a grant that ends ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_revocation_ends_a_refit_that_runs_here_within_30_seconds_and_nothing_is_registered(
    make_yard: MakeYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.training import refit

    yard = make_yard()
    yard.grant(FLIGHTS, now=utc_now())
    run, plan = trained(yard)
    monkeypatch.setattr(refit, "best_rounds", lambda plan, trial: 100_000)
    revoked: list[float] = []

    def revoke() -> None:
        _revoke(yard)
        revoked.append(time.monotonic())

    threading.Timer(2, revoke).start()
    with pytest.raises(AccessDenied):
        steps.refit(yard.platform, ONE, run, plan, now=utc_now())
    assert time.monotonic() - revoked[0] < 30
    left: list[Event] = yard.events(ModelRegistered)
    assert left == []
    assert yard.attempts("night")["refit"] == ["AccessDenied"]
