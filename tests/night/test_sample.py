"""A sample goes the whole chain on a few days under a night's grants, and leaves nights as they are without it."""

from datetime import timedelta

import pytest

from include import steps
from include.cli.summary import show_sample
from include.core import streams
from include.core.errors import AccessDenied
from include.core.events import (
    ArtifactOpened,
    DataOpened,
    HoldoutBacktested,
    LeaseTaken,
    ModelEvaluated,
    ModelRegistered,
    RunStarted,
    StepFinished,
)
from include.core.records import FeatureSet, Plan
from include.core.runs import RunKind
from include.declared import scope_of
from include.runtime.nights import sample
from include.runtime.nights.local import UNSEEN, Display
from include.runtime.nights.runs import last_runs
from include.steps.retention import outlook
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, NOW, Night, Yard


def run(yard: Yard, display: Display = UNSEEN) -> sample.Sample:
    return sample.run_sample(yard.settings, FLIGHTS, instant=INSTANT, days=6, display=display, clock=lambda: NOW)


def refused_at(yard: Yard, step: str) -> None:
    """Revoke a grant where a sample begins *step*, see that it opens nothing more, and grant it again."""
    receipts: list[object] = []

    def revoke(begun: str, digest: str | None) -> None:
        if begun == step and digest is None:
            yard.revoke(yard.platform.access.grants(FLIGHTS.name, now=NOW)[0].grant_id)
            receipts[:] = yard.events(DataOpened, ArtifactOpened)

    with pytest.raises(AccessDenied):
        run(yard, Display(step=revoke))
    assert receipts
    assert yard.events(DataOpened, ArtifactOpened) == receipts
    yard.grant(FLIGHTS)


@pytest.fixture
def here(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr(sample, "open_platform", lambda settings: yard.platform)
    return yard


def test_a_sample_registers_nothing_and_a_night_draws_and_makes_what_it_does_without_it(
    here: Yard, done: tuple[Yard, Night], capsys: pytest.CaptureFixture[str]
) -> None:
    for step in ("train", "backtest"):
        refused_at(here, step)
    found, platform = run(here), here.platform
    assert (found.run.kind, found.run.run_id.split("__")[0], found.run.fence) == (RunKind.SAMPLE, "sample", 0)
    assert not here.events(ModelRegistered, ModelEvaluated, LeaseTaken)
    assert not platform.ledger.read(streams.trials(FLIGHTS.name))
    assert len(platform.ledger.read(streams.trials_beside(FLIGHTS.name))) == sample.TRIALS
    (looked,) = here.events(HoldoutBacktested)
    assert isinstance(looked, HoldoutBacktested)
    assert looked.days == found.scored.holdout == found.features.split.holdout
    show_sample(found)
    said = capsys.readouterr().out
    for told in (
        "nothing is registered",
        f"{found.kept_out.first} to {found.kept_out.last} are held out",
        "3 complete",
    ):
        assert told in said
    (listed,) = last_runs(platform.ledger, count=5)
    assert (listed.run.kind, listed.stands) == (RunKind.SAMPLE, "backtest is done")
    tried = platform.load(Plan, found.scored.plan)
    kept = {tried.binned, tried.profile, found.scored.model}
    assert kept <= {each.artifact for each in outlook(platform, now=NOW).endings}, "removed as the contracts declare"

    computed = len(here.events(StepFinished))
    assert run(here) == found
    again = here.events(StepFinished)[computed:]
    assert {getattr(event, "step", "") for event in again} <= {"snapshot"}, "what is known is not computed again"

    _, night = done
    began = steps.begin(platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    digests = here.steps(FLIGHTS, began, until="plan")
    assert {name: digests[name] for name in ("snapshot", "features", "plan")} == {
        name: night.digests[name] for name in ("snapshot", "features", "plan")
    }
    built = platform.load(FeatureSet, digests["features"])
    assert set(found.features.partitions) < set(built.partitions), "of its days, what nights compute"
    assert found.kept_out == built.split.holdout
    assert max(part.day for part in found.features.partitions if part.day) == found.kept_out.first - timedelta(days=1)


def test_without_a_grant_what_a_night_reads_is_asked_for_and_nothing_is_read(
    make_yard: MakeYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = make_yard()
    yard.adopt()
    monkeypatch.setattr(sample, "open_platform", lambda settings: yard.platform)
    with pytest.raises(AccessDenied, match="waits for a decision"):
        run(yard)
    asked = [request.scope for request in yard.platform.access.requests()]
    assert sorted(asked, key=lambda scope: scope.dataset) == list(scope_of(FLIGHTS, yard.platform.contracts).datasets)
    assert not yard.events(DataOpened)
    (began,) = yard.events(RunStarted)
    assert isinstance(began, RunStarted)
    assert began.run.kind is RunKind.SAMPLE
