"""Only a steward of the adopted contract decides, never about their own request, and each request once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.errors import AuthorityError, ContractError
from include.core.events import AccessGranted, AccessRequested, ContractAdopted, LineageEmitted, RequestDenied
from include.core.records import RevocationKind, Treatment
from include.governance.decisions import Proof
from include.governance.fold import AccessFold
from include.governance.register import Register
from include.ledger import Entry
from tests.governance.conftest import NOW, STEWARD, House, build


def change_stewards(house: House, stewards: str) -> None:
    file = house.folder / "contracts" / "flights.odcs.yaml"
    text = file.read_text()
    old = text.split("firstLevelApprovers: ")[1].splitlines()[0]
    file.write_text(text.replace(f"firstLevelApprovers: {old}", f"firstLevelApprovers: {stewards}"))


def asked(house: House, requester: str = "ada") -> str:
    (request_id,) = house.access.request(house.scope(), requester=requester, now=NOW)
    return request_id


def approve(house: House, request_id: str, user: str = STEWARD, days: int = 30, reason: str = "Agreed") -> None:
    house.authority.grant(request_id, user=user, reason=reason, days=days, now=NOW)


@given(user=st.text(max_size=10).filter(lambda name: name != STEWARD) | st.sampled_from(["Steward", " steward", ""]))
@settings(max_examples=25, deadline=None)
def test_whoever_is_no_steward_decides_nothing(shared: House, user: str) -> None:
    request_id, other = asked(shared), shared.scope()
    (grant_id,) = shared.granted(other)
    decisions: list[Callable[[], object]] = [
        lambda: approve(shared, request_id, user=user),
        lambda: shared.authority.deny(request_id, user=user, reason="No"),
        lambda: shared.authority.revoke(grant_id, user=user, reason="No"),
        lambda: shared.authority.adopt("flights", user=user),
    ]
    for decide in decisions:
        with pytest.raises(AuthorityError, match="only a steward"):
            decide()
    assert request_id in {request.request_id for request in shared.access.requests()}
    assert shared.access.require(other, now=NOW)


def test_a_decision_folds_only_what_was_recorded_since_the_last_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, folded, take = house.scope(), list[str](), AccessFold.take
    for _ in range(3):
        (request_id,) = house.access.request(scope, requester="ada", now=NOW)
        house.authority.deny(request_id, user=STEWARD, reason="No")
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)

    def counted(fold: AccessFold, entry: Entry) -> Proof | None:
        folded.append(entry.stream)
        return take(fold, entry)

    monkeypatch.setattr(AccessFold, "take", counted)
    house.authority.deny(request_id, user=STEWARD, reason="No")
    assert folded.count(streams.access(scope.project, "flights")) == 2, "the last denial, and what was asked since"


def test_nobody_approves_their_own_request(house: House) -> None:
    request_id = asked(house, requester=STEWARD)
    with pytest.raises(AuthorityError, match="own request"):
        approve(house, request_id)
    assert [request.request_id for request in house.access.requests()] == [request_id]


@pytest.mark.parametrize(
    "written", [STEWARD.upper(), f" {STEWARD} ", " ".join(STEWARD), f"{STEWARD[:3]}\u200d{STEWARD[3:]}"]
)
def test_nobody_approves_what_they_asked_for_under_their_name_written_otherwise(house: House, written: str) -> None:
    with pytest.raises(AuthorityError, match="own request"):
        approve(house, asked(house, requester=written))


def test_who_asks_again_under_their_name_written_otherwise_files_nothing_new(house: House) -> None:
    scope = house.scope()
    first = house.access.request(scope, requester="Ada Lovelace", now=NOW)
    assert house.access.request(scope, requester=" ada  lovelace ", now=NOW) == first


@pytest.mark.parametrize("order", [(STEWARD, "data-team"), ("data-team", STEWARD)])
def test_who_asked_for_what_others_asked_for_too_does_not_approve_it(house: House, order: tuple[str, str]) -> None:
    scope = house.scope()
    request_id = [house.access.request(scope, requester=name, now=NOW) for name in order][-1][0]
    with pytest.raises(AuthorityError, match="own request"):
        house.authority.grant(request_id, user=STEWARD, reason="x", days=1, now=NOW)
    house.authority.deny(request_id, user=STEWARD, reason="x")
    (again,) = house.access.request(scope, requester="data-team", now=NOW)  # after a decision it is another matter
    assert house.authority.grant(again, user=STEWARD, reason="x", days=1, now=NOW).requester == "data-team"


def test_stewards_that_only_the_edited_file_names_decide_nothing_until_a_current_one_adopts_it(house: House) -> None:
    change_stewards(house, "mallory")
    request_id = asked(house)
    with pytest.raises(AuthorityError, match="only a steward"):
        house.authority.adopt("flights", user="mallory")
    with pytest.raises(AuthorityError, match="only a steward"):
        approve(house, request_id, user="mallory")
    house.authority.adopt("flights", user=STEWARD)
    with pytest.raises(AuthorityError, match="only a steward"):
        approve(house, request_id)
    approve(house, request_id, user="mallory")


def test_the_first_adoption_is_by_a_steward_that_the_file_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    house = build(tmp_path_factory.mktemp("new"), adopt=False)
    with pytest.raises(AuthorityError, match="only a steward"):
        house.authority.adopt("flights", user="mallory")
    request_id = asked(house)
    with pytest.raises(AuthorityError, match="never adopted"):
        approve(house, request_id)
    assert house.authority.adopt("flights", user=STEWARD) == house.access.adopted("flights")


def test_adopting_what_is_in_effect_changes_nothing(house: House) -> None:
    digest = house.authority.adopt("flights", user=STEWARD)
    assert digest == house.access.adopted("flights")
    assert [type(entry.event) for entry in house.ledger.read("contract/flights")] == [ContractAdopted]


def test_a_steward_adopts_only_the_version_that_they_have_read(house: House) -> None:
    read = house.contracts["flights"].digest
    change_stewards(house, "steward, mallory")
    with pytest.raises(AuthorityError, match="the one you read"):
        house.authority.adopt("flights", user=STEWARD, digest=read)
    assert house.access.adopted("flights") == read


def test_a_request_is_decided_once(house: House) -> None:
    granted, refused = asked(house), asked(house)
    approve(house, granted)
    house.authority.deny(refused, user=STEWARD, reason="No")
    for request_id in (granted, refused):
        with pytest.raises(AuthorityError, match="decided once"):
            approve(house, request_id)
        with pytest.raises(AuthorityError, match="decided once"):
            house.authority.deny(request_id, user=STEWARD, reason="No")


@pytest.mark.parametrize("attempt", range(5))
def test_racing_decisions_have_one_outcome(house: House, attempt: int) -> None:
    request_id = asked(house)
    start = Barrier(4)

    def decide(number: int) -> str:
        start.wait()
        try:
            if number % 2:
                approve(house, request_id)
            else:
                house.authority.deny(request_id, user=STEWARD, reason="No")
        except AuthorityError as error:
            return error.rule
        return "decided"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(decide, range(4)))
    assert outcomes.count("decided") == 1
    assert sum("is decided once" in outcome for outcome in outcomes) == 3
    events = [entry.event for entry in house.ledger.read_all(kinds=(AccessGranted, RequestDenied))]
    assert len(events) == 1


def test_racing_identical_requests_are_one(house: House) -> None:
    scope, start = house.scope(), Barrier(4)

    def ask(_: int) -> tuple[str, ...]:
        start.wait()
        return house.access.request(scope, requester="ada", now=NOW)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert len(house.access.requests()) == 1


def test_racing_adoptions_of_one_version_are_one(house: House) -> None:
    change_stewards(house, "steward, grace")
    start = Barrier(4)

    def adopt(_: int) -> str:
        start.wait()
        return house.authority.adopt("flights", user=STEWARD)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(adopt, range(4))) == {house.contracts["flights"].digest}
    assert house.ledger.version("contract/flights") == 2


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_grant_holds_for_a_day_to_a_year(house: House, days: int) -> None:
    request_id = asked(house)
    with pytest.raises(AuthorityError, match="1 to 366 days"):
        approve(house, request_id, days=days)


def test_a_decision_has_a_reason(house: House) -> None:
    request_id = asked(house)
    (grant_id,) = house.granted(house.scope())
    with pytest.raises(AuthorityError, match="reason"):
        approve(house, request_id, reason=" ")
    with pytest.raises(AuthorityError, match="reason"):
        house.authority.deny(request_id, user=STEWARD, reason="")
    with pytest.raises(AuthorityError, match="reason"):
        house.authority.revoke(grant_id, user=STEWARD, reason="")


def test_what_does_not_exist_is_named(house: House) -> None:
    with pytest.raises(AuthorityError, match="r-0"):
        approve(house, "r-0")
    with pytest.raises(AuthorityError, match="g-0"):
        house.authority.revoke("g-0", user=STEWARD, reason="No")
    with pytest.raises(AuthorityError, match="nothing"):
        house.authority.adopt("nothing", user=STEWARD)


def test_a_request_made_under_another_version_of_the_contract_is_not_granted(house: House) -> None:
    request_id = asked(house)
    change_stewards(house, "steward, grace")
    house.authority.adopt("flights", user=STEWARD)
    with pytest.raises(AuthorityError, match="under the contract that is in effect"):
        approve(house, request_id)


@pytest.mark.parametrize(
    "column", [("tailnum", Treatment.CLEAR), ("distance", Treatment.DROP), ("soul", Treatment.CLEAR)]
)
def test_no_steward_can_grant_what_the_contract_lets_nobody_read(house: House, column: tuple[str, Treatment]) -> None:
    scope = house.scope()
    scope = replace(scope, datasets=(replace(scope.datasets[0], columns=(column,)),))
    (request_id,) = house.access.request(scope, requester="ada", now=NOW)
    with pytest.raises(AuthorityError, match=column[0]):
        approve(house, request_id)


def test_revoking_twice_is_harmless(house: House) -> None:
    scope = house.scope()
    (grant_id,) = house.granted(scope)
    house.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    version = house.ledger.version(f"access/{scope.project}/flights")
    house.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    assert house.ledger.version(f"access/{scope.project}/flights") == version


@pytest.mark.parametrize("stream", ["x", "access", "access/p", "access//", "access/p/flights/x", "run/p/flights"])
def test_what_stands_where_no_access_belongs_stops_no_decision(house: House, stream: str) -> None:
    scope = house.scope()
    (grant_id,) = house.granted(scope)
    asked = AccessRequested(request_id="r-x", project="p", purpose="x", scope=house.dataset("flights"), requester="eve")
    for event in (asked, AccessGranted(request_id="r-x", grant_id="g-x", envelope="[" * 100_000)):
        house.ledger.record(stream, event)
    fresh = Register(house.ledger, house.verifier)
    assert fresh.waiting() == ()
    assert [held.grant.grant_id for held in fresh.grants(now=NOW)] == [grant_id]
    assert [grant.grant_id for grant in house.access.grants(now=NOW)] == [grant_id]
    house.authority.revoke(grant_id, user=STEWARD, reason="Ended")
    assert house.access.grants(now=NOW) == ()


def test_an_event_of_any_other_kind_among_those_of_access_stops_no_decision_and_no_request(house: House) -> None:
    (adopted,) = house.ledger.read("contract/flights")
    for foreign in (adopted.event, LineageEmitted(event="x")):
        scope = house.scope()
        stream = streams.access(scope.project, "flights")
        house.ledger.record(stream, foreign)
        (grant_id,) = house.granted(scope)
        house.ledger.record(stream, foreign)
        house.authority.revoke(grant_id, user=STEWARD, reason="Ended")
        assert house.access.decisions(scope.project, "flights").effects == {grant_id: RevocationKind.STOP_RUNNING}
    assert house.access.grants(now=NOW) == ()


def test_an_envelope_that_is_no_json_to_parse_stops_no_decision(house: House) -> None:
    scope = house.scope()
    (grant_id,) = house.granted(scope)
    forged = AccessGranted(request_id="r-x", grant_id="g-x", envelope="[" * 100_000)
    house.ledger.record(f"access/{scope.project}/flights", forged)
    assert len(Register(house.ledger, house.verifier).grants(now=NOW)) == 1
    house.authority.revoke(grant_id, user=STEWARD, reason="Ended")
    assert house.access.grants(now=NOW) == ()


def test_a_request_for_another_dataset_or_project_than_its_streams_is_none(house: House) -> None:
    flights, project = house.dataset("flights"), house.scope().project
    for number, owner in enumerate((project, "other")):
        asked = AccessRequested(request_id=f"r-{number}", project=owner, purpose="x", scope=flights, requester="eve")
        stream = f"access/{project}/{'planes' if owner == project else 'flights'}"
        house.ledger.record(stream, asked)
        with pytest.raises(AuthorityError, match="of that id"):
            approve(house, asked.request_id)
        with pytest.raises(AuthorityError, match="of that id"):
            Register(house.ledger, house.verifier).request(asked.request_id)
    assert house.access.requests() == ()
    assert house.access.decisions(project, "flights").requests == {}


def test_an_old_adoption_in_another_stream_puts_no_contract_into_effect(house: House) -> None:
    (adopted,) = house.ledger.read("contract/flights")
    change_stewards(house, f"{STEWARD}, data-team")
    current = house.authority.adopt("flights", user=STEWARD)
    house.ledger.record("elsewhere/flights", adopted.event)
    in_effect = Register(house.ledger, house.verifier).adoption("flights")
    assert in_effect is not None
    assert in_effect.digest == current == house.access.adopted("flights")


def test_a_broken_contract_keeps_no_steward_from_deciding_about_another_dataset(house: House) -> None:
    (flights,), (weather,) = (
        house.access.request(house.scope(name), requester="ada", now=NOW) for name in ("flights", "weather")
    )
    (house.folder / "contracts" / "flights.odcs.yaml").write_text("name: [\n")
    approve(house, weather)
    with pytest.raises(ContractError, match=r"flights\.odcs\.yaml, line 2"):
        house.authority.adopt("flights", user=STEWARD)
    approve(house, flights)  # under the version in effect
    assert house.access.requests() == ()
