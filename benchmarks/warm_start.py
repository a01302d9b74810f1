"""Whether a search that learns from the trials of earlier nights finds better models than one that does not.

    python benchmarks/warm_start.py --home FOLDER [--whole] [--output benchmarks/warm_start.json]

Sixteen nights spread over the flights of 2013, each with flight_delay's own search: its space, 16 trials in two shards,
its rungs, halved as it declares; with ``--whole`` also with every trial trained to the last rung. Each way of learning
goes through all nights by itself and knows its own earlier trials, as a project would; the last eight nights are the
origins that count. What counts is the log loss on the 21 days held out of the model that is trained again from the best
trial, beside that of the search that knows nothing, on the same rows; each origin is the mean of a few seeds, and the
interval (95 %) resamples whole origins. Every ``ROWS``-th row is trained on; all rows of the holdout are scored.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # LightGBM's threads wait without burning a shared machine
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from drift_study import FIRST, HOLDOUT, MATURES, START, prepare  # noqa: E402
from replay_matrix import LAST, UNTIL  # noqa: E402

from include.core.project import Choice, FloatRange, Objective  # noqa: E402  # needs the path above
from include.core.records import DAY, Params, PlannedTrial, Shard  # noqa: E402
from include.data.losses import row_losses  # noqa: E402
from include.learner.boosted.settings import booster_settings  # noqa: E402
from include.projects.flight_delay import PROJECT  # noqa: E402
from include.training.trial import halve  # noqa: E402

SEARCH = PROJECT.learning.search
VALIDATION, NIGHTS, ORIGINS, ROWS, SEEDS, KNOWN = 7, 16, 8, 10, 2, 256


@dataclass(frozen=True)
class Way:
    """What a search takes of earlier trials: none, those that trained to the last rung, or all."""

    name: str
    halved: bool
    complete: bool = False
    pruned: bool = False


WAYS = (
    Way("nothing", halved=True),
    Way("complete trials", halved=True, complete=True),
    Way("pruned trials too", halved=True, complete=True, pruned=True),
    Way("nothing", halved=False),
    Way("complete trials", halved=False, complete=True),
)


@dataclass(frozen=True)
class Done:
    """A trial that ended, and its losses by rung."""

    params: Params
    losses: tuple[float, ...]

    @property
    def complete(self) -> bool:
        return len(self.losses) == len(SEARCH.rungs)


def draw(known: Sequence[Done], way: Way, seed: int) -> list[Params]:
    """As many points as flight_delay asks for, by the sampler of ``include.training.search``."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = _distributions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    for trial in known[-KNOWN:]:
        given: dict[str, Any] = {"params": dict(trial.params), "distributions": distributions}
        if trial.complete and way.complete:
            study.add_trial(optuna.trial.create_trial(**given, value=min(trial.losses)))
        elif way.pruned:
            rungs = dict(zip(SEARCH.rungs, trial.losses, strict=False))
            study.add_trial(optuna.trial.create_trial(**given, state=TrialState.PRUNED, intermediate_values=rungs))
    return [dict(study.ask(distributions).params) for _ in range(SEARCH.trials)]


def _distributions() -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, part in sorted(SEARCH.space.items()):
        if isinstance(part, Choice):
            found[name] = CategoricalDistribution(part.options)
        elif isinstance(part, FloatRange):
            found[name] = FloatDistribution(part.low, part.high, log=part.log)
        else:
            found[name] = IntDistribution(part.low, part.high, log=part.log)
    return found


class Nights:
    """The rows, and a search on them."""

    def __init__(self, home: Path) -> None:
        table = prepare(home, UNTIL)
        specs = table.features.features
        self.all = table.rows.matrix(specs)
        self.label, self.day = table.rows.label, table.rows.day
        self.categories = [index for index, spec in enumerate(specs) if spec.categories is not None]

    def thinned(self, first: date, last: date) -> NDArray[np.int64]:
        return self.of(first, last)[::ROWS]

    def of(self, first: date, last: date) -> NDArray[np.int64]:
        return np.flatnonzero((self.day >= first.toordinal()) & (self.day <= last.toordinal()))

    def search(self, made: date, drawn: Sequence[Params], *, halved: bool) -> tuple[list[Done], dict[str, float]]:
        """The trials of the night of *made*; the loss of the best one's refitted model, and of the best trial."""
        import lightgbm

        learnt = made - (MATURES + 1 + HOLDOUT) * DAY
        train = self.thinned(FIRST, learnt - VALIDATION * DAY)
        check = self.thinned(learnt - (VALIDATION - 1) * DAY, learnt)
        data = self._binned(train)
        losses: dict[str, list[float]] = {}
        boosters: dict[str, Any] = {}

        def loss(trial: str, depth: int) -> float:
            if trial not in boosters:
                settings = booster_settings(drawn[int(trial)], objective=Objective.BINARY, seed=1, threads=1)
                boosters[trial] = lightgbm.Booster(settings, data)
            for _ in range(SEARCH.rungs[depth] - (SEARCH.rungs[depth - 1] if depth else 0)):
                boosters[trial].update()
            score = boosters[trial].predict(self.all[check], num_threads=1)
            losses.setdefault(trial, []).append(float(row_losses(Objective.BINARY, self.label[check], score).mean()))
            return losses[trial][-1]

        for part in range(SEARCH.shards):
            names = [f"{index:02}" for index in range(part, len(drawn), SEARCH.shards)]
            trials = tuple(PlannedTrial(trial_id=name, params=drawn[int(name)]) for name in names)
            shard = Shard(objective=Objective.BINARY, binned="", training_rows=0, trials=trials, rungs=SEARCH.rungs,
                          reduction=SEARCH.reduction if halved else 1, seed=1)  # fmt: skip
            halve(shard, loss, lambda trial, depth: boosters.pop(trial, None))
        done = [Done(drawn[int(name)], tuple(each)) for name, each in sorted(losses.items())]
        best = min((trial for trial in done if trial.complete), key=lambda trial: min(trial.losses))
        holdout = self._refitted(best, learnt)
        return done, {"holdout": holdout, "validation": min(best.losses)}

    def _refitted(self, best: Done, learnt: date) -> float:
        """The mean of the days' losses on the holdout, each day counting once."""
        import lightgbm

        settings = booster_settings(best.params, objective=Objective.BINARY, seed=1, threads=1)
        model = lightgbm.Booster(settings, self._binned(self.thinned(FIRST, learnt)))
        for _ in range(SEARCH.rungs[int(np.argmin(best.losses))]):
            model.update()
        held = self.of(learnt + DAY, learnt + HOLDOUT * DAY)
        rows = row_losses(Objective.BINARY, self.label[held], model.predict(self.all[held], num_threads=1))
        return fmean(float(rows[self.day[held] == day].mean()) for day in np.unique(self.day[held]))

    def _binned(self, rows: NDArray[np.int64]) -> Any:
        import lightgbm

        settings = {"feature_pre_filter": False, "verbosity": -1, "num_threads": 1}
        data = lightgbm.Dataset(
            self.all[rows], self.label[rows], categorical_feature=self.categories, params=settings, free_raw_data=False
        )
        return data.construct()


def chain(nights: Nights, days: Sequence[date], way: Way, seed: int) -> list[dict[str, Any]]:
    """All nights of one *way*, which knows its own earlier trials."""
    known: list[Done] = []
    found = []
    for number, made in enumerate(days):
        done, losses = nights.search(made, draw(known, way, seed * 1_000 + number), halved=way.halved)
        known += done
        found.append({"made": str(made), **losses})
    return found


def compared(
    cold: Sequence[Sequence[Mapping[str, Any]]], warm: Sequence[Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """*warm* minus *cold* (by seed, then night) on the origins; below 0 the history helps."""

    def gaps(figure: str) -> NDArray[np.float64]:
        values = [np.array([[night[figure] for night in each[-ORIGINS:]] for each in way]) for way in (warm, cold)]
        gap: NDArray[np.float64] = (values[0] - values[1]).mean(axis=0)
        return gap

    holdout = gaps("holdout")
    drawn = np.random.default_rng(1).choice(holdout, size=(10_000, len(holdout))).mean(axis=1)
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return {
        "holdout": float(holdout.mean()),
        "lower": float(lower),
        "upper": float(upper),
        "validation": float(gaps("validation").mean()),
        "better_in": int((holdout < 0).sum()),
        "by_origin": [float(each) for each in holdout],
    }


def table(found: Mapping[str, Any]) -> str:
    """The ways, as the documentation shows them."""
    lines = [
        "| search | learns from earlier nights | log loss beside learning nothing (95 %) | better in |",
        "|---|---|---|---|",
    ]
    for row in found["ways"]:
        interval = f"{row['holdout']:+.4f} ({row['lower']:+.4f} to {row['upper']:+.4f})"
        search = "halved" if row["halved"] else "all trials to the end"
        lines.append(f"| {search} | {row['way']} | {interval} | {row['better_in']} of {len(row['by_origin'])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="keeps data and chains for the next call")
    parser.add_argument("--whole", action="store_true", help="also a search that stops no trial: thrice the time")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    home = arguments.home.absolute()
    kept = home / "warm_start"
    nights = Nights(home)
    kept.mkdir(exist_ok=True)
    step = (LAST - START).days // (NIGHTS - 1)
    days = [START + number * step * DAY for number in range(NIGHTS)]
    ways = [way for way in WAYS if way.halved or arguments.whole]
    chains: dict[Way, list[list[dict[str, Any]]]] = {way: [] for way in ways}
    for place, way in enumerate(ways):
        for seed in range(SEEDS):
            file = kept / f"{place}-{seed}.json"
            if not file.exists():
                file.write_text(json.dumps(chain(nights, days, way, seed)))
            chains[way].append(json.loads(file.read_text()))
            mean = fmean(night["holdout"] for night in chains[way][-1][-ORIGINS:])
            print(f"seed {seed}, {'halved' if way.halved else 'whole'}, {way.name}: {mean:.5f}", flush=True)
    cold = {way.halved: chains[way] for way in ways if not way.complete}
    rows = [
        {"way": way.name, "halved": way.halved, **compared(cold[way.halved], chains[way])}
        for way in ways
        if way.complete
    ]
    found = {
        "origins": [str(day) for day in days[-ORIGINS:]],
        "seeds": SEEDS,
        "every_row": ROWS,
        "loss_of_nothing": {
            "halved" if halved else "whole": fmean(night["holdout"] for each in own for night in each[-ORIGINS:])
            for halved, own in cold.items()
        },
        "ways": rows,
    }
    print(table(found))
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
