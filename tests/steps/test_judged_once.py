"""The law of the series: every matured day is judged once, by the champion that was in force before it.

Whatever the order of nights, watches, crashes, clock jumps, lost and doubled events: a state machine drives the real
functions on a real ledger, and only the rows are made up.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from include.contracts import load_folder
from include.core.canonical import encode
from include.core.events import DayJudged, Event, ModelRegistered, RunStarted
from include.core.project import DriftPolicy, Objective
from include.core.records import DAY, DayOfSeries, Days, DueDay, Evaluation, Run, Verdict, day_start
from include.governance.access import Access
from include.ledger import Ledger
from include.ledger.journal import run_stream
from include.monitoring.series import Prediction, judged_days
from include.projects import flight_delay
from include.registry.champions import Champions, InForce, Version
from include.registry.rollback import Rollback
from include.steps import Platform, series, verdicts
from include.steps.judges import Judges
from include.store import Store
from tests.governance.conftest import SHIPPED
from tests.registry.models import signer

FIRST = datetime(2013, 6, 1, 4, tzinfo=UTC)
MATURES = load_folder(SHIPPED)["flights"].matures_after_days
#: Seven weeks of nights and watches.
OFFSETS = st.integers(0, 49)


def last_matured(instant: datetime) -> date:
    return instant.date() - (1 + MATURES) * DAY


def evaluation(holdout: Days) -> Evaluation:
    return Evaluation(
        plan="plan",
        features="features",
        objective=Objective.BINARY,
        trial_id="trial",
        params={},
        model="model",
        metrics={},
        champion=None,
        compared=None,
        compared_metrics={},
        champion_metrics={},
        difference=None,
        holdout=holdout,
        rows=100,
    )


class Yard:
    """A ledger for many projects, one a history."""

    def __init__(self, folder: Path) -> None:
        ledger, store = Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Store(folder / "store")
        verifier = signer().verifier
        opened = SimpleNamespace(
            ledger=ledger,
            store=store,
            access=Access(ledger, verifier),
            contracts=load_folder(SHIPPED),
            champions=Champions(ledger, verifier),
        )
        opened.load = lambda kind, digest: Platform.load(cast(Platform, opened), kind, digest)
        self.platform = cast(Platform, opened)
        self.names = (f"project_{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    with TemporaryDirectory() as folder:
        made = Yard(Path(folder))
        yield made
        made.platform.ledger.close()


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A watch under way: what it has scored, and who should judge by what was promoted when it looked."""

    run: Run
    days: tuple[DueDay, ...]
    expected: dict[date, int]


class LostAnswer(Exception):
    """The ledger took it, and the watch died before it knew."""


class History(RuleBasedStateMachine):
    """Nights that promote or do not, and watches at any instant, each of which may die at any of its steps."""

    yard: Yard

    @initialize(promoted=st.just(True))
    def first_night(self, promoted: bool) -> None:
        drift = DriftPolicy(excess_loss=None, calibration_gap=1.0)
        self.project = replace(flight_delay.PROJECT, name=next(self.yard.names), drift=drift)
        self.promotions: list[tuple[int, datetime]] = []
        self.under_way: list[Watch] = []
        self.first: dict[date, tuple[DayOfSeries, int]] = {}
        self.recorded_by: dict[date, str] = {}
        self.runs = 0
        self.nights = 0
        self.night(offset=0, promoted=promoted)

    @rule(offset=OFFSETS, promoted=st.booleans())
    def night(self, offset: int, promoted: bool) -> None:
        """At an instant that may lie before those of earlier nights."""
        self.nights += 1
        ledger, instant = self.yard.platform.ledger, FIRST + timedelta(days=offset)
        run = self._run(f"night-{self.nights}", instant)
        last = last_matured(instant)
        evaluated = self.yard.platform.store.put(encode(evaluation(Days(first=last - 6 * DAY, last=last))))
        event = ModelRegistered(
            project=self.project.name,
            run_id=run.run_id,
            model_version=self.nights,
            evaluation=evaluated,
            bundle="bundle",
            verdict=Verdict(promote=promoted, reasons=()),
        )
        ledger.record(f"model/{self.project.name}", event)
        if promoted:
            self.promotions.append((self.nights, instant))

    @rule(offset=OFFSETS)
    def watch_begins(self, offset: int) -> None:
        """It looks what is due and scores it; whether it lives to record that is seen later."""
        self.runs += 1
        run = self._run(f"watch-{self.runs}", FIRST + timedelta(days=offset))
        self._look(run)

    @rule(which=st.integers(0, 9), lost=st.booleans(), again=st.booleans())
    def watch_records(self, which: int, lost: bool, again: bool) -> None:
        """It may hear no answer, or be taken for dead and record twice."""
        if not self.under_way:
            return
        watch = self.under_way[which % len(self.under_way)]
        ledger = self.yard.platform.ledger
        judged = scored(watch)
        before = {each.day for each in series.series_of(ledger, self.project.name)}
        with suppress(LostAnswer):
            series.record(Deaf(ledger._database) if lost else ledger, watch.run, judged)
        for each in judged:
            if each.day not in before:
                self.first[each.day] = (each, watch.expected[each.day])
                self.recorded_by[each.day] = watch.run.run_id
        if not again:
            self.under_way.remove(watch)

    @rule(which=st.integers(0, 9))
    def watch_resumes(self, which: int) -> None:
        """Killed before it recorded, it looks again; what it recorded itself is still due for it."""
        if self.under_way:
            self._look(self.under_way.pop(which % len(self.under_way)).run)

    @rule(number=st.integers(0, 30))
    def an_event_is_doubled(self, number: int) -> None:
        """Somebody appends without a key what was recorded: the first record counts."""
        entries = self.yard.platform.ledger.read(series.stream_of(self.project.name))
        if entries:
            event = entries[number % len(entries)].event
            assert isinstance(event, DayJudged)
            doubled = replace(event, judged=replace(event.judged, loss=99.0))
            self.yard.platform.ledger.record(series.stream_of(self.project.name), doubled)

    @invariant()
    def each_day_keeps_its_first_record_and_is_judged_by_the_champion_in_force_before_it(self) -> None:
        if not hasattr(self, "project"):
            return
        found = series.series_of(self.yard.platform.ledger, self.project.name)
        assert found == tuple(self.first[day][0] for day in sorted(self.first))
        assert [each.champion for each in found] == [self.first[day][1] for day in sorted(self.first)]

    def teardown(self) -> None:
        """A last watch judges all that is left, and another finds nothing."""
        if not hasattr(self, "project"):
            return
        self.watch_begins(offset=49)
        if self.under_way and self.under_way[-1].run.run_id == f"watch-{self.runs}":
            self.watch_records(which=len(self.under_way) - 1, lost=False, again=False)
        found = series.series_of(self.yard.platform.ledger, self.project.name)
        first = last_matured(self.promotions[0][1]) + DAY
        last = last_matured(FIRST + timedelta(days=49))
        assert [each.day for each in found] == list(Days(first=first, last=last)), (
            "no day is missing, none is there twice"
        )
        self.each_day_keeps_its_first_record_and_is_judged_by_the_champion_in_force_before_it()
        again = self._run("watch-again", FIRST + timedelta(days=49))
        due = verdicts.due(self.yard.platform, self.project, run_id=again.run_id, instant=again.instant)
        assert isinstance(due, str)

    def _look(self, run: Run) -> None:
        due = verdicts.due(self.yard.platform, self.project, run_id=run.run_id, instant=run.instant)
        own = {day for day, run_id in self.recorded_by.items() if run_id == run.run_id}
        if isinstance(due, str):
            assert not own, "what a watch recorded itself is due until it ends"
            return
        assert own <= {each.day for each in due.days}
        days = tuple(DueDay(day=each.day, champion=each.champion, predecessor=each.predecessor) for each in due.days)
        expected = {each.day: self._in_force_before(each.day) for each in due.days}
        self.under_way.append(Watch(run=run, days=days, expected=expected))

    def _in_force_before(self, day: date) -> int:
        """The last that was promoted of those whose nights lie before the day; the first, where there is none."""
        began = [version for version, instant in self.promotions if instant <= day_start(day)]
        return began[-1] if began else self.promotions[0][0]

    def _run(self, run_id: str, instant: datetime) -> Run:
        run = Run(
            project=self.project.name,
            run_id=run_id,
            instant=instant,
            code_digest="code",
            declaration_digest="declared",
            fence=0,
        )
        stream = run_stream(run.project, run.run_id)
        started: Event = RunStarted(run=run, separation_of_duties="NOT SHOWN")
        self.yard.platform.ledger.record(stream, started, key=stream)
        return run


class Deaf(Ledger):
    """A ledger that takes what it is given, and whose answer nobody hears."""

    def record_all(self, *arguments: object, **named: object) -> list[object]:  # type: ignore[override]
        super().record_all(*arguments, **named)  # type: ignore[arg-type]
        raise LostAnswer


def scored(watch: Watch) -> tuple[DayOfSeries, ...]:
    """The figures of rows that are made up: each version predicts another number, each watch sees other labels."""
    day = np.repeat(np.array([each.day.toordinal() for each in watch.days], dtype=np.int32), 20)
    label = np.random.default_rng(len(watch.run.run_id)).integers(0, 2, len(day)).astype(float)
    versions = {version for each in watch.days for version in (each.champion, each.predecessor) if version is not None}
    rows = np.ones(len(day), dtype=bool)
    predictions = {version: Prediction(rows=rows, score=np.full(len(day), 0.01 * version)) for version in versions}
    return judged_days(
        Objective.BINARY, watch.days, day=day, label=label, predictions=predictions, matures_after_days=MATURES
    )


@pytest.fixture
def histories(yard: Yard) -> type[History]:
    class OfThisYard(History):
        pass

    OfThisYard.yard = yard
    return OfThisYard


def test_every_matured_day_is_judged_once_by_the_champion_that_was_in_force_before_it(
    histories: type[History],
) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        histories,
        settings=settings(max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=checks),
    )


def test_what_a_watch_recorded_itself_is_due_until_it_ends(histories: type[History]) -> None:
    history = histories()
    history.first_night(promoted=True)
    history.watch_begins(offset=20)
    history.watch_records(which=0, lost=True, again=True)
    history.watch_resumes(which=0)
    assert len(history.under_way) == 1
    history.watch_begins(offset=20)
    assert len(history.under_way) == 1, "and is not for another"


def test_days_of_the_champion_in_force_wait_while_it_is_in_quarantine_and_no_longer(
    histories: type[History], monkeypatch: pytest.MonkeyPatch
) -> None:
    history = histories()
    history.first_night(promoted=True)
    history.night(offset=10, promoted=True)
    champions, run = history.yard.platform.champions, history._run("watch-barred", FIRST + timedelta(days=20))

    def due() -> tuple[Judges, ...]:
        found = verdicts.due(history.yard.platform, history.project, run_id=run.run_id, instant=run.instant)
        assert isinstance(found, verdicts.Due)
        return found.days

    whole, seen = due(), champions.seen
    assert {each.champion for each in whole} == {1, 2}

    def barred(project: str, versions: Sequence[Version], *, rollback: Rollback | None = None) -> list[InForce]:
        found = seen(project, versions, rollback=rollback)
        return [replace(each, refused="in quarantine") if each.number == 2 else each for each in found]

    monkeypatch.setattr(champions, "seen", barred)
    assert due() == tuple(each for each in whole if each.champion == 1)
    history.night(offset=15, promoted=True)
    assert {each.champion: each.refused for each in due()} == {1: None, 2: "in quarantine", 3: None}
