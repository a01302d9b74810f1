"""Ops are told of a run that failed, whatever it was that failed, and not of what may wait."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.core.errors import FeatureLeak, LedgerUnavailable, RegistryUnavailable
from include.core.events import ImportanceRecorded, StepFinished
from include.ledger import Ledger
from include.ledger.journal import record_failure
from include.runtime.airflow import tasks
from include.runtime.nights import platform
from include.runtime.upkeep import stewardship


def test_a_ledger_that_is_away_silences_no_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    (tmp_path / "ledger.db").mkdir()  # no database can be opened there
    with pytest.raises(LedgerUnavailable):
        tasks.run_failed(
            {"dag": SimpleNamespace(dag_id="train_flight_delay"), "run_id": "night", "reason": "task_failure"}
        )
    assert (
        "flight_delay: the night failed. Run night of train_flight_delay: task failure. Its tasks' logs" in caplog.text
    )


def test_the_alert_of_a_failed_night_names_the_step_the_error_and_its_rule_and_not_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    ledger, context = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), {"reason": "task_failure"}
    leak = FeatureLeak("a feature knows the past", value="delay of N123", remedy="Leave it out.")
    said = {"project": "flight_delay", "run_id": "night"}
    record_failure(ledger, KeyError("N123"), step="plan", **said)
    tasks.run_failed({"dag": SimpleNamespace(dag_id="train_flight_delay"), "run_id": "night", **context})
    assert "task failure. plan ended with KeyError. Its tasks' logs" in caplog.text
    record_failure(ledger, leak, step="features", **said)
    tasks.run_failed({"dag": SimpleNamespace(dag_id="train_flight_delay"), "run_id": "night", **context})
    assert "features ended with FeatureLeak, expected: a feature knows the past. Its tasks' logs" in caplog.text
    done = StepFinished(**said, step="features", attempt="2", inputs="sha256:1", output="sha256:2")
    ledger.record("run/flight_delay/night", done)
    caplog.clear()
    tasks.run_failed({"dag": SimpleNamespace(dag_id="train_flight_delay"), "run_id": "night", **context})
    assert "task failure. plan ended with KeyError. Its" in caplog.text
    assert "N123" not in caplog.text


def test_while_mlflow_is_away_plots_wait_and_no_round_of_stewardship_fails_for_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A round that fails alerts ops, each quarter of an hour."""
    ledger, shown = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), list[str]()
    said = {"project": "p", "run_id": "night", "model_version": 1, "evaluation": "sha256:1"}
    ledger.record("drift/p", ImportanceRecorded(**said, importance={"x": 1.0}), key="importance/p/1")

    def away(project: str, evaluation: str, plots: object) -> bool:
        raise RegistryUnavailable("MLflow can be reached", value="nobody answers", remedy="Start it.")

    versions = SimpleNamespace(show_plots=away)
    monkeypatch.setattr(platform, "open_platform", lambda settings: SimpleNamespace(ledger=ledger, versions=versions))
    draw: Callable[[], None] = getattr(stewardship.draw_plots, "function")  # noqa: B009  # Airflow's types hide it
    draw()
    versions.show_plots = lambda project, evaluation, plots: shown.append(evaluation) or True
    draw()
    assert shown == ["sha256:1"]
