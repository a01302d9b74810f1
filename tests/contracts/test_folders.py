"""Which files are a table's rows: the same for whoever drafts a contract and for nights."""

from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts.files import data_files
from include.contracts.folders import path_values, refuse_unread
from include.core.errors import DataError, TrainyardError
from include.data.sources import source_of
from tests.data.sales import DAY, sales_contract

NEXT = DAY + timedelta(days=1)
COLUMNS = tuple(column for column in sales_contract().columns if column.name != "amount")

STRANGE = st.sampled_from(["2013", "_temporary", ".staging", f"day={DAY}", "shop=south"])
SHOPS = st.sampled_from(["shop=north", "shop=a%2Fb", "shop=__HIVE_DEFAULT_PARTITION__"])
DAYS = st.sampled_from([(f"day={DAY}",), (f"day={NEXT}",)])
FILES = st.sampled_from(["a.parquet", "b.parquet", ".a.parquet", "_b.parquet", "_SUCCESS", "a.parquet.crc", "a.txt"])
INNER = st.tuples(SHOPS) | st.tuples(SHOPS, st.sampled_from(["year=2013", "day=4"])) | st.tuples(SHOPS, STRANGE)
#: The folders of each file: all under days or none, mostly; with a shop each, and sometimes something strange.
LAYOUTS = st.booleans().flatmap(
    lambda by_day: st.sets(st.tuples(DAYS if by_day else st.just(()), INNER, FILES), min_size=1, max_size=5)
)


@cache
def parquet(day: date, item: int) -> bytes:
    noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 -- as stored
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"at": pa.array([noon], pa.timestamp("us")), "items": [item]}), sink)
    return bytes(sink.getvalue().to_pybytes())


def write(file: Path, day: date, item: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(parquet(day, item))


def read_by_night(folder: Path, days: set[date | None]) -> list[tuple[int, str | None]]:
    """The rows of *days* that nights read, with their shop."""
    source = source_of(sales_contract(location=str(folder), columns=COLUMNS), folder)
    rows = []
    for day in days:
        table = source.load(day).read(("items", "shop"))
        rows += zip(table["items"].to_pylist(), table["shop"].to_pylist(), strict=True)
    return sorted(rows, key=str)


@settings(max_examples=30, deadline=None)
@given(layout=LAYOUTS)
def test_nights_read_the_files_that_a_contract_is_drafted_from_or_it_is_not_drafted(
    tmp_path_factory: pytest.TempPathFactory, layout: set[tuple[tuple[str, ...], tuple[str, ...], str]]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    for item, (top, inner, name) in enumerate(sorted(layout)):
        write(folder.joinpath(*top, *inner, name), NEXT if top == (f"day={NEXT}",) else DAY, item)
    try:
        files = data_files(folder)
        refuse_unread([file.path for file in files], folder)
    except DataError:
        return
    assert not any(part.startswith((".", "_")) for file in files for part in file.path.relative_to(folder).parts)
    drafted = [row for file in files for row in zip(*file.read(["items", "shop"]).to_pydict().values(), strict=True)]
    assert read_by_night(folder, {file.day for file in files}) == sorted(drafted, key=str)


@settings(max_examples=30)
@given(name=st.text(min_size=1), value=st.text())
def test_what_a_folder_says_is_what_hive_writes(name: str, value: str) -> None:
    file = Path("table") / f"{quote(name, safe='')}={quote(value, safe='')}" / "part.parquet"
    assert path_values(file, Path("table")) == {name: value}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (["day=2013-07-04/a.parquet", "b.parquet"], "b.parquet"),
        (["2013/a.parquet"], "--time COLUMN"),
        (["shop=north/day=2013-07-04/a.parquet"], "--time COLUMN"),
        (["day=2013-02-30/a.parquet"], "--time COLUMN"),
        (["day=2013-07-04/a.parquet", "day=2013-13-01/b.parquet"], "day=2013-13-01"),
        (["shop=north/shop=south/a.parquet"], "a column stands once in a path"),
        (["a.parquet", "b.csv"], "CSV and Parquet"),
        (["_delta_log/0.json", "a.parquet"], "a table of Delta Lake"),
        (["x/.hoodie/0", "x/a.parquet"], "a table of Hudi"),
        (["x/metadata/v1.metadata.json", "x/data/a.parquet"], "a table of Iceberg"),
    ],
)
def test_what_is_no_table_is_told_before_it_is_drafted(tmp_path: Path, made: list[str], told: str) -> None:
    for name in made:
        write(tmp_path / name, DAY, 0)
    with pytest.raises(TrainyardError, match=told):
        refuse_unread([file.path for file in data_files(tmp_path)], tmp_path)


def test_the_data_of_an_iceberg_table_is_not_taken_for_a_folder_of_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.parquet", DAY, 0)
    write(tmp_path / "metadata" / "v1.metadata.json", DAY, 0)
    with pytest.raises(DataError, match="iceberg://CATALOG"):
        data_files(tmp_path / "data")


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    write(tmp_path / "items=3" / "a.parquet", DAY, 0)
    with pytest.raises(DataError, match=r"\['items'\] in both"):
        data_files(tmp_path)
