"""Rows are filed by the time that their owner names, whole or not at all, and never across years without a row."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts import FileRows, draft, load, rows_of
from include.core.errors import DataError
from include.core.records import Days
from include.data.partitioning import (
    LONGEST_GAP_DAYS,
    _appearing,
    chosen,
    file_by_day,
    require_filed,
    write_part,
)
from include.data.sources import source_of

FIRST = date(2024, 5, 1)


def rows_on(folder: Path, days: Sequence[date]) -> FileRows:
    times = [datetime(day.year, day.month, day.day, 12) for day in days]  # noqa: DTZ001  # files hold UTC without a zone
    table = pa.table({"id": range(len(days)), "at": pa.array(times, pa.timestamp("us"))})
    pq.write_table(table, folder / "part.parquet")
    return rows_of(folder / "part.parquet")


def usual(count: int = 14) -> list[date]:
    return [FIRST + timedelta(days=offset) for offset in range(count)]


def test_one_row_of_1970_is_told_with_its_count_before_anything_is_filed(tmp_path: Path) -> None:
    rows = rows_on(tmp_path, [date(1970, 1, 1), *usual()])
    with pytest.raises(DataError) as refused:
        chosen(rows, time="at")
    assert "1 row from 1970-01-01 to 1970-01-01; 14 rows from 2024-05-01 to 2024-05-14" in str(refused.value)
    assert "`--from 2024-05-01`" in refused.value.remedy
    assert "`--from 1970-01-01`" in refused.value.remedy
    assert "--until" not in refused.value.remedy


def test_far_days_are_left_out_or_filed_as_the_user_says(tmp_path: Path) -> None:
    rows = rows_on(tmp_path, [date(2021, 1, 1), *usual(), date(2031, 1, 1)])
    kept = chosen(rows, time="at", first=FIRST, last=FIRST + timedelta(days=99))
    assert file_by_day(kept, tmp_path / "kept", time="at") == Days(first=FIRST, last=FIRST + timedelta(days=13))
    assert len(rows_of(tmp_path / "kept")) == len(kept) == 14
    everything = chosen(rows, time="at", first=date(2021, 1, 1), last=date(2031, 1, 1))
    assert len(everything) == 16


def test_a_limit_on_one_side_says_nothing_about_the_other(tmp_path: Path) -> None:
    rows = rows_on(tmp_path, [date(1970, 1, 1), *usual(), date(2099, 1, 1)])
    with pytest.raises(DataError, match="--until 2024-05-14"):
        chosen(rows, time="at", first=FIRST)


def test_times_beyond_all_calendars_are_far_days_too(tmp_path: Path) -> None:
    times = pa.array([0, 2**62, -(2**62)], pa.timestamp("us"))
    pq.write_table(pa.table({"at": times}), tmp_path / "part.parquet")
    with pytest.raises(DataError, match="1 row from 9999-12-31"):
        chosen(rows_of(tmp_path / "part.parquet"), time="at")
    assert len(chosen(rows_of(tmp_path / "part.parquet"), time="at", first=date(1970, 1, 1), last=FIRST)) == 1


def test_limits_that_leave_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="some rows are left"):
        chosen(rows_on(tmp_path, usual()), time="at", first=date(2030, 1, 1))


@given(gaps=st.lists(st.integers(1, 2 * LONGEST_GAP_DAYS), max_size=6))
@settings(max_examples=30, deadline=None)
def test_days_are_filed_unasked_just_where_no_gap_is_longer_than_a_year(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int]
) -> None:
    days = [FIRST]
    for gap in gaps:
        days.append(days[-1] + timedelta(days=gap))
    rows = rows_on(tmp_path_factory.mktemp("rows"), days)
    if all(gap <= LONGEST_GAP_DAYS + 1 for gap in gaps):
        assert chosen(rows, time="at") is rows
    else:
        with pytest.raises(DataError, match=r"--(from|until)"):
            chosen(rows, time="at")
        assert chosen(rows, time="at", first=days[0], last=days[-1]) is rows


def test_a_time_without_a_value_in_each_row_is_refused_by_naming_the_timestamps(tmp_path: Path) -> None:
    table = pa.table({"at": pa.array([None, 0], pa.timestamp("us")), "x": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "part.parquet")
    for time in ("at", "x", "no_column"):
        with pytest.raises(DataError, match=r"a value in every row.*\['at'\]"):
            chosen(rows_of(tmp_path / "part.parquet"), time=time)


def test_what_is_filed_already_is_not_filed_again(tmp_path: Path) -> None:
    rows = rows_on(tmp_path, usual(2))
    file_by_day(rows, tmp_path / "orders", time="at")
    with pytest.raises(DataError, match="not filed again"):
        file_by_day(rows, tmp_path / "orders", time="at")


def test_rows_that_stay_where_they_are_lie_in_their_days_by_the_time_that_is_named(tmp_path: Path) -> None:
    file_by_day(rows_on(tmp_path, usual(2)), tmp_path / "orders", time="at")
    require_filed(rows_of(tmp_path / "orders"), time="at")
    (tmp_path / "orders" / "day=2024-05-01").rename(tmp_path / "orders" / "day=2024-05-03")
    with pytest.raises(DataError, match="1 of 2 rows"):
        require_filed(rows_of(tmp_path / "orders"), time="at")


def test_a_column_that_stands_in_the_path_alone_is_filed_with_the_rows_that_are_chosen(tmp_path: Path) -> None:
    for shop, days in (("north", [date(1970, 1, 1), *usual(1)]), ("south", usual(2))):
        (tmp_path / "raw" / f"shop={shop}").mkdir(parents=True)
        rows_on(tmp_path / "raw" / f"shop={shop}", days)
    kept = chosen(rows_of(tmp_path / "raw"), time="at", first=FIRST)
    assert kept.table(["shop"])["shop"].to_pylist() == ["north", "south", "south"]
    file_by_day(kept, tmp_path / "orders", time="at")
    filed = pq.read_table(tmp_path / "orders" / "day=2024-05-01" / "part.parquet", partitioning=None)
    assert filed["shop"].to_pylist() == ["north", "south"]


def test_columns_that_are_left_out_are_not_filed(tmp_path: Path) -> None:
    rows_on(tmp_path, usual(2))
    file_by_day(rows_of(tmp_path / "part.parquet", without=["id"]), tmp_path / "orders", time="at")
    assert pq.read_schema(tmp_path / "orders" / "day=2024-05-01" / "part.parquet").names == ["at"]


def test_what_its_contract_leaves_out_of_a_file_stops_no_night(tmp_path: Path) -> None:
    times = pa.array([datetime(2024, 5, 1, 12)], pa.timestamp("us"))  # noqa: DTZ001  # files hold UTC without a zone
    folder = tmp_path / "orders" / "day=2024-05-01"
    folder.mkdir(parents=True)
    strange = {"place": pa.array([{"lat": 1.0}]), "photo": pa.array([b"a"]), "tags": pa.array([["a"]])}
    pq.write_table(pa.table({"at": times, "x": [1.0], **strange}), folder / "part.parquet")
    text = draft("orders", rows_of(tmp_path / "orders", without=list(strange)), stewards=["maria"])
    (tmp_path / "orders.odcs.yaml").write_text(text)
    source = source_of(load(tmp_path / "orders.odcs.yaml"), tmp_path)
    assert source.load(FIRST).read(["at", "x"]).column_names == ["at", "x"]


def test_filing_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def file_twice() -> None:
        with _appearing(tmp_path / "orders") as staging:
            write_part(pa.table({"id": [1]}), staging)
            write_part(pa.table({"id": [1]}), staging)

    with pytest.raises(FileExistsError):
        file_twice()
    assert not list(tmp_path.iterdir())
