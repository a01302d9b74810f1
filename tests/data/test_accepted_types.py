"""The draft of a contract, nights and rows to score accept the same types, and read the same values of them."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contracts import rows_of
from include.core.errors import ContractError, DataError
from include.core.records import ColumnType, Contract
from include.data.scoring import read_rows
from include.data.sources import source_of
from tests.contracts.test_types import ACCEPTED, REFUSED
from tests.data.sales import sales_contract

NOON = datetime(2013, 7, 4, 12)  # noqa: DTZ001 -- as stored
#: Parquet has no column of these.
UNWRITTEN = (pa.duration("s"),)


def contract(type_: ColumnType, folder: Path) -> Contract:
    sales = sales_contract(location=str(folder), partition_column=None)
    at, shop = sales.columns[:2]
    return replace(sales, columns=(at, replace(shop, name="value", type=type_)))


def land(folder: Path, values: pa.Array) -> Path:
    times = pa.array([NOON.replace(minute=row) for row in range(len(values))], pa.timestamp("us"))
    pq.write_table(pa.table({"at": times, "value": values}), folder / "part.parquet")
    return folder / "part.parquet"


@pytest.mark.parametrize(("array", "type_", "values"), ACCEPTED, ids=[f"{array.type}" for array, _, _ in ACCEPTED])
def test_what_is_drafted_is_read_by_nights_and_scored(
    tmp_path: Path, array: pa.Array, type_: ColumnType, values: list[object]
) -> None:
    file = land(tmp_path, array)
    assert rows_of(tmp_path).types["value"] is type_
    assert rows_of(tmp_path).table(["value"])["value"].to_pylist() == values
    source = source_of(contract(type_, tmp_path), tmp_path)
    assert source.load(None).read(["value"])["value"].to_pylist() == values
    assert read_rows(file, contract(type_, tmp_path))["value"].to_pylist() == values


@pytest.mark.parametrize(
    "kind", [kind for kind in REFUSED if kind not in UNWRITTEN and not pa.types.is_null(kind)], ids=str
)
def test_what_is_not_drafted_is_neither_read_nor_scored(tmp_path: Path, kind: pa.DataType) -> None:
    file = land(tmp_path, pa.nulls(2, kind))
    with pytest.raises(ContractError, match="a type that contracts know"):
        rows_of(tmp_path)
    for type_ in ColumnType:
        source = source_of(contract(type_, tmp_path), tmp_path)
        with pytest.raises(ContractError, match="the contract's types"):
            source.load(None).read(["value"])
        with pytest.raises(DataError, match=f"not {type_}"):
            read_rows(file, contract(type_, tmp_path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "at,shop,amount,items\n2013-07-04T12:00:00Z,007,NaN,3\n2013-07-04 12:01:00,NA,1.10,\n"),
        ("rows.jsonl", '{"at": "2013-07-04T12:00:00Z", "shop": "007", "amount": NaN, "items": 3}\n'
                       '{"at": "2013-07-04T12:01:00", "shop": "NA", "amount": 1.10, "items": null}\n'),
    ],
)  # fmt: skip
def test_rows_to_score_are_typed_by_the_contract_whatever_their_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    rows = read_rows(tmp_path / name, sales_contract())
    assert rows.to_pydict() == {
        "at": [NOON, NOON.replace(minute=1)], "shop": ["007", "NA"], "amount": [None, 1.1], "items": [3, None]
    }  # fmt: skip


def test_a_column_that_stands_twice_in_rows_to_score_is_named_where_it_is_read(tmp_path: Path) -> None:
    at, nothing = pa.array([NOON], pa.timestamp("us")), pa.nulls(1, pa.string())
    columns = {"at": at, "shop": nothing, "amount": pa.array([1.0]), "items": pa.array([1])}
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table([*columns.values(), nothing, nothing], [*columns, "note", "note"]), file)
    assert read_rows(file, sales_contract()).num_rows == 1
    pq.write_table(pa.table([*columns.values(), columns["items"]], [*columns, "items"]), file)
    with pytest.raises(DataError, match=r"\['items'\] twice"):
        read_rows(file, sales_contract())


def test_a_folder_is_no_file_of_rows_to_score(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="directory"):
        read_rows(tmp_path, sales_contract())
