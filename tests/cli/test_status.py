"""``status`` says of each project how its recipe does, and whether what it reads it from is as it was recorded."""

import sqlite3
from pathlib import Path

from include.cli.status import _helped, _recipe
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


def test_a_ledger_that_was_altered_is_told_before_all_else_with_what_is_wrong(adopted: Shop) -> None:
    assert "ledger:   in order, and each event as it was sealed" in adopted.call("status").stdout
    with sqlite3.connect(adopted.folder / "home" / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_log_no_delete")
    told = adopted.call("status").stdout
    assert "altered ledger: the trigger ledger_log_no_delete is missing or another one; nothing is granted" in told
    assert "in order" not in told
    assert told.index("altered ledger") < told.index("contracts")
