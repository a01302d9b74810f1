"""The laws of a recipe that is watched, over random histories.

Every matured day is judged once, by the champion that was in force before it. Nothing is promoted below its floors. A
rollback is a promotion like any other: signed for its place, and the last decision says who is champion. Whatever the
order of nights, watches, what a steward and the stewardship do, crashes, clock jumps, lost and doubled events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from include.core.errors import NothingToWatch
from include.core.events import ChampionRolledBack, DayJudged, LooksDeclared, LookTaken
from include.core.records import DAY
from include.registry.champions import ChampionInForce, Version
from include.registry.rollback import Rollback
from include.retraining.judges import Judges
from include.steps import backlog, watch
from tests.core.documented import contradictions
from tests.steps.history import History
from tests.steps.yard import FIRST, Yard, last_matured


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> type[History]:
    class OfThisTemplate(History):
        template: Path = Yard.template(tmp_path_factory.mktemp("yard"))

    return OfThisTemplate


@pytest.fixture
def begun(histories: type[History], request: pytest.FixtureRequest) -> Iterator[History]:
    """A history whose second champion, of the parameter's kind, took over after eight days."""
    history = histories()
    history.the_first_night_is_promoted(second=getattr(request, "param", None))
    yield history
    history.teardown()


@pytest.mark.long
def test_the_laws_hold_whatever_happens_in_which_order(histories: type[History]) -> None:
    run_state_machine_as_test(
        histories,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.parametrize("begun", ["badly"], indirect=True)
def test_a_champion_goes_back_by_its_look_and_its_recipe_comes_again_by_later_days_alone(begun: History) -> None:
    begun.watch(offset=8 + 14, ends=True, failing=False)
    assert (begun.in_force, begun.looks) == (2, set())
    begun.watch(offset=8 + 14 + 3, ends=False, failing=False)
    begun.watch_ends(which=0, dies="after its days", again=False, failing=False)
    begun.stewardship()
    assert (begun.in_force, len(begun.looks)) == (1, 1)
    for jump in (-6, 2):
        begun.night(jump=jump, model="better", recipe="a", live="well", ends="decided")
        assert begun.in_force == 1
    begun.night(jump=12, model="better", recipe="a", live="well", ends="decided")
    assert begun.in_force == 5
    begun.an_event_is_doubled(number=2, decision=True)
    begun.authority_decides(process="two")
    assert begun.in_force == 5
    looks = begun.yard.ledger.read_all(kinds=(LookTaken, LooksDeclared, DayJudged, ChampionRolledBack))
    assert contradictions(looks) == []


def test_a_steward_goes_back_and_retires_once_and_what_was_retired_does_not_come_back(begun: History) -> None:
    begun.night(jump=9, model="better", recipe="a", live="well", ends="decided")
    begun.steward_goes_back(which=0, retires=False, jump=-6, doubled=False, lost=False)
    assert begun.in_force == 2
    begun.steward_goes_back(which=0, retires=False, jump=6, doubled=True, lost=True)
    assert begun.in_force == 1
    begun.steward_goes_back(which=0, retires=True, jump=6, doubled=True, lost=False)
    assert begun.in_force is None
    begun.steward_goes_back(which=0, retires=False, jump=9, doubled=False, lost=False)
    assert begun.in_force is None
    begun.steward_goes_back(which=1, retires=False, jump=9, doubled=True, lost=False)
    assert begun.in_force == 2


def test_a_night_is_decided_by_what_holds_then(begun: History) -> None:
    for model in ("loses", "knows nothing", "ranks nothing"):
        begun.night(jump=1, model=model, recipe="a", live="well", ends="decided")
        assert begun.in_force == 1
    begun.night(jump=3, model="good", recipe="a", live="well", ends="registered")
    begun.steward("quarantines")
    begun.authority_decides(process="new")
    assert begun.in_force == 1
    begun.steward("lifts")
    begun.authority_decides(process="dies")
    assert begun.in_force == 5
    begun.the_clock_jumps(days=-1)
    begun.stewardship()
    begun.steward("grants")
    begun.watch(offset=20, ends=True, failing=True)
    begun.night(jump=5, model="good", recipe="a", live="well", ends="evaluated")
    begun.night_resumes(which=0, lost=True, decided=True)
    assert begun.in_force == 5
    begun.steward("failing")
    begun.night(jump=6, model="good", recipe="a", live="well", ends="evaluated")
    begun.night(jump=6, model="better", recipe="a", live="well", ends="decided")
    assert begun.in_force == 7
    begun.night_resumes(which=0, lost=False, decided=True)
    assert begun.in_force == 7, "it was compared with a champion that was replaced"


def test_what_a_watch_recorded_itself_is_due_until_it_ends(begun: History) -> None:
    begun.watch(offset=20, ends=False, failing=False)
    begun.watch_ends(which=0, dies="with no answer", again=True, failing=False)
    begun.watch_resumes(which=0)
    assert len(begun.under_way) == 1
    begun.watch(offset=20, ends=False, failing=False)
    assert len(begun.under_way) == 1, "and is not for another"
    begun.an_event_is_doubled(number=3, decision=False)
    begun.each_day_keeps_its_first_record_and_is_judged_by_the_champion_in_force_before_it()


def test_days_that_the_contract_of_the_watch_does_not_call_matured_are_nothing_to_watch(begun: History) -> None:
    """Its run reads under a contract by which labels come later than by the one that is in effect by now."""
    run = begun._run("watch", FIRST + timedelta(days=20))
    platform, project, before = begun.yard.platform, begun.project, last_matured(FIRST)
    assert [each.day for each in watch._due(platform, project, run, before + 2 * DAY).days] == [
        before + DAY,
        before + 2 * DAY,
    ]
    with pytest.raises(NothingToWatch, match=f"came after {before}, the last that this watch reads labels of"):
        watch._due(platform, project, run, before)


def test_days_of_the_champion_in_force_wait_while_it_is_in_quarantine_and_no_longer(
    begun: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun.night(jump=10, model="good", recipe="a", live="well", ends="decided")
    champions, run = begun.yard.champions, begun._run("watch", FIRST + timedelta(days=20))

    def due() -> tuple[Judges, ...]:
        found = backlog.due(begun.yard.platform, begun.project, run_id=run.run_id, instant=run.instant)
        assert isinstance(found, backlog.DueDays)
        return found.days

    whole, seen = due(), champions.seen
    assert {each.champion for each in whole} == {1, 2}

    def barred(project: str, versions: Sequence[Version], *, rollback: Rollback | None = None) -> list[ChampionInForce]:
        found = seen(project, versions, rollback=rollback)
        return [replace(each, refused="in quarantine") if each.number == 2 else each for each in found]

    with monkeypatch.context() as patched:
        patched.setattr(champions, "seen", barred)
        assert due() == tuple(each for each in whole if each.champion == 1)
        begun.night(jump=5, model="good", recipe="a", live="well", ends="decided")
        assert {each.champion: each.refused for each in due()} == {1: None, 2: "in quarantine", 3: None}
