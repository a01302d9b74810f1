"""Ops are told of a run that failed, whatever it was that failed."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from include.core.errors import LedgerUnavailable
from include.runtime.airflow import alerts


def test_a_ledger_that_is_away_silences_no_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    (tmp_path / "ledger.db").mkdir()  # no database can be opened there
    with pytest.raises(LedgerUnavailable):
        alerts.run_failed({"dag": SimpleNamespace(dag_id="train_flight_delay"), "run_id": "night", "reason": "failed"})
    assert "flight_delay: the night failed" in caplog.text
