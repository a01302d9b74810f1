"""What was adopted before holds until its file is edited; then a contract says whom its columns name."""

from pathlib import Path

import pytest

from include.core.errors import ContractError
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
