"""A witness cosigns one past of a ledger, and no second one."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.audit.checkpoints import LATEST
from include.audit.proofs import Note
from include.audit.witness import Witness
from include.core.errors import LedgerError
from tests.audit.signed import House
from tests.audit.test_checkpoints import cut

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def witness(house: House, folder: Path) -> Witness:
    return Witness(folder / "witness", "witness.example.org/w1", house.publics, clock=lambda: NOW)


def test_a_witness_cosigns_what_continues_the_last_that_it_saw(local: House, tmp_path: Path) -> None:
    watching = witness(local, tmp_path)
    assert watching.look(local.place) is None
    for count in (2, 300, 1):
        local.record(count)
        signed = local.sign()
        seen = watching.look(local.place)
        assert seen is not None
        assert seen.checkpoint == signed.checkpoint
        kept = Note.parse((tmp_path / "witness" / LATEST).read_text())
        assert watching.key.signed(kept) == NOW.timestamp()
    assert watching.look(local.place) == seen, "nothing new, and nothing to say"
    again = witness(local, tmp_path)
    assert again.key == watching.key
    assert again.last() == seen, "its memory is its folder"


def fork(house: House) -> None:
    """The same beginning and another end, signed with the same key, by whoever holds all of it."""
    cut(house, 2)
    house.record(4)
    shutil.rmtree(house.folder / "checkpoints")
    house.sign()


def rolled_back(house: House) -> None:
    cut(house, 2)
    shutil.rmtree(house.folder / "checkpoints")
    house.sign()


@pytest.mark.parametrize("done", [fork, rolled_back])
def test_a_witness_refuses_a_second_past_and_remembers_the_first(
    local: House, tmp_path: Path, done: Callable[[House], None]
) -> None:
    watching = witness(local, tmp_path)
    local.record(4)
    local.sign()
    seen = watching.look(local.place)
    done(local)
    for again in (watching, witness(local, tmp_path)):
        with pytest.raises(
            LedgerError, match=r"a ledger continues the 4 events that witness\.example\.org/w1 cosigned"
        ):
            again.look(local.place)
        assert again.last() == seen


def test_a_witness_refuses_another_ledger_and_another_key(
    local: House, tmp_path: Path, houses: Callable[[str], House]
) -> None:
    watching = witness(local, tmp_path)
    local.record(2)
    local.sign()
    watching.look(local.place)
    thief = houses(local.url)
    thief.sign()
    with pytest.raises(LedgerError, match="signed with another key"):
        watching.look(thief.place)
    other = houses(f"sqlite:///{tmp_path / 'other.db'}")
    other.signer = local.signer
    other.record(9)
    other.sign()
    with pytest.raises(LedgerError, match="it is of another ledger"):
        watching.look(other.place)
