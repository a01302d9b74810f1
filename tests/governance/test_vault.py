"""The vault opens exactly what was named, under grants, after a receipt."""

from pathlib import Path

import pytest

from include.core.canonical import decode, digest_of, record_digest
from include.core.errors import AccessDenied, LedgerUnavailable, StoreError, StoreUnavailable
from include.core.events import ArtifactOpened, Event
from include.governance.vault import Vault
from include.ledger import Entry, Fence, Ledger
from include.store import Store
from tests.governance.conftest import NOW, House, run_of


def test_what_was_put_is_opened_by_digest_after_one_receipt(house: House) -> None:
    scope = house.scope("flights", "planes")
    grants = house.granted(scope)
    (house.folder / "file").write_bytes(b"two")
    digests = [house.vault.put(b"one"), house.vault.put_file(house.folder / "file")]
    assert digests == [digest_of(b"one"), digest_of(b"two")]
    opened = house.vault.open(iter(digests), run=run_of(scope.project), step="features", scope=scope, now=NOW)
    assert (opened.bytes(digests[0]), opened.path(digests[1]).read_bytes()) == (b"one", b"two")
    (entry,) = house.ledger.read(f"receipt/{scope.project}")
    assert entry.event == ArtifactOpened(
        project=scope.project,
        run_id="run-1",
        step="features",
        grants=grants,
        artifacts=record_digest(sorted(digests)),
        count=2,
    )


def test_a_receipt_names_what_was_opened_by_a_list_that_is_read_back_without_a_grant(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    digests = [house.vault.put(data) for data in (b"one", b"two", b"three")]
    house.vault.open(digests, run=run_of(scope.project), step="plan", scope=scope, now=NOW)
    (entry,) = house.ledger.read(f"receipt/{scope.project}")
    assert isinstance(entry.event, ArtifactOpened)
    kept = Store(str(house.folder / "store")).get(entry.event.artifacts)
    assert decode(tuple[str, ...], kept) == tuple(sorted(digests))


def test_without_the_list_of_what_would_be_opened_there_is_no_receipt_and_nothing_is_opened(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    digest = house.vault.put(b"one")
    (house.folder / "store").write_text("no folder: nothing can be kept here")
    with pytest.raises(StoreUnavailable):
        house.vault.open([digest], run=run_of(scope.project), step="train", scope=scope, now=NOW)
    assert house.ledger.version(f"receipt/{scope.project}") == 0


def test_each_opening_leaves_its_own_receipt(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    for _ in range(2):
        house.vault.open([], run=run_of(scope.project), step="train", scope=scope, now=NOW)
    assert house.ledger.version(f"receipt/{scope.project}") == 2


def test_an_artifact_that_was_not_named_stays_closed(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    named, other = house.vault.put(b"one"), house.vault.put(b"two")
    opened = house.vault.open([named], run=run_of(scope.project), step="train", scope=scope, now=NOW)
    for read in (opened.bytes, opened.path):
        with pytest.raises(AccessDenied, match="was opened"):
            read(other)


def test_a_run_opens_nothing_under_the_scope_of_another_project(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    with pytest.raises(AccessDenied, match="own project"):
        house.vault.open([], run=run_of("other"), step="train", scope=scope, now=NOW)


def test_without_a_receipt_nothing_is_opened(house: House) -> None:
    class Silent(Ledger):
        """The real ledger, whose database has just gone away for writers."""

        def record(self, stream: str, event: Event, *, key: str | None = None, fence: Fence | None = None) -> Entry:
            raise LedgerUnavailable("the ledger can be written", value="gone", remedy="Try again.")

    scope = house.scope()
    house.granted(scope)
    vault = Vault(
        Store(str(house.folder / "vault")),
        house.access,
        Silent.open(f"sqlite:///{house.folder / 'ledger.db'}"),
        lists=Store(str(house.folder / "store")),
    )
    with pytest.raises(LedgerUnavailable):
        vault.open([vault.put(b"one")], run=run_of(scope.project), step="train", scope=scope, now=NOW)


def test_an_altered_artifact_is_not_handed_out_but_set_aside_and_missing(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    digest = house.vault.put(b"one")
    file: Path = next(path for path in (house.folder / "vault").rglob("*") if path.is_file())
    file.chmod(0o600)
    file.write_bytes(b"two")
    opened = house.vault.open([digest], run=run_of(scope.project), step="train", scope=scope, now=NOW)
    with pytest.raises(StoreError, match="set aside as altered/"):
        opened.path(digest)
    with pytest.raises(StoreError, match="an artifact is in the store"):
        opened.bytes(digest)
    assert not house.vault.has(digest), "so that it is made again"
    (aside,) = house.vault.altered()
    assert (aside.digest, (house.folder / "vault" / aside.name).read_bytes()) == (digest, b"two")
    assert house.vault.put(b"one") == digest
    assert opened.bytes(digest) == b"one"
