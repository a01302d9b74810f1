"""Who edits an XCom or marks a task as successful gets no other project's data trained on, and nothing promoted."""

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from include import steps
from include.core.canonical import record_digest
from include.core.errors import AccessDenied, ValidationFailed
from include.core.events import ModelRegistered, StepFailed, TrialRecorded
from include.core.records import Run
from include.ledger.journal import Journal
from include.steps import watch
from include.steps.inputs import MADE_BY
from tests.night.conftest import MakeYard
from tests.night.test_access import OPENINGS
from tests.night.test_damage import DAY, damage
from tests.night.yard import FLIGHTS, INSTANT, NOW, Night, Yard, replaced

#: Another team's project, which learns the same from the same: what it made would fit.
NEIGHBOURS = FLIGHTS.varied(name="neighbours")


@pytest.fixture(scope="module")
def attacked(
    tmp_path_factory: pytest.TempPathFactory, production: Path, finished_night: tuple[Path, Night]
) -> tuple[Yard, Night, Night]:
    """A deployment with a night of ours and one of the neighbours, whose grants have been revoked since."""
    home, ours = finished_night
    yard = Yard.built(tmp_path_factory.mktemp("attacked") / "home", production, home)
    granted = yard.grant(NEIGHBOURS)
    theirs = yard.night(NEIGHBOURS, run_id="theirs")
    for grant_id in granted:
        yard.revoke(grant_id)
    return yard, ours, theirs


def begun(yard: Yard, run_id: str) -> Run:
    return steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=NOW)


def takers() -> Iterator[tuple[Callable[..., object], set[str]]]:
    """All that a run does with digests that it is given, and the names of what each takes."""
    of_the_watch = [
        each
        for name, each in vars(watch).items()
        if getattr(each, "__module__", "") == watch.__name__ and not name.startswith("_")
    ]
    for step in (*(getattr(steps, name) for name in steps.__all__), *of_the_watch):
        names = set(inspect.signature(step).parameters) if inspect.isfunction(step) else set()
        if {"project", "run"} <= names and not names.isdisjoint(MADE_BY):
            yield step, names


def test_no_step_takes_what_another_project_made_and_nothing_of_it_is_opened(
    attacked: tuple[Yard, Night, Night],
) -> None:
    yard, _, theirs = attacked
    run = begun(yard, "attacked")
    given = {name: theirs.digests.get(maker, theirs.digests["plan"]) for name, maker in MADE_BY.items()}
    given |= {"shard": 0, "lifetime": timedelta(hours=1), "now": NOW}
    for step, wanted in takers():
        with pytest.raises(AccessDenied, match="only what an earlier step of its own run made"):
            step(yard.platform, FLIGHTS, run, **{name: given[name] for name in wanted if name in given})
    steps.finish(yard.platform, run)
    assert {step.__name__ for step, _ in takers()} >= {"features", "plan", "train", "order", "evaluate", "promote"}
    assert yard.events(*OPENINGS, ModelRegistered, run_id="attacked") == []
    failed = [event for event in yard.events(StepFailed, run_id="attacked") if isinstance(event, StepFailed)]
    assert len(failed) == len([*takers()])
    assert {event.error for event in failed} == {"AccessDenied"}


def test_a_model_of_another_project_is_not_evaluated_in_the_place_of_the_runs_own(
    attacked: tuple[Yard, Night, Night],
) -> None:
    yard, ours, theirs = attacked
    run = begun(yard, "swapped")
    digests = yard.steps(FLIGHTS, run, until="refit")
    for maker in ("plan", "refit"):
        with pytest.raises(AccessDenied, match="only what an earlier step of its own run made"):
            yard.step("evaluate", FLIGHTS, run, digests | {maker: theirs.digests["plan"]})
    assert yard.step("evaluate", FLIGHTS, run, digests) == ours.digests["evaluate"], "with its own it goes on"
    steps.finish(yard.platform, run)


def test_a_run_whose_validation_was_marked_as_successful_is_neither_planned_nor_promoted(
    past: tuple[Yard, Night],
) -> None:
    yard, night = past
    run = begun(yard, "unchecked")
    digests = {"snapshot": yard.step("snapshot", FLIGHTS, run, {})}
    digests["features"] = yard.step("features", FLIGHTS, run, digests)
    with pytest.raises(ValidationFailed, match="no validation of"):
        yard.step("plan", FLIGHTS, run, digests)
    journal = Journal(yard.platform.ledger, run)
    with journal.attempt("evaluate") as attempt:  # as if a run had come so far
        journal.finish("evaluate", attempt, inputs=record_digest("evaluate"), output=night.digests["evaluate"])
    with pytest.raises(ValidationFailed, match="no validation of"):
        yard.step("promote", FLIGHTS, run, night.digests)
    yard.step("validate", FLIGHTS, run, digests)
    assert yard.step("plan", FLIGHTS, run, digests) == night.digests["plan"]
    assert yard.step("promote", FLIGHTS, run, night.digests) == night.digests["promote"]


def test_a_run_with_a_critical_failure_is_not_planned_whoever_marked_its_task_as_successful(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard(production=replaced(production, tmp_path / "production", "flights", damage, DAY))
    yard.grant(FLIGHTS)
    run = begun(yard, "damaged")
    digests = {"snapshot": yard.step("snapshot", FLIGHTS, run, {})}
    with pytest.raises(ValidationFailed):
        yard.step("validate", FLIGHTS, run, digests)
    digests["features"] = yard.step("features", FLIGHTS, run, digests)
    told = rf"of distance \(min_value 1, max_value 6000\) on {DAY}.*Marking `validate` as successful changes"
    with pytest.raises(ValidationFailed, match=told):
        yard.step("plan", FLIGHTS, run, digests)
    assert yard.events(TrialRecorded) == []
