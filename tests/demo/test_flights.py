"""What is landed, and that landing is harmless to repeat and to kill."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from pyarrow import dataset

from include.core.records import Contract
from include.data.sources import source_of
from include.demo.flights import land_flights


def _rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect()
    connection.register("landed", dataset.dataset(folder, format="parquet"))
    return connection.execute(query).fetchall()


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.parquet")}


@pytest.mark.parametrize(
    ("name", "key", "rows"),
    [
        ("flights", "(carrier, flight, origin, scheduled_departure)", 336776),
        ("weather", "(origin, observed_at)", 26115),
        ("planes", "tailnum", 3322),
        ("airports", "faa", 1458),
    ],
)
def test_every_recorded_row_lands_once_under_the_key_of_its_contract(
    production: Path, name: str, key: str, rows: int
) -> None:
    assert _rows(production / name, f"select count(*), count(distinct {key}) from landed") == [(rows, rows)]  # noqa: S608


def test_the_landed_files_match_their_contracts(production: Path, contracts: dict[str, Contract]) -> None:
    for name in ("flights", "weather", "planes", "airports"):
        contract = contracts[name]
        day = datetime(2013, 7, 4).date() if contract.partition_column else None  # noqa: DTZ001 -- only its date
        columns = [column.name for column in contract.columns]
        source = source_of(contract, production)
        assert source.load(day).read(columns).column_names == columns


def test_a_known_flight_lands_in_utc(production: Path) -> None:
    # UA 1545 of 1 January, 5:15 in New York, to Houston (an hour behind), due 8:19 there, 11 minutes late.
    rows = _rows(
        production / "flights" / "day=2013-01-01",
        "select scheduled_departure, departed_at, arrived_at, outcome_recorded_at, hour, minute "
        "from landed where carrier = 'UA' and flight = 1545",
    )
    at = [datetime(2013, 1, 1, *clock) for clock in ((10, 15), (10, 17), (14, 30), (15, 0))]  # noqa: DTZ001 -- as stored
    assert rows == [(*at, 5, 15)]


def test_no_flight_arrives_before_its_time_in_the_air_has_passed(production: Path) -> None:
    query = "select count(*) from landed where departed_at + to_minutes(air_time::int) > arrived_at"
    assert _rows(production / "flights", query) == [(0,)]


def test_every_outcome_is_recorded_within_two_days_after_its_day(production: Path) -> None:
    limit = "date_trunc('day', scheduled_departure) + interval 3 day"
    query = f"select count(*) from landed where outcome_recorded_at < {limit}"  # noqa: S608 -- a constant
    assert _rows(production / "flights", query) == [(336776,)]


def test_landing_again_changes_nothing(production: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in production.rglob("*.parquet")}
    land_flights(production)
    assert {file: file.stat().st_mtime_ns for file in production.rglob("*.parquet")} == before


def test_progress_counts_every_day_up_to_all(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    land_flights(tmp_path, lambda done, total: seen.append((done, total)))
    assert seen == [(number, 366) for number in range(1, 367)]


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_a_killed_landing_leaves_no_half_dataset_and_the_next_one_completes_it(
    tmp_path: Path, production: Path, seconds: float
) -> None:
    program = (
        f"import pathlib; from include.demo.flights import land_flights; land_flights(pathlib.Path({str(tmp_path)!r}))"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[2])
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    whole = _contents(production)
    for landed in [folder.name for folder in tmp_path.iterdir() if folder.is_dir() and folder.name[0] != "."]:
        assert {name for name in whole if name.startswith(landed)} == {
            f"{landed}/{name}" for name in _contents(tmp_path / landed)
        }
    land_flights(tmp_path)
    assert _contents(tmp_path) == whole
    assert [folder.name for folder in tmp_path.glob(".landing-*")] == []
