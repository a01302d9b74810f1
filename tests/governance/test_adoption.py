"""What was adopted before holds until its file is edited; then a contract says whom its columns name."""

from pathlib import Path

import pytest
import yaml

from include.core.errors import AuthorityError, ContractError
from tests.governance import earlier
from tests.governance.conftest import NOW, STEWARD, House, build

EARLIER = Path(__file__).parents[1] / "contracts" / "earlier"


def test_a_silent_contract_that_is_adopted_is_read_as_before_until_its_next_edit(tmp_path: Path) -> None:
    house = build(tmp_path, adopt=False)
    file = house.folder / "contracts" / "planes.odcs.yaml"
    file.write_bytes((EARLIER / file.name).read_bytes())
    earlier.adopt(house.ledger, house.signer, house.contracts["planes"], user=STEWARD)
    scope = house.scope("planes")
    house.granted(scope)
    assert house.access.require(scope, now=NOW)
    assert house.authority.adopt("planes", user=STEWARD) == house.contracts["planes"].digest  # it is in effect
    file.write_text(file.read_text() + "# an edit\n")
    with pytest.raises(ContractError, match="nothing is said about persons of type, manufacturer, model, engine"):
        house.authority.adopt("planes", user=STEWARD)
    assert house.access.require(scope, now=NOW)


def test_grants_that_ended_with_their_contract_are_named_until_the_same_is_granted_again(house: House) -> None:
    flights, weather = house.scope("flights"), house.scope("weather")
    (ended,), _ = house.granted(flights), house.granted(weather)
    assert house.access.ended_with_contract(now=NOW) == ()
    file = house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# another version\n")
    house.authority.adopt("flights", user=STEWARD)
    assert [grant.grant_id for grant in house.access.ended_with_contract(now=NOW)] == [ended]
    house.granted(house.scope("flights", project=flights.project))
    assert house.access.ended_with_contract(now=NOW) == ()


def second_contract(house: House, *stewards: str, location: str = "${TRAINYARD_PRODUCTION}/flights") -> None:
    """A contract `copies`, like that of the planes, for the files at *location*."""
    document = yaml.safe_load((house.folder / "contracts" / "planes.odcs.yaml").read_text())
    document["schema"][0]["name"] = "copies"
    document["servers"][0]["path"] = location
    document["roles"][0]["firstLevelApprovers"] = ", ".join(stewards)
    (house.folder / "contracts" / "copies.odcs.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize(
    "location",
    ["${TRAINYARD_PRODUCTION}/flights", "${TRAINYARD_PRODUCTION}", "${TRAINYARD_PRODUCTION}/x/../flights/day=*"],
)
def test_only_a_steward_of_both_adopts_a_second_contract_for_the_same_files(house: House, location: str) -> None:
    second_contract(house, "mallory", STEWARD, location=location)
    with pytest.raises(AuthorityError, match=r"files of it are files of .* too, so that a steward of both adopts it"):
        house.authority.adopt("copies", user="mallory")
    assert house.access.adopted("copies") is None
    house.authority.adopt("copies", user=STEWARD)
    assert "copies" in house.authority.overlapping(house.dataset("flights"))


def test_a_contract_for_files_of_its_own_needs_nobody_else_and_none_that_was_moved_away_counts(house: House) -> None:
    second_contract(house, "mallory", location="${TRAINYARD_PRODUCTION}/copies")
    house.authority.adopt("copies", user="mallory")
    assert house.authority.overlapping(house.dataset("copies")) == ()
    second_contract(house, "mallory")
    with pytest.raises(AuthorityError, match="files of flights too"):
        house.authority.adopt("copies", user="mallory")
    flights = house.folder / "contracts" / "flights.odcs.yaml"
    flights.write_text(
        flights.read_text().replace("${TRAINYARD_PRODUCTION}/flights", "/elsewhere")
    )  # nobody adopted it
    with pytest.raises(AuthorityError, match="files of flights too"):
        house.authority.adopt("copies", user="mallory")
