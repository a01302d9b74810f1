"""Features of the flights' year on two workers of Spark, beside a bare PySpark script with the same plan.

    python benchmarks/spark.py [--rounds 3] [--stretch-rows 30000] [--output benchmarks/spark.json]

The plan is flight_delay's five groups and its label, each in one job of a task a stretch of days, which opens the files
of its days and its lookback in DuckDB and gives back Arrow. The bare script does that and nothing else: it verifies no
bytes, confines no query and checks no key. Both run in one session, by turns; sessions start before and are not timed.
``in_process_seconds`` is the same without a cluster.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402  # needs the path above
import pyarrow as pa  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from include import engines  # noqa: E402
from include.contracts import load_folder  # noqa: E402
from include.core.project import Window  # noqa: E402
from include.core.records import DAY, Days, Split  # noqa: E402
from include.data import reuse  # noqa: E402
from include.data.point_in_time import PointInTime  # noqa: E402
from include.declared.compiled import declared  # noqa: E402
from include.demo.flights import land_flights  # noqa: E402
from include.engines.spark.cluster import opened_cluster  # noqa: E402
from include.projects.flight_delay import PROJECT  # noqa: E402
from include.store import Store  # noqa: E402
from tests.data.nights import INSTANT, freeze  # noqa: E402

ADDRESS = "local-cluster[2,1,2048]"
DAYS = 140


class Plan:
    """What both compute: for each table its query, and its parts with the files that they read."""

    def __init__(self, folder: Path, stretch_rows: int) -> None:
        reuse.STRETCH_ROWS = stretch_rows
        self.contracts = load_folder(ROOT / "include" / "contracts")
        self.project = PROJECT.varied(window=Window(days=DAYS, validation_days=7, holdout_days=21))
        land_flights(folder / "production")
        self.store = Store(str(folder / "vault"))
        self.snapshot = freeze(self.project, self.contracts, folder / "production", self.store, INSTANT)
        self.compiled = declared(self.project, self.contracts, self.snapshot.scope)
        split = Split.of(self.project.learning.window, self.snapshot.last_matured)
        self.window = Days(first=split.train.first, last=split.holdout.last)
        tables = (self.compiled.label, *self.compiled.groups)
        new = {day: ("", True) for day in self.window}
        self.stretches = reuse.stretches(
            [reuse.TableTask(derived=each, definition="", reused={}, new=new) for each in tables], (), self.snapshot
        )
        self.rows = sum(part.rows for part in self.snapshot.partitions)

    def features(self, engine: engines.OpenEngine) -> float:
        """Seconds of the product's own way, from the open engine on."""
        with engine(self.snapshot, self.contracts, self.store.path) as held:
            began = time.perf_counter()
            asked = PointInTime(held, self.project, self.contracts, self.compiled, self.stretches)
            list(asked.in_turn([(each, self.window) for each in asked.derived], ahead=len(asked.derived)))
            self.parts = {each: asked.parts(each, self.window) for each in asked.derived}
            return time.perf_counter() - began

    def bare(self, session: Any) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(max_workers=2) as pool:  # as the product does
            list(pool.map(lambda each: self._bare_table(session, *each), self.parts.items()))
        return time.perf_counter() - began

    def _bare_table(self, session: Any, derived: Any, parts: Sequence[Any]) -> None:
        jobs = [self._job(derived, part) for part in parts]

        def run(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in numbers:
                for number in batch.column(0).to_pylist():
                    yield _computed(*jobs[number])

        session.range(0, len(jobs), 1, len(jobs)).mapInArrow(run, "data binary").toArrow()

    def _job(self, derived: Any, part: Any) -> tuple[dict[str, list[str]], str, str, str]:
        """The files by table, and the queries."""
        files: dict[str, list[str]] = {}
        for each in self.snapshot.partitions:
            if each.day is None or each.day in part.seen:
                files.setdefault(each.table, []).append(str(self.store.path(each.content)))
        first, end = part.days.first, part.days.last + DAY
        day = f"scheduled_departure >= DATE '{first}' AND scheduled_departure < DATE '{end}'"
        key = ", ".join(self.project.learning.target.key)
        names = ", ".join(f"d.{name}" for name in derived.names)
        joined = f"SELECT {key}, {names} FROM population a LEFT JOIN ({derived.sql}) d USING ({key}) ORDER BY {key}"  # noqa: S608
        return files, self.compiled.population, day, joined


def _computed(files: dict[str, list[str]], population: str, day: str, joined: str) -> pa.RecordBatch:
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, paths in files.items():
            connection.execute(f'CREATE TABLE "{name}" AS FROM read_parquet(?)', [paths])
        connection.execute(f"CREATE TABLE population AS FROM ({population}) WHERE {day}")
        table = connection.sql(joined).to_arrow_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pa.record_batch({"data": [sink.getvalue().to_pybytes()]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stretch-rows", type=int, default=30_000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), given.stretch_rows)
        os.environ["PYTHONPATH"] = str(ROOT)
        spark, bare, here = [], [], []
        with opened_cluster(ADDRESS):
            session = SparkSession.getActiveSession()
            on_cluster: Callable[..., Any] = engines.engine_at(ADDRESS)
            plan.features(on_cluster)  # workers of Python start, and import
            for _ in range(given.rounds):
                spark.append(plan.features(on_cluster))
                bare.append(plan.bare(session))
                here.append(plan.features(engines.opened))
    found = {
        "rows": plan.rows,
        "days": DAYS,
        "stretches": len(plan.stretches),
        "tasks": sum(map(len, plan.parts.values())),
        "spark_seconds": round(median(spark), 2),
        "bare_seconds": round(median(bare), 2),
        "spark_ratio": round(median(s / b for s, b in zip(spark, bare, strict=True)), 3),
        "in_process_seconds": round(median(here), 2),
    }
    print(json.dumps(found, indent=2))
    if given.output:
        given.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
