"""The page of a run's validation also says what the run took."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.core.canonical import encode
from include.core.events import StepFinished, StepMeasured
from include.core.records import Validation
from include.ledger import Ledger
from include.ledger.costs import cost_stream
from include.ledger.journal import run_stream
from include.runtime.airflow.reports import add_reports
from include.store import Store


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def pages(ledger: Ledger, tmp_path: Path) -> TestClient:
    """Of a run whose data were validated."""
    store = Store(str(tmp_path / "store"))
    report = store.put(b"<html><body><h1>Validation of p</h1></body></html>")
    validation = Validation(snapshot="sha256:s", expectations="sha256:e", covered=(), checks=(), report=report)
    said = {"project": "p", "run_id": "night", "step": "validate", "attempt": "a", "inputs": "sha256:i"}
    finished = StepFinished(**said, output=store.put(encode(validation)))
    ledger.record(run_stream("p", "night"), finished)
    app = FastAPI()
    add_reports(app, ledger, store, lambda: "dana")
    return TestClient(app)


def test_the_page_of_a_run_says_what_it_took_and_nothing_where_that_was_not_recorded(
    pages: TestClient, ledger: Ledger
) -> None:
    before = pages.get("/reports/train_p/night").text
    assert "Validation of p" in before
    assert "took" not in before
    for run_id, seconds in (("night", 2.5), ("night", 4.0), ("another", 100.0)):
        measured = StepMeasured(
            project="p", run_id=run_id, step="plan", attempt="a", wall_seconds=seconds, cpu_seconds=seconds / 2
        )
        ledger.record(cost_stream("p"), measured)
    after = pages.get("/reports/train_p/night").text
    assert "<p>The run took 3.2 s of processor and 6.5 s of time in 2 attempts of its steps.</p>" in after
