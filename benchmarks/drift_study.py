"""The study that the drift policy of flight_delay rests on: champions walked forward over the flights of 2013.

    python benchmarks/drift_study.py --home FOLDER [--until 2013-09-01] [--output FILE]

Features are those of a night, built once for all days before ``--until``. Days before the recording are empty here: the
demo's source repeats later days there, which a study must not know. Models are LightGBM with one setting, no search; a
model made on a day learns what a night of that day would. The watch looks at the end of every day, and so does every
figure here. A false alarm is one on resampled days whose mean excess and gap are those of no drift: whole stretches of
the champions' own days (stationary bootstrap of Politis and Romano, 1994), each champion's mean taken off. That keeps
the storms of one summer in, so the rates are too high rather than too low; and it is one year of three airports.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # LightGBM's threads wait without burning a shared machine
import numpy as np
from night import copied
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include import steps  # noqa: E402  # needs the path above
from include.core.project import DriftPolicy, Objective  # noqa: E402
from include.core.records import DAY, DayFigures, DayOfSeries, Days, DriftState, FeatureSet, Profile, Reference  # noqa: E402
from include.core.runs import RunKind  # noqa: E402
from include.demo import chain as demo  # noqa: E402
from include.monitoring.figures import day_figures  # noqa: E402
from include.monitoring.inputs import drift_of_inputs  # noqa: E402
from include.monitoring.profile import profile, weekly  # noqa: E402
from include.monitoring.verdict import judge  # noqa: E402
from include.projects.flight_delay import PROJECT  # noqa: E402
from include.runtime import deployment  # noqa: E402
from include.runtime.code.projects import load_project  # noqa: E402
from include.runtime.nights import local  # noqa: E402
from include.runtime.server.client import authority  # noqa: E402
from include.settings import Settings  # noqa: E402
from include.training.matrix import contents, rows_of  # noqa: E402

NAME = "late_flights_study"
DECLARATION = '''"""A copy of flight_delay that learns from {days} days, for the study of its drift."""

from dataclasses import replace

from include.core.project import Window

from .original import PROJECT as ORIGINAL

PROJECT = ORIGINAL.varied(name="late_flights_study", window=Window(days={days}, validation_days=7, holdout_days=21))
'''
FIRST = date(2013, 1, 1)
#: Labels of a day are all known that many days after it; a model made on a day learns up to then, less a holdout.
MATURES, HOLDOUT = 2, 21
#: The first champion's day, and how often another is made.
START, EVERY = date(2013, 3, 29), 14
PARAMS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
ROUNDS = 150
#: Days that a model learns: all since the recording began, or those of a window of 90.
LEARNT: Mapping[str, int | None] = {"all days": None, "window of 90 days": 90 - HOLDOUT}
RESAMPLES, STRETCH_DAYS, LOOKS = 2_000, 14, 90


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
    copied(projects / NAME, DECLARATION.format(days=days))
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
        run_id=f"study-{now:%Y%m%dT%H%M%S}",
        instant=datetime.combine(until, time(4), UTC),
        now=now,
        kind=RunKind.WATCH,
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


@dataclass(frozen=True)
class Champion:
    """A model made on ``made``; ``days`` are its figures on all matured days after those that it learnt."""

    made: date
    learnt: Days
    days: tuple[DayFigures, ...]

    @property
    def live(self) -> tuple[DayFigures, ...]:
        """Its figures on days after its holdout."""
        return tuple(each for each in self.days if each.day > self.last_seen)

    @property
    def last_seen(self) -> date:
        return self.made - (MATURES + 1) * DAY


def champions(table: Table, learns: int | None, last: date) -> Iterator[Champion]:
    """A champion every ``EVERY`` days, up to four weeks before *last*."""
    import lightgbm

    specs = table.features.features
    matrix, label, day = table.rows.matrix(specs), table.rows.label, table.rows.day
    categories = [index for index, spec in enumerate(specs) if spec.categories is not None]
    made = START
    while made <= last - 28 * DAY:
        newest = made - (MATURES + 1 + HOLDOUT) * DAY
        learnt = Days(first=max(FIRST, newest - (learns - 1) * DAY) if learns else FIRST, last=newest)
        own, later = table.of(learnt.first, learnt.last), table.of(newest + DAY, last)
        data = lightgbm.Dataset(matrix[own], label[own], categorical_feature=categories)
        model = lightgbm.train(PARAMS, data, ROUNDS)
        score = model.predict(matrix[later], num_threads=1)
        figures = day_figures(Objective.BINARY, day=day[later], label=label[later], score=score)
        yield Champion(made=made, learnt=learnt, days=figures)
        made += EVERY * DAY


def series(days: tuple[DayFigures, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Excess loss and calibration gap by day."""
    excess = np.array([each.loss - (each.expected_loss or 0.0) for each in days])
    return excess, np.array([each.mean_score - each.mean_label for each in days])


def undrifted(pool: list[Champion], looks: int) -> NDArray[np.float64]:
    """Shape (2, resamples, looks): excess and gap of resampled days whose means are 0."""
    random = np.random.default_rng(20130901)
    centred = [np.stack([values - values.mean() for values in series(champion.live)]) for champion in pool]
    drawn = np.empty((2, RESAMPLES, looks))
    for resample in range(RESAMPLES):
        own = centred[random.integers(len(centred))]
        places: list[int] = []
        while len(places) < looks:
            first, length = random.integers(own.shape[1]), random.geometric(1 / STRETCH_DAYS)
            places += [int(first + step) % own.shape[1] for step in range(length)]
        drawn[:, resample] = own[:, places[:looks]]
    return drawn


def running(values: NDArray[np.float64], days: int, least: int) -> NDArray[np.float64]:
    """The mean of the last *days* (fewer at first) at each look from the day *least* on, over the last axis."""
    total = np.cumsum(np.concatenate([np.zeros((*values.shape[:-1], 1)), values], axis=-1), axis=-1)
    ends = np.arange(least, values.shape[-1] + 1)
    starts = np.maximum(ends - days, 0)
    means: NDArray[np.float64] = (total[..., ends] - total[..., starts]) / (ends - starts)
    return means


def alarms(drawn: NDArray[np.float64], policy: DriftPolicy) -> NDArray[np.bool_]:
    """Shape (resamples, looks from ``minimum_days`` on): whether *policy* asks for a retraining there."""
    excess, gap = running(drawn, policy.days, policy.minimum_days)
    asks = np.zeros(excess.shape, dtype=bool)
    if policy.excess_loss is not None:
        asks |= excess > policy.excess_loss
    if policy.calibration_gap is not None:
        asks |= np.abs(gap) > policy.calibration_gap
    return asks


def delay(drawn: NDArray[np.float64], policy: DriftPolicy, shift: float) -> float | None:
    """Days until half of the resamples have asked, if excess and gap moved by *shift* on the first day."""
    asked = alarms(drawn + np.array([shift, -shift])[:, None, None], policy)
    share = np.maximum.accumulate(asked, axis=1).mean(axis=0)
    return float(policy.minimum_days + np.argmax(share >= 0.5)) if share[-1] >= 0.5 else None


def limits(drawn: NDArray[np.float64], days: int, least: int, rate: float) -> DriftPolicy:
    """The policy of a window whose two limits, equal in what each alone would ask, ask in *rate* of 90 looks."""
    excess, gap = running(drawn, days, least)
    greatest = np.stack([excess.max(axis=1), np.abs(gap).max(axis=1)])
    for level in np.linspace(1 - rate, 1, 201):
        bounds = np.quantile(greatest, level, axis=1)
        if (greatest > bounds[:, None]).any(axis=0).mean() <= rate:
            break
    return DriftPolicy(excess_loss=float(bounds[0]), calibration_gap=float(bounds[1]), days=days, minimum_days=least)


def of_series(figures: DayFigures) -> DayOfSeries:
    return DayOfSeries(
        day=figures.day,
        champion=1,
        rows=figures.rows,
        loss=figures.loss,
        expected_loss=figures.expected_loss,
        mean_score=figures.mean_score,
        mean_label=figures.mean_label,
    )


def first_asked(champion: Champion, policy: DriftPolicy, until: date) -> tuple[date, str] | None:
    """The day whose matured figures made the verdict ask for a retraining, by the product's own verdict."""
    empty = Profile(first=champion.made, last=champion.last_seen, rows=0, columns=())
    reference = Reference(
        project=NAME, evaluation="", objective=Objective.BINARY, learnt=empty, holdout=empty, holdout_days=()
    )
    live = [each for each in champion.live if each.day <= until]
    for end in range(1, len(live) + 1):
        verdict = judge(policy, [of_series(each) for each in live[:end]], reference)
        if verdict.state is DriftState.RETRAIN:
            return live[end - 1].day, verdict.reasons[0]
    return None


def worth(pool: list[Champion], policy: DriftPolicy | None, every: int | None, last: date) -> tuple[float, list[str]]:
    """The mean daily loss of whoever is champion, and when it was replaced: by *policy*, or *every* so many days."""
    current, losses, replaced = pool[0], [], []
    while True:
        asked = first_asked(current, policy, last) if policy else None
        due = asked[0] + (MATURES + 1) * DAY if asked else current.made + every * DAY if every else None
        due = max(due, current.made + (policy.cooldown_days if policy else 0) * DAY) if due else None
        follower = next((each for each in pool if due and each.made >= due), None)
        end = follower.made if follower else last + DAY
        losses += [each.loss for each in current.days if current.made <= each.day < end]
        if follower is None:
            return float(np.mean(losses)), replaced
        replaced.append(str(follower.made))
        current = follower


def study(home: Path, until: date) -> dict[str, Any]:
    """All tables, printed as they come."""
    table = prepare(home, until)
    last = until - (MATURES + 1) * DAY
    pools = {name: list(champions(table, learns, last)) for name, learns in LEARNT.items()}
    found: dict[str, Any] = {"until": str(until), "rows": len(table.rows.label)}
    found["champions"] = [told(name, each) for name, pool in pools.items() for each in pool]
    long = [each for each in pools["all days"] if len(each.live) >= 60]
    drawn, year = undrifted(long, LOOKS), undrifted(long, 365)
    found["windows"] = [
        told_policy(limits(drawn, days, least, rate), drawn, year)
        for rate in (0.05, 0.1, 0.2)
        for days, least in ((20, 20), (28, 20), (28, 28), (42, 28), (56, 28))
    ]
    declared = PROJECT.quality.drift
    if declared is None:
        raise SystemExit("flight_delay declares no drift policy")
    found["declared"] = told_policy(declared, drawn, year)
    found["asked"] = [asked_of(name, each, declared, last) for name, pool in pools.items() for each in pool]
    rules: dict[str, tuple[DriftPolicy | None, int | None]] = {
        "never": (None, None),
        "every 14 days": (None, 14),
        "every 28 days": (None, 28),
        "every 56 days": (None, 56),
        "declared policy": (declared, None),
        "declared policy, gap alone": (replace(declared, excess_loss=None), None),
        "declared policy, excess alone": (replace(declared, calibration_gap=None), None),
    }
    found["inputs"] = [
        warned(
            table, each, {f"factor {factor}": replace(declared, psi_factor=factor) for factor in (1.5, 2.0, 3.0)}, last
        )
        for each in (pools["all days"][0], pools["all days"][4])
    ]
    found["worth"] = []
    for name, pool in pools.items():
        for rule, (policy, every) in rules.items():
            loss, replaced = worth(pool, policy, every, last)
            row = {"learns": name, "rule": rule, "log_loss": round(loss, 4), "retrainings": replaced}
            found["worth"].append(row)
            print(f"{name:18} {rule:30} log loss {loss:.4f}, {len(replaced)} retrainings {' '.join(replaced)}")
    return found


def warned(table: Table, champion: Champion, policies: Mapping[str, DriftPolicy], last: date) -> dict[str, Any]:
    """In how many of a champion's live weeks each policy's inputs warn, and by which features."""
    rows, learnt = table.rows, table.of(champion.learnt.first, champion.learnt.last)
    made = profile(rows.table.filter(learnt), champion.learnt)
    empty = Profile(first=champion.made, last=champion.last_seen, rows=0, columns=())
    reference = Reference(
        project=NAME, evaluation="", objective=Objective.BINARY, learnt=made, holdout=empty, holdout_days=()
    )
    weeks = weekly(rows.table, rows.day, Days(first=FIRST, last=last), made)
    ends = [end for end in range(1, len(weeks) + 1) if weeks[end - 1].first > champion.last_seen]
    row: dict[str, Any] = {"made": str(champion.made), "weeks": len(ends)}
    for name, policy in policies.items():
        drifts = [
            [each.feature for each in drift_of_inputs(policy, reference, weeks[:end]) if each.drifted] for end in ends
        ]
        often = Counter(feature for week in drifts for feature in week)
        row[name] = {"weeks_warned": sum(map(bool, drifts)), "features": dict(often.most_common(8))}
    print(json.dumps(row), flush=True)
    return row


def told(name: str, champion: Champion) -> dict[str, Any]:
    excess, gap = series(champion.live)
    lag = float(np.corrcoef(excess[1:], excess[:-1])[0, 1])
    row = {"learns": name, "made": str(champion.made), "learnt_days": len(champion.learnt), "live_days": len(excess),
           "log_loss": round(float(np.mean([each.loss for each in champion.live])), 4),
           "excess": round(float(excess.mean()), 4), "gap": round(float(gap.mean()), 4),
           "excess_sd": round(float(excess.std()), 3), "excess_lag_1": round(lag, 2)}  # fmt: skip
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def told_policy(policy: DriftPolicy, drawn: NDArray[np.float64], year: NDArray[np.float64]) -> dict[str, Any]:
    row = {"days": policy.days, "minimum_days": policy.minimum_days, "excess_loss": policy.excess_loss,
           "calibration_gap": policy.calibration_gap,
           "false_alarm_90_looks": float(alarms(drawn, policy).any(axis=1).mean()),
           "false_alarm_365_looks": float(alarms(year, policy).any(axis=1).mean()),
           "days_to_see_.05": delay(drawn, policy, 0.05), "days_to_see_.08": delay(drawn, policy, 0.08),
           "days_to_see_.12": delay(drawn, policy, 0.12)}  # fmt: skip
    row = {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def asked_of(name: str, champion: Champion, policy: DriftPolicy, last: date) -> dict[str, Any]:
    asked = first_asked(champion, policy, last)
    row = {"learns": name, "made": str(champion.made), "asked": str(asked[0]) if asked else None,
           "why": asked[1] if asked else None}  # fmt: skip
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="keeps data and features for the next call")
    parser.add_argument("--until", type=date.fromisoformat, default=date(2013, 9, 1))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = study(arguments.home.absolute(), arguments.until)
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
