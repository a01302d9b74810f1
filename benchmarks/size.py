"""What the steps of data take of a million rows, and of more: the flights' own days with more rows a day.

    python benchmarks/size.py FOLDER [--times 3 30 300] [--memory 4096] [--output benchmarks/size.json]

The demo's flights of 2013 stand there 3, 30 and 300 times (1, 10 and 101 million rows), each time by other airlines and
aircraft. A night of ``flight_delay`` reads all of it: its 49 features are built of 331 days. Each step runs in a
process of its own, which tells its greatest memory; what is done already is not done again, so that a run that was
ended goes on in the same FOLDER (about 1 GB a million rows). Three hundred times take hours: outside CI.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include import steps  # noqa: E402  # needs the path above
from include.core.canonical import encode  # noqa: E402
from include.core.records import DAY, Days, FeatureSet, Run, Snapshot  # noqa: E402
from include.data.live_rows import LiveRows  # noqa: E402
from include.data.memory import DataMemory  # noqa: E402
from include.data.partitioning import write_part  # noqa: E402
from include.demo.flights import land_flights  # noqa: E402
from include.engines.duckdb_engine import DuckDBEngine  # noqa: E402
from include.engines.session import Session  # noqa: E402
from include.monitoring.profile import joined, profile  # noqa: E402
from include.projects.flight_delay import PROJECT as ORIGINAL  # noqa: E402
from include.steps.platform import declaration_of, open_artifacts  # noqa: E402
from tests.night.yard import NOW, Yard, template  # noqa: E402

INSTANT = datetime(2013, 12, 31, 4, tzinfo=UTC)
#: Of what codes of airlines are made: two signs each.
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&*+-./:;<=>?@^"
STEPS = ("snapshot", "validate", "features", "profile", "score", "duckdb")
MEANING = {
    "rows": "flights that the snapshot holds",
    "peak_mib": "the greatest resident memory of a step of data, each in a process of its own",
    "seconds_per_million_rows": "snapshot, validation, features, profile and scoring, in seconds for a million rows",
    "duckdb_ratio": "the same queries in DuckDB with all cores and no limit, written as Parquet / the step `features`, "
    "which also probes, digests and forces to the disk: 1 is as fast, above 1 faster",
    "disk_mib": "the largest that the home was after a step; what is put aside meanwhile is not counted",
    "data_memory_mib": "what the project declares",
}


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def land(production: Path, times: int, first: date) -> None:
    """The demo's data from *first* on, each flight *times* times: its own, then by other airlines and aircraft."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    land_flights(production / "own")
    for name in ("weather", "airports"):
        if not (production / name).exists():
            (production / name).symlink_to(production / "own" / name)
    airlines = sorted(set(pq.read_table(production / "own" / "flights", columns=["carrier"])["carrier"].to_pylist()))
    codes = [a + b for a in SIGNS for b in SIGNS if a + b not in airlines]

    def others(table: "pa.Table", number: int) -> "pa.Table":
        place = table.schema.get_field_index
        tailnum = pc.binary_join_element_wise(table["tailnum"], f"-{number}", "")
        tailnum = tailnum if number else table["tailnum"]
        if place("carrier") < 0:
            return table.set_column(place("tailnum"), "tailnum", tailnum)
        own = pa.array(airlines)
        new = own if not number else pa.array(codes[(number - 1) * len(airlines) : number * len(airlines)])
        carrier = pc.take(new, pc.index_in(table["carrier"], own))
        table = table.set_column(place("carrier"), "carrier", carrier)
        return table.set_column(place("tailnum"), "tailnum", tailnum)

    days = sorted(day for day in (production / "own" / "flights").glob("day=*") if day.name >= f"day={first}")
    for folder in [*days, production / "own" / "planes"]:
        target = production / folder.relative_to(production / "own")
        if not (target / "part.parquet").exists():
            own = pq.ParquetFile(folder / "part.parquet").read()
            aside = target.with_name(f".{target.name}")
            if aside.exists():
                (aside / "part.parquet").unlink(missing_ok=True)
                aside.rmdir()
            write_part(pa.concat_tables(others(own, number) for number in range(times)), aside)
            aside.rename(target)


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Size:
    """One size in its folder: its data, its home, and what was measured."""

    def __init__(self, folder: Path, times: int, memory_mib: int, days: int) -> None:
        self.folder, self.times = folder / f"times-{times}", times
        self.folder.mkdir(parents=True, exist_ok=True)
        compute = replace(ORIGINAL.operations.compute, data_memory_mib=memory_mib)
        self.first = date(2014, 1, 1) - days * DAY
        window = replace(ORIGINAL.learning.window, since=self.first + ORIGINAL.learning.lookback_days * DAY)
        self.project = ORIGINAL.varied(compute=compute, window=window)
        self.memory = DataMemory(mib=memory_mib)
        self.known = self.folder / "figures.json"

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.known.read_text()) if self.known.exists() else {}
        return found

    def keep(self, name: str, figures: dict[str, Any]) -> None:
        self.known.write_text(json.dumps({**self.figures, name: figures}, indent=1))

    def yard(self) -> Yard:
        home = self.folder / "home"
        if not home.exists():
            template(home)
        return Yard(home=home, production=self.folder / "production")

    def begun(self, yard: Yard) -> Run:
        if not self.figures.get("snapshot"):
            yard.grant(self.project)
        return steps.begin(yard.platform, self.project, run_id="size", instant=INSTANT, now=NOW)

    def perform(self, name: str) -> dict[str, Any]:
        yard = self.yard()
        run, made = self.begun(yard), {each: said.get("made", "") for each, said in self.figures.items()}
        work: Callable[[Yard, Run, dict[str, str]], dict[str, Any]] = getattr(self, f"_{name}", self._step(name))
        started = time.perf_counter()
        found = work(yard, run, made)
        return {"seconds": time.perf_counter() - started, **found}

    def _step(self, name: str) -> Callable[[Yard, Run, dict[str, str]], dict[str, Any]]:
        def step(yard: Yard, run: Run, made: dict[str, str]) -> dict[str, Any]:
            digest = yard.step(name, self.project, run, made)
            if name != "snapshot":
                return {"made": digest}
            taken = yard.platform.load(Snapshot, digest)
            return {"made": digest, "rows": sum(part.rows for part in taken.of("flights"))}

        return step

    def _rows(self, yard: Yard, run: Run, made: dict[str, str]) -> tuple[FeatureSet, LiveRows]:
        built = yard.platform.load(FeatureSet, made["features"])
        opened = open_artifacts(yard.platform, run, "size", [part.content for part in built.partitions], now=NOW)
        return built, LiveRows(built.partitions, [each.name for each in built.features], opened, self.memory)

    def _profile(self, yard: Yard, run: Run, made: dict[str, str]) -> dict[str, Any]:
        built, rows = self._rows(yard, run, made)
        days = Days(first=built.split.train.first, last=built.split.holdout.last)
        found = joined([profile(table, days) for table in rows.column_batches()])
        return {"bytes": len(encode(found))}

    def _score(self, yard: Yard, run: Run, made: dict[str, str]) -> dict[str, Any]:
        """By a model of 200 trees, learnt of some days."""
        from include.registry.bundle import Champion
        from include.steps.judging import scores_of

        built, rows = self._rows(yard, run, made)
        first = built.split.train.first
        learnt = rows.within(Days(first=first, last=first))
        model = Champion(cast(Any, SimpleNamespace(features=built.features)), trees(learnt, built))
        return {"bytes": len(scores_of(model, rows))}

    def _duckdb(self, yard: Yard, run: Run, made: dict[str, str]) -> dict[str, Any]:
        """The same queries over the same rows, each for all days at once, in DuckDB as it is by itself."""
        import duckdb

        taken = yard.platform.load(Snapshot, made["snapshot"])
        built = yard.platform.load(FeatureSet, made["features"])
        compiled = declaration_of(yard.platform, run).compiled
        opened = open_artifacts(yard.platform, run, "size", [part.content for part in taken.partitions], now=NOW)
        days = Days(first=built.split.train.first, last=built.split.holdout.last)
        out = self.folder / "duckdb"
        out.mkdir(exist_ok=True)
        started = time.perf_counter()
        with duckdb.connect(config={"temp_directory": str(out / "spill")}) as connection:
            session = Session(connection, set())
            engine = plain(session, yard, taken, opened, self.project, days, compiled)
            for derived in (compiled.label, *compiled.groups):
                sql = queried(engine, derived, days)
                session.run(f"COPY ({sql}) TO '{out / derived.name}.parquet' (FORMAT parquet, COMPRESSION lz4)")
        seconds = time.perf_counter() - started
        for file in out.glob("*.parquet"):
            file.unlink()
        return {"plain_seconds": seconds}


def plain(session: Session, yard: Yard, taken: Snapshot, opened: Any, project: Any, days: Days, compiled: Any) -> Any:
    """The engine's own statements over another connection."""
    from include.data.point_in_time import PointInTime

    session.run("CREATE SCHEMA snapshot; CREATE SCHEMA cut")
    for scope in taken.scope.datasets:
        chosen = ", ".join(f'"{name}"' for name in scope.names)
        paths = [str(opened.path(part.content)) for part in taken.of(scope.dataset)]
        session.run(f'CREATE TABLE snapshot."{scope.dataset}" AS SELECT {chosen} FROM read_parquet(?)', paths)  # noqa: S608
    engine = DuckDBEngine(session, dict(yard.platform.contracts), taken.scope)
    PointInTime(engine, project, yard.platform.contracts, compiled, [days])
    return engine


def queried(engine: Any, derived: Any, days: Days) -> str:
    from include.data.point_in_time import _query, reach

    query = _query(derived)
    engine._show_all(query, days, reach(derived, days))
    sql: str = engine._joined(query, f"({engine._confined(query)})", days)
    return sql


def trees(learnt: Any, built: FeatureSet) -> str:
    import lightgbm
    import numpy as np

    known = ~np.isnan(learnt.label)
    matrix, label = learnt.matrix(built.features)[known], learnt.label[known]
    settings = {"objective": "binary", "num_threads": 2, "seed": 1, "verbosity": -1, "num_leaves": 31}
    text: str = lightgbm.train(settings, lightgbm.Dataset(matrix, label), num_boost_round=200).model_to_string()
    return text


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def peak_mib() -> float:
    """The greatest resident memory of this process since it began its program."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def disk_mib(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 2**20


def measured(size: Size, arguments: argparse.Namespace) -> None:
    if "land" not in size.figures:
        started = time.perf_counter()
        land(size.folder / "production", size.times, size.first)
        size.keep("land", {"seconds": time.perf_counter() - started})
    for step in (each for each in arguments.steps if each not in size.figures):
        options = {"times": size.times, "memory": arguments.memory, "days": arguments.days, "step": step}
        given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, __file__, str(arguments.folder), *given]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        figures = json.loads(told.stdout.splitlines()[-1])
        size.keep(step, {**figures, "disk_mib": disk_mib(size.folder / "home")})
        print(f"{size.times} times, {step}: {figures['seconds']:.1f} s, {figures['peak_mib']:.0f} MiB", flush=True)


def summary(size: Size) -> dict[str, Any]:
    found = size.figures
    rows, data = found["snapshot"]["rows"], [step for step in STEPS if step != "duckdb"]
    return {
        "rows": rows,
        "peak_mib": {step: round(found[step]["peak_mib"]) for step in data},
        "seconds_per_million_rows": {
            "all": round(sum(found[step]["seconds"] for step in data) / rows * 1e6, 2),
            **{step: round(found[step]["seconds"] / rows * 1e6, 2) for step in data},
        },
        "duckdb_ratio": round(found["duckdb"]["plain_seconds"] / found["features"]["seconds"], 2),
        "disk_mib": round(max(found[step]["disk_mib"] for step in data)),
        "data_memory_mib": size.memory.mib,
        "measured_on": str(datetime.fromtimestamp(size.known.stat().st_mtime, UTC).date()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, nargs="+", default=[3, 30, 300])
    parser.add_argument("--memory", type=int, default=4096, help="MiB that the project declares")
    parser.add_argument("--days", type=int, default=365, help="of 2013, the last ones")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    sizes = [Size(folder, times, arguments.memory, arguments.days) for times in arguments.times]
    if arguments.step:
        figures = sizes[0].perform(arguments.step)
        print(json.dumps({**figures, "peak_mib": peak_mib()}))
        return
    found = {}
    for size in sizes:
        measured(size, arguments)
        if set(STEPS) <= size.figures.keys():
            found[f"times_{size.times}"] = summary(size)
    print(json.dumps(found, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps({"meaning": MEANING, **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
