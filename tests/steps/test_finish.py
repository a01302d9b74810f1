"""However and wherever a night ends, what drift asked for is answered, and the next night finds its lease."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from include import steps
from include.core.errors import AccessDenied, DataError, LeaseHeld, LedgerUnavailable, StoreUnavailable
from include.core.events import RetrainingAsked
from include.core.project import DriftPolicy
from include.core.records import Promotion, RetrainingOutcome, Run, Verdict
from include.ledger import Ledger, lease
from include.retraining import asks
from include.runtime.nights import local
from include.settings import Settings
from include.steps import Platform
from include.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = DriftPolicy(excess_loss=0.1, calibration_gap=0.1)
ASK = RetrainingAsked(project="p", ask_id="a", run_id="watch", model_version=1, instant=NOW)
RUN = Run(project="p", run_id="night", instant=NOW, code_digest="", declaration_digest="", fence=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """With an ask that the night answers, which holds the lease."""
    ledger, store = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock=lambda: NOW), Store(tmp_path / "store")
    made: Any = SimpleNamespace(ledger=ledger, store=store)
    made.load = lambda kind, digest: Platform.load(made, kind, digest)
    made.keep = lambda record: Platform.keep(made, record)
    asks.ask(ledger, POLICY, ASK)
    asks.start(ledger, "p", RUN.run_id, champion=1)
    lease.take(ledger, "p", run_id=RUN.run_id, now=NOW, duration=timedelta(hours=1))
    return cast(Platform, made)


def outcome(platform: Platform) -> RetrainingOutcome | None:
    return asks.known(platform.ledger, "p").retrainings[0].outcome


def is_free(platform: Platform) -> bool:
    try:
        lease.require_free(platform.ledger, "p", run_id="another", now=NOW)
    except LeaseHeld:
        return False
    return True


@pytest.mark.parametrize(("promote", "told"), [(True, RetrainingOutcome.PROMOTED), (False, RetrainingOutcome.KEPT)])
def test_a_night_that_decided_answers_what_drift_asked_for_and_gives_its_lease_back_however_often_it_says_so(
    platform: Platform, promote: bool, told: RetrainingOutcome
) -> None:
    verdict = Verdict(promote=promote, reasons=("because",))
    decided = platform.keep(Promotion(evaluation="e", version=2, bundle="b", verdict=verdict))
    for _ in range(2):
        steps.finish(platform, RUN, decided)
        assert outcome(platform) is told
        assert is_free(platform)


def test_a_night_that_stops_undecided_leaves_its_ask_to_itself_and_its_lease_to_others(platform: Platform) -> None:
    assert not is_free(platform)
    steps.finish(platform, RUN)
    assert outcome(platform) is None
    assert is_free(platform)


def test_the_lease_is_given_back_though_the_answer_cannot_be_recorded(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*given: object) -> None:
        raise LedgerUnavailable("a ledger is reached", value="not", remedy="Wait.")

    decided = platform.keep(Promotion(evaluation="e", version=2, bundle="b", verdict=Verdict(promote=True, reasons=())))
    monkeypatch.setattr(asks, "answered", lost)
    with pytest.raises(LedgerUnavailable):
        steps.finish(platform, RUN, decided)
    assert is_free(platform)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(DataError, RetrainingOutcome.FAILED), (AccessDenied, None), (StoreUnavailable, None), (KeyboardInterrupt, None)],
)
def test_a_night_of_this_process_fails_its_ask_unless_it_only_waits_or_was_interrupted(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], told: object
) -> None:
    def gate(self: object) -> None:
        raise kind() if kind is KeyboardInterrupt else cast(Any, kind)("a rule", value=1, remedy="Act.")

    monkeypatch.setattr(local, "open_platform", lambda settings: platform)
    monkeypatch.setattr("include.steps.begin", lambda *given, **named: RUN, raising=False)
    monkeypatch.setattr(local.Steps, "gate", gate)
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    with pytest.raises(kind):
        local.run_night(settings, cast(Any, SimpleNamespace(name="p")), run_id="night", instant=NOW)
    assert outcome(platform) is told
    assert is_free(platform)
