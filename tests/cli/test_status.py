"""``status`` says of each project how its recipe does."""

from pathlib import Path

from include.cli.status import _helped, _recipe
from include.ledger import Ledger
from include.store import Store
from tests.runtime_pages.watched import PROJECT, failing


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
