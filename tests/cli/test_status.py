"""``status`` says of each project how its recipe does, and whether what it reads it from is as it was recorded."""

import re
import sqlite3
from pathlib import Path

from include.cli.status import _costs, _helped, _recipe
from include.core import streams
from include.core.events import ModelRegistered, StepMeasured
from include.core.records import Verdict
from include.ledger import Ledger
from include.store import Store
from tests.cli.conftest import Shop
from tests.runtime_server.watched import PROJECT, failing


def test_the_state_of_a_recipe_stands_in_a_word_with_the_skill_of_its_series(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert _recipe(ledger, PROJECT) == ("not judged yet", "")
    failing(ledger, Store(str(tmp_path / "store")))
    word, skill = _recipe(ledger, PROJECT)
    assert word == "FAILING: a human is asked"
    assert -0.03 < float(skill) < -0.01
    assert _helped(ledger, PROJECT) == [
        f"{PROJECT}: did retraining help: pooled over 1 retrainings: nothing is said below eight"
    ]


def test_what_led_to_the_champion_the_newest_version_and_the_next_is_told_with_nights_that_failed(
    tmp_path: Path,
) -> None:
    ledger, verdict = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Verdict(promote=True, reasons=(), refusals=())
    assert _costs(ledger, "p", None) == []
    for run_id, seconds, version in (("failed", 10.0, 0), ("a", 1.0, 1), ("b", 2.0, 2), ("begun", 4.0, 0)):
        took = StepMeasured(
            project="p", run_id=run_id, step="plan", attempt=run_id, wall_seconds=seconds, cpu_seconds=seconds / 2
        )
        ledger.record(streams.cost_of_run("p", run_id), took)
        model = ModelRegistered(
            project="p", run_id=run_id, model_version=version, evaluation="", bundle="", verdict=verdict
        )
        if version:
            ledger.record(streams.model("p"), model)
    assert _costs(ledger, "p", 1) == [
        "p: version 1, the champion, took 5.5 s of processor and 11.0 s of time in 2 attempts of its steps",
        "p: version 2 took 1.0 s of processor and 2.0 s of time in 1 attempt of its steps",
        "p: the next version, so far, took 2.0 s of processor and 4.0 s of time in 1 attempt of its steps",
    ]
    assert [told.partition(" took")[0] for told in _costs(ledger, "p", 2)] == [
        "p: version 2, the champion,",
        "p: the next version, so far,",
    ]


def test_what_a_steward_decided_last_is_signed_when_the_authority_ends(adopted: Shop) -> None:
    assert re.search(r"signed: +(\d+) of \1 events, at 20", adopted.call("status").stdout)


def test_a_ledger_that_was_altered_is_told_before_all_else_with_what_is_wrong(adopted: Shop) -> None:
    assert "ledger:   sound: no gap, and each event as it was recorded" in adopted.call("status").stdout
    with sqlite3.connect(adopted.folder / "home" / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_log_no_delete")
    told = adopted.call("status").stdout
    assert "altered ledger: the trigger ledger_log_no_delete is missing or another one; nothing is granted" in told
    assert "in order" not in told
    assert told.index("altered ledger") < told.index("contracts")
