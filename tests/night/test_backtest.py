"""A backtest trains as nights of earlier instants would have, registers nothing, and says that it looked."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import ibis
import pytest

from include import steps
from include.cli import backtest as shown
from include.core.errors import AccessDenied, DataError, DeclarationError
from include.core.events import (
    DataOpened,
    HoldoutBacktested,
    LeaseTaken,
    ModelEvaluated,
    ModelRegistered,
    RunStarted,
    StepFinished,
    TrialRecorded,
)
from include.core.project import Project
from include.core.records import Plan, Run
from include.core.runs import RunKind
from include.runtime.nights import backtest
from include.runtime.nights.platform import utc_now
from include.runtime.trainers.processes import ProcessTrainer
from include.steps.training import outcomes_of
from include.training.history import earlier
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, Night, Yard

#: As many rows as do: these tests are about what is recorded.
OWN = FLIGHTS.varied(search=replace(FLIGHTS.learning.search, trials=2, shards=1, rungs=(3, 5)))
LEAN = OWN.varied(name="lean", features=OWN.learning.features[:1])


@pytest.fixture
def here(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A deployment in which both projects are granted, whose shards are trained in this process."""

    def train(self: ProcessTrainer, run: Run, plan: str, shards: list[int], *_: object) -> list[str]:
        project = {OWN.name: OWN, LEAN.name: LEAN}[run.project]
        return [steps.train(yard.platform, project, run, plan, shard, now=utc_now()) for shard in shards]

    monkeypatch.setattr(ProcessTrainer, "train", train)
    monkeypatch.setattr(backtest, "open_platform", lambda settings: yard.platform)
    projects = yard.home / "projects"
    yard.settings = replace(yard.settings, projects=projects)
    for project in (OWN, LEAN):
        (projects / project.name).mkdir(parents=True)
        yard.grant(project, now=utc_now())
    return yard


def run(yard: Yard, variant: Project | None = LEAN, count: int = 2) -> backtest.Backtest:
    days = backtest.prepare(yard.settings, OWN, variant, count=count)
    return backtest.run_backtest(yard.settings, OWN, variant, days=days)


def test_project_and_variant_are_compared_on_the_same_days_and_nothing_is_registered(
    here: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(here)
    for origin in found.origins:
        assert origin.other is not None
        assert [each.day for each in origin.own] == [each.day for each in origin.other]
        assert len(origin.own) == OWN.learning.window.holdout_days
        assert max(each.day for each in origin.own) < origin.day, "as of the origin"
    assert found.difference is not None
    assert len(found.origins) == 2
    assert not here.events(ModelRegistered, ModelEvaluated, LeaseTaken)
    assert not here.platform.champions.known(OWN.name).versions
    for started in here.events(RunStarted):
        assert isinstance(started, RunStarted)
        assert started.run.run_id.startswith("backtest__")
        assert started.run.fence == 0
    looks = [event for event in here.events(HoldoutBacktested) if isinstance(event, HoldoutBacktested)]
    assert {(look.project, look.days) for look in looks} == {
        (project.name, look.days) for project in (OWN, LEAN) for look in looks
    }
    assert len(looks) == 4
    assert found.looks == 2
    shown.show(OWN, LEAN, found)
    told = capsys.readouterr().out
    for said in (OWN.name, LEAN.name, "difference", str(found.origins[0].day), "90 % interval", "2 backtested nights"):
        assert said in told

    computed = len(here.events(StepFinished))
    assert run(here) == found
    again = here.events(StepFinished)[computed:]
    assert {getattr(event, "step", "") for event in again} <= {"snapshot"}, "what is known is not computed again"
    assert len(here.events(HoldoutBacktested)) == 4, "the same look is one look"


def test_a_backtest_changes_nothing_of_what_a_later_night_draws_and_trains(
    past: tuple[Yard, Night], make_yard: MakeYard
) -> None:
    """A night of the next day draws the same trials with and without it, and trains them to the same end."""
    looked, _ = past
    quiet = make_yard(template=looked.home)
    seen = FLIGHTS.varied(search=replace(FLIGHTS.learning.search, trials=5))  # others than the night's
    now, before = utc_now(), INSTANT - timedelta(days=9)
    for yard in (looked, quiet):
        yard.grant(FLIGHTS, now=now)
    platform = looked.platform
    run = steps.begin(platform, seen, run_id="backtest__b", instant=before, now=now, kind=RunKind.BACKTEST)
    digests = looked.steps(seen, run, until="refit", now=now)
    steps.backtest(platform, seen, run, digests["plan"], digests["refit"], now=now)
    drawn = platform.load(Plan, digests["plan"])
    assert len(outcomes_of(platform, drawn)) == 5

    later = [yard.night(instant=INSTANT + LATER, now=now, run_id="later") for yard in (looked, quiet)]
    assert later[0].digests["plan"] == later[1].digests["plan"]
    assert later[0].digests["refit"] == later[1].digests["refit"]
    assert later[0].evaluation == later[1].evaluation, "a refit is compared as without it"
    assert platform.load(Plan, later[0].digests["plan"]).warm, "nights' trials it does start from"


def test_a_night_that_trains_what_a_backtest_did_trains_nothing_again_and_later_nights_start_from_it(
    make_yard: MakeYard,
) -> None:
    yard, now = make_yard(), utc_now()
    yard.grant(FLIGHTS, now=now)
    platform, plans = yard.platform, []
    for run_id, kind in (("backtest__b", RunKind.BACKTEST), ("night", RunKind.NIGHT)):
        run = steps.begin(platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=now, kind=kind)
        digests = yard.steps(FLIGHTS, run, until="train-1", now=now)
        plans.append(platform.load(Plan, digests["plan"]))
    beside, drawn = plans
    assert [each.trial_id for each in beside.trials] == [each.trial_id for each in drawn.trials]
    trained = [entry.event for entry in platform.ledger.read(f"trials/{FLIGHTS.name}")]
    copied = [entry.event for entry in platform.ledger.read(f"trials-beside/{FLIGHTS.name}")]
    outcomes = [
        {event.trial.trial_id: event.trial for event in events if isinstance(event, TrialRecorded)}
        for events in (trained, copied)
    ]
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == len(drawn.trials)
    later = earlier(platform.ledger, FLIGHTS.name, before=INSTANT + LATER, alike=lambda plan: True)
    assert {each.trial_id for each in later} <= {each.trial_id for each in drawn.trials}
    assert later


def test_without_a_grant_the_requests_of_both_are_filed_and_nothing_is_read(
    make_yard: MakeYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = make_yard()
    yard.adopt()
    monkeypatch.setattr(backtest, "open_platform", lambda settings: yard.platform)
    with pytest.raises(AccessDenied):
        run(yard)
    assert {request.project for request in yard.platform.access.requests()} == {OWN.name, LEAN.name}
    assert not yard.events(DataOpened, HoldoutBacktested)


def arrives_very_late(flights: ibis.Table) -> ibis.Table:
    return flights.select(*OWN.learning.target.key, label=(flights.arrival_delay >= 60).cast("int8"))


@pytest.mark.parametrize(
    ("variant", "told"),
    [
        (
            LEAN.varied(target=replace(LEAN.learning.target, label=arrives_very_late)),
            "label or rows that are defined otherwise",
        ),
        (LEAN.varied(target=replace(LEAN.learning.target, key=("carrier", "flight"))), "key"),
        (LEAN.varied(name=OWN.name), "it is the same project"),
    ],
)
def test_a_variant_that_predicts_something_else_is_refused_by_name(
    make_yard: MakeYard, variant: Project, told: str
) -> None:
    with pytest.raises(DeclarationError, match=f"{variant.name}.*{told}"):
        backtest.prepare(make_yard().settings, OWN, variant, count=1)


def test_too_little_history_says_how_many_origins_fit(make_yard: MakeYard) -> None:
    settings = make_yard().settings
    with pytest.raises(DataError, match=r"400 origins wanted, (\d+) fit") as refused:
        backtest.prepare(settings, OWN, None, count=400)
    fit = int(str(refused.value).split(" fit")[0].split()[-1])
    days = backtest.prepare(settings, OWN, None, count=fit)
    assert len(set(days)) == fit
    assert backtest.prepare(settings, OWN, None, count=1, until=days[0]) == days[:1], "the days after it stay unseen"
    apart = [(later - earlier).days for earlier, later in pairwise(days)]
    assert min(apart) >= OWN.learning.window.holdout_days
    with pytest.raises(DataError, match=f"{fit + 1} origins wanted, {fit} fit"):
        backtest.prepare(settings, OWN, None, count=fit + 1)
