"""Whoever holds the authority's key signs the ledger before a promotion and after it, and promotes on no other past."""

from pathlib import Path

import pytest

from include.audit.checkpoints import Checkpointer, newest, trusted_keys
from include.audit.verification import verify
from include.core.errors import LedgerError
from include.core.events import PromotionDecided
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry.authority import PromotionAuthority
from include.registry.champions import Champions
from include.runtime import deployment
from include.runtime.nights import promoting
from include.runtime.server.service import open_authority
from include.settings import Settings
from tests.audit.signed import House
from tests.audit.test_checkpoints import cut
from tests.registry.test_champions import P, Registry
from tests.training.flights import Folder


def test_nothing_is_promoted_before_a_checkpoint_covers_what_is_decided_on(local: House) -> None:
    covered: list[int] = []
    checkpointer = local.checkpointer()
    registry = Registry(local.ledger, Folder(local.folder), key=local.signer)

    def sign() -> None:
        signed = checkpointer.sign()
        assert signed is not None
        assert not local.ledger.all_of(PromotionDecided)
        covered.append(signed.checkpoint.size)

    registry.authority = PromotionAuthority(local.ledger, local.signer, checkpoint=sign)
    registry.authority.begin()
    registered = registry.night()
    assert [entry.event for entry in local.ledger.read_all(after=covered[0] - 1, limit=1)] == [registered]
    assert registry.champions.in_force(P) is not None


def test_nothing_is_promoted_on_a_ledger_that_lost_what_was_signed(local: House) -> None:
    registry = Registry(local.ledger, Folder(local.folder), key=local.signer)
    registry.authority = PromotionAuthority(local.ledger, local.signer, checkpoint=local.checkpointer().sign)
    registry.authority.begin()
    registry.night()
    run_id, better = registry.evaluated(loss=0.49, champion=1)
    local.sign()
    cut(local, 6)
    registry.register(run_id, better, promote=True)
    with pytest.raises(LedgerError, match="the ledger continues what was signed of it"):
        registry.night(loss=0.48)
    assert not local.ledger.all_of(PromotionDecided, after=6)


def test_the_authority_of_a_moment_signs_all_that_it_leaves(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    opened = open_authority(settings)
    signer = Signer.load(settings.authority_keys / "authority.key")
    registry = Registry(opened.ledger, Folder(tmp_path), key=signer)
    registry.register(*registry.evaluated(), promote=True)
    champions = Champions(opened.ledger, signer.verifier)
    promoting.beside(settings)(lambda: champions.in_force(P) is not None)
    places, publics = deployment.places_of(settings), trusted_keys(settings.keys)
    found = newest(places, publics)
    assert found is not None
    ledger = Ledger.open(settings.ledger)
    assert found[0].checkpoint.size == len(ledger.read_all())
    assert champions.in_force(P) is not None
    assert verify(ledger, places, publics).faults == ()


def test_an_authority_that_runs_keeps_the_checkpoints_up_to_date(local: House) -> None:
    local.record(2)
    checkpointer = Checkpointer(local.ledger, local.signer, [local.place], local.publics)
    decider = promoting.Decider(PromotionAuthority(local.ledger, local.signer), checkpointer)
    decider.look()
    found = newest([local.place], local.publics)
    assert found is not None
    assert found[0].checkpoint.size == 2
