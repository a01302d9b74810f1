"""What a watch tells: ops, once, that inputs have begun to drift; and the task `retrain`, whether there is an ask."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from include.core.events import DriftJudged, RetrainingAsked
from include.core.project import DriftPolicy
from include.core.records import Days, DriftState, DriftVerdict
from include.ledger import Ledger
from include.retraining import asks
from include.runtime.airflow.watch_alerts import RetrainingSignal, asked_by, tell
from include.settings import Settings
from tests.runtime.conftest import Listener

POLICY = DriftPolicy(excess_loss=1.0, calibration_gap=None)
TITLE = "p: its inputs have drifted"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener) -> Settings:
    alerts = tmp_path / "alerts.txt"
    alerts.write_text(f"{listener.address}\n")
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    monkeypatch.setenv("TRAINYARD_ALERTS_FILE", str(alerts))
    listener.heard.clear()
    return Settings.from_environment()


def judge(ledger: Ledger, number: int, state: DriftState, *, version: int = 1) -> str:
    """A verdict, as a watch records it; its run id."""
    day = date(2013, 9, number)
    event = DriftJudged(
        project="p",
        run_id=f"watch__{number}",
        instant=datetime(2013, 9, number, 6, tzinfo=UTC),
        model_version=version,
        policy="sha256:p",
        live="sha256:l",
        days=Days(first=day, last=day),
        figures=(),
        verdict=DriftVerdict(state=state, reasons=("a human looks: 3 features",), figures={}, days=(), inputs=()),
    )
    ledger.record("drift/p", event, key=f"judged/p/{event.run_id}")
    return event.run_id


def test_a_human_is_asked_when_inputs_begin_to_drift_and_again_only_after_they_had_calmed_down(
    settings: Settings, listener: Listener
) -> None:
    ledger = Ledger.open(settings.ledger)
    told = []
    for number, (state, version) in enumerate(
        [
            (DriftState.STABLE, 1),
            (DriftState.WARNING, 1),
            (DriftState.WARNING, 1),
            (DriftState.STABLE, 1),
            (DriftState.WARNING, 1),
            (DriftState.RETRAIN, 1),
            (DriftState.WARNING, 2),
        ],
        start=1,
    ):
        tell(settings, ledger, "p", judge(ledger, number, state, version=version))
        told.append(listener.titles().count(TITLE))
    assert told == [0, 1, 1, 1, 2, 2, 3]
    assert "a human looks: 3 features" in listener.heard[0]["message"]
    assert "train_p by hand" in listener.heard[0]["message"]


def test_a_human_is_asked_once_about_inputs_and_a_recipe_whichever_version_is_champion_each_night(
    settings: Settings, listener: Listener
) -> None:
    ledger, told = Ledger.open(settings.ledger), []
    states = [DriftState.WARNING, DriftState.WARNING, DriftState.FAILING, DriftState.FAILING, DriftState.STABLE]
    for number, state in enumerate([*states, DriftState.FAILING], start=1):
        tell(settings, ledger, "p", judge(ledger, number, state, version=number))
        told.append((listener.titles().count(TITLE), listener.titles().count("p: its recipe fails")))
    assert told == [(1, 0), (1, 0), (1, 1), (1, 1), (1, 1), (1, 2)]
    assert "SkillPolicy(since=" in listener.heard[-1]["message"]
    assert "./trainyard override p --gate failing" in listener.heard[-1]["message"]


def test_the_task_retrain_signals_only_an_ask_that_waits(settings: Settings) -> None:
    ledger = Ledger.open(settings.ledger)
    stable = judge(ledger, 1, DriftState.STABLE)
    assert asked_by("p", stable) == RetrainingSignal(nothing="No retraining is asked for: a human looks: 3 features")
    assert asked_by("p", "watch__none").nothing == "No retraining is asked for: no verdict"

    def ask(number: int) -> str:
        run_id, instant = judge(ledger, number, DriftState.RETRAIN), datetime(2013, 9, number, 6, tzinfo=UTC)
        wanted = RetrainingAsked(project="p", ask_id=f"a{number}", run_id=run_id, model_version=1, instant=instant)
        asks.ask(ledger, POLICY, wanted)
        return run_id

    first, second = ask(2), ask(3)
    assert asked_by("p", first) == RetrainingSignal(ask_id="a2")
    assert "gets none: the retraining a2 is in flight" in str(asked_by("p", second).nothing)
    asks.start(ledger, "p", "night", champion=None)
    assert asked_by("p", first) == RetrainingSignal(nothing="The night night answers already")
