"""A contract can be adopted once it says who is named by its columns, and classifies with words that are known."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts import load, load_folder, not_understood, require_adoptable
from include.core.errors import ContractError
from include.core.records import CLASSES, Column, Contract, Treatment
from include.demo.contracts import CURRENT, EARLIER, renews

SHIPPED = Path(__file__).parents[2] / "include" / "contracts"
FLIGHTS = (SHIPPED / "flights.odcs.yaml").read_text()
#: The contracts that we shipped before columns had to say whether they lead to a person.
EARLIER_FILES = Path(__file__).parent / "earlier"
CARRIER = "classification: internal\n        description: IATA code of the airline."


def written(folder: Path, text: str, dataset: str = "flights") -> Path:
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(text)
    return path


def carrier(contract: Contract) -> Column:
    return next(column for column in contract.columns if column.name == "carrier")


def classified(folder: Path, word: str) -> Path:
    assert CARRIER in FLIGHTS
    return written(folder, FLIGHTS.replace(CARRIER, CARRIER.replace("internal", f"{word!r}")))


@pytest.mark.parametrize("word", [*CLASSES, "Internal", "PUBLIC", " confidential "])
def test_a_known_class_is_one_however_it_is_written(tmp_path: Path, word: str) -> None:
    contract = load(classified(tmp_path, word))
    require_adoptable(contract)
    assert carrier(contract).classification == word.strip().casefold()
    assert carrier(contract).restricted is (word == "restricted")


@given(word=st.sampled_from(["pii", "secret", "restriced", "PII", "none"]) | st.text("abcdefg", min_size=1, max_size=9))
@settings(max_examples=20)
def test_a_word_that_is_no_class_counts_as_restricted_and_is_refused_with_the_list(
    tmp_path_factory: pytest.TempPathFactory, word: str
) -> None:
    contract = load(classified(tmp_path_factory.mktemp("class"), word))
    assert carrier(contract).restricted
    with pytest.raises(ContractError, match="public, internal, confidential, restricted") as caught:
        require_adoptable(contract)
    assert f"carrier is classified as {word.casefold()!r}" in str(caught.value)
    assert any("carrier" in line for line in not_understood(contract))


def test_a_deployments_own_word_counts_as_what_the_deployment_says(tmp_path: Path) -> None:
    file = classified(tmp_path, "Partner")
    for counts_as in CLASSES:
        classes = (("partner", counts_as),)
        contract = load(file, classes)
        require_adoptable(contract, classes)
        assert carrier(contract).classification == "partner"
        assert carrier(contract).restricted is (counts_as == "restricted")


def test_columns_of_text_and_of_the_key_that_are_silent_about_persons_are_refused_all_at_once() -> None:
    contract = load(EARLIER_FILES / "flights.odcs.yaml")
    assert [column.name for column in contract.columns if column.silent] == [
        "carrier",
        "flight",
        "origin",
        "scheduled_departure",
        "dest",
    ]
    with pytest.raises(ContractError, match="persons of carrier, flight, origin, scheduled_departure, dest"):
        require_adoptable(contract)


def test_what_the_refusal_says_to_paste_makes_the_contract_adoptable_and_reads_as_before_but_for_what_a_name_speaks_for(
    tmp_path: Path,
) -> None:
    for file in EARLIER_FILES.glob("*.yaml"):
        contract = load(file)
        with pytest.raises(ContractError) as caught:
            require_adoptable(contract)
        pasted = {each["name"]: each for each in yaml.safe_load(caught.value.remedy.split(":\n", 1)[1])}
        document = yaml.safe_load(file.read_text())
        for column in document["schema"][0]["properties"]:
            column["customProperties"] += pasted.get(column["name"], {}).get("customProperties", [])
        mended = load(written(tmp_path, yaml.safe_dump(document), contract.dataset))
        require_adoptable(mended)
        changed = [c.name for c, before in zip(mended.columns, contract.columns, strict=True) if c != before]
        assert changed == [c.name for c in contract.columns if c.silent]
        treated = [c.treatment for c in mended.columns if c.name != "name"]  # which speaks for a person
        assert treated == [c.treatment for c in contract.columns if c.name != "name"]


def test_a_column_that_leads_to_nobody_is_read_as_it_is_and_says_so(tmp_path: Path) -> None:
    column = carrier(load(written(tmp_path, FLIGHTS.replace("value: none", "value: None", 1))))
    assert (column.personal, column.treatment, column.silent) == ("none", Treatment.CLEAR, False)


def test_the_shipped_contracts_can_be_adopted_and_are_known_as_ours() -> None:
    for contract in load_folder(SHIPPED).values():
        require_adoptable(contract)
        assert not list(not_understood(contract))
    now = {contract.digest for contract in load_folder(SHIPPED).values()}
    assert now == CURRENT, "after an edit of a shipped contract: CURRENT and EARLIER in include/demo/contracts.py"
    assert {contract.digest for contract in load_folder(EARLIER_FILES).values()} <= EARLIER
    assert not EARLIER & CURRENT


def test_only_our_own_contract_renews_only_our_own_earlier_one() -> None:
    ours, earlier, edited = next(iter(CURRENT)), next(iter(EARLIER)), "sha256:" + "0" * 64
    assert renews(earlier, ours)
    assert not any(renews(adopted, file) for adopted, file in [(None, ours), (edited, ours), (earlier, edited)])
