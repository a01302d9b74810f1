"""The reconciler: an ask whose signal was lost gets one night, and a night that is over is recorded as ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.canonical import encode, record_digest
from include.core.events import DriftJudged, ModelRegistered, PolicyDeclared, RetrainingAsked, RetrainingDeclined
from include.core.project import DriftPolicy
from include.core.records import Days, DriftState, DriftVerdict, RetrainingOutcome, Verdict
from include.ledger import Ledger, lease
from include.registry.champions import Champions
from include.retraining import asks, verdicts
from include.runtime.upkeep import reconciliation
from include.runtime.upkeep.reconciliation import PATIENCE, NightStart
from tests.registry.models import signer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = DriftPolicy(excess_loss=1.0, calibration_gap=None)
ASK = RetrainingAsked(project="p", ask_id="a", run_id="watch__1", model_version=1, instant=NOW)
LATE = NOW + PATIENCE


@dataclass
class Airflow:
    """The runs that Airflow knows, by id, with their states."""

    runs: Mapping[str, str] = field(default_factory=dict)

    def get_dr_count(self, dag_id: str, *, run_ids: list[str] | None = None, states: list[str] | None = None) -> int:
        assert dag_id == "train_p"
        return sum(state in (states or [state]) for run_id, state in self.runs.items() if run_id in (run_ids or []))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW)
    asks.ask(made, POLICY, ASK)
    return made


def lost(ledger: Ledger, runs: Mapping[str, str], now: datetime = LATE) -> list[NightStart]:
    return list(reconciliation.lost(ledger, ["p", "other"], Airflow(runs), now=now))


def outcome(ledger: Ledger) -> RetrainingOutcome | None:
    return asks.known(ledger, "p").retrainings[0].outcome


def test_an_ask_that_nobody_took_up_for_ten_minutes_gets_a_night_under_an_id_of_its_own(ledger: Ledger) -> None:
    assert lost(ledger, {}, now=LATE - timedelta(seconds=1)) == []
    assert lost(ledger, {}) == [NightStart(dag_id="train_p", run_id="retraining__a")]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_night_that_was_started_and_waits_is_left_alone(ledger: Ledger, state: str) -> None:
    assert lost(ledger, {"retraining__a": state}) == []


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_night_that_ended_without_having_taken_the_ask_is_followed_by_another(ledger: Ledger, state: str) -> None:
    assert lost(ledger, {"retraining__a": state}) == [NightStart(dag_id="train_p", run_id="retraining__a__2")]
    assert lost(ledger, {"retraining__a": state, "retraining__a__2": "queued"}) == []


def test_an_ask_that_a_night_took_up_is_not_lost(ledger: Ledger) -> None:
    asks.start(ledger, "p", "asset_triggered__1", champion=None)
    assert lost(ledger, {}) == []


def closed(ledger: Ledger, runs: Mapping[str, str], now: datetime = LATE) -> int:
    return reconciliation.close_ended(ledger, ["p"], Airflow(runs), now=now)


def test_a_night_that_runs_or_waits_is_not_over(ledger: Ledger) -> None:
    asks.start(ledger, "p", "night", champion=None)
    assert closed(ledger, {"night": "running"}) == closed(ledger, {"night": "queued"}) == 0
    assert outcome(ledger) is None


def test_a_night_that_failed_without_a_word_ends_its_ask(ledger: Ledger) -> None:
    asks.start(ledger, "p", "night", champion=None)
    assert closed(ledger, {"night": "failed"}) == 1
    assert outcome(ledger) is RetrainingOutcome.FAILED
    assert closed(ledger, {"night": "failed"}) == 0


@pytest.mark.parametrize(("promote", "expected"), [(True, RetrainingOutcome.PROMOTED), (False, RetrainingOutcome.KEPT)])
def test_what_the_night_decided_is_found_in_the_ledger(
    ledger: Ledger, promote: bool, expected: RetrainingOutcome
) -> None:
    asks.start(ledger, "p", "night", champion=None)
    model = ModelRegistered(
        project="p",
        run_id="night",
        model_version=1,
        evaluation="sha256:1",
        bundle="sha256:2",
        verdict=Verdict(promote=promote, reasons=()),
    )
    ledger.append("model/p", [model], expected_version=0)
    assert closed(ledger, {"night": "success"}) == 1
    assert outcome(ledger) is expected


def test_a_night_that_airflow_does_not_know_is_over_when_nobody_holds_the_lease_any_more(ledger: Ledger) -> None:
    asks.start(ledger, "p", "by-hand", champion=None)
    over = NOW + lease.DURATION
    assert closed(ledger, {}, now=over - timedelta(seconds=1)) == 0
    lease.take(ledger, "p", run_id="by-hand", now=NOW, duration=timedelta(hours=2))
    assert closed(ledger, {}, now=over) == 0
    lease.release(ledger, "p", run_id="by-hand")
    assert closed(ledger, {}, now=over) == 1


# ── a verdict whose watch was killed before it asked ──────────────────────────────────────────────────────────────────


@pytest.fixture
def unasked(tmp_path: Path) -> Ledger:
    """A ledger with a champion, version 1, and a recorded policy."""
    made = Ledger.open(f"sqlite:///{tmp_path / 'unasked.db'}", clock=lambda: NOW)
    promoted(made, 1)
    digest = record_digest(POLICY)
    event = PolicyDeclared(project="p", digest=digest, policy=encode(POLICY).decode())
    made.record("drift/p", event, key=f"policy/p/{digest}")
    return made


def promoted(ledger: Ledger, version: int) -> None:
    model = ModelRegistered(
        project="p",
        run_id=f"made-{version}",
        model_version=version,
        evaluation=f"sha256:{version}",
        bundle="sha256:b",
        verdict=Verdict(promote=True, reasons=()),
    )
    ledger.append("model/p", [model], expected_version=version - 1)


def champions(ledger: Ledger) -> Champions:
    """Of versions of before they were signed."""
    return Champions(ledger, signer().verifier)


def judged(ledger: Ledger, run_id: str, *, version: int = 1, state: DriftState = DriftState.RETRAIN) -> DriftJudged:
    day = NOW.date() - timedelta(days=2)
    event = DriftJudged(
        project="p",
        run_id=run_id,
        instant=NOW,
        model_version=version,
        policy=record_digest(POLICY),
        live="sha256:l",
        days=Days(first=day, last=day),
        figures=(),
        verdict=DriftVerdict(state=state, reasons=(), figures={}, days=(), inputs=()),
    )
    ledger.record("drift/p", event, key=f"judged/p/{run_id}")
    return event


def test_a_verdict_whose_watch_was_killed_before_it_asked_is_asked_for_once(unasked: Ledger) -> None:
    verdict = judged(unasked, "watch__1")
    assert [reconciliation.ask_late(unasked, ["p", "other"], champions(unasked)) for _ in range(2)] == [1, 0]
    (waiting,) = asks.known(unasked, "p").waiting()
    assert (waiting.ask.run_id, waiting.ask.model_version, waiting.ask.instant) == ("watch__1", 1, NOW)
    assert verdicts.ask(unasked, POLICY, verdict, champion=1) == waiting.ask, (
        "the watch that goes on after all gets this answer"
    )
    assert lost(unasked, {}) == [NightStart(dag_id="train_p", run_id=f"retraining__{waiting.ask.ask_id}")]


def test_only_the_newest_verdict_on_the_champion_in_force_is_asked_for_late(unasked: Ledger) -> None:
    assert reconciliation.ask_late(unasked, ["p"], champions(unasked)) == 0
    judged(unasked, "watch__stable", state=DriftState.STABLE)
    assert reconciliation.ask_late(unasked, ["p"], champions(unasked)) == 0
    judged(unasked, "watch__old")
    judged(unasked, "watch__new")
    assert reconciliation.ask_late(unasked, ["p"], champions(unasked)) == 1
    assert asks.known(unasked, "p").waiting()[0].ask.run_id == "watch__new"
    promoted(unasked, 2)
    judged(unasked, "watch__late")
    assert reconciliation.ask_late(unasked, ["p"], champions(unasked)) == 0, "it judged a champion that is replaced"


def test_a_late_ask_keeps_the_pace_that_its_policy_sets(unasked: Ledger) -> None:
    judged(unasked, "watch__1")
    reconciliation.ask_late(unasked, ["p"], champions(unasked))
    judged(unasked, "watch__2")
    assert reconciliation.ask_late(unasked, ["p"], champions(unasked)) == 0
    (declined,) = asks.known(unasked, "p").declined
    assert isinstance(declined, RetrainingDeclined)
    assert declined.run_id == "watch__2"
