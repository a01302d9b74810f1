"""What was adopted is read as it was, whatever becomes of its file."""

from pathlib import Path

import pytest

from include.contracts import load, load_folder
from include.core.errors import AuthorityError, ContractError
from include.core.events import ContractKept
from include.core.records import Contract
from include.governance.kept_contracts import KeptContracts
from tests.governance import earlier
from tests.governance.conftest import NOW, STEWARD, House, build


def file_of(house: House, dataset: str = "flights") -> Path:
    return house.folder / "contracts" / f"{dataset}.odcs.yaml"


def read(house: House, digest: str, dataset: str = "flights") -> Contract:
    files = load_folder(house.folder / "contracts")
    return KeptContracts(house.ledger, house.access, files.read).of(dataset, digest, files)


@pytest.mark.parametrize("edit", ["# an edit\n", "half: [\n", None])
def test_an_adopted_contract_is_what_it_was_after_an_edit_after_half_an_edit_and_without_its_file(
    house: House, edit: str | None
) -> None:
    file = file_of(house)
    before = load(file)
    if edit is None:
        file.unlink()
    else:
        file.write_text(file.read_text().replace("confidential", "public") + edit)
    assert read(house, before.digest) == before


def test_a_request_under_the_contract_in_effect_is_approved_beside_an_edit_that_nobody_adopted(house: House) -> None:
    scope = house.scope("flights")
    (asked,) = house.access.request(scope, requester="ada", now=NOW)
    file = file_of(house)
    file.write_text(file.read_text().replace("value: join-key", "value: none"))
    house.authority.grant(asked, user=STEWARD, reason="Agreed", days=1, now=NOW)
    assert house.access.require(scope, now=NOW)
    edited = house.scope("flights", project=scope.project)
    (again,) = house.access.request(edited, requester="ada", now=NOW)
    with pytest.raises(AuthorityError, match="under the contract that is in effect"):
        house.authority.grant(again, user=STEWARD, reason="Agreed", days=1, now=NOW)


def test_what_a_release_of_before_adopted_without_keeping_it_is_kept_while_its_file_is_the_same(tmp_path: Path) -> None:
    house = build(tmp_path, adopt=False)
    file, before = file_of(house), house.contracts["flights"]
    earlier.adopt(house.ledger, house.signer, before, user=STEWARD)
    original = file.read_text()
    file.write_text(original + "# an edit\n")
    with pytest.raises(ContractError, match="Restore the file of that version"):
        read(house, before.digest)
    file.write_text(original)
    assert read(house, before.digest) == before
    file.write_text(original + "# an edit\n")
    assert read(house, before.digest) == before


def test_a_run_of_before_whose_contract_was_replaced_is_told_to_start_another(tmp_path: Path) -> None:
    house = build(tmp_path, adopt=False)
    file, before = file_of(house), house.contracts["flights"]
    earlier.adopt(house.ledger, house.signer, before, user=STEWARD)
    file.write_text(file.read_text() + "# an edit\n")
    house.authority.adopt("flights", user=STEWARD)
    with pytest.raises(ContractError, match=r"the contract was replaced.* Start another run"):
        read(house, before.digest)


def test_a_text_that_somebody_wrote_under_an_adopted_digest_is_not_read(house: House) -> None:
    before = house.contracts["flights"]
    forged = ContractKept(dataset="flights", digest=before.digest, text=before.text.replace("join-key", "none"))
    house.ledger.record("contract-text/flights", forged)
    assert read(house, before.digest) == before
    other = build_without_texts(house, forged)
    assert read(other, before.digest) == before


def build_without_texts(house: House, forged: ContractKept) -> House:
    """A house whose ledger held the forged text first."""
    folder = house.folder / "other"
    folder.mkdir()
    other = build(folder, adopt=False)
    other.ledger.record("contract-text/flights", forged)
    other.authority.adopt("flights", user=STEWARD)
    return other


def test_a_contract_that_is_adopted_again_or_was_before_is_kept_once(house: House) -> None:
    house.authority.adopt("flights", user=STEWARD)
    assert len(house.ledger.read("contract-text/flights")) == 1
