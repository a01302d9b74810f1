"""The year of flights replayed: what each rule of retraining would have cost from July to December 2013.

    python benchmarks/replay.py --home FOLDER [--nightly] [--output benchmarks/replay.json] [--plots docs/images]

Models are made once for each cutoff (``replay_matrix.py``); a rule is a path through their losses. All rules enter July
with the same model, and retrain on the cutoffs of the weeks; nightly retraining alone has those of the days between.
Ours is the product's own verdict (:func:`include.monitoring.verdict.judge`) on the series of the days until then, at
the end of every day. Its constants are chosen on the days before July, and recorded in the home's ledger before any
later day is looked at; a home in which others were recorded is refused. A day counts once. Intervals are of 95 %, whole
stretches of 7 days resampled. Random schedules retrain as often as ours, at other cutoffs.

July to December are scored a second time: after the first, the watch's rules of skill changed, for reasons found on
other series; the constants did not. What ours did the first time stays beside it.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import replay_plot  # noqa: E402  # needs the path above
from drift_study import HOLDOUT, MATURES  # noqa: E402
from replay_matrix import JULY, LAST, Matrix, evidently_asks, make, matrix, weekly  # noqa: E402

from include.core.canonical import encode, record_digest  # noqa: E402
from include.core.events import PolicyDeclared  # noqa: E402
from include.core.project import DriftPolicy, Objective  # noqa: E402
from include.core.records import DAY, DayOfSeries, DriftState, Profile, Reference  # noqa: E402
from include.ledger import Ledger  # noqa: E402
from include.monitoring.verdict import judge  # noqa: E402
from include.settings import Settings  # noqa: E402

RANDOM, RESAMPLES, BLOCK = 1_000, 10_000, 7
WEEKS = (1, 2, 4, 8)
NAME = "replay_of_flights"
#: When ours retrained as July to December were scored first: the watch held skill in the unit of the loss, not as a
#: skill score, and an alarm over it ended by its sum or a retraining alone.
FIRST_SCORED = tuple(
    date(2013, month, day) for month, day in ((7, 26), (8, 16), (9, 6), (10, 4), (11, 1), (11, 22), (12, 27))
)
SECOND_TIME = (
    "2013-07-01 to 2013-12-28 are scored a second time: after the first, rules of the watch changed (skill is held as "
    "a skill score; four weeks that miss no more end an alarm), for reasons found on other series. The constants are "
    "unchanged, their digest the one frozen then."
)
#: What is chosen among, on the days before July.
CHOICES = tuple(
    DriftPolicy(excess_loss=loss, calibration_gap=gap, days=days, minimum_days=20, cooldown_days=cooldown)
    for loss, gap, (days, cooldown) in itertools.product(
        (0.03, 0.05, 0.07), (0.04, 0.06, 0.08), ((20, 20), (28, 20), (28, 28), (56, 28))
    )
)
#: Whether a retraining is asked for at the end of a day (the last that had matured), by the champions until then.
Asks = Callable[[Sequence[int], int], bool]


@dataclass(frozen=True)
class Walked:
    """Which cutoffs were champion, and the loss of whoever was, by day."""

    made: tuple[int, ...]
    loss: NDArray[np.float64]

    @property
    def retrainings(self) -> int:
        return len(self.made) - 1


class Replay:
    """The days *first* to *last* (both inclusive), which all rules enter with the last model made before them.

    *lived* are the champions before that one: whoever judges a series knows their days.
    """

    def __init__(self, figures: Matrix, first: date, last: date, lived: Sequence[int] = ()) -> None:
        self.figures = figures
        self.first, self.last = first.toordinal(), last.toordinal()
        cutoffs = [int(each) for each in figures.cutoffs]
        self.start = max(each for each in cutoffs if each <= self.first)
        self.later = [each for each in cutoffs if self.first < each <= self.last]
        self.lived = [each for each in lived if each < self.start]
        self.row = {cutoff: row for row, cutoff in enumerate(cutoffs)}

    def along(self, made: Sequence[int]) -> Walked:
        """The path of a model made at the start and at each cutoff of *made*."""
        champions = (self.start, *sorted(made))
        ends = (*champions[1:], self.last + 1)
        losses = [
            self.figures.loss[self.row[cutoff], self._place(max(cutoff, self.first)) : self._place(end)]
            for cutoff, end in zip(champions, ends, strict=True)
        ]
        return Walked(made=champions, loss=np.concatenate(losses))

    def asked(self, asks: Asks, *, cooldown: int) -> Walked:
        """The path of a rule that looks at the end of each day, and waits *cooldown* days after each retraining."""
        made = [*self.lived, self.start]
        free = self.start + cooldown
        for day in range(self.first, self.last + 1):
            if day < free or not asks(made, day - (MATURES + 1)):
                continue
            following = next((each for each in self.later if each >= day), None)
            if following is None:
                break
            made.append(following)
            free = following + cooldown
        return self.along(made[len(self.lived) + 1 :])

    def fixed(self, weeks: int) -> list[Walked]:
        """A retraining every so many weeks, in every phase that the cutoffs have."""
        step = 7 * weeks
        phases = [each for each in self.later if each < self.later[0] + step]
        return [self.along([each for each in self.later if (each - phase) % step == 0]) for phase in phases]

    def random(self, count: int) -> Iterator[Walked]:
        drawn = np.random.default_rng(20130701)
        for _ in range(RANDOM):
            yield self.along([int(each) for each in drawn.choice(self.later, count, replace=False)])

    def _place(self, day: int) -> int:
        return day - int(self.figures.days[0])


def verdicts(figures: Matrix, policy: DriftPolicy) -> Asks:
    """The product's verdict on the series of the project's days, whoever was champion."""
    days = _Days(figures)

    def asks(champions: Sequence[int], last: int) -> bool:
        if last < days.first:
            return False
        seen = date.fromordinal(champions[-1] - (MATURES + 1))
        empty = Profile(first=seen, last=seen, rows=0, columns=())
        reference = Reference(
            project=NAME, evaluation="", objective=Objective.BINARY, learnt=empty, holdout=empty, holdout_days=()
        )
        verdict = judge(
            policy,
            days.series(champions, last),
            reference,
            last=date.fromordinal(last),
            champion=len(champions),
            blind_days=HOLDOUT + MATURES,
        )
        return verdict.state is DriftState.RETRAIN

    return asks


class _Days:
    """Days as the watch would have judged them: versions are numbered from 1 in the order of *champions*."""

    def __init__(self, figures: Matrix) -> None:
        self.figures = figures
        self.first = int(figures.cutoffs[0])
        self._offset = int(figures.days[0])
        self._row = {int(cutoff): place for place, cutoff in enumerate(figures.cutoffs)}
        self._constant = _constant_losses(figures)

    def series(self, champions: Sequence[int], last: int) -> list[DayOfSeries]:
        found: list[DayOfSeries] = []
        version = 0
        for day in range(self.first, last + 1):
            while version < len(champions) and champions[version] <= day:
                version += 1
            found.append(self._judged(champions, version, day, found))
        return found

    def _judged(self, champions: Sequence[int], version: int, day: int, before: Sequence[DayOfSeries]) -> DayOfSeries:
        place, row = day - self._offset, self._row[champions[version - 1]]
        best = self._best(version, day, before)
        beside = {
            "best": best,
            "best_loss": float(self.figures.loss[self._row[champions[best - 1]], place]) if best else None,
            "predecessor": version - 1 or None,
        }
        return DayOfSeries(
            day=date.fromordinal(day),
            champion=version,
            rows=int(self.figures.rows[place]),
            loss=float(self.figures.loss[row, place]),
            expected_loss=float(self.figures.expected[row, place]),
            constant_loss=float(self._constant[place]),
            mean_score=float(self.figures.score[row, place]),
            mean_label=float(self.figures.label[place]),
            **beside,
        )

    def _best(self, version: int, day: int, before: Sequence[DayOfSeries]) -> int | None:
        """The earlier champion of the last 180 days with the highest mean skill while it was champion."""
        skills: dict[int, list[float]] = {}
        for each in before if version > 1 else ():
            if each.champion != version and each.day.toordinal() >= day - 180 and each.skill is not None:
                skills.setdefault(each.champion, []).append(each.skill)
        return max(skills, key=lambda each: float(np.mean(skills[each])), default=None)


def _constant_losses(figures: Matrix) -> NDArray[np.float64]:
    """By day, the loss of the mean label of the last 28 days that had matured when it began."""
    found = np.full(len(figures.days), np.nan)
    for place in range(MATURES + 1, len(figures.days)):
        window = slice(max(place - MATURES - 28, 0), place - MATURES)
        share = (figures.label[window] * figures.rows[window]).sum() / figures.rows[window].sum()
        label = figures.label[place]
        found[place] = -(label * np.log(share) + (1 - label) * np.log(1 - share))
    return found


def chosen(figures: Matrix) -> DriftPolicy:
    """Of :data:`CHOICES` the one that lies furthest below random schedules of as many retrainings, before July.

    A rule that never asks lies at none; of equal ones the first.
    """
    replay = Replay(figures, date.fromordinal(int(figures.cutoffs[0])), JULY - DAY)

    def gain(policy: DriftPolicy) -> float:
        path = replay.asked(verdicts(figures, policy), cooldown=policy.cooldown_days)
        random = [float(each.loss.mean()) for each in replay.random(path.retrainings)] if path.retrainings else [0.0]
        return float(np.mean(random) - path.loss.mean()) if path.retrainings else 0.0

    return max(CHOICES, key=gain)


def freeze(home: Path, policy: DriftPolicy) -> str:
    """Record *policy* in the ledger of *home*, before a day that it is scored on is looked at; its digest."""
    digest = record_digest(policy)
    ledger = Ledger.open(Settings.from_environment({"TRAINYARD_HOME": str(home)}).ledger)
    declared = [entry.event for entry in ledger.read(f"drift/{NAME}")]
    others = {each.digest for each in declared if isinstance(each, PolicyDeclared)} - {digest}
    if others:
        raise SystemExit(f"July to December are scored once: {sorted(others)} is recorded in this home, not {digest}")
    event = PolicyDeclared(project=NAME, digest=digest, policy=encode(policy).decode())
    ledger.record(f"drift/{NAME}", event, key=f"policy/{NAME}/{digest}")
    return digest


def interval(difference: NDArray[np.float64]) -> dict[str, float]:
    """The mean of a difference by day and its 95 % interval, whole stretches of 7 days resampled."""
    blocks = [difference[start : start + BLOCK] for start in range(0, len(difference), BLOCK)]
    sums, counts = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    drawn = np.random.default_rng(7).multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=RESAMPLES)
    lower, upper = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return {"mean": float(difference.mean()), "lower": float(lower), "upper": float(upper)}


def scored(nights: Matrix, policy: DriftPolicy, evidently: Asks) -> dict[str, Any]:
    """Every rule on July to December, beside ours."""
    figures = weekly(nights)
    before = Replay(figures, date.fromordinal(int(figures.cutoffs[0])), JULY - DAY)
    lived = before.asked(verdicts(figures, policy), cooldown=policy.cooldown_days).made
    replay = Replay(figures, JULY, LAST, lived)
    ours = replay.asked(verdicts(figures, policy), cooldown=policy.cooldown_days)
    first = replay.along([each.toordinal() for each in FIRST_SCORED])
    rules: dict[str, list[Walked]] = {"ours": [ours], "ours, first scored": [first], "never": [replay.along([])]}
    rules["Evidently's default"] = [replay.asked(evidently, cooldown=policy.cooldown_days)]
    rules |= {f"every {weeks} weeks" if weeks > 1 else "every week": replay.fixed(weeks) for weeks in WEEKS}
    nightly = Replay(nights, JULY, LAST)
    if nightly.later == list(range(JULY.toordinal() + 1, LAST.toordinal() + 1)):
        rules["nightly"] = [nightly.along(nightly.later)]
    rows = [_row(name, paths, ours) for name, paths in rules.items()]
    fixed = [row for row in rows if row["rule"].startswith("every ")]
    own = rows[0]
    return {
        "cutoffs": {
            "first": str(_day(figures.cutoffs[0])),
            "last": str(_day(figures.cutoffs[-1])),
            "days_apart": int(np.diff(figures.cutoffs).max()),
        },
        "days": len(ours.loss),
        "first": str(JULY),
        "last": str(LAST),
        "scored": SECOND_TIME,
        "rules": rows,
        **_beside_random(replay, ours),
        "first_scored": _beside_random(replay, first),
        "dominated_by": [row["rule"] for row in fixed if _dominates(row, own)],
        "weekly": {
            name: [float(np.mean(block)) for block in _weeks(np.mean([path.loss for path in rules[name]], axis=0))]
            for name in ("ours", "never", "every 4 weeks")
        },
    }


def _beside_random(replay: Replay, ours: Walked) -> dict[str, Any]:
    """Whether *ours* lies below random schedules of as many retrainings."""
    random = np.array([each.loss.mean() for each in replay.random(ours.retrainings)])
    percentiles = {f"percentile_{level}": float(np.percentile(random, level)) for level in (5, 50, 95)}
    return {
        "random": {
            "schedules": RANDOM,
            "retrainings": ours.retrainings,
            **percentiles,
            "share_below_ours": float((random < ours.loss.mean()).mean()),
        },
        "below_5th_percentile": bool(ours.loss.mean() < percentiles["percentile_5"]),
    }


def _row(name: str, paths: list[Walked], ours: Walked) -> dict[str, Any]:
    """A rule, the mean of its phases; their losses one by one beside it."""
    loss = np.mean([path.loss for path in paths], axis=0)
    row: dict[str, Any] = {
        "rule": name,
        "retrainings": float(np.mean([path.retrainings for path in paths])),
        "log_loss": float(loss.mean()),
        "minus_ours": interval(loss - ours.loss),
        "phases": [float(path.loss.mean()) for path in paths],
    }
    if len(paths) == 1:
        row["made"] = [str(date.fromordinal(day)) for day in paths[0].made]
    print(
        f"{name:20} {row['retrainings']:5.1f} retrainings  log loss {row['log_loss']:.4f}  minus ours "
        f"{row['minus_ours']['mean']:+.4f} ({row['minus_ours']['lower']:+.4f} to {row['minus_ours']['upper']:+.4f})",
        flush=True,
    )
    return row


def table(found: dict[str, Any]) -> str:
    """The rules, cheapest first, as the documentation shows them."""
    lines = ["| rule | retrainings | log loss | more than ours (95 %) |", "|---|---|---|---|"]
    for rule in sorted(found["rules"], key=lambda rule: rule["log_loss"]):
        more = rule["minus_ours"]
        beside = "" if rule["rule"] == "ours" else f"{more['mean']:+.4f} ({more['lower']:+.4f} to {more['upper']:+.4f})"
        name = f"**{rule['rule']}**" if rule["rule"] == "ours" else rule["rule"]
        lines.append(f"| {name} | {rule['retrainings']:.4g} | {rule['log_loss']:.4f} | {beside} |")
    for random in (found["random"], found["first_scored"]["random"]):
        bounds = f"{random['percentile_5']:.4f} to {random['percentile_95']:.4f}"
        lines.append(f"| {random['schedules']:,} random schedules | {random['retrainings']} | {bounds} (5 to 95 %) | |")
    return "\n".join(lines) + "\n"


def _dominates(row: dict[str, Any], ours: dict[str, Any]) -> bool:
    fewer, better = row["retrainings"] <= ours["retrainings"], row["log_loss"] <= ours["log_loss"]
    return fewer and better and (row["retrainings"], row["log_loss"]) != (ours["retrainings"], ours["log_loss"])


def _day(ordinal: int) -> date:
    return date.fromordinal(int(ordinal))


def _weeks(loss: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [loss[start : start + BLOCK] for start in range(0, len(loss), BLOCK)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="keeps data, features and losses for the next call")
    parser.add_argument("--nightly", action="store_true", help="nightly retraining too: four times as many models")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plots", type=Path, help="a folder for replay.svg and replay-weeks.svg")
    arguments = parser.parse_args()
    home = arguments.home.absolute()
    make(home, nightly=arguments.nightly)
    figures = matrix(home)
    policy = chosen(weekly(figures))
    digest = freeze(home, policy)
    print(f"chosen on the days before July, recorded as {digest}: {policy}", flush=True)
    found = {"policy": json.loads(encode(policy)), "policy_digest": digest}
    found |= scored(figures, policy, evidently_asks(home))
    print(f"{RANDOM} random schedules of {found['random']['retrainings']} retrainings: {found['random']}")
    print(
        f"below their 5th percentile: {found['below_5th_percentile']}; dominated by {found['dominated_by'] or 'none'}"
    )
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plots:
        replay_plot.write(found, arguments.plots)


if __name__ == "__main__":
    main()
