"""``calibrate`` proposes a policy that can be pasted."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from include.cli.__main__ import app
from include.cli.calibrate import _imports
from include.core.canonical import record_digest
from include.core.errors import DataError
from include.core.events import DayJudged, HoldoutDaysRecorded, ModelEvaluated
from include.core.project import DriftPolicy
from include.core.records import DayFigures, Interval
from include.ledger import Ledger
from include.monitoring.calibration import started
from include.projects import flight_delay
from include.settings import Settings
from tests.monitoring.test_calibration import DAYS
from tests.registry.models import evaluation
from tests.training.flights import Folder


def pasted(output: str) -> dict[str, Any]:
    """What the printed imports and arguments make, as somebody pastes them."""
    imports, _, block = output.partition("\n\n")
    made: dict[str, Any] = {}
    exec(f"{imports}\nmade = dict(\n{block}\n)", made)  # noqa: S102  # it is Python to be pasted
    return made["made"]


def test_the_block_declares_the_limits_that_the_days_in_the_ledger_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    ledger = Ledger.open(Settings.from_environment().ledger)
    events = [
        DayJudged(project="flight_delay", run_id="w", instant=datetime(2026, 5, 1, tzinfo=UTC), judged=each)
        for each in DAYS
    ]
    ledger.record_all("drift/flight_delay", [(each, f"day/flight_delay/{each.judged.day}") for each in events])
    told = CliRunner().invoke(app, ["calibrate", "flight_delay"])
    assert told.exit_code == 0, told.output
    assert f"From 84 judged days, {DAYS[0].day} to {DAYS[-1].day}" in told.output
    policy = pasted(told.output)["drift"]
    assert (policy.days, policy.psi_factor, policy.calendar) == (56, 3.0, ("weekday", "hour_of_week"))
    assert policy.skill.drop == pytest.approx(0.1, abs=0.01)


def test_a_project_whose_days_are_too_few_is_told_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    Ledger.open(Settings.from_environment().ledger)
    told = CliRunner().invoke(app, ["calibrate", "flight_delay"])
    assert "0 days" in str(told.exception)


def test_before_days_are_judged_limits_and_a_floor_come_from_the_days_of_the_first_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    ledger = Ledger.open(Settings.from_environment().ledger)
    figures = tuple(
        DayFigures(day=date(2013, 5, 1 + day), rows=900, loss=0.5 + 0.01 * (day % 3), expected_loss=0.5,
                   mean_score=0.2, mean_label=0.2 + 0.02 * (day % 2))
        for day in range(21)
    )  # fmt: skip
    made = replace(
        evaluation(Folder(tmp_path)), constant_loss=0.6, skill=Interval(estimate=0.1, lower=0.06, upper=0.14, days=21)
    )
    said = {"project": "flight_delay", "run_id": "night", "evaluation": record_digest(made)}
    evaluated = ModelEvaluated(project="flight_delay", run_id="night", evaluation=made)
    ledger.record("evaluations/flight_delay", evaluated, key=f"evaluated/flight_delay/{said['evaluation']}")
    recorded = HoldoutDaysRecorded(**said, model_version=1, figures=figures)
    ledger.record("holdout/flight_delay", recorded, key=f"holdout-days/flight_delay/{said['evaluation']}")
    told = CliRunner().invoke(app, ["calibrate", "flight_delay"])
    assert told.exit_code == 0, told.output
    assert "the 21 days of the holdout of version 1, 2013-05-01 to 2013-05-21" in told.output
    block = pasted(told.output)
    assert block["gates"] == replace(flight_delay.PROJECT.quality.gates, floor_share=0.05)
    policy = block["drift"]
    assert 0.01 < policy.excess_loss < 0.03
    assert 0.01 < policy.calibration_gap < 0.04
    assert policy.calendar == flight_delay.PROJECT.quality.drift.calendar
    few = replace(recorded, figures=figures[:6])
    with pytest.raises(DataError, match="6 days"):
        started(DriftPolicy(), few.figures, made, share=0.05)


def test_the_imports_are_those_of_what_the_block_names() -> None:
    assert list(_imports("drift=DriftPolicy(looks=(), skill=SkillPolicy(since=date(2026, 3, 1)))"))[:2] == [
        "from datetime import date",
        "from include.core.project import DriftPolicy, SkillPolicy",
    ]
