"""Ops are told once of each rollback and retirement, whoever asked for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.ledger import Ledger
from include.runtime.upkeep.rollbacks import tell_rollbacks
from include.settings import Settings
from tests.governance.conftest import STEWARD
from tests.registry.test_champions import P
from tests.registry.test_going_back import LATER, back, stewarded
from tests.registry.test_looks import Watched
from tests.training.flights import Folder


@pytest.fixture
def registry(tmp_path: Path) -> Watched:
    """A look has gone back from version 2 to 1, and a steward has retired 1."""
    made = Watched(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path))
    stewarded(made).authority.begin()
    made.champion(made.champion(None))
    made.judge(2, 1, 14, worse=0.02)
    made.watch()
    made.authority.decide()
    back(made, None, 1, instant=LATER)
    assert made.in_force() is None
    return made


def test_each_rollback_and_retirement_is_told_once_and_again_where_nobody_heard(
    registry: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    now = datetime.now(UTC)

    def tell(settings: Settings = settings, now: datetime = now) -> int:
        return tell_rollbacks(settings, registry.ledger, registry.champions, now=now)

    assert tell(replace(settings, alerts_file=tmp_path / "missing")) == 0
    caplog.clear()
    assert tell() == 2
    by_look, by_hand = (record.getMessage() for record in caplog.records)
    assert by_look.startswith(
        f"{P}: went back from version 2. Version 1 is champion again. The look look/{P}/2/14 showed"
    )
    assert by_hand.startswith(f"{P}: retired version 1. {STEWARD} asked for it: It is late.")
    assert tell() == 0


def test_a_rollback_of_long_ago_is_no_news(registry: Watched, tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    later = datetime.now(UTC) + timedelta(days=8)
    assert tell_rollbacks(settings, registry.ledger, registry.champions, now=later) == 0
