"""A contract is drafted from Parquet as it lies there, whole or not at all."""

from datetime import date, datetime
from functools import partial

import pyarrow as pa
import pytest

from include.cli import contract
from include.contracts import load
from include.core.errors import ContractError, DataError
from include.core.records import ColumnType, KnownAt
from include.data.sources import source_of
from tests.cli.conftest import NewContract, Shop, orders

STEWARDS = ("--steward", "maria", "--steward", "ada")
TIME = ("--time", "ordered_at")


def test_a_folder_becomes_days_under_production_and_a_contract_that_loads(
    shop: Shop, new_contract: NewContract
) -> None:
    done = new_contract(*TIME, *STEWARDS, "--outcome", "returned", "--after-days", "2")
    assert done.returncode == 0, done.stderr
    made = load(shop.contracts / "orders.odcs.yaml")
    assert made.stewards == ("ada", "maria")
    assert made.location == "${TRAINYARD_PRODUCTION}/orders"
    assert (made.partition_column, made.matures_after_days) == ("ordered_at", 2)
    known = {column.name: column.known_at for column in made.columns}
    assert known["amount"] == KnownAt(column="ordered_at")
    assert known["returned"].offset.days == 2
    assert len(list((shop.folder / "home" / "production" / "orders").glob("day=*"))) == 20


def test_without_outcomes_it_says_that_every_column_counts_as_known(new_contract: NewContract) -> None:
    assert "every column is known at `ordered_at`" in new_contract(*TIME, *STEWARDS).stdout


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


@pytest.mark.parametrize("name", [" ", "Jane Doe", "mallory:admin", "[/x]"])
def test_a_steward_without_a_name_to_sign_in_by_is_refused_before_anything_is_read(here: Shop, name: str) -> None:
    (here.folder / "rows.csv").write_text("no,rows")
    with pytest.raises(ContractError, match="a steward is called as they sign in"):
        contract.new("orders", str(here.folder / "rows.csv"), steward=["maria", name])


def test_a_folder_where_no_contract_can_be_written_is_told_before_anything_is_filed(
    here: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write(orders(2))
    monkeypatch.setenv("TRAINYARD_CONTRACTS", str(here.orders / "part.parquet" / "contracts"))
    with pytest.raises(ContractError, match="contracts can be written; found: Not a directory"):
        contract.new("orders", str(here.orders), steward=["maria"], time="ordered_at")
    assert not list((here.folder / "home").glob("production/orders*"))


def test_a_contract_is_never_overwritten(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*TIME, *STEWARDS)
    before = (shop.contracts / "orders.odcs.yaml").read_text()
    done = new_contract(*TIME, *STEWARDS)
    assert done.returncode == 1
    assert "never overwritten" in done.stderr
    assert (shop.contracts / "orders.odcs.yaml").read_text() == before


def test_a_name_that_no_function_could_take_is_refused(new_contract: NewContract) -> None:
    for name in ("class", "population", "my-orders", "KEY"):
        done = new_contract(*TIME, *STEWARDS, name=name)
        assert (done.returncode, name in done.stderr) == (1, True)


def test_columns_that_no_contract_holds_and_far_days_are_told_before_anything_is_filed_and_may_be_left_out(
    here: Shop,
) -> None:
    table = orders(20).append_column("place", pa.array([{"lat": 1.0}] * 80))
    far = table.slice(0, 1).set_column(0, "ordered_at", pa.array([0], pa.timestamp("us")))
    here.write(pa.concat_tables([table, far]))
    production = here.folder / "home" / "production"
    draft = partial(contract.new, "orders", str(here.orders), steward=["maria"], time="ordered_at")
    with pytest.raises(ContractError, match="--without place"):
        draft()
    with pytest.raises(DataError, match="1 row from 1970-01-01 to 1970-01-01"):
        draft(without=["place"])
    assert not list(here.contracts.iterdir())
    assert not production.exists() or not list(production.iterdir())
    draft(without=["place"], first=datetime(2024, 5, 1))  # noqa: DTZ001  # as the command line gives a day
    assert len(list((production / "orders").glob("day=*"))) == 20
    assert "place" not in [column.name for column in load(here.contracts / "orders.odcs.yaml").columns]


def test_rows_that_are_filed_already_stay_where_they_are_and_the_time_that_is_named_decides(here: Shop) -> None:
    table = orders(20).append_column("loaded_at", orders(20)["ordered_at"])
    here.write(table)
    contract.new("orders", str(here.orders), steward=["maria"], time="loaded_at")
    file = here.contracts / "orders.odcs.yaml"
    filed = here.folder / "home" / "production" / "orders"
    assert load(file).partition_column == "loaded_at"
    file.unlink()
    contract.new("orders", str(filed), steward=["maria"], time="ordered_at")
    assert (load(file).partition_column, load(file).location) == ("ordered_at", "${TRAINYARD_PRODUCTION}/orders")


CSV = "id,at,code,x\n" + "".join(f"{row},2024-05-01T{row:02}:00:00Z,00{row % 3},{row}.5\n" for row in range(20))
JSON = "".join(
    f'{{"id": {row}, "at": "2024-05-01T{row:02}:00:00Z", "code": "00{row % 3}", "x": {row}.5}}\n' for row in range(20)
)


@pytest.mark.parametrize(("file", "text"), [("rows.csv", CSV), ("rows.jsonl", JSON)])
@pytest.mark.parametrize("time", ["at", None])
def test_csv_and_json_lines_are_filed_as_parquet_with_the_types_that_the_contract_says(
    here: Shop, file: str, text: str, time: str | None
) -> None:
    (here.folder / file).write_text(text)
    contract.new("orders", str(here.folder / file), steward=["maria"], time=time)
    made = load(here.contracts / "orders.odcs.yaml")
    assert {column.name: column.type for column in made.columns} == {
        "id": ColumnType.INTEGER,
        "at": ColumnType.TIMESTAMP,
        "code": ColumnType.STRING,
        "x": ColumnType.NUMBER,
    }
    source = source_of(made, here.folder / "home" / "production")
    table = source.load(date(2024, 5, 1) if time else None).read(["id", "code"])
    assert table.to_pydict() == {"id": list(range(20)), "code": [f"00{row % 3}" for row in range(20)]}


def test_parquet_that_stays_is_all_of_what_a_night_would_read(here: Shop) -> None:
    here.write(orders(2), "more.parquet")
    with pytest.raises(DataError, match=r"1 more beside .*more\.parquet"):
        contract.new("orders", str(here.orders / "part.parquet"), steward=["maria"])
    contract.new("orders", str(here.orders), steward=["maria"])


def test_limits_of_days_need_a_time(here: Shop) -> None:
    with pytest.raises(DataError, match="--time COLUMN"):
        contract.new("orders", str(here.orders), steward=["maria"], first=datetime(2024, 5, 1))  # noqa: DTZ001  # a day


def test_where_writing_the_contract_fails_nothing_stays_filed(here: Shop) -> None:
    here.write(orders(2))
    name = "o" * 243  # of which the contract's file may be called, and not its draft
    with pytest.raises(OSError, match="too long"):
        contract.new(name, str(here.orders), steward=["maria"], time="ordered_at")
    assert not list((here.folder / "home" / "production").iterdir())


def test_only_a_steward_adopts_a_contract_and_only_one_that_says_whom_its_columns_name(
    new_contract: NewContract, shop: Shop
) -> None:
    new_contract(*TIME, *STEWARDS)
    refused = shop.call("contract", "adopt", "orders", "--as", "mallory")
    assert refused.returncode == 1
    assert "steward" in refused.stderr
    silent = shop.call("contract", "adopt", "orders", "--as", "maria")
    assert silent.returncode == 1
    assert "nothing is said about persons of ordered_at, shop" in silent.stderr
    assert "          - property: personal\n            value: none\n" in silent.stderr
    shop.names_nobody()
    adopted = shop.call("contract", "adopt", "orders", "--as", "maria")
    assert adopted.returncode == 0, adopted.stderr
    assert "is in effect" in adopted.stdout
