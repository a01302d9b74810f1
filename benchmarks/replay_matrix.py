"""What the replay of the year rests on: a model for each cutoff, and its figures on every day that came after.

    python benchmarks/replay_matrix.py --home FOLDER [--every DAYS]

``FOLDER/losses/<cutoff>.npz`` holds one cutoff: a model made on that day learns all days since the recording began
that a night of it would, its holdout left out, and is scored on all later ones. Cutoffs that are there are not made
again; :func:`matrix` reads them all. Features are those of a night, built once by its steps (``drift_study.prepare``).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # LightGBM's threads wait without burning a shared machine
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from drift_study import FIRST, HOLDOUT, MATURES, PARAMS, ROUNDS, START, Table, prepare  # noqa: E402

from include.core.project import Objective  # noqa: E402  # needs the path above
from include.core.records import DAY  # noqa: E402
from include.monitoring.figures import day_figures  # noqa: E402

#: The recording ends with this day: its last labels are known three days before.
UNTIL = date(2013, 12, 31)
LAST = UNTIL - (MATURES + 1) * DAY


@dataclass(frozen=True)
class Matrix:
    """Figures by cutoff and day; shape (cutoffs, days) or (days), NaN where a model learnt the day or later ones.

    ``cutoffs`` and ``days`` are ordinals, sorted; ``days`` have no gap. ``loss`` and ``expected`` are mean log losses
    of a day, ``score`` its mean prediction, ``label`` its mean label, ``rows`` how many have one.
    """

    cutoffs: NDArray[np.int64]
    days: NDArray[np.int64]
    loss: NDArray[np.float64]
    expected: NDArray[np.float64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    rows: NDArray[np.int64]


def matrix(home: Path) -> Matrix:
    """All cutoffs that lie in *home*."""
    files = sorted((home / "losses").glob("*.npz"))
    cutoffs = np.array([date.fromisoformat(file.stem).toordinal() for file in files])
    days = np.arange(cutoffs[0] - MATURES - HOLDOUT, LAST.toordinal() + 1)
    shape = (len(cutoffs), len(days))
    found = {name: np.full(shape, np.nan) for name in ("loss", "expected", "score")}
    label, rows = np.full(len(days), np.nan), np.zeros(len(days), dtype=np.int64)
    for row, file in enumerate(files):
        with np.load(file) as held:
            place = held["days"] - days[0]
            for name, values in found.items():
                values[row, place] = held[name]
            label[place], rows[place] = held["label"], held["rows"]
    return Matrix(cutoffs=cutoffs, days=days, label=label, rows=rows, **found)


def cutoffs(every: int) -> Iterator[date]:
    """From the first on, one a week before any between them: a matrix that is cut short is one of whole weeks."""
    span = [START + step * DAY for step in range(0, (LAST - START).days + 1, every)]
    yield from sorted(span, key=lambda day: ((day - START).days % 7 != 0, day < date(2013, 7, 1), day))


def make(home: Path, every: int) -> None:
    """Train and score what is not there yet."""
    import lightgbm

    (home / "losses").mkdir(parents=True, exist_ok=True)
    wanted = [day for day in cutoffs(every) if not (home / "losses" / f"{day}.npz").exists()]
    if not wanted:
        return
    table = prepare(home, UNTIL)
    specs = table.features.features
    held, label, day = table.rows.matrix(specs), table.rows.label, table.rows.day
    categories = [index for index, spec in enumerate(specs) if spec.categories is not None]
    for number, made in enumerate(wanted, start=1):
        newest = made - (MATURES + 1 + HOLDOUT) * DAY
        own, later = table.of(FIRST, newest), table.of(newest + DAY, LAST)
        model = lightgbm.train(PARAMS, lightgbm.Dataset(held[own], label[own], categorical_feature=categories), ROUNDS)
        score = model.predict(held[later], num_threads=1)
        figures = day_figures(Objective.BINARY, day=day[later], label=label[later], score=score)
        draft = home / "losses" / ".draft.npz"
        np.savez(
            draft,
            days=np.array([each.day.toordinal() for each in figures]),
            loss=np.array([each.loss for each in figures]),
            expected=np.array([each.expected_loss for each in figures], dtype=np.float64),
            score=np.array([each.mean_score for each in figures]),
            label=np.array([each.mean_label for each in figures]),
            rows=np.array([each.rows for each in figures]),
        )
        draft.rename(home / "losses" / f"{made}.npz")
        print(f"{number} of {len(wanted)}: a model made on {made}, scored on {len(figures)} days", flush=True)


def evidently_asks(home: Path) -> Callable[[Sequence[int], int], bool]:
    """Evidently's default (``DataDriftPreset``: half of the columns drifted), once a week: the model's rows, up to
    20,000 of them spread evenly, against those of the last 7 days. What it said is kept in ``FOLDER/evidently.json``.
    """
    kept = home / "evidently.json"
    known: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    table: list[Table] = []

    def asks(champions: Sequence[int], last: int) -> bool:
        cutoff = champions[-1]
        if (last - cutoff) % 7 or last <= cutoff:
            return False
        name = f"{date.fromordinal(cutoff)} {date.fromordinal(last)}"
        if name not in known:
            if not table:
                table.append(prepare(home, UNTIL))
            newest = date.fromordinal(cutoff) - (MATURES + 1 + HOLDOUT) * DAY
            learnt, week = table[0].of(FIRST, newest), table[0].of(date.fromordinal(last - 6), date.fromordinal(last))
            known[name] = _drifted_share(table[0], learnt, week)
            kept.write_text(json.dumps(known, indent=1) + "\n")
        return known[name] >= 0.5

    return asks


def _drifted_share(table: Table, learnt: NDArray[np.bool_], week: NDArray[np.bool_]) -> float:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    places = np.flatnonzero(learnt)
    places = places[:: max(len(places) // 20_000, 1)]
    frames = [table.rows.table.take(places).to_pandas(), table.rows.table.filter(week).to_pandas()]
    text = [spec.name for spec in table.features.features if spec.categories is not None]
    numbers = [name for name in frames[0].columns if name not in text]
    definition = DataDefinition(categorical_columns=text, numerical_columns=numbers)
    then, now = (Dataset.from_pandas(frame, definition) for frame in frames)
    result = Report([DataDriftPreset()]).run(now, then).dict()
    counted = next(
        each for each in result["metrics"] if "share" in (each["value"] if isinstance(each["value"], dict) else {})
    )
    return float(counted["value"]["share"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="keeps data, features and losses for the next call")
    parser.add_argument("--every", type=int, default=1, help="days between cutoffs")
    arguments = parser.parse_args()
    make(arguments.home.absolute(), arguments.every)


if __name__ == "__main__":
    main()
