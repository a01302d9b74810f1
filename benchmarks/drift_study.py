"""The study that the drift policy of flight_delay rests on: champions walked forward over the flights of 2013.

    python benchmarks/drift_study.py [--home FOLDER] [--until 2013-09-01] [--output FILE]

Features are those of a night, built once for all days before ``--until``. Days before the recording are empty here: the
demo's source repeats later days there, which a study must not know. Models are LightGBM with one setting, no search.
Everything is told by days: a rule looks at every day's end, as the watch does.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include import steps  # noqa: E402  # needs the path above
from include.core.project import Objective  # noqa: E402
from include.core.records import DAY, DayFigures, Days, FeatureSet  # noqa: E402
from include.runtime import demo, deployment, local  # noqa: E402
from include.runtime.authority_client import authority  # noqa: E402
from include.runtime.projects import load_project  # noqa: E402
from include.settings import Settings  # noqa: E402
from include.training.matrix import binned, contents, rows_of  # noqa: E402

NAME = "late_flights_study"
DECLARATION = '''"""A copy of flight_delay that learns from {days} days, for the study of its drift."""

from dataclasses import replace

from include.core.project import Window
from include.projects.flight_delay import PROJECT as ORIGINAL

PROJECT = replace(ORIGINAL, name="late_flights_study", window=Window(days={days}, validation_days=7, holdout_days=21))
'''
FIRST = date(2013, 1, 1)
#: Labels of a day are all known that many days after it; a model made on a day learns up to then, less a holdout.
MATURES, HOLDOUT = 2, 21
PARAMS = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 100, "feature_fraction": 0.7, "verbosity": -1,
          "objective": "binary", "seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 2}  # fmt: skip
ROUNDS = 150


@dataclass(frozen=True)
class Table:
    """All rows, sorted by day: the matrix, the label, and the ordinal of the day."""

    features: FeatureSet
    rows: Any

    def of(self, first: date, last: date) -> NDArray[np.bool_]:
        return (self.rows.day >= first.toordinal()) & (self.rows.day <= last.toordinal())


def prepare(home: Path, until: date) -> Table:
    """Land the data and build the features of all days that had matured at 04:00 of *until*, once."""
    import pyarrow.parquet as pq

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    days = (until - DAY - MATURES * DAY - FIRST).days + 1
    projects = home / "declared"
    (projects / NAME).mkdir(parents=True, exist_ok=True)
    (projects / NAME / "__init__.py").write_text(DECLARATION.format(days=days))
    contracts = home / "contracts"
    contracts.mkdir(exist_ok=True)
    for file in (ROOT / "include" / "contracts").glob("*.odcs.yaml"):
        lines = file.read_text().splitlines(keepends=True)
        kept = [
            line
            for index, line in enumerate(lines)
            if "replayDays" not in line and "replayDays" not in lines[max(index - 1, 0)]
        ]
        (contracts / file.name).write_text("".join(kept))
    os.environ |= {
        "TRAINYARD_HOME": str(home),
        "TRAINYARD_PROJECTS": str(projects),
        "TRAINYARD_CONTRACTS": str(contracts),
    }
    settings = Settings.from_environment()
    demo.prepare(settings, lambda done, total: None)
    for dataset in ("flights", "weather"):
        sample = next((settings.production / dataset / f"day={FIRST}").glob("*.parquet"))
        for back in range(1, 40):
            folder = settings.production / dataset / f"day={FIRST - back * DAY}"
            folder.mkdir(exist_ok=True)
            pq.write_table(pq.read_table(sample).slice(0, 0), folder / "part-0.parquet")
    deployment.prepare(settings)
    demo.adopt(settings, lambda line: None)
    platform = local.open_platform(settings)
    project = load_project(NAME, settings.projects)
    now = datetime.now(UTC)
    run = steps.begin(
        platform,
        project,
        run_id=f"study-{until}",
        instant=datetime.combine(until, time(4), UTC),
        now=now,
        exclusive=False,
    )
    with authority(settings, demo.STEWARD) as client:
        for request_id in steps.request_access(platform, run, requester="study", now=now):
            client.grant(request_id, reason="studying", days=30)
    now = datetime.now(UTC)
    built = steps.features(platform, project, run, steps.snapshot(platform, project, run, now=now), now=now)
    features = platform.load(FeatureSet, built)
    all_days = Days(first=features.split.train.first, last=features.split.holdout.last)
    opened = steps.platform.open_artifacts(platform, run, "study", contents(features, all_days), now=now)
    return Table(features=features, rows=rows_of(features, all_days, opened, stretch="studied"))
