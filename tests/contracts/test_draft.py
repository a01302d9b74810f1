"""A draft loads once its stewards are filled in, whatever the files hold, and repeats no value of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts import draft, load
from include.core.errors import ContractError, DataError
from include.core.records import Contract, Treatment

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def loaded(folder: Path, text: str, dataset: str = "orders") -> Contract:
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(text.replace('firstLevelApprovers: ""', "firstLevelApprovers: ada, grace"))
    return load(path)


def orders(day: datetime, rows: int = 6) -> pa.Table:
    times = pa.array([(day + timedelta(hours=hour)).replace(tzinfo=None) for hour in range(rows)], pa.timestamp("us"))
    return pa.table(
        {
            "shop": pa.array(["north", "south"] * (rows // 2)),
            "ordered_at": times,
            "shipped_at": pa.compute.add(times, pa.scalar(timedelta(days=1))),
            "amount": pa.array([1.5] * rows),
        }
    )


def by_day(folder: Path, days: int) -> Path:
    for offset in range(days):
        day = DAY + timedelta(days=offset)
        target = folder / "orders" / f"day={day:%Y-%m-%d}"
        target.mkdir(parents=True)
        pq.write_table(orders(day), target / "part.parquet")
    return folder / "orders"


def test_a_folder_by_day_is_partitioned_by_the_timestamp_that_agrees_with_its_folders(tmp_path: Path) -> None:
    contract = loaded(tmp_path, draft("orders", by_day(tmp_path, 3)))
    assert contract.partition_column == "ordered_at"
    assert contract.key == ("ordered_at",)
    assert contract.stewards == ("ada", "grace")
    assert contract.location == str(tmp_path / "orders")
    assert {column.classification for column in contract.columns} == {"restricted"}


def test_a_column_may_be_named_as_its_owners_like(tmp_path: Path) -> None:
    folder = tmp_path / "orders" / "day=2024-05-01"
    folder.mkdir(parents=True)
    table = orders(DAY).rename_columns(["shop #", "ordered at: UTC", 'shipped "at"', "amount"])
    pq.write_table(table, folder / "part.parquet")
    contract = loaded(tmp_path, draft("orders", tmp_path / "orders"))
    assert contract.partition_column == "ordered at: UTC"
    assert {column.known_at.column for column in contract.columns} == {"ordered at: UTC"}


def test_a_name_beyond_the_basic_plane_stays_what_it_is(tmp_path: Path) -> None:
    for name in ("\U0001f600", "\U00020000", "é", "a\x85b", "a\u2028b", "a\x7fb"):
        (tmp_path / "part.parquet").unlink(missing_ok=True)
        pq.write_table(pa.table({name: [1, 2]}), tmp_path / "part.parquet")
        contract = loaded(tmp_path, draft("orders", tmp_path / "part.parquet"))
        assert [column.name for column in contract.columns] == [name]


def test_a_single_file_is_one_undivided_table_in_its_folder(tmp_path: Path) -> None:
    pq.write_table(orders(DAY), tmp_path / "part.parquet")
    contract = loaded(tmp_path, draft("orders", tmp_path / "part.parquet"))
    assert contract.partition_column is None
    assert contract.location == str(tmp_path)


def test_the_key_is_a_smallest_set_of_columns_without_duplicates(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "x", "y", "y"], "b": [1, 2, 1, 2], "size": [1.0, 2.0, 3.0, 4.0], "c": ["z"] * 4})
    pq.write_table(table, tmp_path / "part.parquet")
    assert loaded(tmp_path, draft("orders", tmp_path / "part.parquet")).key == ("a", "b")


def test_rows_that_nothing_identifies_are_said_to_be_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x", "x"], "size": [1.0, 1.0]}), tmp_path / "part.parquet")
    text = draft("orders", tmp_path / "part.parquet")
    assert "identifies a row; correct primaryKey" in text
    loaded(tmp_path, text)


def test_a_draft_without_stewards_does_not_load(tmp_path: Path) -> None:
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(draft("orders", by_day(tmp_path, 1)))
    with pytest.raises(ContractError, match="data steward"):
        load(path)


def test_a_draft_for_named_stewards_loads_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(draft("orders", by_day(tmp_path, 1), stewards=("ada", "grace")))
    assert load(path).stewards == ("ada", "grace")


def test_no_value_of_the_data_stands_in_a_draft(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["SENTINEL-1", "SENTINEL-2"]}), tmp_path / "part.parquet")
    assert "SENTINEL" not in draft("orders", tmp_path / "part.parquet")


COLUMNS = {
    "words": st.tuples(st.just(pa.string()), st.text(st.characters(codec="utf-8"), max_size=5)),
    "counts": st.tuples(st.just(pa.int16()), st.integers(-9, 9)),
    "sizes": st.tuples(st.just(pa.float32()), st.floats(width=32, allow_nan=False)),
    "flags": st.tuples(st.just(pa.bool_()), st.booleans()),
    "days": st.tuples(st.just(pa.date32()), st.dates(date(2000, 1, 1), date(2030, 1, 1))),
    "moments": st.tuples(st.just(pa.timestamp("us")), st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1))),  # noqa: DTZ001  # files hold UTC without a zone
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 6))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True))
    columns = {}
    for position, name in enumerate(names):
        cells = [draw(st.one_of(st.none(), COLUMNS[name])) for _ in range(rows)]
        kind = draw(COLUMNS[name])[0]
        label = draw(st.sampled_from([name, f"{name}: {position}", f'"{name}"', f"{name} # x"]))
        columns[label] = pa.array([cell and cell[1] for cell in cells], kind)
    return pa.table(columns)


@given(table=tables())
@settings(max_examples=40, deadline=None)
def test_every_draft_loads_after_only_its_stewards_are_filled_in(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table
) -> None:
    folder = tmp_path_factory.mktemp("draft")
    pq.write_table(table, folder / "part.parquet")
    contract = loaded(folder, draft("orders", folder / "part.parquet"))
    assert [column.name for column in contract.columns] == [name.strip() for name in table.column_names]
    assert {column.treatment for column in contract.columns} == {Treatment.CLEAR}


def test_a_column_type_that_contracts_do_not_know_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"tags": [["a"], ["b"]]}), tmp_path / "part.parquet")
    with pytest.raises(ContractError, match="tags"):
        draft("orders", tmp_path / "part.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1 truncated"])
def test_files_that_are_no_parquet_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"part\.parquet"):
        draft("orders", tmp_path / "part.parquet")


def test_an_empty_folder_and_a_table_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Parquet"):
        draft("orders", tmp_path)
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "part.parquet")
    with pytest.raises(DataError, match="rows"):
        draft("orders", tmp_path / "part.parquet")
