"""What the authority signs of the ledger: a past that is one, published where others read it."""

import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from include.audit.checkpoints import HISTORY, LATEST, PACE, Checkpointer, newest, verified
from include.audit.places import FolderPlace
from include.audit.proofs import COSIGNATURE, SIGNATURE, Key, ProofError, verify_consistency, verify_inclusion
from include.audit.proving import Proofs
from include.core.errors import LedgerError, LedgerUnavailable
from include.ledger import leaves
from tests.audit import reference
from tests.audit.signed import House
from tests.ledger.test_soundness import behind_the_triggers


def leaf_hashes(house: House) -> list[bytes]:
    found = house.ledger.examine(leaves.hashes)
    return [found[at : at + 32] for at in range(0, len(found), 32)]


def cut(house: House, last: int) -> None:
    """Cut the ledger's end off, as whoever owns its tables can."""
    house.ledger.close()
    with behind_the_triggers(house.url) as connection:
        connection.exec_driver_sql("DELETE FROM ledger_log WHERE position > " + str(last))  # noqa: S608  # a number
        connection.exec_driver_sql("DELETE FROM ledger_inbox WHERE id > " + str(last))  # noqa: S608  # a number


def test_a_checkpoint_is_the_root_of_all_events_in_their_order_signed_with_its_time(house: House) -> None:
    assert house.checkpointer().sign() is None, "nothing was recorded"
    house.record(3)
    house.record(2, stream="run/b")
    signed = house.sign()
    recorded = leaf_hashes(house)
    assert [entry.leaf_hash for entry in house.ledger.read_all()] == [each.hex() for each in recorded]
    assert (signed.checkpoint.size, signed.checkpoint.root) == (5, reference.root(recorded))
    assert signed.checkpoint.origin == f"trainyard/{recorded[0].hex()[:16]}"
    assert signed.signed_at == house.now
    key = Key(name=signed.checkpoint.origin, kind=SIGNATURE, public=house.signer.verifier.public)
    assert key.signed(signed.note) == 0
    assert key.of_kind(COSIGNATURE).signed(signed.note) == house.now.timestamp()
    assert house.place.read(LATEST) == str(signed.note).encode()


def test_an_event_that_waits_for_its_place_is_covered_too(house: House) -> None:
    from include.core.events import LineageEmitted

    house.record(1)
    house.ledger.receive("run/b", LineageEmitted(event="received"))
    assert house.sign().checkpoint.size == 2


def test_each_checkpoint_continues_the_one_before_and_all_of_them_stay(house: House) -> None:
    sizes = (1, 4, 5)
    signed = []
    for size in sizes:
        house.record(size - house.ledger.version("run/a"))
        signed.append(house.sign())
    assert house.sign() == signed[-1], "what is signed is not signed again"
    proofs = Proofs.open(house.ledger, [house.place], house.publics)
    assert proofs is not None
    for before, after in pairwise(signed):
        old, new = before.checkpoint, after.checkpoint
        verify_consistency(old.size, new.size, old.root, new.root, proofs.between(old.size, new.size))
        assert Proofs.open(house.ledger, [house.place], house.publics).consistency().keys() == {1, 4}  # type: ignore[union-attr]
    assert house.place.names(HISTORY) == [f"{size:012}" for size in sizes]


def test_every_event_has_a_proof_from_its_bytes_to_the_root_that_is_signed(house: House) -> None:
    house.record(5)
    signed = house.sign()
    house.record(1)
    for places in ([house.place], [house.place, FolderPlace(house.folder / "empty")]):
        proofs = Proofs(house.ledger, signed, places)
        for position in range(1, 6):
            from include.audit.proofs import leaf_hash

            leaf = leaf_hash(proofs.leaf(position))
            verify_inclusion(leaf, position - 1, 5, proofs.inclusion(position), signed.checkpoint.root)
    for position in (0, 6):
        with pytest.raises(LedgerError, match=f"position {position}, and 5 are signed"):
            proofs.inclusion(position)
        with pytest.raises(LedgerError):
            proofs.leaf(position)


def test_proofs_need_no_published_tree_and_none_is_made_of_a_ledger_that_was_altered(local: House) -> None:
    local.record(5)
    signed = local.sign()
    proofs = Proofs(local.ledger, signed, [])
    verify_inclusion(leaf_hashes(local)[2], 2, 5, proofs.inclusion(3), signed.checkpoint.root)
    cut(local, 4)
    local.record(1)
    with pytest.raises(LedgerError, match="the ledger is not the one of the checkpoint"):
        Proofs(local.ledger, signed, [])
    with pytest.raises(LedgerError, match="position 5 is not what the checkpoint"):
        Proofs(local.ledger, signed, [local.place]).leaf(5)


@pytest.mark.parametrize("again", [0, 1, 2, 3])
def test_a_ledger_that_lost_its_end_is_not_signed_anew_whatever_took_the_place_of_it(house: House, again: int) -> None:
    house.record(5)
    last = house.sign()
    cut(house, 3)
    house.record(again)
    for checkpointer in (house.checkpointer(), house.checkpointer()):
        with pytest.raises(LedgerError, match=r"the ledger continues what was signed of it.*position 5"):
            checkpointer.sign()
    found = newest([house.place], house.publics)
    assert found is not None
    assert found[0] == last


def test_a_restored_backup_is_not_signed_by_whoever_has_a_copy_of_the_last_checkpoint(local: House) -> None:
    copy = FolderPlace(local.folder / "elsewhere")
    local.record(2)
    local.sign(local.place, copy)
    local.ledger.close()
    backup = local.folder / "backup.db"
    shutil.copy(local.url.removeprefix("sqlite:///"), backup)
    shutil.copytree(local.folder / "checkpoints", local.folder / "checkpoints.backup")
    local.record(3)
    local.sign(local.place, copy)
    local.ledger.close()
    path = Path(local.url.removeprefix("sqlite:///"))
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.copy(backup, path)
    shutil.rmtree(local.folder / "checkpoints")
    (local.folder / "checkpoints.backup").rename(local.folder / "checkpoints")
    local.record(4)
    with pytest.raises(LedgerError, match="position 5 is not the event that the checkpoint"):
        local.checkpointer(local.place, copy).sign()
    assert local.sign(local.place).checkpoint.size == 6, "without the copy nobody can tell"


def test_a_checkpoint_that_another_key_signed_is_not_continued(local: House, houses: Callable[[str], House]) -> None:
    local.record(2)
    local.sign()
    other = houses(local.url)
    other.place.replace(LATEST, b"")
    shutil.rmtree(other.folder / "checkpoints")
    forged = other.sign()
    local.place.replace(LATEST, str(forged.note).encode())
    with pytest.raises(LedgerError, match="signed with another key"):
        local.checkpointer().sign()
    local.place.replace(LATEST, b"no note")
    with pytest.raises(LedgerError, match="a signed note is"):
        local.checkpointer().sign()


def test_after_an_exchange_of_keys_the_new_one_goes_on_and_what_the_former_signed_stays_verifiable(
    local: House,
) -> None:
    local.record(2)
    before = local.sign()
    former = local.signer.verifier.public
    local.new_key()
    with pytest.raises(ProofError, match="another key"):
        verified(str(before.note).encode(), [local.signer.verifier.public])
    local.record(1)
    after = local.sign()
    assert set(local.publics) == {former, local.signer.verifier.public}
    for signed in (before, after):
        assert verified(str(signed.note).encode(), local.publics) == signed
    assert not local.verified(before).faults


def test_what_was_recorded_is_signed_half_a_minute_later_at_most_and_nothing_that_is_signed(local: House) -> None:
    checkpointer = local.checkpointer()
    local.record(1)
    checkpointer.keep_up()
    assert local.place.names(HISTORY) == ["000000000001"]
    local.record(1, after=PACE / 2)
    checkpointer.keep_up()
    assert local.place.names(HISTORY) == ["000000000001"]
    local.now += PACE / 2
    checkpointer.keep_up()
    assert local.place.names(HISTORY) == ["000000000001", "000000000002"]
    local.now += timedelta(days=1)
    checkpointer.keep_up()
    assert len(local.place.names(HISTORY)) == 2


def test_a_place_that_was_out_of_reach_has_the_whole_tree_afterwards(local: House) -> None:
    copy = FolderPlace(local.folder / "file" / "copy")
    (local.folder / "file").write_text("in the way of the folder")
    local.record(300)
    local.sign(local.place, copy)
    local.record(2)
    (local.folder / "file").unlink()
    signed = local.sign(local.place, copy)
    proofs = Proofs(local.ledger, signed, [copy])
    assert proofs.inclusion(7) == Proofs(local.ledger, signed, [local.place]).inclusion(7)
    assert not local.verified(places=[copy]).faults
    (local.folder / "other").write_text("in the way")
    with pytest.raises(LedgerUnavailable, match="checkpoints can be read and published"):
        local.checkpointer(FolderPlace(local.folder / "other" / "first")).sign()


def test_a_place_that_lost_its_tiles_is_made_whole_from_the_ledger(local: House) -> None:
    local.record(300)
    local.sign()
    shutil.rmtree(local.folder / "checkpoints" / "tile")
    local.record(1)
    signed = local.sign()
    assert signed.checkpoint.root == reference.root(leaf_hashes(local))
    shutil.rmtree(local.folder / "checkpoints")
    assert local.sign().checkpoint == signed.checkpoint, "of an empty place all is published again"


def test_many_that_sign_at_once_publish_one_past(local: House) -> None:
    local.record(1)
    signing = [threading.Thread(target=local.checkpointer().sign) for _ in range(6)]
    for number, each in enumerate(signing):
        each.start()
        local.record(1, stream=f"run/{number}")
    for each in signing:
        each.join()
    local.sign()
    found = local.verified()
    assert (found.faults, found.size) == ((), 7)


def test_partial_tiles_go_when_the_full_one_is_there(local: House) -> None:
    local.record(255)
    local.sign()
    assert local.place.names("tile/0/000.p") == ["255"]
    local.record(2)
    local.sign()
    assert local.place.names("tile/0/000.p") == []
    assert local.place.names("tile/0") == ["000", "001.p"]


def test_a_home_of_before_checkpoints_is_signed_from_its_first_event_on(local: House) -> None:
    local.record(10)
    assert local.verified().signed is None
    signed = local.sign()
    assert isinstance(local.checkpointer(), Checkpointer)
    found = local.verified()
    assert (found.signed, found.faults) == (signed, ())
