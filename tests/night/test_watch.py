"""The watch: the champion on matured days that came after it, judged under a policy, and asking once for a night."""

import json
import re
import signal
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include import steps
from include.core.canonical import digest_of, encode
from include.core.errors import AccessDenied, DataError, DeclarationError, LeaseHeld, StoreUnavailable
from include.core.events import (
    ArtifactOpened,
    DataOpened,
    DriftJudged,
    LeaseTaken,
    LineageEmitted,
    ModelRegistered,
    PartitionsMade,
    PolicyDeclared,
    ReferenceMade,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingEnded,
)
from include.core.project import DriftPolicy, FeatureGroup, Project, Window
from include.core.records import DriftState, Evaluation, LiveFigures, LiveScores, RetrainingOutcome, Run
from include.core.runs import RunKind
from include.ledger import lease
from include.retraining import asks, verdicts
from include.retraining.series import series_of
from include.runtime.nights.local import UNSEEN, Display, NightResult
from include.runtime.nights.watch import retrain, run_watch, unfinished
from include.steps import backlog, watch
from include.steps.chain import WATCH
from include.store import Store
from tests.core.documented import contradictions
from tests.night import killed
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, NOW, Yard, replaced

if TYPE_CHECKING:
    import ibis

#: Whatever happens is accepted; or nothing is.
LENIENT = DriftPolicy(excess_loss=100.0, calibration_gap=100.0, days=20, minimum_days=20, psi=100.0)
STRICT = replace(LENIENT, excess_loss=None, calibration_gap=1e-9)
WATCHED = FLIGHTS.varied(window=Window(days=66, validation_days=3, holdout_days=4), drift=LENIENT)
STRICTLY_WATCHED = WATCHED.varied(drift=STRICT)
#: Four weeks after the night: 26 days have matured that it did not know.
LATER = INSTANT + timedelta(days=28)


def watched(
    yard: Yard, project: Project = WATCHED, *, run_id: str = "watch", instant: datetime = LATER, now: datetime = NOW
) -> DriftJudged:
    """A whole watch; the verdict that it recorded."""
    run = begun(yard, project, run_id=run_id, instant=instant, now=now)
    digests: dict[str, str] = {}
    for step in WATCH:
        digests[step.name] = yard.step(step.name, project, run, digests, now=now)
    return verdicts_of(yard)[-1]


def begun(yard: Yard, project: Project, *, run_id: str, instant: datetime = LATER, now: datetime = NOW) -> Run:
    return steps.begin(yard.platform, project, run_id=run_id, instant=instant, now=now, kind=RunKind.WATCH)


def verdicts_of(yard: Yard) -> list[DriftJudged]:
    return verdicts.judged(yard.platform.ledger, "flight_delay")


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory, production: Path, new_home: Path) -> Path:
    """The home of a deployment in which a night of the watched project made the champion."""
    yard = Yard.built(tmp_path_factory.mktemp("watched") / "home", production, new_home)
    yard.grant(WATCHED)
    yard.night(WATCHED)
    yard.platform.ledger.close()
    return yard.home


@pytest.fixture
def trained(first_night: Path, tmp_path: Path, production: Path) -> Yard:
    """A copy of that deployment."""
    return Yard.built(tmp_path / "home", production, first_night)


def after_a_watch(home: Path, production: Path, first_night: Path, project: Project) -> Path:
    """The *home* of such a deployment with a whole watch of *project*, which nobody has open; to be copied."""
    yard = Yard.built(home, production, first_night)
    watched(yard, project)
    yard.platform.ledger.close()
    return home


@pytest.fixture(scope="module")
def calm_home(tmp_path_factory: pytest.TempPathFactory, production: Path, first_night: Path) -> Path:
    return after_a_watch(tmp_path_factory.mktemp("calm") / "home", production, first_night, WATCHED)


@pytest.fixture(scope="module")
def alarmed_home(tmp_path_factory: pytest.TempPathFactory, production: Path, first_night: Path) -> Path:
    return after_a_watch(tmp_path_factory.mktemp("alarmed") / "home", production, first_night, STRICTLY_WATCHED)


@pytest.fixture
def calm(calm_home: Path, tmp_path: Path, production: Path) -> Yard:
    """A deployment of a test's own whose watch found nothing to ask for."""
    return Yard.built(tmp_path / "calm", production, calm_home)


@pytest.fixture
def alarmed(alarmed_home: Path, tmp_path: Path, production: Path) -> Yard:
    """A deployment of a test's own whose watch asked for a night."""
    return Yard.built(tmp_path / "alarmed", production, alarmed_home)


def test_a_watch_judges_every_day_that_matured_since_the_holdout_and_the_next_only_those_after(calm: Yard) -> None:
    (first,) = verdicts_of(calm)
    # The night of 1 June knew the days up to 29 May; on 29 June those up to 26 June had matured.
    assert (first.days.first, first.days.last) == (date(2013, 5, 30), date(2013, 6, 26))
    assert [each.day for each in first.figures] == list(first.days)
    assert first.verdict.state is DriftState.STABLE
    assert (len(first.verdict.days), first.verdict.days[-1]) == (20, date(2013, 6, 26))
    second = watched(calm, run_id="next", instant=LATER + timedelta(days=2))
    assert (second.days.first, second.days.last) == (date(2013, 6, 27), date(2013, 6, 28))
    assert [each.day for each in second.figures] == [date(2013, 6, 27), date(2013, 6, 28)]
    assert second.verdict.days[-1] == date(2013, 6, 28), "and judges them with the days before"


def test_with_fewer_than_twenty_days_nothing_is_decided(trained: Yard) -> None:
    few = watched(trained, WATCHED.varied(drift=STRICT), instant=INSTANT + timedelta(days=10))
    assert few.verdict.state is DriftState.TOO_FEW_TO_KNOW
    assert trained.events(RetrainingAsked, RetrainingDeclined) == []


def test_where_there_is_nothing_to_watch_it_says_why_and_reads_nothing(
    make_yard: MakeYard, trained: Yard, calm: Yard
) -> None:
    def due(yard: Yard, project: Project = WATCHED, instant: datetime = LATER, run_id: str = "watch") -> object:
        return backlog.due(yard.platform, project, run_id=run_id, instant=instant)

    assert due(make_yard()) == "Nothing to watch: flight_delay has no champion yet"
    assert due(trained, WATCHED.varied(drift=None)) == "Nothing to watch: flight_delay declares no drift policy"
    assert "2013-05-29 is the last day that had matured" in str(due(trained, instant=INSTANT))
    assert "judged on all days up to 2013-06-26" in str(due(calm, run_id="another"))
    assert isinstance(due(calm), backlog.DueDays), "the watch itself may go on"
    assert "evaluated or judged" in str(due(calm, instant=LATER - timedelta(days=7), run_id="backfill"))


def test_the_reference_is_made_at_promotion_and_the_policy_recorded_before_the_first_verdict(calm: Yard) -> None:
    made = calm.events(ReferenceMade)
    assert [(event.model_version, event.run_id) for event in made if isinstance(event, ReferenceMade)] == [(1, "night")]
    declared, judged = calm.events(PolicyDeclared, DriftJudged)
    assert isinstance(declared, PolicyDeclared)
    assert isinstance(judged, DriftJudged)
    assert declared.policy.encode() == encode(LENIENT)
    assert judged.policy == declared.digest == digest_of(encode(LENIENT))
    watched(calm, WATCHED.varied(drift=STRICT), run_id="stricter", instant=LATER + timedelta(days=1))
    assert len(calm.events(PolicyDeclared)) == 2, "a changed policy is another"


def test_a_watch_reads_under_the_grants_of_the_night_and_leaves_receipts(trained: Yard, calm: Yard) -> None:
    before = len(trained.events(DataOpened, ArtifactOpened, run_id="watch"))
    opened = [event for event in calm.events(ArtifactOpened, run_id="watch") if isinstance(event, ArtifactOpened)]
    assert before == 0
    assert len(calm.events(DataOpened, run_id="watch")) == 3
    assert {event.step for event in opened} == {"score", "drift", "verdict"}


@pytest.mark.parametrize("last", [step.name for step in WATCH])
def test_a_revoked_grant_ends_a_watch_at_its_next_step(trained: Yard, last: str) -> None:
    run = begun(trained, WATCHED, run_id="watch")
    digests: dict[str, str] = {}
    for name in takewhile(lambda name: name != last, (step.name for step in WATCH)):
        digests[name] = trained.step(name, WATCHED, run, digests)
    trained.revoke(trained.platform.access.grants(now=NOW)[0].grant_id)
    with pytest.raises(AccessDenied):
        trained.step(last, WATCHED, run, digests)
    assert verdicts_of(trained) == []


def test_a_watch_goes_on_beside_a_night_and_leaves_it_its_lease(trained: Yard) -> None:
    ledger = trained.platform.ledger
    fence = lease.take(ledger, "flight_delay", run_id="other", now=NOW, duration=timedelta(hours=1))
    before = len(trained.events(LeaseTaken))
    run = begun(trained, WATCHED, run_id="watch")
    assert steps.resume(trained.platform, WATCHED, run_id="watch", now=NOW) == run, "each of its tasks takes it up so"
    watched(trained)
    assert len(trained.events(LeaseTaken)) == before
    assert lease.renew(ledger, fence, now=NOW, duration=timedelta(hours=1))


def test_a_verdict_asks_for_one_night_and_the_same_watch_again_changes_nothing(alarmed: Yard) -> None:
    (judged,) = verdicts_of(alarmed)
    assert judged.verdict.state is DriftState.RETRAIN
    again = watched(alarmed, STRICTLY_WATCHED)
    assert again == judged
    assert len(verdicts_of(alarmed)) == 1
    (asked,) = alarmed.events(RetrainingAsked, RetrainingDeclined)
    assert isinstance(asked, RetrainingAsked)
    assert (asked.run_id, asked.model_version, asked.instant) == ("watch", 1, LATER)


def test_what_a_night_and_a_watch_record_stands_where_the_events_docstrings_say(alarmed: Yard) -> None:
    assert contradictions(alarmed.platform.ledger.read_all()) == []


def test_the_night_that_answers_makes_a_champion_that_is_watched_from_then_on(alarmed: Yard) -> None:
    ledger = alarmed.platform.ledger
    asked = asks.start(ledger, "flight_delay", "answer", champion=None)
    assert asked is not None
    night = alarmed.night(STRICTLY_WATCHED, run_id="answer", instant=asked.instant)
    assert night.evaluation.holdout.last == date(2013, 6, 26)
    verdict = '"name":"verdict/flight_delay"'
    lineage = [event.event for event in alarmed.events(LineageEmitted) if isinstance(event, LineageEmitted)]
    named = [json.loads(event) for event in lineage if verdict in event.replace(": ", ":")]
    assert [event["job"]["name"] for event in named] == ["flight_delay.verdict", "flight_delay.snapshot"]
    assert [one["name"] for one in named[1]["inputs"] if "verdict" in one["name"]] == ["verdict/flight_delay"]
    asks.answered(ledger, night.run, night.promotion)
    assert not asks.known(ledger, "flight_delay").waiting()
    much_later = watched(alarmed, STRICTLY_WATCHED, run_id="new", instant=LATER + timedelta(days=30))
    assert (much_later.model_version, much_later.days.first) == (2, date(2013, 6, 27))
    assert much_later.verdict.state is DriftState.FAILING, "no model meets such a limit, and this one learnt since"
    assert len(alarmed.events(RetrainingAsked, RetrainingDeclined)) == 1, "a human is asked, not another night"


#: Moments, before and after a write, from one kill to the next: the many partitions first, then every few.
STRIDES = (20, 150, 160, 120, 60, 30, 9, 2, 3, 4, 2, 3, 5, 2, 4, 3, 6, 2)


@pytest.mark.long
def test_a_watch_that_is_killed_again_and_again_ends_like_one_that_is_not_and_asks_once(
    trained: Yard, first_night: Path, tmp_path: Path, production: Path
) -> None:
    kills = 0
    for stride in STRIDES:
        status = killed.watch(trained.home, trained.production, trained.code, die_at=stride)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        kills += 1
    assert kills > 7
    judged = watched(trained, STRICTLY_WATCHED)
    undisturbed = watched(Yard.built(tmp_path / "undisturbed", production, first_night), STRICTLY_WATCHED)
    assert judged == undisturbed
    assert len(verdicts_of(trained)) == len(trained.events(RetrainingAsked, RetrainingDeclined)) == 1
    assert trained.unended() == []


def test_a_verdict_on_a_champion_that_was_replaced_meanwhile_asks_for_nothing(trained: Yard) -> None:
    strict = WATCHED.varied(drift=STRICT)
    run = begun(trained, strict, run_id="watch")
    digest = steps.snapshot(trained.platform, strict, run, now=NOW)
    digest = watch.score(trained.platform, strict, run, digest, now=NOW)
    digest = watch.drift(trained.platform, strict, run, digest, now=NOW)
    trained.night(strict, run_id="quicker", instant=LATER)
    watch.verdict(trained.platform, strict, run, digest, now=NOW)
    (declined,) = trained.events(RetrainingAsked, RetrainingDeclined)
    assert isinstance(declined, RetrainingDeclined)
    assert declined.reason == "version 2 is champion by now"


def test_a_watch_that_a_night_overtakes_judges_the_days_by_the_champion_that_was_in_force_before_them(
    trained: Yard,
) -> None:
    run = begun(trained, WATCHED, run_id="watch")
    digest = steps.snapshot(trained.platform, WATCHED, run, now=NOW)
    quicker = WATCHED.varied(gates=replace(FLIGHTS.quality.gates, margin=100.0))
    night = trained.night(quicker, run_id="quicker", instant=LATER)
    assert night.promotion.verdict.promote
    for step in (watch.score, watch.drift, watch.verdict):
        digest = step(trained.platform, WATCHED, run, digest, now=NOW)
    (judged,) = verdicts_of(trained)
    assert (judged.model_version, judged.days.last) == (2, date(2013, 6, 26))
    found = series_of(trained.platform.ledger, "flight_delay")
    assert [each.day for each in found] == list(judged.days)
    assert {each.champion for each in found} == {1}
    later = watched(trained, quicker, run_id="later", instant=LATER + timedelta(days=7))
    found = series_of(trained.platform.ledger, "flight_delay")[len(found) :]
    assert [each.day for each in found] == list(later.days)
    champions = [(each.champion, each.predecessor, each.best) for each in found]
    assert champions == [(1, None, None)] * 3 + [(2, 1, 1)] * 4, "the night of the 29th is champion from the 30th on"
    for each in found:
        assert each.loss is not None
        assert each.constant_loss is not None
        assert 0.2 < each.constant_loss < 1.0
        assert each.predecessor_loss == each.best_loss
    assert found[-1].predecessor_loss not in (None, found[-1].loss)


def test_a_watch_that_an_earlier_release_left_before_its_verdict_judges_the_days_that_it_counted(
    trained: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(trained, WATCHED, run_id="watch")
    scored = watch.score(
        trained.platform, WATCHED, run, steps.snapshot(trained.platform, WATCHED, run, now=NOW), now=NOW
    )
    with monkeypatch.context() as earlier:
        earlier.setattr("include.monitoring.series.judged_days", lambda *given, **named: ())
        counted = watch.drift(trained.platform, WATCHED, run, scored, now=NOW)
    watch.verdict(trained.platform, WATCHED, run, counted, now=NOW)
    (judged,) = verdicts_of(trained)
    assert [each.day for each in judged.figures] == list(judged.days)
    assert len(judged.verdict.days) == LENIENT.days
    assert all(each.loss is not None for each in series_of(trained.platform.ledger, "flight_delay"))


def test_a_watch_builds_only_groups_that_the_champion_learnt(trained: Yard) -> None:
    schedule = WATCHED.learning.features[0]

    def later(flights: "ibis.Table") -> "ibis.Table":
        return schedule.build(flights).rename(
            lambda name: name if name in WATCHED.learning.target.key else f"later_{name}"
        )

    grown = WATCHED.varied(features=(*WATCHED.learning.features, FeatureGroup(name="later", build=later)))
    live = trained.platform.load(LiveFigures, watched(trained, grown).live)
    scored = trained.platform.load(LiveScores, live.scored)
    learnt = {group.name for group in WATCHED.learning.features}
    assert {part.table for part in scored.partitions} == {*learnt, "label"}
    made = [event for event in trained.events(PartitionsMade) if isinstance(event, PartitionsMade)]
    assert "later" not in {part.table for event in made for part in event.partitions}


def test_without_labels_inputs_that_moved_warn_and_ask_for_nothing(
    trained: Yard, first_night: Path, tmp_path: Path, production: Path
) -> None:
    def without_outcome(file: Path) -> None:
        table = pq.read_table(file, partitioning=None)
        for name in ("arrival_delay", "distance", "hour", "minute"):  # whichever of them the model learnt from
            place = table.column_names.index(name)
            nulls = pa.nulls(table.num_rows, table.schema.field(place).type)
            table = table.set_column(place, table.schema.field(place), nulls)
        pq.write_table(table, file)

    june = [f"2013-06-{day:02}" for day in range(1, 29)]
    silent = replaced(production, tmp_path / "silent", "flights", without_outcome, *june)
    yard = Yard.built(tmp_path / "unlabelled", silent, first_night)
    nervous = replace(STRICT, psi=1e-9, psi_factor=1.0)
    judged = watched(yard, WATCHED.varied(drift=nervous))
    assert [each.day for each in judged.figures] == [date(2013, 5, 30), date(2013, 5, 31)], "those that have labels"
    assert judged.verdict.state is DriftState.WARNING
    moved, lacking = judged.verdict.reasons[-2:]
    assert moved.startswith("a human looks: in the week ")
    assert re.search(r"lack a value that all rows of the training had: .*\w \(\d{4,} rows without", lacking)
    assert judged.verdict.days == (), "they lie further back than the policy looks"
    assert yard.events(RetrainingAsked, RetrainingDeclined) == []


def test_the_command_line_watches_as_airflow_does(trained: Yard) -> None:
    """In this process, by the settings alone."""
    early = run_watch(trained.settings, WATCHED, run_id="early", instant=INSTANT, clock=lambda: NOW)
    assert "Nothing to watch" in str(early.nothing)
    done = run_watch(trained.settings, STRICTLY_WATCHED, run_id="by-hand", instant=LATER, clock=lambda: NOW)
    assert done.judged == verdicts_of(trained)[-1]
    assert isinstance(done.answer, RetrainingAsked)
    assert done.answer.instant == LATER


@pytest.fixture
def asking(alarmed: Yard) -> tuple[Yard, str]:
    """A deployment in which a verdict has asked for a night, and the ask's id."""
    (asked,) = alarmed.events(RetrainingAsked)
    assert isinstance(asked, RetrainingAsked)
    return alarmed, asked.ask_id


def here(yard: Yard, ask_id: str, display: Display = UNSEEN) -> tuple[RetrainingAsked, NightResult]:
    return retrain(yard.settings, STRICTLY_WATCHED, ask_id, display=display, clock=lambda: NOW)


def outcomes(yard: Yard) -> list[RetrainingOutcome]:
    return [event.outcome for event in yard.events(RetrainingEnded) if isinstance(event, RetrainingEnded)]


def test_a_retraining_here_takes_over_no_night_of_another(asking: tuple[Yard, str]) -> None:
    yard, ask_id = asking
    asks.start(yard.platform.ledger, "flight_delay", f"retraining__{ask_id}", champion=None)
    with pytest.raises(DeclarationError, match=f"one night answers an ask; found: retraining__{ask_id}"):
        here(yard, ask_id)
    with pytest.raises(DeclarationError, match="no ask unknown"):
        here(yard, "unknown")
    assert outcomes(yard) == []
    assert unfinished(yard.platform, "flight_delay") is None


def test_a_retraining_here_that_has_to_wait_did_not_fail(asking: tuple[Yard, str]) -> None:
    yard, ask_id = asking
    ledger = yard.platform.ledger
    lease.take(ledger, "flight_delay", run_id="other", now=NOW, duration=timedelta(hours=1))
    with pytest.raises(LeaseHeld):
        here(yard, ask_id)
    lease.release(ledger, "flight_delay", run_id="other")

    def away(step: str, digest: str | None) -> None:
        if step == "snapshot":
            raise StoreUnavailable("the store answers", value="nothing", remedy="Wait.")

    with pytest.raises(StoreUnavailable):
        here(yard, ask_id, Display(step=away))
    yard.revoke(yard.platform.access.grants(now=NOW)[0].grant_id)
    with pytest.raises(AccessDenied):
        here(yard, ask_id)
    assert outcomes(yard) == []
    (each,) = asks.known(ledger, "flight_delay").retrainings
    assert (each.started, each.in_flight) == (f"here__{ask_id}", True)
    assert unfinished(yard.platform, "flight_delay") == each.ask


def test_a_retraining_here_that_failed_goes_on_and_ends_once(asking: tuple[Yard, str]) -> None:
    yard, ask_id = asking

    def broken(step: str, digest: str | None) -> None:
        if step == "validate":
            raise DataError("the data can be used", value="it cannot", remedy="Repair it.")

    with pytest.raises(DataError):
        here(yard, ask_id, Display(step=broken))
    assert outcomes(yard) == [RetrainingOutcome.FAILED]
    failed = unfinished(yard.platform, "flight_delay")
    assert failed is not None
    assert failed.ask_id == ask_id
    ask, night = here(yard, ask_id)
    assert (ask.ask_id, night.run.run_id, night.run.instant) == (ask_id, f"here__{ask_id}", LATER)
    decided = RetrainingOutcome.PROMOTED if night.promotion.verdict.promote else RetrainingOutcome.KEPT
    assert outcomes(yard) == [RetrainingOutcome.FAILED, decided]
    with pytest.raises(DeclarationError, match="an ask is answered once"):
        here(yard, ask_id)
    assert unfinished(yard.platform, "flight_delay") is None


def test_what_another_champion_than_the_judged_one_asked_for_is_not_gone_on_with(asking: tuple[Yard, str]) -> None:
    yard, _ = asking
    assert unfinished(yard.platform, "flight_delay") is not None
    yard.night(
        STRICTLY_WATCHED.varied(gates=replace(FLIGHTS.quality.gates, margin=100.0)), run_id="later", instant=LATER
    )
    assert len(yard.events(ModelRegistered)) == 2
    assert unfinished(yard.platform, "flight_delay") is None


def test_a_lost_reference_is_made_again_the_same(trained: Yard) -> None:
    (made,) = trained.events(ReferenceMade)
    assert isinstance(made, ReferenceMade)
    Store(trained.settings.vault).path(made.reference).unlink()
    live = trained.platform.load(LiveFigures, watched(trained).live)
    assert live.reference == made.reference


def test_figures_on_the_days_after_agree_with_the_report_of_a_night_that_holds_them_out(calm: Yard) -> None:
    """The watch and the evaluation of the champion by a later night see the same days alike."""
    (judged,) = verdicts_of(calm)
    night = calm.night(WATCHED, run_id="later", instant=LATER)
    evaluation: Evaluation = night.evaluation
    days = [each for each in judged.figures if each.day in evaluation.holdout]
    rows = sum(each.rows for each in days)
    assert rows == evaluation.rows
    assert evaluation.champion_metrics["log_loss"] == pytest.approx(sum(each.loss * each.rows for each in days) / rows)


def test_what_a_watch_lost_is_made_again_the_same(calm: Yard) -> None:
    (judged,) = verdicts_of(calm)
    found = calm.platform.load(LiveFigures, judged.live)
    scored = calm.platform.load(LiveScores, found.scored)
    lost = (scored.scores, scored.partitions[0].content, found.profiles)
    for content in lost:
        Store(calm.settings.vault).path(content).unlink()
    assert watched(calm) == judged
    assert all(calm.platform.vault.has(content) for content in lost)
