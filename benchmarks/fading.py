"""A signal that fades: how soon the watch says that a recipe loses what it knew, and how often it says so falsely.

    python benchmarks/fading.py [--seeds 20] [--output benchmarks/fading.json] [--plot docs/images/fading.svg]

300 rows a day have one feature and a label that comes in 37 of 100; the feature's coefficient falls to nothing over 180
days, and with it what can be known of the label: .175 of log loss at first, beside predicting the base rate. Labels are
known two days later. With retraining, a logistic model is fitted each night on a window of 60 days that holds out 21,
and promoted by the product's gates; without, the first stays. Each night the product's verdict is asked, under the
policy and gates of flight_delay. A model told at night N knows of days up to N - 3.

False asks are counted on 200 histories of 180 nights, after the 56 days that tell what is usual: weeks of the series
before the signal fades, drawn whole. Asks are counted as the product would ask, at its pace. On 40 of them a season of
180 days is laid that the usual days did not see: losses go to half or to one and a half times what they were and back,
in the same share for model and constant, or by the same amount, as where what nobody can know grows. Intervals are
Poisson's (95 %, exact).
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads of so small products only wait for each other
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include.core.project import DriftPolicy, Objective  # noqa: E402  # needs the path above
from include.core.records import DAY, DayOfSeries, Days, DriftState, Evaluation, Profile, Reference  # noqa: E402
from include.data.losses import expected_row_losses, row_losses  # noqa: E402
from include.monitoring.verdict import judge  # noqa: E402
from include.projects.flight_delay import PROJECT  # noqa: E402
from include.registry.promotion import ChampionGrounds, decide  # noqa: E402
from include.training.evaluation import paired_interval  # noqa: E402
from include.training.metrics import metrics  # noqa: E402

Numbers = NDArray[np.float64]

START, ROWS, FADES_OVER = date(2024, 1, 1), 300, 180
BASE_RATE, COEFFICIENT = 0.37, 1.637
WINDOW, HOLDOUT, MATURES = 60, 21, 2
#: A model decided about on a night judges days from the next on; it learnt none of so many days before the first.
BLIND = HOLDOUT + MATURES + 1
#: The night of the first model, and the day on which the signal begins to fade: 84 judged days after.
FIRST_NIGHT = WINDOW + MATURES + 1
BEGAN = FIRST_NIGHT + 1 + 84
LAST_NIGHT = BEGAN + 200
HISTORIES, NIGHTS = 200, 180
#: How far losses go and come back, as a share of the constant's; and whether the same amount is laid on all of them.
SEASONS = {
    "easier, the same skill score": (-0.5, False),
    "harder, the same skill score": (0.5, False),
    "less noise in both losses": (-0.5, True),
    "more noise in both losses": (0.5, True),
}
SEASONED = 40
MODES = ("nightly retraining", "without")
ASKS = (DriftState.RETRAIN, DriftState.FAILING)
EMPTY = Profile(first=START, last=START, rows=0, columns=())
REFERENCE = Reference(
    project="fading", evaluation="", objective=Objective.BINARY, learnt=EMPTY, holdout=EMPTY, holdout_days=()
)


def sigmoid(score: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-score))


def intercept(coefficient: float) -> float:
    """That with which labels come at the base rate, whatever the coefficient."""
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    low, high = -5.0, 5.0
    for _ in range(50):
        middle = (low + high) / 2
        rate = float(weights @ sigmoid(middle + coefficient * points) / weights.sum())
        low, high = (middle, high) if rate < BASE_RATE else (low, middle)
    return low


_COEFFICIENTS = np.linspace(0, COEFFICIENT, 65)
#: Intercepts by coefficient.
TABLE = (_COEFFICIENTS, np.array([intercept(each) for each in _COEFFICIENTS]))


@dataclass(frozen=True)
class World:
    """Shape (days, rows): the feature, and the label."""

    feature: Numbers
    label: Numbers

    @classmethod
    def of(cls, seed: int, *, last: int = LAST_NIGHT, began: int = BEGAN) -> "World":
        random = np.random.default_rng(seed)
        feature = random.normal(size=(last, ROWS))
        left = np.clip(1 - (np.arange(last) - began) / FADES_OVER, 0, 1) * COEFFICIENT
        at = np.interp(left, *TABLE)
        chance = sigmoid(at[:, None] + left[:, None] * feature)
        return cls(feature=feature, label=(random.random(feature.shape) < chance).astype(float))

    def predicted(self, model: Numbers, first: int, last: int) -> Numbers:
        """For the rows of the days *first* to *last*, both inclusive."""
        return sigmoid(model[0] + model[1] * self.feature[first : last + 1])


def fitted(world: World, first: int, last: int) -> Numbers:
    """A logistic model of the days *first* to *last*, by Newton's method."""
    feature, label = world.feature[first : last + 1].ravel(), world.label[first : last + 1].ravel()
    model = np.zeros(2)
    for _ in range(6):
        chance = sigmoid(model[0] + model[1] * feature)
        weight, left = chance * (1 - chance), label - chance
        bend = np.array([[weight.sum(), weight @ feature], [weight @ feature, weight @ feature**2]])
        model += np.linalg.solve(bend, np.array([left.sum(), feature @ left]))
    return model


@dataclass
class Line:
    """A project that lives through the nights: its champion, and its series."""

    world: World
    champion: Numbers
    version: int
    learnt: int
    promoted: int = 1

    def night(self, night: int, seed: int) -> None:
        """Fit a candidate of the last 60 matured days, and promote it if the gates let it through."""
        last = night - 1 - MATURES
        first, held = last - WINDOW + 1, last - HOLDOUT + 1
        candidate = fitted(self.world, first, held - 1)
        new = max(held, self.learnt + 1)
        label = self.world.label[held : last + 1]
        own, rival = self.world.predicted(candidate, held, last), self.world.predicted(self.champion, held, last)
        constant = np.full_like(label, self.world.label[first:held].mean())
        seen = slice(new - held, None)
        day = np.repeat(np.arange(held, last + 1, dtype=np.int32), ROWS)
        losses = [row_losses(Objective.BINARY, label, each) for each in (own, rival, constant)]
        evaluation = Evaluation(
            plan="", features="", objective=Objective.BINARY, trial_id="", params={}, model="", rows=label.size,
            metrics=metrics(Objective.BINARY, label.ravel(), own.ravel()), champion=self.version,
            compared=Days(first=at(new), last=at(last)), holdout=Days(first=at(held), last=at(last)),
            compared_metrics=metrics(Objective.BINARY, label[seen].ravel(), own[seen].ravel()),
            champion_metrics=metrics(Objective.BINARY, label[seen].ravel(), rival[seen].ravel()),
            difference=paired_interval((losses[0] - losses[1])[seen].ravel(), day[(new - held) * ROWS :], seed=seed),
            constant_loss=float(losses[2].mean()),
            skill=paired_interval((losses[2] - losses[0]).ravel(), day, seed=seed),
        )  # fmt: skip
        before = ChampionGrounds(version=self.version, holdout=Days(first=at(held - 1), last=at(last - 1)))
        if decide(evaluation, PROJECT.quality.gates, before).promote:
            self.champion, self.version, self.learnt = candidate, night, held - 1
            self.promoted += 1

    def judged(self, day: int) -> DayOfSeries:
        """The day as the champion of its beginning judges it."""
        label, score = self.world.label[day], self.world.predicted(self.champion, day, day)[0]
        constant = np.full(ROWS, self.world.label[day - MATURES - 28 : day - MATURES].mean())
        return DayOfSeries(
            day=at(day),
            champion=self.version,
            rows=ROWS,
            loss=float(row_losses(Objective.BINARY, label, score).mean()),
            expected_loss=float(expected_row_losses(score).mean()),
            constant_loss=float(row_losses(Objective.BINARY, label, constant).mean()),
            mean_score=float(score.mean()),
            mean_label=float(label.mean()),
        )


def at(day: int) -> date:
    return START + day * DAY


def lived(seed: int, mode: str, *, every: int = 1) -> Iterator[tuple[int, Line, list[DayOfSeries]]]:
    """Night for night: its number, the project, and the series of the days that had matured by then.

    With retraining, a candidate is fitted each night, or *every* so many.
    """
    world = World.of(seed)
    learnt = FIRST_NIGHT - 1 - MATURES - HOLDOUT
    line = Line(world, fitted(world, learnt - WINDOW + HOLDOUT + 1, learnt), FIRST_NIGHT, learnt)
    days: list[DayOfSeries] = []
    for night in range(FIRST_NIGHT + 1, LAST_NIGHT):
        days.append(line.judged(night))  # by whoever is champion as the day begins; known two days later
        yield night, line, days[: -MATURES - 1]
        if mode == MODES[0] and night % every == 0:
            line.night(night, seed)


def watched(policy: DriftPolicy, seed: int, mode: str, *, every: int = 1) -> dict[str, Any]:
    """What the watch said of the world *seed*, and when; beside it, when a plain mean would have."""
    steady: list[DayOfSeries] = []
    before, told, plain, state, verdict = 0, None, None, None, None
    for night, line, days in lived(seed, mode, every=every):
        verdict = judge(policy, days, REFERENCE, champion=line.version, blind_days=BLIND)
        if night < BEGAN:
            before += verdict.state in ASKS
            steady = list(days)
            continue
        usual = verdict.figures.get("usual_skill", 0.0)
        recent = fmean(each.skill or 0.0 for each in days[-28:])
        plain = night if plain is None and recent < usual / 2 else plain
        if told is None and verdict.state in ASKS:
            told, state = night, verdict.state.value
        if told is not None and plain is not None:
            break
    row = {
        "seed": seed, "mode": mode, "began_day": BEGAN, "told_day": told, "state": state,
        "days_to_tell": None if told is None else told - BEGAN,
        "plain_mean_days": None if plain is None else plain - BEGAN,
        "promotions": line.promoted, "nights_that_asked_before": before,
    }  # fmt: skip
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row | {"steady": steady}


def resampled(steady: Sequence[DayOfSeries], weeks: int, random: np.random.Generator) -> list[DayOfSeries]:
    """A history of whole weeks of *steady*, drawn with replacement, in which each day has the next champion."""
    drawn = random.integers(len(steady) // 7, size=weeks)
    days = [steady[7 * int(week) + place] for week in drawn for place in range(7)]
    return [replace(each, day=at(place), champion=place + 1) for place, each in enumerate(days)]


def false_asks(policy: DriftPolicy, history: Sequence[DayOfSeries], usual: int) -> int:
    """How often the product asks, a retraining or a human, in the nights after the *usual* first days."""
    asks: list[int] = []
    failing = False
    for night in range(usual + 1, len(history) + 1):
        state = judge(policy, history[:night], REFERENCE, blind_days=BLIND).state
        begins, failing = state is DriftState.FAILING and not failing, state is DriftState.FAILING
        due = not asks or night - asks[-1] >= policy.cooldown_days
        if begins or (state is DriftState.RETRAIN and due and sum(night - 30 < each for each in asks) < 1):
            asks.append(night)
    return len(asks)


def season(days: Sequence[DayOfSeries], depth: float, *, noise: bool, usual: int) -> list[DayOfSeries]:
    """*days* whose losses, after the *usual* first, go by a cosine to 1 + *depth* times as much in 90 days, and back.

    If *noise*, by as much as the mean constant's loss would, added to all.
    """
    constant = fmean(each.constant_loss or 0.0 for each in days)
    found = []
    for place, each in enumerate(days):
        gone = depth * (1 - math.cos(2 * math.pi * max(0, place - usual) / NIGHTS)) / 2
        losses = {name: getattr(each, name) for name in ("loss", "expected_loss", "constant_loss")}
        moved = {name: loss + gone * (constant if noise else loss) for name, loss in losses.items()}
        found.append(replace(each, **moved))
    return found


def counted(counts: Sequence[int]) -> dict[str, Any]:
    """The mean of *counts*, and its interval."""
    from scipy.stats import chi2

    total, low = sum(counts), 0.0
    if total:
        low = float(chi2.ppf(0.025, 2 * total) / 2)
    high = float(chi2.ppf(0.975, 2 * total + 2) / 2)
    return {
        "histories": len(counts),
        "false_asks_per_180_nights": total / len(counts),
        "false_asks_interval": [low / len(counts), high / len(counts)],
    }


def seasons(policy: DriftPolicy, drawn: Sequence[list[DayOfSeries]], usual: int, pool: Executor) -> dict[str, Any]:
    """False asks where a season that the usual days did not see is laid on *drawn*."""
    found = {}
    for name, (depth, noise) in SEASONS.items():
        laid = [season(days, depth, noise=noise, usual=usual) for days in drawn]
        found[name] = counted(list(pool.map(false_asks, [policy] * len(laid), laid, [usual] * len(laid))))
        print(name, found[name], flush=True)
    return found


def study(seeds: int, histories: int = HISTORIES, processes: int = 1) -> dict[str, Any]:
    """All seeds in both modes, and the false asks of all."""
    policy = PROJECT.quality.drift
    if policy is None or policy.skill is None:
        raise SystemExit("flight_delay declares no drift policy that watches its skill")
    worlds = [(policy, seed, mode) for seed in range(1, seeds + 1) for mode in MODES]
    with ProcessPoolExecutor(processes) as pool:
        rows = list(pool.map(watched, *zip(*worlds, strict=True)))
    random = np.random.default_rng(180)
    usual, weeks = policy.skill.usual_days, -(-(policy.skill.usual_days + NIGHTS) // 7)
    drawn = [
        resampled(rows[index % len(rows)]["steady"], weeks, random)[: usual + NIGHTS] for index in range(histories)
    ]
    with ProcessPoolExecutor(processes) as pool:
        counts = list(pool.map(false_asks, [policy] * histories, drawn, [usual] * histories))
        laid = seasons(policy, drawn[:SEASONED], usual, pool)
    found = {
        "seeds": [{key: value for key, value in row.items() if key != "steady"} for row in rows],
        **{f"told_within_{days}_days": {mode: within(rows, mode, days) for mode in MODES} for days in (75, 60)},
        **counted(counts),
        "seasons": laid,
    }
    print(json.dumps({key: value for key, value in found.items() if key != "seeds"}, indent=1))
    print(table(found))
    return found


def within(rows: Sequence[dict[str, Any]], mode: str, days: int) -> int:
    told = (row["days_to_tell"] for row in rows if row["mode"] == mode)
    return sum(each is not None and each <= days for each in told)


def table(found: dict[str, Any]) -> str:
    """How soon each mode is told of, then how often the watch asks falsely, as the documentation shows them."""
    lines = ["| | the watch | the slowest seed | a plain mean of 28 days below half |", "|---|---|---|---|"]
    for mode, words in zip(MODES, ("retrained each night", "never retrained"), strict=True):
        rows = [row for row in found["seeds"] if row["mode"] == mode]
        told = [row["days_to_tell"] for row in rows if row["days_to_tell"] is not None]
        plain = [row["plain_mean_days"] for row in rows if row["plain_mean_days"] is not None]
        lines.append(f"| {words} | {fmean(told):.0f} | {max(told)} | {fmean(plain):.0f} |")
    lines += ["", "| histories | false asks in 180 nights (95 %) |", "|---|---|"]
    for name, each in {"weeks as usual": found, **found["seasons"]}.items():
        low, high = each["false_asks_interval"]
        asks = f"{each['false_asks_per_180_nights']:.2f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {each['histories']}: {name} | {asks} |")
    return "\n".join(lines) + "\n"


def plot(found: dict[str, Any]) -> str:
    """The days until each seed was told, beside those that a plain mean of 28 days needs."""
    from replay_plot import Sheet

    rows = found["seeds"]
    sheet = Sheet(
        "Days from the beginning of the fading until the watch says so",
        (0.0, len(rows) / 2 + 1, "seed (orange: retrained each night, blue: never; grey: a plain mean of 28 days)"),
        (0.0, 100.0, "days"),
    )
    for row in rows:
        for key, colour in (("plain_mean_days", "#9ca3af"), ("days_to_tell", None)):
            if row[key] is not None:
                own = "#c2410c" if row["mode"] == MODES[0] else "#2563eb"
                sheet.dot(row["seed"] + (0.2 if row["mode"] == MODES[1] else -0.2), row[key], "", colour or own)
    return sheet.svg()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    found = study(arguments.seeds, arguments.histories, os.cpu_count() or 1)
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        arguments.plot.write_text(plot(found))


if __name__ == "__main__":
    main()
