"""A champion is loaded where it may be used, and nowhere else."""

from pathlib import Path

import pytest

from include.core.errors import RegistryError
from include.governance.signing import Signer, create_key
from include.ledger import Ledger
from include.projects.flight_delay import PROJECT
from include.runtime import deployment
from include.runtime.nights.scoring import load_champion
from include.settings import Settings
from tests.registry.test_champions import P, Registry
from tests.registry.test_going_back import quarantined, stewarded
from tests.training.flights import Folder


def test_a_champion_in_quarantine_is_not_loaded_and_no_run_begins_for_it(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")})
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    key = Signer.load(settings.authority_keys / "authority.key")
    key.publish(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)
    ledger = Ledger.open(settings.ledger)
    registry = stewarded(Registry(ledger, Folder(tmp_path), key=key))
    registry.authority.begin()
    night = registry.night()
    assert (registry.in_force(), PROJECT.name) == (1, P)
    quarantined(registry, night.run_id)
    before = len(ledger.read_all())
    with pytest.raises(RegistryError, match="version 1 of 'flight_delay' may be used; found: in quarantine: grant g-"):
        load_champion(settings, PROJECT)
    assert len(ledger.read_all()) == before
