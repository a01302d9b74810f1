"""Score a file with a project's champion, from the command line or a script."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include import steps
from include.core.project import Project
from include.core.records import DAY, day_start
from include.runtime.local import open_platform, utc_now
from include.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


def score_file(settings: Settings, project: Project, file: Path, target: Path, *, instant: datetime | None) -> int:
    """Write key and ``prediction`` of each row of *file* to *target* (Parquet, or CSV by its suffix); how many rows.

    *instant* is what the data knew; none: the end of the last row's UTC day. The scoring is a run of its own in the
    ledger, with its receipts.

    Raises:
        RegistryError: the project has no champion yet.
        AccessDenied: no grant in force covers what the project reads.
        DataError: the file cannot be used.
    """
    from include.data.scoring import read_rows

    platform = open_platform(settings)
    contract = platform.contracts[project.target.dataset]
    rows = read_rows(file, contract)
    at = instant or _end_of_last_day(rows, contract.partition_column or "")
    run = steps.begin(platform, project, run_id=f"score__{utc_now():%Y-%m-%dT%H:%M:%S.%f}", instant=at, now=utc_now())
    try:
        scored = steps.score(platform, project, run, rows, now=utc_now())
    finally:
        steps.end(platform, run)
    _write(scored, target)
    return int(scored.num_rows)


def _end_of_last_day(rows: "pa.Table", partition_column: str) -> datetime:
    import pyarrow.compute as pc

    return day_start(pc.max(pc.cast(rows[partition_column], "date32")).as_py() + DAY)


def _write(table: "pa.Table", target: Path) -> None:
    import pyarrow.parquet as pq
    from pyarrow import csv

    draft = target.with_name(f".{target.name}.draft")
    if target.suffix == ".csv":
        csv.write_csv(table, draft)
    else:
        pq.write_table(table, draft)
    draft.replace(target)
