"""What the watch's own figures cost beside Evidently's preset on the raw frames, from one run on one machine.

    python benchmarks/drift.py [--rows 100000] [--columns 50] [--output benchmarks/drift.json]

The issue's figures are those of ``--rows 1000000``, which takes minutes: Evidently's part of them. Each part runs in a
process of its own, which tells its seconds by the wall's clock and the processor's (imports apart, its data already
there) and its greatest memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DO_NOT_TRACK"] = "true"

from include.core.project import DriftPolicy, Objective  # noqa: E402  # needs the path above
from include.core.records import DayOfSeries, Days, Evaluation  # noqa: E402
from include.data.labelled import LabelledRows  # noqa: E402
from include.monitoring.figures import day_figures, reference_of  # noqa: E402
from include.monitoring.profile import profile, profile_like, weekly  # noqa: E402
from include.monitoring.report import explain  # noqa: E402
from include.monitoring.verdict import judge  # noqa: E402

LEARNT = Days(first=date(2013, 1, 1), last=date(2013, 3, 4))
HOLDOUT = Days(first=date(2013, 3, 5), last=date(2013, 3, 25))
LIVE = Days(first=date(2013, 3, 26), last=date(2013, 5, 27))
#: One column of ten is a category.
CATEGORIES = [f"category {number}" for number in range(60)]


def rows_of(days: Days, rows: int, columns: int, seed: int, moved: float = 0.0) -> LabelledRows:
    """Labelled rows of *days*, sorted by day; one number in five is null in one column of five."""
    import pyarrow as pa

    random = np.random.default_rng(seed)
    table: dict[str, Any] = {}
    for number in range(columns):
        if number % 10 == 9:
            shares = random.dirichlet(np.ones(len(CATEGORIES)))
            codes = random.choice(len(CATEGORIES), rows, p=shares).astype(np.int32)
            table[f"feature_{number}"] = pa.DictionaryArray.from_arrays(codes, CATEGORIES).cast(pa.string())
            continue
        values = random.normal(moved if number == 0 else 0.0, 1.0, rows).astype(np.float32)
        if number % 5 == 3:
            values[random.random(rows) < 0.2] = np.nan
        table[f"feature_{number}"] = values
    day = np.sort(random.integers(days.first.toordinal(), days.last.toordinal() + 1, rows)).astype(np.int32)
    return LabelledRows(table=pa.table(table), label=(random.random(rows) < 0.25).astype(float), day=day)


def own(rows: int, columns: int) -> dict[str, float]:
    """Profiles of what was learnt and of all live weeks, the figures of all days, and the verdict."""
    learnt, holdout, live = (
        rows_of(days, count, columns, seed)
        for days, count, seed in ((LEARNT, rows, 1), (HOLDOUT, rows // 3, 2), (LIVE, rows, 3))
    )
    scores = [np.random.default_rng(4).beta(2, 6, len(each.label)) for each in (holdout, live)]
    evaluation = Evaluation(
        plan="", features="", objective=Objective.BINARY, trial_id="", params={}, model="", metrics={}, champion=None,
        compared=None, compared_metrics={}, champion_metrics={}, difference=None, holdout=HOLDOUT, rows=0,
    )  # fmt: skip
    policy = DriftPolicy(excess_loss=0.05, calibration_gap=0.05)
    started, spent = time.perf_counter(), time.process_time()
    reference = reference_of(
        project="p", evaluation=evaluation, evaluation_digest="", learnt=profile(learnt.table, LEARNT),
        holdout=holdout, holdout_days=HOLDOUT, score=scores[0],
    )  # fmt: skip
    made = time.perf_counter()
    weeks = weekly(live.table, live.day, LIVE, reference.learnt)
    figures = day_figures(Objective.BINARY, day=live.day, label=live.label, score=scores[1])
    days = [
        DayOfSeries(
            day=each.day, champion=1, rows=each.rows, loss=each.loss, expected_loss=each.expected_loss,
            mean_score=each.mean_score, mean_label=each.mean_label,
        )
        for each in figures
    ]  # fmt: skip
    judged = judge(policy, days, reference, weeks)
    ended = time.perf_counter()
    print(judged.state, *judged.reasons, sep="\n  ", file=sys.stderr)
    return {
        "reference_seconds": made - started,
        "seconds": ended - started,
        "cpu_seconds": time.process_time() - spent,
    }


def report(rows: int, columns: int) -> dict[str, float]:
    """Evidently's report of two stored profiles, as the watch has it made."""
    learnt, live = rows_of(LEARNT, rows, columns, 1), rows_of(LIVE, rows, columns, 3, moved=0.5)
    then = profile(learnt.table, LEARNT)
    now = profile_like(live.table, LIVE, then)
    import evidently.presets  # noqa: F401  # its import is told apart

    started, spent = time.perf_counter(), time.process_time()
    explanation = explain([then], [now])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - spent
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "html_bytes": len(explanation.html)}


def preset(rows: int, columns: int) -> dict[str, float]:
    """Evidently's default preset on the raw frames."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    frames = [rows_of(days, rows, columns, seed).table.to_pandas() for days, seed in ((LEARNT, 1), (LIVE, 3))]
    text = [name for name in frames[0].columns if frames[0][name].dtype == object]
    definition = DataDefinition(
        categorical_columns=text, numerical_columns=[name for name in frames[0].columns if name not in text]
    )
    started, spent = time.perf_counter(), time.process_time()
    then, now = (Dataset.from_pandas(frame, definition) for frame in frames)
    Report([DataDriftPreset()]).run(now, then)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - spent}


PARTS: dict[str, Callable[[int, int], dict[str, float]]] = {"own": own, "report": report, "preset": preset}


def measured(part: str, rows: int, columns: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, "--rows", str(rows), "--columns", str(columns)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(told.stdout)
    print(part, "  ".join(f"{name} {value:,.2f}" for name, value in figures.items()), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="on each side")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        figures = PARTS[arguments.part](arguments.rows, arguments.columns)
        greatest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({**figures, "greatest_memory_mib": greatest / 1024}))
        return
    found: dict[str, Any] = {"rows": arguments.rows, "columns": arguments.columns}
    found |= {part: measured(part, arguments.rows, arguments.columns) for part in PARTS}
    for clock in ("seconds", "cpu_seconds"):
        faster = found[f"times_faster_{clock}"] = found["preset"][clock] / found["own"][clock]
        print(f"{faster:.0f} times faster than the preset on the raw frames ({clock})")
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
