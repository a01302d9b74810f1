"""What was made under a grant in quarantine is neither promoted nor used, until a steward lifts that."""

from pathlib import Path

import pytest

from include.core.errors import Quarantined, RegistryError
from include.ledger import Ledger
from tests.governance.conftest import STEWARD
from tests.registry.test_champions import GATES, P, Registry, unsigned
from tests.registry.test_going_back import quarantined, stewarded
from tests.training.flights import Folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return stewarded(Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path)))


def test_the_authority_decides_about_a_night_in_quarantine_once_that_is_lifted(registry: Registry) -> None:
    registry.authority.begin()
    run_id, digest = registry.evaluated()
    registry.register(run_id, digest, promote=True)
    lift = quarantined(registry, run_id)
    assert registry.authority.decide() == 0
    assert registry.in_force() is None
    lift()
    assert registry.authority.decide() == 1
    assert registry.in_force() == 1


def test_the_authority_signs_no_promotion_of_before_that_is_in_quarantine(registry: Registry) -> None:
    unsigned(registry).authority.begin()
    lift = quarantined(registry, "night-1")
    with pytest.raises(Quarantined, match="is promoted under no grant in quarantine"):
        registry.authority.sign(P, user=STEWARD, gates=GATES)
    assert registry.ledger.version(f"promotion/{P}") == 0
    lift()
    assert registry.authority.sign(P, user=STEWARD, gates=GATES).verdict.promote


def test_a_champion_in_quarantine_stays_in_force_and_may_not_be_used(registry: Registry) -> None:
    registry.authority.begin()
    lift = quarantined(registry, registry.night().run_id)
    found = registry.champions.in_force(P)
    assert found is not None
    with pytest.raises(RegistryError, match="version 1 of 'flight_delay' may be used; found: in quarantine"):
        found.usable()
    lift()
    freed = registry.champions.in_force(P)
    assert freed is not None
    assert freed.usable() is freed
