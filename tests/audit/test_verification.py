"""Whatever was done behind the ledger's back is found against a checkpoint that was kept elsewhere, and where."""

import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.audit.checkpoints import HISTORY, LATEST, SignedCheckpoint, verified
from include.audit.proofs import ProofError
from include.audit.verification import verify
from include.core.errors import LedgerError
from include.core.events import LineageEmitted
from include.ledger.entry import seal
from tests.audit.signed import House
from tests.audit.test_checkpoints import cut
from tests.ledger.test_soundness import behind_the_triggers


def signed_house(house: House) -> SignedCheckpoint:
    """Eight events in two streams, in turn: positions 1, 3, 5, 7 in ``run/a``, the others in ``run/b``."""
    for _ in range(4):
        house.record(1)
        house.record(1, stream="run/b")
    signed = house.sign()
    house.ledger.close()
    return signed


def run(*statements: str) -> Callable[[House], None]:
    def attack(house: House) -> None:
        with behind_the_triggers(house.url) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    return attack


def sealed_anew(house: House, position: int, stream: str) -> None:
    """Put another event in the place of one, with all hashes that belong to it."""
    other = seal(stream, LineageEmitted(event="another"), recorded_at=house.now)
    values = {"raw": other.raw, "hash": other.leaf_hash, "at": other.recorded_at, "stream": stream, "id": position}
    with behind_the_triggers(house.url) as connection:
        update = (
            "UPDATE ledger_inbox SET raw = :raw, leaf_hash = :hash, recorded_at = :at, stream = :stream WHERE id = :id"
        )
        connection.execute(sa.text(update), values)


def replaced(house: House) -> None:
    sealed_anew(house, 4, "run/b")


def moved_to_another_stream(house: House) -> None:
    sealed_anew(house, 8, "run/c")
    run("UPDATE ledger_log SET stream = 'run/c', stream_version = 1 WHERE position = 8")(house)


def inserted(house: House) -> None:
    house.record(1, stream="run/z")
    house.ledger.close()
    run(
        "UPDATE ledger_log SET position = -4 WHERE position = 9",
        "UPDATE ledger_log SET position = -(position + 1) WHERE position BETWEEN 4 AND 8",
        "UPDATE ledger_log SET position = -position WHERE position < 0",
    )(house)


def cut_and_grown_again(house: House) -> None:
    cut(house, 6)
    house.record(5)


_RENUMBERED = (
    "UPDATE ledger_log SET position = -(position - 1) WHERE position > 4",
    "UPDATE ledger_log SET position = -position WHERE position < 0",
    "UPDATE ledger_log SET stream_version = -(stream_version - 1) WHERE stream = 'run/b' AND stream_version > 2",
    "UPDATE ledger_log SET stream_version = -stream_version WHERE stream_version < 0",
)
_SWAPPED = (
    "UPDATE ledger_log SET position = -(5 - position) WHERE position IN (2, 3)",
    "UPDATE ledger_log SET position = -position WHERE position < 0",
)

#: What was done, and what a verification says first.
ATTACKS: dict[str, tuple[Callable[[House], None], str]] = {
    "updated": (run("UPDATE ledger_inbox SET kind = 'x' WHERE id = 4"), "position 4 is not what was recorded"),
    "replaced, hashes and all": (replaced, "position 4 is not what was recorded"),
    "deleted": (run("DELETE FROM ledger_log WHERE position = 4"), "position 4 is missing: the next that is there is 5"),
    "deleted from the inbox": (run("DELETE FROM ledger_inbox WHERE id = 4"), "position 4 has no event"),
    "taken out, and all after it renumbered": (
        run("DELETE FROM ledger_log WHERE position = 4", "DELETE FROM ledger_inbox WHERE id = 4", *_RENUMBERED),
        "position 4 was taken out (the event of position 5 stands there)",
    ),
    "swapped": (run(*_SWAPPED), "position 2 was swapped with position 3"),
    "swapped within a stream": (
        run(
            "UPDATE ledger_log SET position = position - 8, stream_version = -stream_version WHERE position IN (3, 5)",
            "UPDATE ledger_log SET position = -position, stream_version = 5 + stream_version WHERE position < 0",
        ),
        "position 3 was swapped with position 5",
    ),
    "inserted, and all after it renumbered": (
        inserted,
        "position 4 was inserted (the event of then stands at position 5)",
    ),
    "moved to another stream, sealed anew": (moved_to_another_stream, "position 8 is not what was recorded"),
    "moved within its stream": (
        run("UPDATE ledger_log SET stream_version = 9 WHERE position = 8"),
        "position 8 was moved: it says version 9 of stream 'run/b', expected 4",
    ),
    "its end cut off": (lambda house: cut(house, 6), "positions 7 to 8 are missing: the ledger ends at 6"),
    "its end cut off, and others recorded": (cut_and_grown_again, "position 7 is not what was recorded"),
    "emptied": (lambda house: cut(house, 0), "positions 1 to 8 are missing: the ledger ends at 0"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_found_and_the_first_place_of_it_named(house: House, attack: str) -> None:
    kept = signed_house(house)
    assert house.verified(kept).faults == ()
    house.ledger.close()
    done, told = ATTACKS[attack]
    done(house)
    first, *_ = house.verified(kept).faults
    assert first.text.startswith(told)
    assert str(first.position) in told
    assert house.verified().faults, "the published tree shows it too"


@pytest.mark.parametrize("attack", [each for each in ATTACKS if each not in ("updated", "deleted", "emptied")])
def test_whoever_holds_the_key_too_and_publishes_another_past_is_found_by_a_checkpoint_from_elsewhere(
    local: House, attack: str
) -> None:
    kept = signed_house(local)
    ATTACKS[attack][0](local)
    shutil.rmtree(local.folder / "checkpoints")
    forged = local.verified()
    sound = not forged.faults
    if sound:
        local.sign()
        assert local.verified().faults == (), "nothing here tells"
    found = local.verified(kept)
    assert "the copy elsewhere" in found.faults[0].text or not sound
    assert found.outside == ()


def test_a_truncated_table_is_found(postgres_ledger_url: str, houses: Callable[[str], House]) -> None:
    house = houses(postgres_ledger_url)
    kept = signed_house(house)
    run("TRUNCATE ledger_log, ledger_inbox CASCADE")(house)
    first, *_ = house.verified(kept).faults
    assert first.text.startswith("positions 1 to 8 are missing: the ledger ends at 0")


def test_a_trigger_that_was_dropped_is_named(house: House) -> None:
    kept = signed_house(house)
    name = "ledger_log_no_update" if house.url.startswith("sqlite") else "ledger_log_append_only"
    with sa.create_engine(house.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER {name}" + ("" if "no_update" in name else " ON ledger_log"))
    assert [fault.text for fault in house.verified(kept).faults] == [f"the trigger {name} is missing or another one"]
    since = verify(house.ledger, [house.place], house.publics, since=kept.checkpoint)
    assert [fault.text for fault in since.faults] == [f"the trigger {name} is missing or another one"]


def test_a_ledger_of_another_deployment_and_one_that_begins_with_another_event_are_found(
    local: House, houses: Callable[[str], House]
) -> None:
    kept = signed_house(local)
    other = houses(f"sqlite:///{local.folder / 'other.db'}")
    other.record(9)
    other.sign()
    found = other.verified(kept)
    assert found.faults[0].text.startswith("the copy elsewhere is of another ledger")
    assert found.faults[0].position == 1


def test_a_checkpoint_that_was_signed_with_the_key_of_another_deployment_is_none_of_ours(
    local: House, houses: Callable[[str], House]
) -> None:
    signed_house(local)
    thief = houses(local.url)
    forged = thief.sign()
    with pytest.raises(ProofError, match="signed with another key"):
        verified(str(forged.note).encode(), local.publics)
    local.place.replace(LATEST, str(forged.note).encode())
    (fault,) = local.verified().faults
    assert f"{local.place.shown}/{LATEST} is not what the authority signed" in fault.text


def test_an_older_checkpoint_in_the_place_of_the_newest_is_seen_by_one_from_elsewhere(local: House) -> None:
    local.record(2)
    older = local.sign()
    local.record(2)
    kept = local.sign()
    cut(local, 2)
    shutil.rmtree(local.folder / "checkpoints")
    local.place.replace(LATEST, str(older.note).encode())
    assert local.verified().faults == (), "by itself it says nothing wrong"
    assert local.verified(kept).faults[0].text.startswith("positions 3 to 4 are missing")


def test_an_altered_checkpoint_of_the_past_is_named(local: House) -> None:
    local.record(2)
    local.sign()
    local.record(2)
    local.sign()
    name = f"{HISTORY}/000000000002"
    written = local.place.read(name)
    assert written is not None
    local.place.replace(name, written.replace(b"\n2\n", b"\n3\n", 1))
    (fault,) = local.verified().faults
    assert f"{name} is not what the authority signed" in fault.text


def test_what_agrees_with_a_checkpoint_from_elsewhere_says_so_and_without_one_nothing_does(house: House) -> None:
    kept = signed_house(house)
    house.record(3)
    found = house.verified(kept)
    assert (found.faults, found.outside) == ((), ("the copy elsewhere",))
    assert (found.size, found.read, found.checkpoints) == (11, 11, 1)
    assert found.signed == kept
    assert house.verified().outside == ()


def test_since_a_checkpoint_only_what_came_after_it_is_read_and_held_against_the_same_tree(house: House) -> None:
    house.record(300)
    before = house.sign()
    house.record(5)
    house.record(2, stream="run/b")
    kept = house.sign()
    house.record(1)
    found = verify(house.ledger, [house.place], house.publics, since=before.checkpoint)
    whole = house.verified()
    assert (found.faults, found.read, found.size, found.signed) == ((), 8, 308, kept)
    assert found.root == whole.root
    sealed_anew(house, 303, "run/a")
    (fault, *_) = verify(house.ledger, [house.place], house.publics, since=before.checkpoint).faults
    assert fault.position == 303
    shutil.rmtree(house.folder / "checkpoints" / "tile")
    with pytest.raises(LedgerError, match="none has that of the first 300 events"):
        verify(house.ledger, [house.place], house.publics, since=before.checkpoint)


def test_since_a_checkpoint_a_stream_goes_on_with_its_next_version(local: House) -> None:
    local.record(3)
    before = local.sign()
    local.record(2)
    local.ledger.close()
    run("UPDATE ledger_log SET stream_version = stream_version + 10 WHERE position > 3")(local)
    (fault, *_) = verify(local.ledger, [local.place], local.publics, since=before.checkpoint).faults
    assert fault.text == "stream 'run/a' goes on with version 14, expected 4"


def test_what_was_signed_long_after_it_was_recorded_is_told_with_both_times(local: House) -> None:
    local.record(2)
    local.sign()
    local.record(2, after=timedelta(minutes=1))
    recorded_at = local.now
    local.now += timedelta(hours=1)
    local.sign()
    local.record(1, after=timedelta(hours=5))
    local.sign()
    (late,) = local.verified().late
    assert (late.first, late.last, late.recorded_at) == (3, 4, recorded_at)
    assert late.signed_at == recorded_at + timedelta(hours=1)
