"""Status and explain tell what is in force, in words."""

from pathlib import Path

import pytest

from tests.cli.conftest import NewContract, Shop


@pytest.fixture
def adopted(shop: Shop, new_contract: NewContract) -> Shop:
    new_contract("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")
    shop.call("contract", "adopt", "orders", "--as", "maria")
    return shop


def row_of(name: str, told: str) -> str:
    return next(line for line in told.splitlines() if f" {name} " in line)


def test_status_tells_a_contract_in_effect_from_one_that_was_edited_since(adopted: Shop) -> None:
    assert "in effect" in row_of("orders", adopted.call("status").stdout)
    file: Path = adopted.contracts / "orders.odcs.yaml"
    file.write_text(file.read_text().replace("restricted", "internal"))
    assert "edited since its adoption" in row_of("orders", adopted.call("status").stdout)


def test_status_names_the_champion_of_each_project_or_that_there_is_none(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    assert "none" in row_of("returns", adopted.call("status").stdout)


def test_explain_reads_no_data_and_shows_ranges_in_words(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    for file in adopted.folder.rglob("part.parquet"):
        file.write_bytes(b"")
    done = adopted.call("explain", "returns")
    assert done.returncode == 0, done.stderr
    assert "0.02 to 0.2, on a logarithmic scale" in done.stdout


def test_lineage_of_what_never_ran_is_refused_in_words(adopted: Shop) -> None:
    done = adopted.call("lineage", "returns")
    assert done.returncode == 1
    assert "lineage is drawn of a run that has recorded some" in done.stderr
