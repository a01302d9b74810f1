"""A contract is drafted from Parquet as it lies there, whole or not at all."""

from include.contracts import load
from include.core.records import KnownAt
from tests.cli.conftest import NewContract, Shop

STEWARDS = ("--steward", "maria", "--steward", "ada")
TIME = ("--time", "ordered_at")


def test_a_folder_becomes_days_under_production_and_a_contract_that_loads(
    shop: Shop, new_contract: NewContract
) -> None:
    done = new_contract(*TIME, *STEWARDS, "--outcome", "returned", "--after-days", "2")
    assert done.returncode == 0, done.stderr
    contract = load(shop.contracts / "orders.odcs.yaml")
    assert contract.stewards == ("ada", "maria")
    assert contract.location == "${TRAINYARD_PRODUCTION}/orders"
    assert (contract.partition_column, contract.matures_after_days) == ("ordered_at", 2)
    known = {column.name: column.known_at for column in contract.columns}
    assert known["amount"] == KnownAt(column="ordered_at")
    assert known["returned"].offset.days == 2
    assert len(list((shop.folder / "home" / "production" / "orders").glob("day=*"))) == 20


def test_without_outcomes_it_says_that_every_column_counts_as_known(new_contract: NewContract) -> None:
    assert "every column is known at ordered_at" in new_contract(*TIME, *STEWARDS).stdout


def test_an_outcome_that_is_no_column_is_refused_and_the_corrected_call_succeeds(
    shop: Shop, new_contract: NewContract
) -> None:
    done = new_contract(*TIME, *STEWARDS, "--outcome", "retruned")
    assert done.returncode == 1
    assert "retruned" in done.stderr
    assert "'returned'" in done.stderr
    assert not list(shop.contracts.iterdir())
    assert new_contract(*TIME, *STEWARDS, "--outcome", "returned").returncode == 0


def test_an_outcome_needs_a_time_column(new_contract: NewContract) -> None:
    done = new_contract(*STEWARDS, "--outcome", "returned")
    assert done.returncode == 1
    assert "--time COLUMN" in done.stderr


def test_a_time_that_is_no_timestamp_is_refused_by_naming_those_that_are(new_contract: NewContract) -> None:
    done = new_contract("--time", "amount", *STEWARDS)
    assert done.returncode == 1
    assert "['ordered_at']" in done.stderr


def test_a_contract_without_stewards_is_not_drafted(shop: Shop, new_contract: NewContract) -> None:
    assert new_contract(*TIME).returncode == 2
    assert not list(shop.contracts.iterdir())


def test_a_contract_is_never_overwritten(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*TIME, *STEWARDS)
    before = (shop.contracts / "orders.odcs.yaml").read_text()
    done = new_contract(*TIME, *STEWARDS)
    assert done.returncode == 1
    assert "never overwritten" in done.stderr
    assert (shop.contracts / "orders.odcs.yaml").read_text() == before


def test_a_name_that_no_function_could_take_is_refused(new_contract: NewContract) -> None:
    for name in ("class", "population", "my-orders"):
        done = new_contract(*TIME, *STEWARDS, name=name)
        assert (done.returncode, name in done.stderr) == (1, True)


def test_only_a_steward_of_the_contract_adopts_it(new_contract: NewContract, shop: Shop) -> None:
    new_contract(*TIME, *STEWARDS)
    refused = shop.call("contract", "adopt", "orders", "--as", "mallory")
    assert refused.returncode == 1
    assert "steward" in refused.stderr
    adopted = shop.call("contract", "adopt", "orders", "--as", "maria")
    assert adopted.returncode == 0, adopted.stderr
    assert "is in effect" in adopted.stdout
