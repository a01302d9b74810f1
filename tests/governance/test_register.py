"""The register shows what the streams say, however often it looked before."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import AuthorityError
from include.core.events import AccessGranted, AccessRevoked, ArtifactOpened, DataOpened, DataRead, RequestDenied
from include.governance.access import Access
from include.governance.decisions import Proof
from include.governance.history import Act
from include.governance.register import Register
from include.governance.registered import RequestStatus
from tests.core.documented import contradictions
from tests.governance.conftest import NOW, STEWARD, House

DEEDS = ("ask", "ask more", "approve", "deny", "revoke", "forge", "open", "read", "look")


def do(house: House, deed: str, project: str) -> None:
    """One thing that may happen around a project; what is not possible now happens not."""
    waiting = house.access.requests(project)
    held = house.access.grants(project, now=NOW)
    scope = house.scope(project=project, window_days=60 if deed == "ask more" else 30)
    stream = f"access/{project}/flights"
    if deed.startswith("ask"):
        house.access.request(scope, requester="ada", now=NOW)
    elif deed == "approve" and waiting:
        house.authority.grant(waiting[0].request_id, user=STEWARD, reason="Agreed", days=9, now=NOW)
    elif deed == "deny" and waiting:
        house.authority.deny(waiting[0].request_id, user=STEWARD, reason="Too much")
    elif deed == "revoke" and held:
        house.authority.revoke(held[0].grant_id, user=STEWARD, reason="Enough")
    elif deed == "forge":
        house.ledger.record(stream, AccessGranted(request_id="r-0", grant_id="g-0", envelope="{}"))
        house.ledger.record(stream, RequestDenied(request_id="r-0", steward="eve", reason="-", envelope="{}"))
    elif deed in ("open", "read") and held:
        shared = {"project": project, "run_id": "run-1", "grant_id": held[0].grant_id, "scope": held[0].scope}
        house.ledger.record(f"receipt/{project}", DataOpened(**shared, first=None, last=None))
        if deed == "read":
            told = DataRead(**shared, first=None, last=None, rows=7, files=1, reused=0)
            house.ledger.record(f"receipt/{project}", told)


@given(deeds=st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from(["left", "right"])), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_register_that_was_kept_equals_one_made_now_and_the_fold_of_the_streams(
    shared: House, deeds: list[tuple[str, str]]
) -> None:
    kept = Register(shared.ledger, shared.verifier)
    for deed, project in deeds:
        do(shared, deed, project)
        if deed == "look":
            kept.catch_up()
    fresh, access = Register(shared.ledger, shared.verifier), Access(shared.ledger, shared.verifier)
    assert kept.catch_up() == fresh.catch_up()
    assert kept.waiting() == fresh.waiting()
    assert kept.grants(now=NOW) == fresh.grants(now=NOW)
    assert kept.history(limit=10_000) == fresh.history(limit=10_000)
    assert [asked.request for asked in kept.waiting()] == list(access.requests())
    assert [held.grant for held in kept.grants(now=NOW)] == list(access.grants(now=NOW))


def register(house: House) -> Register:
    return Register(house.ledger, house.verifier)


def test_a_request_is_superseded_when_the_project_asks_for_something_else(house: House) -> None:
    (first,) = house.access.request(house.scope(project="p"), requester="ada", now=NOW)
    (second,) = house.access.request(house.scope(project="p", window_days=60), requester="ada", now=NOW)
    seen = register(house)
    assert seen.request(first).standing is RequestStatus.SUPERSEDED
    assert [asked.request.request_id for asked in seen.waiting()] == [second]
    with pytest.raises(AuthorityError, match="superseded"):
        house.authority.grant(first, user=STEWARD, reason="Agreed", days=9, now=NOW)
    (again,) = house.access.request(house.scope(project="p"), requester="ada", now=NOW)
    assert again not in (first, second)
    assert seen.request(again).standing is RequestStatus.WAITING
    assert seen.request(second).standing is RequestStatus.SUPERSEDED


def test_a_request_waits_for_its_contract_and_is_superseded_with_it(house: House) -> None:
    file = house.folder / "contracts" / "flights.odcs.yaml"
    seen, old = register(house), house.scope(project="p")
    (first,) = house.access.request(old, requester="ada", now=NOW)
    file.write_text(file.read_text() + "# edited\n")
    (second,) = house.access.request(house.scope(project="q"), requester="ada", now=NOW)
    assert seen.request(first).standing is RequestStatus.WAITING
    assert seen.request(second).standing is RequestStatus.UNADOPTED
    house.authority.adopt("flights", user=STEWARD)
    assert seen.request(first).standing is RequestStatus.SUPERSEDED
    assert seen.request(second).standing is RequestStatus.WAITING


def test_decisions_are_signed_for_their_place(house: House) -> None:
    scope = house.scope(project="p")
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    house.authority.deny(request_id, user=STEWARD, reason="Too much")
    (grant_id,) = house.granted(scope)
    house.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    lines = register(house).history(project="p")
    assert [(line.act, line.proof) for line in lines] == [
        (Act.REVOKED, Proof.SIGNED),
        (Act.GRANTED, Proof.SIGNED),
        (Act.REQUESTED, Proof.UNSIGNED),
        (Act.DENIED, Proof.SIGNED),
        (Act.REQUESTED, Proof.UNSIGNED),
    ]
    assert {line.who for line in lines} == {STEWARD, "ada"}


def test_a_refusal_that_the_authority_did_not_sign_for_its_place_decides_nothing(house: House) -> None:
    scope = house.scope(project="p")
    (first,) = house.access.request(scope, requester="ada", now=NOW)
    house.authority.deny(first, user=STEWARD, reason="Too much")
    (refused,) = (e.event for e in house.ledger.read("access/p/flights") if isinstance(e.event, RequestDenied))
    (second,) = house.access.request(scope, requester="ada", now=NOW)
    forged = (
        RequestDenied(request_id=second, steward=STEWARD, reason="Too much", envelope=refused.envelope),
        RequestDenied(request_id=second, steward=STEWARD, reason="-", envelope="{}"),
    )
    for event in forged:
        house.ledger.record("access/p/flights", event)
    assert house.access.denied(scope) == ()
    seen = register(house)
    assert seen.request(second).standing is RequestStatus.WAITING
    assert [(line.who, line.proof) for line in seen.history(limit=2)] == [("", Proof.BROKEN)] * 2


def test_a_revocation_ends_its_grant_signed_or_not_and_refusals_of_before_still_count(house: House) -> None:
    scope = house.scope(project="p")
    (grant_id,) = house.granted(scope)
    house.ledger.record("access/p/flights", AccessRevoked(grant_id=grant_id, steward="x", reason="-", envelope="{}"))
    assert house.access.grants("p", now=NOW) == ()
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    old = RequestDenied(request_id=request_id, steward=STEWARD, reason="Before", envelope=None)
    house.ledger.record("access/p/flights", old)
    assert house.access.denied(scope) == (old,)
    assert [line.proof for line in register(house).history(limit=3)] == [Proof.UNSIGNED, Proof.UNSIGNED, Proof.BROKEN]


def test_a_grant_shows_its_last_use(house: House) -> None:
    (grant_id,) = house.granted(house.scope(project="p"))
    seen = register(house)
    assert seen.grant(grant_id).use is None
    do(house, "read", "p")
    opened = ArtifactOpened(project="p", run_id="run-2", step="plan", grants=(grant_id,), artifacts="sha256:a", count=3)
    house.ledger.record("receipt/p", opened)
    use = seen.grant(grant_id).use
    assert use is not None
    assert (use.count, use.last_run, use.last_step, use.rows) == (2, "run-2", "plan", 7)


def test_a_request_is_compared_with_the_last_grant_before_it(house: House) -> None:
    (first,) = house.granted(house.scope(project="p"))
    (request_id,) = house.access.request(house.scope(project="p", window_days=60), requester="ada", now=NOW)
    asked = register(house).request(request_id)
    assert asked.last is not None
    assert asked.last.grant_id == first
    assert asked.grant is None
    house.authority.grant(request_id, user=STEWARD, reason="Agreed", days=9, now=NOW)
    (third,) = house.access.request(house.scope(project="p", window_days=90), requester="ada", now=NOW)
    seen = register(house)
    assert seen.request(request_id).last == asked.last
    last = seen.request(third).last
    assert last is not None
    assert last.scope.window_days == 60


def test_history_is_read_in_pages_without_a_gap_or_a_double(house: House) -> None:
    for window in range(30, 40):
        house.access.request(house.scope(project="p", window_days=window), requester="ada", now=NOW)
    seen = register(house)
    pages, before = [], None
    while page := seen.history(project="p", before=before, limit=3):
        pages += page
        before = page[-1].position
    assert pages == list(seen.history(project="p", limit=100))
    assert len(pages) == 10


def test_what_does_not_exist_is_named(house: House) -> None:
    seen = register(house)
    (grant_id,) = house.granted(house.scope(project="p"))
    for find, name in ((seen.request, "r-none"), (seen.grant, "g-none"), (seen.request, grant_id)):
        with pytest.raises(AuthorityError, match=name):
            find(name)


def test_an_expired_grant_is_in_the_history_and_not_in_force(house: House) -> None:
    (grant_id,) = house.granted(house.scope(project="p"), days=9)
    seen = register(house)
    assert [held.grant.grant_id for held in seen.grants(now=NOW)] == [grant_id]
    assert seen.grants(now=NOW + timedelta(days=9)) == ()
    assert seen.history(project="p")[0].act is Act.GRANTED


def test_what_is_decided_stands_where_the_events_docstrings_say(house: House) -> None:
    for deed in ("ask", "deny", "ask more", "approve", "open", "read", "revoke"):
        do(house, deed, "left")
    assert contradictions(house.ledger.read_all()) == []
