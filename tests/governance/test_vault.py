"""The vault opens exactly what was named, under grants, after a receipt."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.core.canonical import decode, digest_of, record_digest
from include.core.errors import AccessDenied, LedgerUnavailable, StoreError, StoreUnavailable
from include.core.events import ArtifactOpened, Event
from include.core.records import ResultAddresses
from include.governance.vault import Vault
from include.ledger import Entry, Fence, Ledger
from include.store import Store
from tests.governance.conftest import NOW, STEWARD, House, run_of

HOUR = timedelta(hours=1)


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


def test_what_is_under_way_is_taken_up_only_by_who_opened_it(house: House) -> None:
    scope = house.scope()
    mine, other = digest_of(b"mine"), digest_of(b"other")
    with pytest.raises(AccessDenied):
        house.vault.open([], run=run_of(scope.project), step="train", scope=scope, now=NOW, under_way=[mine])
    house.granted(scope)
    opened = house.vault.open([], run=run_of(scope.project), step="train", scope=scope, now=NOW, under_way=[mine])
    opened.keep_working(mine, b"half")
    assert opened.working(mine) == b"half"
    for refused in (opened.working, opened.remove_working, lambda name: opened.keep_working(name, b"forged")):
        with pytest.raises(AccessDenied, match="only what was opened"):
            refused(other)
    opened.remove_working(mine)
    assert opened.working(mine) is None


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


def test_a_champion_is_opened_to_predict_under_a_revoked_grant_and_for_nothing_else(house: House) -> None:
    scope = house.scope()
    (grant,) = house.granted(scope)
    digest, run = house.vault.put(b"a model"), run_of(scope.project)
    house.authority.revoke(grant, user=STEWARD, reason="Enough")
    opened = house.vault.open([digest], run=run, step="score", scope=scope, now=NOW, serving=True)
    assert opened.bytes(digest) == b"a model"
    with pytest.raises(AccessDenied):
        house.vault.open([digest], run=run, step="score", scope=scope, now=NOW)


def test_an_artifact_is_there_verified_and_removed_by_its_digest(house: House) -> None:
    kept, lost = house.vault.put_made(lambda path: path.write_bytes(b"one") and None), house.vault.put(b"two")
    house.vault.remove(lost)
    house.vault.remove(lost)
    assert [house.vault.has(digest) for digest in (kept, lost)] == [True, False]
    house.vault.verify(kept)
    with pytest.raises(StoreError):
        house.vault.verify(lost)
    assert house.vault.altered() == ()


class Addressed(Store):
    """A folder that gives addresses and takes results as a bucket does; an address says what it is of, and its end."""

    results: Path

    def require_issuing(self, lifetime: timedelta) -> None:
        assert lifetime == HOUR

    def read_address(self, digest: str, *, expires_at: datetime) -> str:
        return f"{digest} until {expires_at}"

    def result_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        return ResultAddresses(write=f"{name} until {expires_at}", read=name)

    def working_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        return ResultAddresses(write=f"half of {name} until {expires_at}", read=name)

    def result(self, name: str, *, most_bytes: int) -> bytes | None:
        file = self.results / name
        return file.read_bytes()[:most_bytes] if file.exists() else None

    def remove_result(self, name: str) -> None:
        (self.results / name).unlink()


@pytest.mark.parametrize("days", [1, 30])
def test_addresses_are_of_what_was_named_after_one_receipt_and_end_with_the_first_grant_at_the_latest(
    house: House, days: int
) -> None:
    scope, later = house.scope("flights", "planes"), NOW + timedelta(days=1) - HOUR / 2
    grants = house.granted(house.scope("planes", project=scope.project), days=days)
    grants = house.granted(house.scope("flights", project=scope.project)) + grants
    vault = Vault(
        Addressed(str(house.folder / "vault")), house.access, house.ledger, lists=Store(str(house.folder / "store"))
    )
    digests = [vault.put(b"one"), vault.put(b"two")]
    ends = {"run": run_of(scope.project), "step": "train", "scope": scope, "lifetime": HOUR}
    issued = vault.issue(iter(digests), iter(["second", "first"]), now=later, **ends)
    assert issued.expires_at == later + (HOUR / 2 if days == 1 else HOUR)
    assert issued.artifacts == {digest: f"{digest} until {issued.expires_at}" for digest in digests}
    assert {name: each.write for name, each in issued.results.items()} == {
        name: f"{name} until {issued.expires_at}" for name in ("first", "second")
    }
    assert {name: each.write for name, each in issued.working.items()} == {
        name: f"half of {name} until {issued.expires_at}" for name in ("first", "second")
    }
    assert not any(digest in repr(issued) or "second" in repr(issued) for digest in digests), "they are secrets"
    (entry,) = house.ledger.read(f"receipt/{scope.project}")
    assert isinstance(entry.event, ArtifactOpened)
    assert (entry.event.step, entry.event.grants, entry.event.count) == ("train", grants, 2)
    with pytest.raises(AccessDenied):
        vault.issue(digests, [], now=NOW + timedelta(days=30), **ends)
    with pytest.raises(AccessDenied, match="own project"):
        vault.issue(digests, [], now=NOW, **{**ends, "run": run_of("other")})
    house.authority.revoke(grants[0], user=STEWARD, reason="Enough")
    with pytest.raises(AccessDenied):
        vault.issue(digests, [], now=later, **ends)
    assert len(house.ledger.read(f"receipt/{scope.project}")) == 1


def test_a_result_that_is_refused_is_kept_and_may_be_written_again(house: House) -> None:
    store = Addressed(str(house.folder / "vault"))
    store.results = house.folder
    vault = Vault(store, house.access, house.ledger, lists=Store(str(house.folder / "store")))
    assert vault.result("trial", most_bytes=9) is None
    (house.folder / "trial").write_bytes(b"not a trial")
    found = vault.result("trial", most_bytes=3)
    assert found == b"not"
    kept = vault.refuse_result("trial", found)
    assert vault.result("trial", most_bytes=9) is None
    assert store.get(kept) == b"not"


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
