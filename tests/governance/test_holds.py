"""A hold is a steward's, signed, and lasts until it is lifted."""

from dataclasses import replace

import pytest

from include.core.errors import AuthorityError, UnknownId
from include.core.events import HoldLifted, HoldPlaced, ModelRegistered
from include.core.records import Verdict
from include.governance.holds import holds
from tests.governance.conftest import STEWARD, House


def held(house: House) -> dict[str, str]:
    return {subject: hold.reason for subject, hold in holds(house.ledger, house.verifier).items()}


def with_a_model(house: House) -> str:
    scope = house.scope()
    house.granted(scope)
    model = ModelRegistered(
        project=scope.project,
        run_id="run",
        model_version=1,
        evaluation="sha256:e",
        bundle="sha256:b",
        verdict=Verdict(promote=True, reasons=()),
    )
    house.ledger.record(f"model/{scope.project}", model)
    return scope.project


def test_a_hold_of_a_dataset_a_project_or_a_version_lasts_until_a_steward_lifts_it(house: House) -> None:
    project = with_a_model(house)
    for subject in ("flights", project, f"{project}/1"):
        house.authority.hold(subject, user=STEWARD, reason="A claim")
        house.authority.hold(subject, user=STEWARD, reason="Again")
        assert held(house) == {subject: "A claim"}
        house.authority.end_hold(subject, user=STEWARD, reason="It is settled")
        assert held(house) == {}
        with pytest.raises(UnknownId, match="is in force"):
            house.authority.end_hold(subject, user=STEWARD, reason="It is settled")


def test_only_a_steward_holds_and_lifts_and_only_what_is_there(house: House) -> None:
    project = with_a_model(house)
    house.authority.hold("flights", user=STEWARD, reason="A claim")
    for subject in ("flights", project):
        with pytest.raises(AuthorityError, match="only a steward"):
            house.authority.hold(subject, user="mallory", reason="Mine")
        with pytest.raises(AuthorityError, match="only a steward"):
            house.authority.end_hold(subject, user="mallory", reason="Mine")
    for subject in ("nothing", "nothing/1", f"{project}/2", f"{project}/", f"{project}/1/1", ""):
        with pytest.raises(UnknownId, match="what is held is there"):
            house.authority.hold(subject, user=STEWARD, reason="A claim")
    with pytest.raises(AuthorityError, match="reason"):
        house.authority.hold(project, user=STEWARD, reason=" ")
    assert held(house) == {"flights": "A claim"}


def test_what_the_authority_did_not_sign_for_its_place_neither_holds_nor_lifts(house: House) -> None:
    house.authority.hold("flights", user=STEWARD, reason="A claim")
    (placed,) = (entry.event for entry in house.ledger.read("hold/flights"))
    assert isinstance(placed, HoldPlaced)
    forged = HoldLifted(subject="flights", steward=STEWARD, reason="A claim", envelope=placed.envelope)
    house.ledger.record("hold/flights", forged)
    house.ledger.record("hold/weather", replace(placed, subject="weather"))
    house.ledger.record("hold/weather", placed)
    assert held(house) == {"flights": "A claim"}
    house.authority.end_hold("flights", user=STEWARD, reason="It is settled")
    house.ledger.record("hold/flights", placed)  # an old envelope at another place
    assert held(house) == {}
