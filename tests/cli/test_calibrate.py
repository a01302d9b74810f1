"""``calibrate`` proposes a policy that can be pasted."""

import ast
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli.__main__ import app
from include.core.events import DayJudged
from include.core.project import DriftPolicy, SkillPolicy
from include.ledger import Ledger
from include.settings import Settings
from tests.monitoring.test_calibration import DAYS


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
    comment, *block = told.output.splitlines()
    assert f"From 84 judged days, {DAYS[0].day} to {DAYS[-1].day}" in comment
    call = ast.unparse(ast.parse("dict(" + "\n".join(block) + ")"))
    names = {"DriftPolicy": DriftPolicy, "SkillPolicy": SkillPolicy, "date": date, "dict": dict}
    policy = eval(call, names)["drift"]  # noqa: S307  # it is Python to be pasted
    assert (policy.days, policy.psi_factor, policy.calendar) == (56, 3.0, ("weekday", "hour_of_week"))
    assert policy.skill.drop == pytest.approx(0.1, abs=0.01)


def test_a_project_whose_days_are_too_few_is_told_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    Ledger.open(Settings.from_environment().ledger)
    told = CliRunner().invoke(app, ["calibrate", "flight_delay"])
    assert "0 days" in str(told.exception)
