"""A run keeps its code and its instant; one night of a project runs at a time, and one that lost its lease is mute."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from include import steps
from include.core.errors import CodeChanged, DeclarationError, LeaseHeld, LedgerError
from include.core.events import ModelRegistered, StepFailed, TrialRecorded
from include.core.project import DriftPolicy
from include.ledger.journal import Journal
from include.registry.standing import is_watched
from include.runtime.code.digest import code_digest
from include.settings import ROOT
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, NOW, STEPS, TEMPERATURE, Night, Yard

EXPIRED = NOW + steps.LEASE + timedelta(minutes=1)


def test_a_run_whose_project_changed_under_it_does_not_go_on(yard: Yard, tmp_path: Path) -> None:
    projects = shutil.copytree(ROOT / "include" / "projects", tmp_path / "projects")
    include = shutil.copytree(ROOT / "include", tmp_path / "include")
    digest = lambda project: code_digest(include, projects, project)  # noqa: E731
    platform = replace(yard.platform, code=digest)
    steps.begin(platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    other = projects / "temperature_tomorrow" / "features.py"
    other.write_text(other.read_text() + "# another team's change\n")
    assert steps.resume(platform, FLIGHTS, run_id="night", now=NOW).code_digest == digest(FLIGHTS.name)
    features = projects / "flight_delay" / "features.py"
    features.write_text(features.read_text() + "# a change\n")
    with pytest.raises(CodeChanged, match="computed by the code that it began with"):
        steps.resume(platform, FLIGHTS, run_id="night", now=NOW)
    with pytest.raises(CodeChanged):
        steps.begin(platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    assert not CodeChanged.retry_heals
    assert yard.attempts("night")["resume"] == ["CodeChanged"] * 2


def test_a_run_whose_declaration_raises_anything_leaves_its_failure_and_no_lease(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("N0SUCH")

    with monkeypatch.context() as patch:
        patch.setattr("include.declared.declaration.declare", broken)
        with pytest.raises(ValueError, match="N0SUCH"):
            steps.begin(yard.platform, FLIGHTS, run_id="broken", instant=INSTANT, now=NOW)
    assert yard.attempts("broken") == {"declare": ["ValueError"]}
    steps.begin(yard.platform, FLIGHTS, run_id="next", instant=INSTANT, now=NOW)


def test_what_fails_before_any_attempt_is_recorded(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> str:
        raise DeclarationError("it can be declared", value="no", remedy="Repair it.")

    with monkeypatch.context() as patch:
        patch.setattr("include.declared.declaration.digest_of", refused)
        with pytest.raises(DeclarationError):
            steps.begin(yard.platform, FLIGHTS, run_id="refused", instant=INSTANT, now=NOW)
    with pytest.raises(DeclarationError):
        steps.begin(yard.platform, FLIGHTS, run_id="refused", instant=INSTANT.replace(tzinfo=None), now=NOW)
    assert yard.attempts("refused") == {"declare": ["DeclarationError"], "begin": ["DeclarationError"]}


def test_a_run_keeps_the_instant_that_it_began_with(yard: Yard) -> None:
    begun = steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    assert steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT + LATER, now=NOW) == begun


def test_a_night_declares_when_it_begins_whether_its_project_is_watched(yard: Yard) -> None:
    watched = FLIGHTS.varied(drift=DriftPolicy(looks=()))
    for name, project in (("watched", watched), ("unwatched", FLIGHTS.varied(drift=None))):
        steps.finish(yard.platform, steps.begin(yard.platform, project, run_id=name, instant=INSTANT, now=NOW))
        assert is_watched(yard.platform.ledger, project.name, name) is (name == "watched")


def test_an_instant_has_a_time_zone_and_means_the_same_in_each(yard: Yard) -> None:
    with pytest.raises(DeclarationError, match="an instant has a time zone"):
        steps.begin(yard.platform, FLIGHTS, run_id="naive", instant=INSTANT.replace(tzinfo=None), now=NOW)
    local = INSTANT.astimezone(ZoneInfo("America/New_York"))
    run = steps.begin(yard.platform, FLIGHTS, run_id="local", instant=local, now=NOW)
    assert run.instant.isoformat() == INSTANT.isoformat()
    assert steps.resume(yard.platform, FLIGHTS, run_id="local", now=NOW) == run


def test_no_run_begins_on_a_ledger_with_a_gap(yard: Yard) -> None:
    steps.begin(yard.platform, TEMPERATURE, run_id="before", instant=INSTANT, now=NOW)
    yard.platform.ledger.close()
    with sa.create_engine(yard.settings.ledger, poolclass=sa.NullPool).begin() as connection:
        (statement,) = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'ledger_log_no_delete'"))
        connection.exec_driver_sql("DROP TRIGGER ledger_log_no_delete")
        connection.exec_driver_sql("DELETE FROM ledger_log WHERE position = 2")
        connection.exec_driver_sql(statement.sql)
    with pytest.raises(LedgerError, match="positions have a gap"):
        steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)


def test_a_step_of_a_run_that_never_began_is_refused(yard: Yard) -> None:
    with pytest.raises(DeclarationError, match="belongs to a run that has begun"):
        steps.resume(yard.platform, FLIGHTS, run_id="nobody", now=NOW)


def test_two_nights_of_one_project_do_not_run_at_once_but_two_projects_do(yard: Yard) -> None:
    run = steps.begin(yard.platform, FLIGHTS, run_id="first", instant=INSTANT, now=NOW)
    with pytest.raises(LeaseHeld, match="first"):
        steps.begin(yard.platform, FLIGHTS, run_id="second", instant=INSTANT + LATER, now=NOW)
    assert yard.attempts("second") == {"begin": ["LeaseHeld"]}
    steps.begin(yard.platform, TEMPERATURE, run_id="second", instant=INSTANT, now=NOW)
    steps.finish(yard.platform, run)
    steps.begin(yard.platform, FLIGHTS, run_id="second", instant=INSTANT + LATER, now=NOW)


def test_a_night_that_was_refused_the_lease_can_begin_later_under_the_same_name(yard: Yard) -> None:
    run = steps.begin(yard.platform, FLIGHTS, run_id="first", instant=INSTANT, now=NOW)
    with pytest.raises(LeaseHeld):
        yard.night(run_id="second")
    steps.finish(yard.platform, run)
    assert yard.night(run_id="second").promotion.version == 1


def test_a_night_whose_lease_was_taken_over_writes_nothing_any_more(
    done: tuple[Yard, Night], make_yard: MakeYard
) -> None:
    _, night = done
    yard = make_yard()
    yard.grant(FLIGHTS)
    old = steps.begin(yard.platform, FLIGHTS, run_id="old", instant=INSTANT, now=NOW)
    assert yard.night(run_id="new", now=EXPIRED).digests == night.digests
    taken_over = steps.begin(yard.platform, FLIGHTS, run_id="newer", instant=INSTANT, now=EXPIRED)
    known = yard.events()
    for name in STEPS:
        with pytest.raises(LedgerError):
            yard.step(name, FLIGHTS, old, night.digests)
    steps.finish(yard.platform, old)  # not its lease any more
    assert yard.events() == known
    with pytest.raises(LeaseHeld, match="newer"):
        steps.resume(yard.platform, FLIGHTS, run_id="old", now=EXPIRED)
    assert yard.events()[len(known) :] == yard.events(StepFailed, run_id="old")  # it says that it cannot go on
    assert steps.resume(yard.platform, FLIGHTS, run_id="newer", now=EXPIRED) == taken_over


def test_a_night_that_is_taken_over_within_a_step_does_not_record_that_step(
    yard: Yard, done: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step in turn had begun under its lease when another took it over. The last night makes what is left."""
    _, undisturbed = done
    for number, step in enumerate(STEPS):
        old, new, now = f"old-{number}", f"new-{number}", NOW + number * timedelta(hours=2)
        run = steps.begin(yard.platform, FLIGHTS, run_id=old, instant=INSTANT, now=now)
        digests: dict[str, str] = {}
        for name in STEPS[:number]:
            digests[name] = yard.step(name, FLIGHTS, run, digests)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "attempt", _overtaken(yard, new, now + steps.LEASE))
            with pytest.raises(LedgerError, match=r"lease|fence|token"):
                yard.step(step, FLIGHTS, run, digests)
        assert yard.attempts(old)[step] == ["LedgerError"]
        steps.finish(yard.platform, steps.resume(yard.platform, FLIGHTS, run_id=new, now=now + steps.LEASE))
    night = yard.night(run_id="last", now=NOW + timedelta(days=1))
    assert night.digests == undisturbed.digests
    assert len(yard.events(TrialRecorded)) == FLIGHTS.learning.search.trials
    assert len(yard.events(ModelRegistered)) == 1


def _overtaken(yard: Yard, new: str, now: datetime) -> object:
    """An attempt after whose beginning the run *new* takes the lease."""
    begins = Journal.attempt

    @contextmanager
    def attempt(journal: Journal, name: str) -> Iterator[str]:
        with begins(journal, name) as begun:
            if name != "declare":  # which is how the new run begins
                steps.begin(yard.platform, FLIGHTS, run_id=new, instant=INSTANT, now=now)
            yield begun

    return attempt
