"""What a revocation cannot call back is named for as long as it lives."""

from datetime import UTC, datetime, timedelta

import pytest

from include.core.canonical import digest_of
from include.core.errors import DeclarationError
from include.core.events import AccessRevoked, ArtifactOpened, TrainingOrdered
from include.governance.outstanding_addresses import in_words, outstanding
from include.governance.vault import Vault
from include.store import Store
from tests.governance.conftest import NOW, STEWARD, House, run_of

HOUR = timedelta(hours=1)


def order_of(project: str, *, number: int) -> TrainingOrdered:
    return TrainingOrdered(
        project=project,
        run_id="run-1",
        plan="sha256:p",
        step=f"train-{number}",
        order_id=f"o-{number}",
        document="sha256:d",
        expires_at=NOW + number * HOUR,
    )


def test_an_order_that_outlives_a_revocation_is_named_until_it_ends(house: House) -> None:
    scope, other = house.scope(), house.scope()
    (grant,) = house.granted(scope)
    for number in (1, 2):
        house.ledger.record(f"run/{scope.project}/run-1", order_of(scope.project, number=number))
    house.ledger.record(f"run/{other.project}/run-1", order_of(other.project, number=2))
    assert outstanding(house.ledger, now=NOW) == ()
    house.authority.revoke(grant, user=STEWARD, reason="Ended")
    house.ledger.record(f"run/{scope.project}/run-1", order_of(scope.project, number=9))  # under a later grant
    assert [order.order_id for order in outstanding(house.ledger, now=NOW)] == ["o-1", "o-2"]
    (left,) = outstanding(house.ledger, now=NOW + HOUR)
    assert f"NOT SHOWN until {left.expires_at:%Y-%m-%d %H:%M:%S}Z" in in_words(left)
    assert outstanding(house.ledger, now=NOW + 2 * HOUR) == ()


def test_an_order_that_outlives_its_contract_is_named_until_it_ends(house: House) -> None:
    scope, other = house.scope("flights", "planes"), house.scope("planes")
    house.granted(scope)
    house.granted(other)
    for project in (scope.project, other.project):
        house.ledger.record(f"run/{project}/run-1", order_of(project, number=1))
    file = house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(f"{file.read_text()}# another version\n")
    assert outstanding(house.ledger, now=NOW) == ()
    house.authority.adopt("flights", user=STEWARD)
    (left,) = outstanding(house.ledger, now=NOW)
    assert left.project == scope.project, "the other reads no flights"
    assert "a grant ended" in in_words(left)
    assert outstanding(house.ledger, now=NOW + HOUR) == ()


def test_a_revocation_that_stands_where_it_does_not_belong_stops_no_status(house: House) -> None:
    scope = house.scope()
    house.ledger.record(f"run/{scope.project}/run-1", order_of(scope.project, number=1))
    for stream in ("x", f"x/{scope.project}"):
        house.ledger.record(stream, AccessRevoked(grant_id="g-x", steward="eve", reason="-", envelope=None))
    assert outstanding(house.ledger, now=NOW) == ()


def test_addresses_are_receipted_and_end_with_the_grant_at_the_latest(house: House, s3_url: str) -> None:
    vault = Vault(Store(s3_url), house.access, house.ledger, lists=Store(str(house.folder / "store")))
    scope, now = house.scope(), datetime.now(UTC)
    house.granted(scope, days=1, now=now)
    digest = vault.put(b"rows")
    results = [digest_of(b"trial")]
    for lifetime, expected in ((HOUR, now + HOUR), (timedelta(days=3), now + timedelta(days=1))):
        issued = vault.issue(
            [digest], results, run=run_of(scope.project), step="train", scope=scope, now=now, lifetime=lifetime
        )
        assert issued.expires_at == expected
        assert (set(issued.artifacts), set(issued.results)) == ({digest}, set(results))
        assert "http" not in repr(issued)
    receipts = [entry.event for entry in house.ledger.read(f"receipt/{scope.project}")]
    assert [(event.step, event.count) for event in receipts if isinstance(event, ArtifactOpened)] == [("train", 1)] * 2


def test_a_folder_issues_nothing_and_leaves_no_receipt(house: House) -> None:
    scope = house.scope()
    house.granted(scope)
    with pytest.raises(DeclarationError, match="TRAINYARD_VAULT"):
        house.vault.issue([], [], run=run_of(scope.project), step="train", scope=scope, now=NOW, lifetime=HOUR)
    assert house.ledger.read(f"receipt/{scope.project}") == []
