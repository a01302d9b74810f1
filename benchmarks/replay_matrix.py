"""What the replay of the year rests on: a model for each cutoff, and its figures on every day that came after.

    python benchmarks/replay_matrix.py --home FOLDER [--nightly]

``FOLDER/losses/<cutoff>.npz`` holds one cutoff: a model made on that day learns all days since the recording began
that a night of it would, its holdout left out, and is scored on all later ones. There is one a week, and if nightly
retraining is wanted one a day from July on. Cutoffs that are there are not made again; :func:`matrix` reads them all.
Features are those of a night, built once by its steps (``drift_study.prepare``).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
#: The first day that is scored; constants know only days before it.
JULY = date(2013, 7, 1)


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


def weekly(figures: Matrix) -> Matrix:
    """Those cutoffs of *figures* that lie whole weeks after the first."""
    kept = (figures.cutoffs - figures.cutoffs[0]) % 7 == 0
    by_cutoff = {name: getattr(figures, name)[kept] for name in ("cutoffs", "loss", "expected", "score")}
    return replace(figures, **by_cutoff)


def cutoffs(*, nightly: bool) -> Iterator[date]:
    """One a week; if *nightly*, then the days between them from July on: one that is cut short has whole weeks."""
    span = [START + step * DAY for step in range((LAST - START).days + 1)]
    nights = [day for day in span if day > JULY] if nightly else []
    yield from dict.fromkeys([*span[::7], *nights])


def make(home: Path, *, nightly: bool) -> None:
    """Train and score what is not there yet."""
    import lightgbm

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "losses").mkdir(exist_ok=True)
    wanted = [day for day in cutoffs(nightly=nightly) if not (home / "losses" / f"{day}.npz").exists()]
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
    parser.add_argument("--nightly", action="store_true", help="also a model a day from July on: four times as many")
    arguments = parser.parse_args()
    make(arguments.home.absolute(), nightly=arguments.nightly)


if __name__ == "__main__":
    main()
