"""How asks of the watch turned out, on days that are made up: what it measures says nothing here."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from include.core.events import ModelRegistered, RetrainingAsked
from include.core.records import DAY, DayOfSeries, RetrainingOutcome, Verdict
from include.core.runs import retraining_here
from include.ledger import Ledger
from include.retraining.asks import Retraining

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def confirm():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import confirm

        yield confirm


def test_an_ask_is_judged_by_the_days_that_its_own_model_and_the_one_before_scored(confirm, tmp_path):
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    instant = datetime(2013, 3, 1, tzinfo=UTC)
    ask = RetrainingAsked(project="mine", ask_id="a", run_id="w", instant=instant, model_version=1)
    answered = Retraining(ask=ask, asked_at=instant, outcome=RetrainingOutcome.PROMOTED)
    waiting = Retraining(ask=replace(ask, ask_id="b"), asked_at=instant)
    made = ModelRegistered(
        project="mine", run_id=retraining_here("a"), model_version=2, evaluation="e", bundle="b",
        verdict=Verdict(promote=True, reasons=()),
    )  # fmt: skip
    ledger.record("model/mine", made, key="model")
    by_champion = {1: (0.9, None), 2: (0.4, 0.5), 3: (0.1, 0.4)}
    days = [
        DayOfSeries(
            day=date(2013, 3, 1) + place * DAY, champion=1 + place // 14, rows=50,
            loss=by_champion[1 + place // 14][0], predecessor_loss=by_champion[1 + place // 14][1],
        )
        for place in range(42)
    ]  # fmt: skip
    found = confirm._turned_out(ledger, "mine", answered, days)
    assert (found["asked"], found["version"], found["days"]) == ("2013-03-01", 2, 14)
    assert found["new_minus_old"] == found["lower"] == found["upper"] == pytest.approx(-0.1)
    assert confirm._turned_out(ledger, "mine", waiting, days) == {"asked": "2013-03-01", "outcome": "none yet"}


def test_the_documentation_says_what_was_measured(confirm):
    found = json.loads((ROOT / "benchmarks" / "confirm.json").read_text())
    assert confirm.table(found) in (ROOT / "docs" / "data-scientist.md").read_text()
