"""The reconciler: an ask whose signal was lost gets one night, and a night that is over is recorded as ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.events import ModelRegistered, RetrainingAsked
from include.core.project import DriftPolicy
from include.core.records import RetrainingOutcome, Verdict
from include.ledger import Ledger, lease
from include.runtime.airflow import reconciliation
from include.runtime.airflow.reconciliation import PATIENCE, Start
from include.steps import retraining

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
    retraining.ask(made, POLICY, ASK)
    return made


def lost(ledger: Ledger, runs: Mapping[str, str], now: datetime = LATE) -> list[Start]:
    return list(reconciliation.lost(ledger, ["p", "other"], Airflow(runs), now=now))


def outcome(ledger: Ledger) -> RetrainingOutcome | None:
    return retraining.known(ledger, "p").retrainings[0].outcome


def test_an_ask_that_nobody_took_up_for_ten_minutes_gets_a_night_under_an_id_of_its_own(ledger: Ledger) -> None:
    assert lost(ledger, {}, now=LATE - timedelta(seconds=1)) == []
    assert lost(ledger, {}) == [Start(dag_id="train_p", run_id="retraining__a")]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_night_that_was_started_and_waits_is_left_alone(ledger: Ledger, state: str) -> None:
    assert lost(ledger, {"retraining__a": state}) == []


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_night_that_ended_without_having_taken_the_ask_is_followed_by_another(ledger: Ledger, state: str) -> None:
    assert lost(ledger, {"retraining__a": state}) == [Start(dag_id="train_p", run_id="retraining__a__2")]
    assert lost(ledger, {"retraining__a": state, "retraining__a__2": "queued"}) == []


def test_an_ask_that_a_night_took_up_is_not_lost(ledger: Ledger) -> None:
    retraining.start(ledger, "p", "asset_triggered__1")
    assert lost(ledger, {}) == []


def closed(ledger: Ledger, runs: Mapping[str, str], now: datetime = LATE) -> int:
    return reconciliation.close_ended(ledger, ["p"], Airflow(runs), now=now)


def test_a_night_that_runs_or_waits_is_not_over(ledger: Ledger) -> None:
    retraining.start(ledger, "p", "night")
    assert closed(ledger, {"night": "running"}) == closed(ledger, {"night": "queued"}) == 0
    assert outcome(ledger) is None


def test_a_night_that_failed_without_a_word_ends_its_ask(ledger: Ledger) -> None:
    retraining.start(ledger, "p", "night")
    assert closed(ledger, {"night": "failed"}) == 1
    assert outcome(ledger) is RetrainingOutcome.FAILED
    assert closed(ledger, {"night": "failed"}) == 0


@pytest.mark.parametrize(("promote", "expected"), [(True, RetrainingOutcome.PROMOTED), (False, RetrainingOutcome.KEPT)])
def test_what_the_night_decided_is_found_in_the_ledger(
    ledger: Ledger, promote: bool, expected: RetrainingOutcome
) -> None:
    retraining.start(ledger, "p", "night")
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
    retraining.start(ledger, "p", "by-hand")
    over = NOW + lease.DURATION
    assert closed(ledger, {}, now=over - timedelta(seconds=1)) == 0
    lease.take(ledger, "p", run_id="by-hand", now=NOW, duration=timedelta(hours=2))
    assert closed(ledger, {}, now=over) == 0
    lease.release(ledger, "p", run_id="by-hand")
    assert closed(ledger, {}, now=over) == 1
