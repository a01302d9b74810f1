"""The only reader of production: what it gives, and what it refuses without quoting a value."""

import errno
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.canonical import digest_of
from include.core.errors import ContractError, DataError, TrainyardError
from include.core.records import Contract, last_day
from include.data.scoring import read_rows
from include.data.sources import source_of
from tests.data.sales import DAY, SENTINEL, land_sales, sales_contract, sales_table

COLUMNS = ("at", "shop", "amount", "items")


def _read(production: Path, columns: Collection[str] = COLUMNS, **changes: object) -> pa.Table:
    source = source_of(sales_contract(**changes), production)
    return source.load(DAY).read(columns)


def _refusal(production: Path, kind: type[TrainyardError]) -> str:
    with pytest.raises(kind) as caught:
        _read(production)
    assert SENTINEL not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_only_the_asked_columns_are_read_in_the_order_asked(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table())
    assert _read(tmp_path, ("items", "at")).column_names == ["items", "at"]


@pytest.mark.parametrize("called", ["SHOP_NAME", "shop"])
def test_a_column_is_read_under_its_physical_name_and_else_under_its_own(tmp_path: Path, called: str) -> None:
    table = sales_table().rename_columns([called if name == "shop" else name for name in COLUMNS])
    land_sales(tmp_path, table)
    columns = tuple(
        replace(column, physical_name="SHOP_NAME") if column.name == "shop" else column
        for column in sales_contract().columns
    )
    contract = sales_contract(columns=columns)
    source = source_of(contract, tmp_path)
    assert source.load(DAY).read(COLUMNS).equals(sales_table())
    assert source.layouts(DAY) == {COLUMNS}
    for name, write in (("rows.parquet", pq.write_table), ("rows.csv", pc_csv.write_csv)):
        write(table, tmp_path / name)
        assert read_rows(tmp_path / name, contract)["shop"].to_pylist() == sales_table()["shop"].to_pylist()


def test_the_digest_is_that_of_the_bytes_that_are_decoded(tmp_path: Path) -> None:
    file = land_sales(tmp_path, sales_table())
    source = source_of(sales_contract(), tmp_path)
    files = source.load(DAY)
    assert files.digest == digest_of(file.read_bytes())
    file.write_bytes(b"other bytes, landed meanwhile")
    assert files.read(("at",)).num_rows == sales_table().num_rows


def test_several_files_of_a_day_are_one_table_with_a_digest_of_all(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table().slice(100), "b.parquet")
    land_sales(tmp_path, sales_table().slice(0, 100), "a.parquet")
    assert _read(tmp_path).equals(sales_table())
    before = source_of(sales_contract(), tmp_path).load(DAY).digest
    land_sales(tmp_path, sales_table().slice(100, 99), "b.parquet")
    assert source_of(sales_contract(), tmp_path).load(DAY).digest != before


def test_a_missing_day_is_named_with_its_dataset_and_folder(tmp_path: Path) -> None:
    assert _refusal(tmp_path, DataError).startswith("expected: sales of 2013-07-04: ")
    with pytest.raises(DataError, match=r"sales of 2013-07-04.*day=2013-07-04"):
        source_of(sales_contract(), tmp_path).load(DAY)


def test_a_file_whose_ending_is_in_upper_case_is_not_left_out(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table(3), "a.parquet")
    land_sales(tmp_path, sales_table(2), "b.PARQUET")
    assert _read(tmp_path).num_rows == 5


def test_rows_to_score_are_read_whatever_the_case_of_the_ending(tmp_path: Path) -> None:
    rows = [{"at": f"{DAY}T01:00:00Z", "shop": "north", "amount": 1.5, "items": 2}]
    (tmp_path / "B.JSONL").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "X.CSV").write_text("at,shop,amount,items\n" + ",".join(map(str, rows[0].values())) + "\n")
    first, second = (read_rows(tmp_path / name, sales_contract(), COLUMNS) for name in ("B.JSONL", "X.CSV"))
    assert first.to_pylist() == second.to_pylist()


def test_a_folder_that_the_system_cannot_list_is_named_with_what_it_says(tmp_path: Path) -> None:
    day = tmp_path / "sales" / f"day={DAY}"
    day.parent.mkdir()
    day.symlink_to(day)
    assert f"day={DAY}: a folder of data can be listed" in _refusal(tmp_path, DataError)
    too_long = _refusal(tmp_path / ("x" * 300), DataError)
    assert "can be listed" in too_long
    assert os.strerror(errno.ENAMETOOLONG) in too_long


def test_a_folder_that_is_not_divided_as_the_contract_says_is_told_how(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    pq.write_table(sales_table(), tmp_path / "sales" / "part.parquet")
    assert "day=YYYY-MM-DD" in _refusal(tmp_path, DataError)
    (tmp_path / "sales" / "part.parquet").unlink()
    land_sales(tmp_path, sales_table())
    with pytest.raises(DataError, match="partitioned: true"):
        source_of(sales_contract(partition_column=None), tmp_path).load(None)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    file = land_sales(tmp_path, sales_table())
    whole = file.read_bytes()
    for length in [*range(16), *range(16, len(whole), 37), len(whole) - 1]:
        file.write_bytes(whole[:length])
        assert str(file) in _refusal(tmp_path, DataError)


def test_a_flipped_byte_in_the_data_never_gives_other_values(tmp_path: Path) -> None:
    file = land_sales(tmp_path, sales_table())
    whole = file.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refusals = []
    for position in range(4, footer, 53):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 0x5A]) + whole[position + 1 :])
        try:
            assert _read(tmp_path).equals(sales_table())  # a byte of a page header that decides nothing
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert SENTINEL not in "".join(refusals)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["shop"]),
        lambda table: table.set_column(1, "shop", table["items"]),
        lambda table: table.set_column(2, "amount", table["shop"]),
        lambda table: table.set_column(0, "at", table["items"]),
    ],
)
def test_a_file_that_does_not_match_its_contract_is_refused(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    land_sales(tmp_path, change(sales_table()))
    assert "sales: the file has the contract's columns" in _refusal(tmp_path, ContractError)


def test_narrower_and_encoded_forms_of_a_type_are_read_as_the_contracts(tmp_path: Path) -> None:
    table = sales_table()
    encoded = pa.table(
        {
            "at": table["at"].cast(pa.timestamp("ms")).cast(pa.timestamp("us", "UTC")),
            "shop": table["shop"].dictionary_encode(),
            "amount": pc.cast(table["items"], pa.float32()),
            "items": table["items"].cast(pa.int16()),
        }
    )
    land_sales(tmp_path, encoded)
    assert _read(tmp_path).schema == sales_table().schema


def test_nan_of_a_number_is_null_as_its_writers_mean_it(tmp_path: Path) -> None:
    amounts = pa.array([float("nan"), None, float("inf"), -1.5] * 50)
    land_sales(tmp_path, sales_table().set_column(2, "amount", amounts))
    assert _read(tmp_path)["amount"].to_pylist() == [None, None, float("inf"), -1.5] * 50


def test_days_from_spark_in_int96_are_read_as_they_were_written_the_far_ones_too(tmp_path: Path) -> None:
    times = [datetime(2013, 7, 4), datetime(2013, 7, 4, 1, 2, 3, 456789)]  # noqa: DTZ001 -- as stored
    far = [datetime(9999, 12, 31), datetime(1, 1, 1)]  # noqa: DTZ001 -- as stored
    table = pa.table({"at": pa.array(times, pa.timestamp("us")), "valid_to": pa.array(far, pa.timestamp("us"))})
    file = land_sales(tmp_path, table)
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    contract = sales_contract()
    valid_to = replace(contract.columns[0], name="valid_to", key=False)
    source = source_of(replace(contract, columns=(contract.columns[0], valid_to)), tmp_path)
    assert source.load(DAY).read(("at", "valid_to")).to_pydict() == table.to_pydict()


def test_true_nanoseconds_are_refused_with_their_column_and_count(tmp_path: Path) -> None:
    times = pa.chunked_array(
        [pc.add(sales_table(3)["at"].cast(pa.timestamp("ns")).cast(pa.int64()), pa.array([0, 1, 2]))]
    )
    table = sales_table(3).set_column(0, "at", times.cast(pa.timestamp("ns")))
    file = land_sales(tmp_path, table)
    for in_int96 in (False, True):
        pq.write_table(table, file, use_deprecated_int96_timestamps=in_int96)
        assert "at: 2 of 3 values have a fraction of a microsecond" in _refusal(tmp_path, ContractError)


def test_what_a_writer_left_behind_is_no_data(tmp_path: Path) -> None:
    file = land_sales(tmp_path, sales_table())
    for name in (".part-tmp.parquet", "_part.parquet", ".part.parquet.crc", "_SUCCESS"):
        shutil.copy(file, file.with_name(name))
    shutil.copytree(file.parent, file.parent / "_temporary")
    assert _read(tmp_path).equals(sales_table())


def test_a_folder_that_is_named_as_a_column_gives_its_rows_that_text(tmp_path: Path) -> None:
    table = sales_table(4)
    for folder, place in (("shop=a%2Fb%20c", 0), ("shop=007", 1), ("shop=__HIVE_DEFAULT_PARTITION__", 2), ("shop=", 3)):
        land_sales(tmp_path, table.slice(place, 1).drop_columns(["shop"]), f"{folder}/part.parquet")
    found = _read(tmp_path).sort_by("at")
    assert found["shop"].to_pylist() == ["a/b c", "007", None, ""]
    assert found["at"].equals(table["at"])


def test_the_digest_of_a_day_is_of_what_its_folders_say_too(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table(4).drop_columns(["shop"]), "shop=north/part.parquet")
    before = source_of(sales_contract(), tmp_path).load(DAY).digest
    folder = tmp_path / "sales" / f"day={DAY}"
    (folder / "shop=north").rename(folder / "shop=south")
    assert source_of(sales_contract(), tmp_path).load(DAY).digest != before


def test_a_column_that_stands_in_the_path_and_in_the_file_is_refused(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table(4), "shop=north/part.parquet")
    assert "['shop'] twice" in _refusal(tmp_path, ContractError)


@pytest.mark.parametrize("log", ["_delta_log", ".hoodie", "metadata/v1.metadata.json"])
def test_a_folder_of_a_table_format_is_refused_with_how_to_export_it(tmp_path: Path, log: str) -> None:
    land_sales(tmp_path, sales_table())
    (tmp_path / "sales" / log).mkdir(parents=True)
    with pytest.raises(
        DataError, match=r"which of its files are current.*(Export the current rows|Name it as its catalog does)"
    ):
        source_of(sales_contract(), tmp_path).load(DAY)


@pytest.mark.parametrize("zone", ["Etc/UTC", "GMT", "Z", "Europe/Berlin"])
def test_instants_of_any_zone_are_read_in_utc(tmp_path: Path, zone: str) -> None:
    table = sales_table()
    land_sales(tmp_path, table.set_column(0, "at", table["at"].cast(pa.timestamp("us", zone))))
    assert _read(tmp_path).equals(table)


def test_decimals_are_numbers_and_integers(tmp_path: Path) -> None:
    table = sales_table(100)
    money = pc.round(table["amount"], 2).cast(pa.decimal128(12, 2))
    held = table.set_column(2, "amount", money).set_column(3, "items", table["items"].cast(pa.decimal128(38, 0)))
    land_sales(tmp_path, held)
    assert _read(tmp_path).equals(table.set_column(2, "amount", pc.round(table["amount"], 2)))


def test_a_value_that_does_not_fit_is_refused_without_being_quoted(tmp_path: Path) -> None:
    table = sales_table()
    land_sales(tmp_path, table.set_column(3, "items", pa.array([2**63 + 11] * len(table), pa.uint64())))
    assert str(2**63 + 11) not in _refusal(tmp_path, ContractError)


def test_rows_of_another_day_are_refused(tmp_path: Path) -> None:
    table = sales_table(3)
    late = pc.add(table["at"], pa.scalar(timedelta(days=1), pa.duration("us")))
    land_sales(tmp_path, pa.concat_tables([table, table.set_column(0, "at", late)]))
    assert "3 of 6 rows" in _refusal(tmp_path, DataError)


def test_a_column_outside_the_contract_is_never_read(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table().append_column("extra", pa.array([SENTINEL] * 200)))
    with pytest.raises(ContractError, match="extra"):
        _read(tmp_path, ("extra",))
    assert _read(tmp_path).equals(sales_table())


def test_a_relative_location_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="absolute"):
        source_of(sales_contract(location="sales"), tmp_path)
    assert source_of(sales_contract(location="/data/sales"), tmp_path).shown == "/data/sales"


@settings(max_examples=25, deadline=None)
@given(instant=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)), window=st.just(120))  # noqa: DTZ001
def test_a_replayed_source_has_a_full_window_before_any_instant(
    production: Path, contracts: dict[str, Contract], instant: datetime, window: int
) -> None:
    last = last_day(instant.replace(tzinfo=UTC))
    for dataset, time in (("flights", "scheduled_departure"), ("weather", "observed_at")):
        source = source_of(contracts[dataset], production)
        for back in (0, 1, 37, window - 1):
            day = last - timedelta(days=back)
            times = source.load(day).read((time,))[time]
            assert len(times) > 0
            assert set(pc.cast(times, pa.date32()).to_pylist()) == {day}


@settings(max_examples=20, deadline=None)
@given(day=st.dates(min_value=date(2013, 1, 1), max_value=date(2013, 12, 30)), periods=st.integers(-20, 20))
def test_a_replay_shifts_all_times_alike_and_changes_nothing_else(
    production: Path, contracts: dict[str, Contract], day: date, periods: int
) -> None:
    contract = contracts["flights"]
    names = [column.name for column in contract.columns]
    recording, replay = source_of(replace(contract, replay_days=0), production), source_of(contract, production)
    shift = timedelta(days=364 * periods)
    recorded, replayed = recording.load(day), replay.load(day + shift)
    assert replayed.digest == recorded.digest
    before, after = recorded.read(names), replayed.read(names)
    for name in names:
        values = before[name]
        if pa.types.is_timestamp(values.type):
            values = pc.add(values, pa.scalar(shift, pa.duration("us")))
        assert after[name].equals(values)


def test_a_lost_day_of_a_replayed_source_is_missing_not_replaced(
    production: Path, contracts: dict[str, Contract], tmp_path: Path
) -> None:
    shutil.copytree(production / "weather", tmp_path / "weather")
    shutil.rmtree(tmp_path / "weather" / "day=2013-01-01")
    with pytest.raises(DataError, match=r"weather of 2025-12-16.*day=2013-01-01"):
        source_of(contracts["weather"], tmp_path).load(date(2013, 1, 1) + timedelta(days=13 * 364))
