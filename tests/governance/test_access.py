"""Law 2: nothing is read without a grant whose signature, scope and time hold and which is not revoked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.canonical import encode
from include.core.errors import AccessDenied, LedgerConflict
from include.core.events import AccessGranted, AccessRequested, ArtifactOpened, ContractAdopted, Event
from include.core.records import DatasetScope, Grant, Scope, Treatment
from include.governance.access import ATTEMPTS, Access, identifier
from include.governance.claims import ADOPTION_TYPE, GRANT_TYPE, AdoptionClaim
from include.governance.signing import Signer, create_key
from include.ledger import Fence, Ledger
from tests.governance.conftest import NOW, PURPOSE, STEWARD, House, run_of

DAYS = 30
LEAST = timedelta(microseconds=1)


def flights(scope: Scope, change: Callable[[DatasetScope], DatasetScope]) -> Scope:
    return replace(scope, datasets=tuple(change(d) if d.dataset == "flights" else d for d in scope.datasets))


def treated(dataset: DatasetScope, treatment: Treatment) -> DatasetScope:
    columns = tuple((name, treatment if name == "tailnum" else kept) for name, kept in dataset.columns)
    return replace(dataset, columns=columns)


#: Each asks for something that was not granted.
WIDER: dict[str, Callable[[Scope], Scope]] = {
    "a column more": lambda s: flights(s, lambda d: replace(d, columns=(*d.columns, ("zeal", Treatment.CLEAR)))),
    "a token in clear": lambda s: flights(s, lambda d: treated(d, Treatment.CLEAR)),
    "a day more": lambda s: flights(s, lambda d: replace(d, window_days=31)),
    "all days": lambda s: flights(s, lambda d: replace(d, window_days=None)),
    "another contract": lambda s: flights(s, lambda d: replace(d, contract_digest="sha256:" + "0" * 64)),
    "another purpose": lambda s: replace(s, purpose="Sell it"),
    "another project": lambda s: replace(s, project=s.project + "_too"),
    "a dataset more": lambda s: replace(s, datasets=(*s.datasets, replace(s.datasets[0], dataset="airports"))),
    "no dataset": lambda s: replace(s, datasets=()),
}


@st.composite
def narrower(draw: st.DrawFn, scope: Scope) -> Scope:
    """The same scope or less of it."""

    def less(dataset: DatasetScope) -> DatasetScope:
        columns = draw(st.sets(st.sampled_from(dataset.columns), min_size=1))
        days = None if dataset.window_days is None else draw(st.integers(1, dataset.window_days))
        return replace(dataset, columns=tuple(sorted(columns)), window_days=days)

    kept = draw(st.sets(st.integers(0, len(scope.datasets) - 1), min_size=1))
    return replace(scope, datasets=tuple(less(scope.datasets[index]) for index in sorted(kept)))


#: Moments at which a grant of ``DAYS`` days does not hold; the others are its first and its last.
OUTSIDE = {"too early": NOW - LEAST, "too late": NOW + timedelta(days=DAYS)}
FLAWS = [*WIDER, *OUTSIDE, "revoked"]


@pytest.mark.parametrize("flaw", [None, *FLAWS])
@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_a_scope_is_opened_exactly_if_its_grants_hold_and_it_asks_for_no_more(
    shared: House, flaw: str | None, data: st.DataObject
) -> None:
    granted = shared.scope("flights", "planes")
    ids = shared.granted(granted, days=DAYS)
    # The oracle is what was done to the grant or the scope; it looks at neither.
    flaws = [flaw, *data.draw(st.lists(st.sampled_from(FLAWS), max_size=1))] if flaw else []
    asked = granted if set(flaws) & set(WIDER) else data.draw(narrower(granted))
    now = data.draw(st.sampled_from([NOW, NOW + timedelta(days=DAYS) - LEAST]))
    for name in sorted(set(flaws), key=lambda each: (each == "no dataset", each)):  # of nothing nothing can be widened
        asked = WIDER[name](asked) if name in WIDER else asked
        now = OUTSIDE.get(name, now)
    if "revoked" in flaws:
        for grant_id in ids:
            shared.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    run = run_of(asked.project)
    receipts = shared.ledger.version(f"receipt/{asked.project}")

    if flaws:
        with pytest.raises(AccessDenied):
            shared.access.require(asked, now=now)
        with pytest.raises(AccessDenied):
            shared.vault.open([], run=run, step="snapshot", scope=asked, now=now)
        assert shared.ledger.version(f"receipt/{asked.project}") == receipts
        assert shared.access.missing(asked, now=now) or not asked.datasets
    else:
        grants = shared.access.require(asked, now=now)
        assert [grant.scope.dataset for grant in grants] == [dataset.dataset for dataset in asked.datasets]
        assert {grant.grant_id for grant in grants} <= set(ids)
        shared.vault.open([], run=run, step="snapshot", scope=asked, now=now)
        receipt = shared.ledger.read(f"receipt/{asked.project}")[-1].event
        assert isinstance(receipt, ArtifactOpened)
        assert receipt.grants == tuple(grant.grant_id for grant in grants)


def grant_of(scope: Scope, name: str = "g-forged") -> Grant:
    return Grant(
        grant_id=name,
        request_id="r-forged",
        project=scope.project,
        purpose=scope.purpose,
        scope=scope.datasets[0],
        not_before=NOW,
        expires_at=NOW + timedelta(days=9),
        requester="mallory",
        steward=STEWARD,
        reason="Trust me",
    )


def granted_event(grant: Grant, envelope: str) -> AccessGranted:
    return AccessGranted(request_id=grant.request_id, grant_id=grant.grant_id, envelope=envelope)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    path = tmp_path_factory.mktemp("stranger") / "key"
    create_key(path)
    return Signer.load(path)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_whoever_writes_into_the_ledger_without_the_key_grants_nothing(
    shared: House, stranger: Signer, data: st.DataObject
) -> None:
    victim, target = shared.scope(), shared.scope()
    (real,) = shared.granted(victim)
    envelope = next(
        entry.event.envelope
        for entry in shared.ledger.read(f"access/{victim.project}/flights")
        if isinstance(entry.event, AccessGranted)
    )
    forged = grant_of(target)
    position = data.draw(st.integers(0, len(envelope) - 1))
    attempts = {
        "another key": granted_event(forged, stranger.sign(GRANT_TYPE, encode(forged))),
        "another type": granted_event(forged, shared.signer.sign(ADOPTION_TYPE, encode(forged))),
        "no envelope": granted_event(forged, "{}"),
        "a grant of another project": granted_event(replace(forged, grant_id=real), envelope),
        "its envelope under a new name": granted_event(forged, envelope),
        "an altered envelope": granted_event(forged, envelope[:position] + "A" + envelope[position + 1 :]),
    }
    for name in data.draw(st.lists(st.sampled_from(sorted(attempts)), min_size=1)):
        stream = f"access/{target.project}/flights"
        shared.ledger.append(stream, [attempts[name]], expected_version=shared.ledger.version(stream))
    with pytest.raises(AccessDenied, match="signature does not hold"):
        shared.access.require(target, now=NOW)
    assert shared.access.grants(target.project, now=NOW) == ()


def test_a_revoked_grant_stays_revoked_if_its_event_is_repeated(house: House) -> None:
    scope = house.scope()
    (grant_id,) = house.granted(scope)
    stream = f"access/{scope.project}/flights"
    event = next(e.event for e in house.ledger.read(stream) if isinstance(e.event, AccessGranted))
    house.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    house.ledger.append(stream, [event], expected_version=house.ledger.version(stream))
    with pytest.raises(AccessDenied, match="1 revoked"):
        house.access.require(scope, now=NOW)


def test_a_verifier_of_another_key_accepts_no_grant(house: House, stranger: Signer) -> None:
    scope = house.scope()
    house.granted(scope)
    with pytest.raises(AccessDenied, match="never adopted"):
        Access(house.ledger, stranger.verifier).require(scope, now=NOW)


def edit(house: House, text: str = "# edited\n") -> None:
    file = house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(file.read_text() + text)


def test_an_edited_contract_file_alone_changes_nothing(house: House) -> None:
    before = house.scope(project="delays")
    house.granted(before)
    edit(house)
    after = house.scope(project="delays")
    assert house.access.adopted("flights") == before.datasets[0].contract_digest
    assert house.access.require(before, now=NOW)
    with pytest.raises(AccessDenied, match="not the adopted version"):
        house.access.require(after, now=NOW)


def test_a_grant_ends_when_another_contract_is_adopted_and_the_old_file_does_not_bring_it_back(house: House) -> None:
    before = house.scope(project="delays")
    house.granted(before)
    edit(house)
    house.authority.adopt("flights", user=STEWARD)
    for scope in (before, house.scope(project="delays")):
        with pytest.raises(AccessDenied):
            house.access.require(scope, now=NOW)
    with pytest.raises(
        AccessDenied, match=r"its contract was replaced: another version is in effect.* Start another run"
    ):
        house.access.require(before, now=NOW)
    assert house.access.replaced(before) == ("flights",)
    assert house.access.replaced(house.scope(project="delays")) == ()
    house.granted(house.scope(project="delays"))
    assert house.access.require(house.scope(project="delays"), now=NOW)


def test_an_adoption_that_the_authority_did_not_sign_for_its_place_is_ignored(house: House, stranger: Signer) -> None:
    original = house.access.adopted("flights")
    first = house.ledger.read("contract/flights")[0].event
    assert isinstance(first, ContractAdopted)
    edit(house)
    house.authority.adopt("flights", user=STEWARD)
    in_effect = house.access.adopted("flights")
    assert in_effect != original
    forged = AdoptionClaim(
        dataset="flights",
        contract_version="1",
        digest="sha256:" + "1" * 64,
        stewards=("mallory",),
        adopted_by="mallory",
        position=4,
    )
    alien = replace(first, envelope=stranger.sign(ADOPTION_TYPE, encode(forged)))
    house.ledger.append("contract/flights", [first, alien], expected_version=2)
    assert house.access.adopted("flights") == in_effect


def test_no_contract_is_in_effect_before_its_adoption(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.governance.conftest import build

    house = build(tmp_path_factory.mktemp("new"), adopt=False)
    assert house.access.adopted("flights") is None
    with pytest.raises(AccessDenied, match="never adopted"):
        house.access.require(house.scope(), now=NOW)


def test_an_identical_open_request_is_returned_and_not_doubled(house: House) -> None:
    scope = house.scope("flights", "planes")
    first = house.access.request(scope, requester="ada", now=NOW)
    assert house.access.request(scope, requester="ada", now=NOW) == first
    assert [request.request_id for request in house.access.requests(scope.project)] == list(first)
    wider = WIDER["a day more"](scope)
    assert house.access.request(wider, requester="ada", now=NOW)[0] not in first


def test_what_somebody_else_asked_for_too_is_filed_in_their_name_and_then_not_doubled(house: House) -> None:
    scope = house.scope()
    (first,) = house.access.request(scope, requester="ada", now=NOW)
    (second,) = house.access.request(scope, requester="bob", now=NOW)
    assert second != first
    for requester in ("ada", "bob"):
        assert house.access.request(scope, requester=requester, now=NOW) == (second,)
    assert [(one.request_id, one.requester) for one in house.access.requests()] == [(second, "bob")]


def test_only_what_no_grant_covers_is_asked_for(house: House) -> None:
    house.granted(house.scope("planes", project="delays"))
    (request_id,) = house.access.request(house.scope("flights", "planes", project="delays"), requester="ada", now=NOW)
    (request,) = house.access.requests()
    assert (request.request_id, request.scope.dataset) == (request_id, "flights")


def test_a_grant_covers_a_copy_of_the_model_in_mlflow_only_if_it_says_so(house: House) -> None:
    scope = house.scope("planes")
    copied = replace(scope, datasets=tuple(replace(each, copy_model=True) for each in scope.datasets))
    house.granted(scope)
    assert house.access.missing(scope, now=NOW) == ()
    assert house.access.missing(copied, now=NOW) == copied.datasets
    house.granted(copied)
    assert house.access.missing(copied, now=NOW) == ()


def test_a_refusal_is_shown_until_it_is_asked_again(house: House) -> None:
    scope = house.scope()
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    assert house.access.denied(scope) == ()
    house.authority.deny(request_id, user=STEWARD, reason="Too much")
    (denial,) = house.access.denied(scope)
    assert (denial.reason, denial.steward) == ("Too much", STEWARD)
    (again,) = house.access.request(scope, requester="ada", now=NOW)
    assert again != request_id
    assert house.access.denied(scope) == ()


def test_a_denial_names_project_dataset_columns_and_whom_to_ask(house: House) -> None:
    scope = house.scope(project="delays")
    less = flights(scope, lambda d: replace(d, columns=tuple(c for c in d.columns if c[0] != "distance")))
    house.granted(less)
    with pytest.raises(AccessDenied) as caught:
        house.access.require(scope, now=NOW)
    for part in ("'delays'", "flights", "columns not granted: distance", "days needed: 30", "Ask steward"):
        assert part in str(caught.value)


def test_a_denial_asks_for_an_adoption_only_where_the_contracts_file_is_not_the_version_in_effect(house: House) -> None:
    scope = house.scope()
    with pytest.raises(AccessDenied, match=f"Ask {STEWARD} to approve the request"):
        house.access.require(scope, now=NOW)
    edited = flights(scope, lambda d: replace(d, contract_digest="sha256:edited"))
    with pytest.raises(AccessDenied, match=f"Ask {STEWARD} to adopt the contract and approve the request"):
        house.access.require(edited, now=NOW)


def test_a_denial_names_the_request_and_what_became_of_it(house: House) -> None:
    scope = house.scope()
    with pytest.raises(AccessDenied, match="never asked for"):
        house.access.require(scope, now=NOW)
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    with pytest.raises(AccessDenied, match=f"request {request_id} waits for a decision"):
        house.access.require(scope, now=NOW)
    house.authority.deny(request_id, user=STEWARD, reason="Too much")
    with pytest.raises(AccessDenied, match=f"request {request_id} was denied by {STEWARD} on .*: Too much"):
        house.access.require(scope, now=NOW)


def test_grants_of_a_project_are_those_in_force(house: House) -> None:
    scope = house.scope("flights", "planes")
    ids = house.granted(scope, days=2)
    house.granted(house.scope("weather"))
    later: datetime = NOW + timedelta(days=2)
    assert {grant.grant_id for grant in house.access.grants(scope.project, now=NOW)} == set(ids)
    assert len(house.access.grants(now=NOW)) == 3
    assert house.access.grants(scope.project, now=later) == ()


def test_a_request_names_purpose_and_requester(house: House) -> None:
    house.access.request(house.scope(), requester="ada", now=NOW)
    (request,) = house.access.requests()
    assert isinstance(request, AccessRequested)
    assert (request.purpose, request.requester) == (PURPOSE, "ada")


def test_requests_and_grants_of_all_projects_come_by_project_and_dataset(house: House) -> None:
    for project, dataset in (("b", "planes"), ("a", "weather"), ("b", "flights")):
        house.granted(house.scope(dataset, project=project))
        house.access.request(house.scope(dataset, project=f"{project}_too"), requester="ada", now=NOW)
    asked = [(one.project, one.scope.dataset) for one in house.access.requests()]
    assert asked == [("a_too", "weather"), ("b_too", "flights"), ("b_too", "planes")]
    granted = [(one.project, one.scope.dataset) for one in house.access.grants(now=NOW)]
    assert granted == [("a", "weather"), ("b", "flights"), ("b", "planes")]
    assert [one.project for one in house.access.requests("a_too")] == ["a_too"]


def test_the_adoption_in_effect_is_the_last_of_each_dataset(house: House) -> None:
    assert list(house.access.adoptions()) == sorted(house.contracts)
    first = house.access.adopted("flights")
    edit(house)
    house.authority.adopt("flights", user=STEWARD)
    last = house.access.adoptions()["flights"]
    assert (last.dataset, last.digest) == ("flights", house.contracts["flights"].digest)
    assert last == house.access.adoption("flights")
    assert first != house.access.adopted("flights") == last.digest
    assert house.access.adoption("nothing") is None


def test_what_is_missing_is_unasked_until_exactly_that_is_asked_for_and_again_once_it_was_denied(house: House) -> None:
    scope = house.scope("flights", "planes")
    wider, other = WIDER["a day more"](scope), WIDER["another purpose"](scope)
    (planes,) = house.granted(house.scope("planes", project=scope.project))
    assert house.access.unasked(scope, now=NOW) == scope.datasets[:1]
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    assert house.access.unasked(scope, now=NOW) == ()
    assert house.access.unasked(wider, now=NOW) == wider.datasets[:1]
    assert house.access.unasked(other, now=NOW) == other.datasets
    house.authority.deny(request_id, user=STEWARD, reason="Too much")
    assert house.access.unasked(scope, now=NOW) == scope.datasets[:1]
    house.authority.revoke(planes, user=STEWARD, reason="Enough")
    assert house.access.unasked(scope, now=NOW) == scope.datasets


def test_of_several_grants_that_cover_a_read_the_one_that_lasts_longest_is_used(house: House) -> None:
    scope = house.scope("flights", "planes")
    granted = {
        days: house.granted(house.scope("flights", project=scope.project, window_days=window), days=days)[0]
        for window, days in ((30, 9), (31, 20), (32, 5))
    }
    assert len(house.access.grants(scope.project, now=NOW)) == 3
    (used,) = house.access.in_force(scope, now=NOW)  # nothing covers the planes
    assert used.grant_id == granted[20]


def test_a_grant_that_was_ended_is_named_for_each_purpose_once_by_its_last(house: House) -> None:
    scope = house.scope()
    (first,) = house.granted(scope)
    house.authority.revoke(first, user=STEWARD, reason="Enough")
    (second,) = house.granted(scope)
    (other,) = house.granted(WIDER["another purpose"](scope))
    edit(house)
    house.authority.adopt("flights", user=STEWARD)
    assert [grant.grant_id for grant in house.access.ended_with_contract(now=NOW)] == [second, other]
    assert house.access.ended_with_contract(now=NOW + timedelta(days=DAYS)) == ()


def test_a_denial_of_access_counts_what_was_granted_for_this_purpose_and_contract(house: House) -> None:
    scope = house.scope(project="delays")
    less = flights(scope, lambda d: replace(d, columns=d.columns[:2], window_days=9))
    house.granted(less)
    (revoked,) = house.granted(WIDER["another purpose"](less))
    house.authority.revoke(revoked, user=STEWARD, reason="Enough")
    never = ", ".join(name for name, _ in scope.datasets[0].columns[2:])
    with pytest.raises(AccessDenied) as caught:
        house.access.require(scope, now=NOW)
    assert (
        "flights: 1 grants in force for this purpose and contract, 1 revoked, 0 whose signature does not hold; "
        f"columns not granted: {never}; days needed: 30, granted: 9; never asked for"
    ) in str(caught.value)
    with pytest.raises(AccessDenied, match="columns not granted: none; days needed: all, granted: 9"):
        house.access.require(flights(less, lambda d: replace(d, window_days=None)), now=NOW)
    with pytest.raises(AccessDenied, match=r"0 grants in force.* granted: none"):
        house.access.require(scope, now=NOW + timedelta(days=DAYS))


def test_a_denial_of_access_says_what_was_decided_before_about_what_waits(house: House) -> None:
    scope = house.scope()
    (first,) = house.access.request(scope, requester="ada", now=NOW)
    house.authority.deny(first, user=STEWARD, reason="Too much")
    (second,) = house.access.request(scope, requester="ada", now=NOW)
    waits = rf"request {second} waits for a decision \({first}, before it, was denied by {STEWARD} .*Too much\)"
    with pytest.raises(AccessDenied, match=waits):
        house.access.require(scope, now=NOW)
    house.access.request(WIDER["a day more"](scope), requester="ada", now=NOW)
    with pytest.raises(AccessDenied, match=f"request {second} was superseded"):
        house.access.require(scope, now=NOW)


def test_a_denial_of_access_names_all_datasets_that_nothing_covers_and_all_their_stewards(house: House) -> None:
    scope = house.scope("flights", "planes", "weather")
    house.granted(house.scope("planes", project=scope.project))
    with pytest.raises(AccessDenied, match=rf"flights: .*; weather: (?!.*planes: ).*Ask {STEWARD} to approve"):
        house.access.require(scope, now=NOW)
    unknown = WIDER["a dataset more"](house.scope("flights"))
    unknown = replace(unknown, datasets=(replace(unknown.datasets[0], dataset="nothing"),))
    with pytest.raises(AccessDenied, match="Ask the stewards that the contract's file names to adopt the contract and"):
        house.access.require(unknown, now=NOW)


class Crowded(Ledger):
    """The real ledger, into which somebody else writes just before each of the next things that are appended here."""

    others = 0

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int, fence: Fence | None = None) -> int:
        if self.others:
            self.others -= 1
            super().append(stream, events, expected_version=expected_version)
        return super().append(stream, events, expected_version=expected_version, fence=fence)


def test_who_asks_while_others_write_asks_again_but_not_for_ever(house: House) -> None:
    ledger = Crowded.open(f"sqlite:///{house.folder / 'ledger.db'}")
    access, scope = Access(ledger, house.verifier), house.scope()
    ledger.others = 1
    (request_id,) = access.request(scope, requester="ada", now=NOW)
    assert [one.request_id for one in house.access.requests(scope.project)] == [request_id]
    assert request_id.startswith("r-")
    wider = WIDER["a day more"](scope)
    other = replace(wider, project=scope.project)

    class Never(Crowded):
        def append(self, stream: str, events: Sequence[Event], **_: object) -> int:
            self.others += 1
            raise LedgerConflict("somebody came first", value="-", remedy="-")

    never = Never.open(f"sqlite:///{house.folder / 'ledger.db'}")
    crowd = rf"one writer of access/{scope.project}/flights comes first.*{ATTEMPTS} lost races"
    with pytest.raises(LedgerConflict, match=crowd):
        Access(never, house.verifier).request(other, requester="ada", now=NOW)
    assert never.others == ATTEMPTS


def test_an_identifier_is_short_and_the_same_for_the_same_seed_alone() -> None:
    assert identifier("r", "a", 1) == identifier("r", "a", 1)
    assert re.fullmatch("r-[0-9a-f]{16}", identifier("r", "a", 1))
    assert len({identifier("r", "a", 1), identifier("g", "a", 1), identifier("r", "a", 2), identifier("r", "a")}) == 4
