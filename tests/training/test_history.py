"""What a search learns from earlier nights."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.core.events import TrialRecorded
from include.core.records import Trial, TrialState
from include.ledger import Ledger
from include.training.history import WARM_TRIALS, earlier

INSTANT = datetime(2013, 6, 1, 4, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path}/ledger.db")


def _event(number: int, *, plan: str = "sha256:alike", state: TrialState = TrialState.COMPLETE) -> TrialRecorded:
    """A trial of the night *number* days after the first."""
    return TrialRecorded(
        project="delays",
        run_id="night",
        plan=plan,
        instant=INSTANT + timedelta(days=number),
        trial=Trial(
            trial_id=f"sha256:{plan}/{number}/{state}", params={}, state=state, losses=(0.5,), rounds=5, error=None
        ),
    )


def _record(ledger: Ledger, *events: TrialRecorded) -> None:
    ledger.record_all("trials/delays", [(event, f"trial/{event.trial.trial_id}") for event in events])


def _alike(plan: str) -> bool:
    return plan == "sha256:alike"


def test_complete_and_pruned_trials_of_earlier_instants_and_of_plans_alike_are_learnt_from(ledger: Ledger) -> None:
    wanted = [_event(1), _event(0, state=TrialState.PRUNED), _event(0)]
    others = [_event(0, plan="sha256:other"), _event(0, state=TrialState.FAILED), _event(2), _event(3)]
    _record(ledger, *others, *wanted)
    found = earlier(ledger, "delays", before=INSTANT + timedelta(days=2), alike=_alike)
    assert found == [event.trial for event in wanted]


def test_at_most_the_latest_trials_are_learnt_from_in_whatever_order_they_were_recorded(ledger: Ledger) -> None:
    events = [_event(number) for number in range(WARM_TRIALS + 40)]
    _record(ledger, *random.Random(7).sample(events, len(events)))
    found = earlier(ledger, "delays", before=INSTANT + timedelta(days=9999), alike=_alike)
    assert found == [event.trial for event in reversed(events[40:])]


def test_a_plan_is_asked_about_once_and_only_while_more_trials_are_wanted(ledger: Ledger) -> None:
    _record(ledger, _event(0, plan="sha256:old"), *(_event(number) for number in range(1, WARM_TRIALS + 1)))
    asked: list[str] = []

    def alike(plan: str) -> bool:
        asked.append(plan)
        return True

    earlier(ledger, "delays", before=INSTANT + timedelta(days=9999), alike=alike)
    assert asked == ["sha256:alike"]


def test_what_was_recorded_after_a_plan_was_drawn_is_not_what_it_learnt_from(ledger: Ledger) -> None:
    _record(ledger, _event(0))
    (first,) = ledger.read("trials/delays")
    _record(ledger, _event(1))
    before = INSTANT + timedelta(days=9)
    assert earlier(ledger, "delays", before=before, alike=_alike, until=first.position) == [_event(0).trial]
    assert len(earlier(ledger, "delays", before=before, alike=_alike)) == 2
