"""The same night without a platform: one script of pandas and LightGBM, as a good engineer would write it.

It reads 90 days of landed flights, checks them, builds the features of ``flight_delay``, trains the trials with a pool
of two processes, refits the best on all but the holdout, and scores it there. Nothing is recorded, frozen, granted,
signed or registered. It prints its figures as JSON.

    python benchmarks/bare_night.py PRODUCTION [--instant 2013-07-03] [--halving] [--trials FILE]
"""

import time

START = time.perf_counter()

import argparse  # noqa: E402  # the clock starts before the imports, which a night pays too
import json  # noqa: E402
import math  # noqa: E402
import multiprocessing  # noqa: E402
import resource  # noqa: E402
import tempfile  # noqa: E402
from datetime import UTC, date, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import lightgbm as lgb  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

DAY = timedelta(days=1)
WINDOW_DAYS, VALIDATION_DAYS, LOOKBACK_DAYS, MATURES_AFTER_DAYS = 90, 7, 31, 2
KEY = ["carrier", "flight", "origin", "scheduled_departure"]
CATEGORICAL = ["airline", "airport", "dest", "aircraft_manufacturer"]
RUNGS, REDUCTION = (25, 50, 100, 200), 3
SETTINGS = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "verbosity": -1,
}


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_days(folder: Path, first: date, last: date) -> pd.DataFrame:
    days = ((first + offset * DAY) for offset in range((last - first).days + 1))
    files = [folder / f"day={day}" / "part.parquet" for day in days]
    tables = [pq.ParquetFile(file).read() for file in files if file.exists()]
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def load(production: Path, first: date, last: date) -> dict[str, pd.DataFrame]:
    return {
        "flights": read_days(production / "flights", first - LOOKBACK_DAYS * DAY, last),
        "weather": read_days(production / "weather", first - DAY, last),
        "planes": pq.read_table(production / "planes" / "part.parquet").to_pandas(),
    }


def check(frames: dict[str, pd.DataFrame]) -> None:
    flights, weather, planes = frames["flights"], frames["weather"], frames["planes"]
    per_day = flights.groupby(flights["scheduled_departure"].dt.date).size()
    checks = {
        "flights have different keys": not flights.duplicated(KEY).any(),
        "flights have a whole key": flights[KEY].notna().all(axis=None),
        "flights leave New York": flights["origin"].isin(["EWR", "JFK", "LGA"]).all(),
        "distances are plausible": flights["distance"].between(1, 10_000).all(),
        "hours are hours": flights["hour"].between(0, 23).all(),
        "delays are plausible": flights["arrival_delay"].dropna().between(-120, 2_000).all(),
        "most flights arrive": flights["arrival_delay"].notna().mean() > 0.8,
        "no day is thin": (per_day.iloc[1:-1] > 200).all(),
        "weather is observed once an hour": not weather.duplicated(["origin", "observed_at"]).any(),
        "aircraft are listed once": planes["tailnum"].is_unique,
    }
    if failed := [name for name, holds in checks.items() if not holds]:
        raise SystemExit(f"checks failed: {failed}")


# ── features ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def schedule(flights: pd.DataFrame) -> pd.DataFrame:
    departure = flights["scheduled_departure"]
    local = departure - pd.to_timedelta((departure.dt.hour - flights["hour"] + 24) % 24, unit="h")
    day, hour, weekday = departure.dt.floor("D"), departure.dt.floor("h"), local.dt.weekday
    return pd.DataFrame(
        {
            "airline": flights["carrier"],
            "airport": flights["origin"],
            "dest": flights["dest"],
            "flight_number": flights["flight"],
            "distance": flights["distance"],
            "hour_of_day": flights["hour"],
            "minute_of_hour": flights["minute"],
            "minute_of_day": flights["hour"] * 60 + flights["minute"],
            "weekday": weekday,
            "hour_of_week": weekday * 24 + flights["hour"],
            "departures_in_hour": flights.groupby(["origin", hour])["flight"].transform("size"),
            "departures_in_hour_by_airline": flights.groupby(["origin", "carrier", hour])["flight"].transform("size"),
            "departures_to_dest_today": flights.groupby(["dest", day])["flight"].transform("size"),
            "departures_before_today": departure.groupby([flights["origin"], day]).rank("min") - 1,
        }
    )


def weather_before(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    asked = pd.DataFrame(
        {
            "origin": flights["origin"],
            "observed_at": (flights["scheduled_departure"] - pd.Timedelta(hours=1)).dt.floor("h"),
        }
    )
    earlier = weather[["origin", "observed_at", "temp", "pressure", "visib", "precip", "wind_speed"]].copy()
    earlier["observed_at"] += pd.Timedelta(hours=3)
    joined = asked.merge(weather, how="left", on=["origin", "observed_at"]).merge(
        earlier, how="left", on=["origin", "observed_at"], suffixes=("", "_before")
    )
    joined["temperature_change"] = joined["temp"] - joined["temp_before"]
    joined["pressure_change"] = joined["pressure"] - joined["pressure_before"]
    return joined.drop(columns=["origin", "observed_at", "temp_before", "pressure_before"]).set_index(flights.index)


def lags(flights: pd.DataFrame) -> pd.DataFrame:
    """Late rates of the last 28 and 7 days, as known at 23:00 UTC of the day before."""
    day = flights["scheduled_departure"].dt.floor("D")
    outcomes = pd.DataFrame(
        {
            "usable_from": (flights["outcome_recorded_at"] + pd.Timedelta(hours=25, microseconds=-1)).dt.floor("D"),
            "late": (flights["arrival_delay"] >= 15).astype(int),
            "arrived": 1,
        }
    )
    known = flights["arrival_delay"].notna()
    days = pd.date_range(day.min(), day.max())
    columns = {}
    for name, entity in {
        "airline": ["carrier"],
        "destination": ["dest"],
        "airport_hour": ["origin", "hour"],
        "airport": ["origin"],
    }.items():
        group = flights.groupby(entity).ngroup()
        rows = (day - days[0]).dt.days.to_numpy()
        late, arrived = (
            outcomes[known]
            .groupby([outcomes["usable_from"], group])[value]
            .sum()
            .unstack(fill_value=0)
            .reindex(index=days, columns=range(group.max() + 1), fill_value=0)
            for value in ("late", "arrived")
        )
        for length in (28, 7):
            rolled = arrived.rolling(length, min_periods=1).sum()
            rolled = rolled.where(rolled > 0)
            rate = (late.rolling(length, min_periods=1).sum() / rolled).to_numpy()
            columns[f"{name}_late_rate_{length}_days"] = rate[rows, group]
            if length == 28:
                columns[f"{name}_arrivals_28_days"] = rolled.to_numpy()[rows, group]
    return pd.DataFrame(columns, index=flights.index)


def recent(flights: pd.DataFrame) -> pd.DataFrame:
    """Late rate, delay and count of the arrivals that became known in the three whole hours before."""
    known = flights["arrival_delay"].notna() & (
        flights["outcome_recorded_at"] <= flights["scheduled_departure"] + pd.Timedelta(hours=36)
    )
    arrivals = pd.DataFrame(
        {
            "hour": flights["outcome_recorded_at"].dt.floor("h"),
            "late": (flights["arrival_delay"] >= 15).astype(int),
            "minutes": flights["arrival_delay"],
            "all": 1,
        }
    )[known]
    asked = (flights["scheduled_departure"] - pd.Timedelta(hours=1)).dt.floor("h")
    hours = pd.date_range(asked.min() - pd.Timedelta(hours=3), asked.max(), freq="h")
    rows = ((asked - hours[0]) // pd.Timedelta(hours=1)).to_numpy()
    columns = {}
    for name, entity in {"airport_3_hours": "origin", "airline_3_hours": "carrier"}.items():
        group = flights.groupby(entity).ngroup()
        summed = {}
        for figure in ("late", "minutes", "all"):
            by_hour = arrivals.groupby([arrivals["hour"], group])[figure].sum().unstack(fill_value=0)
            by_hour = by_hour.reindex(index=hours, columns=range(group.max() + 1), fill_value=0)
            summed[figure] = by_hour.rolling(3, min_periods=1).sum().shift(1)
        arrived = summed["all"].where(summed["all"] > 0)
        columns[f"{name}_late_rate"] = (summed["late"] / arrived).to_numpy()[rows, group]
        columns[f"{name}_delay_minutes"] = (summed["minutes"] / arrived).to_numpy()[rows, group]
        columns[f"{name}_arrivals"] = arrived.to_numpy()[rows, group]
    return pd.DataFrame(columns, index=flights.index)


def aircraft(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    joined = flights[["tailnum", "scheduled_departure"]].merge(planes, how="left", on="tailnum")
    return pd.DataFrame(
        {
            "aircraft_age_years": (joined["scheduled_departure"].dt.year - joined["year"]).to_numpy(),
            "aircraft_seats": joined["seats"].to_numpy(),
            "aircraft_manufacturer": joined["manufacturer"].to_numpy(),
        },
        index=flights.index,
    )


def build(frames: dict[str, pd.DataFrame], first: date) -> pd.DataFrame:
    flights = frames["flights"].sort_values(["scheduled_departure", "carrier", "flight", "origin"], ignore_index=True)
    table = pd.concat(
        [
            schedule(flights),
            weather_before(flights, frames["weather"]),
            lags(flights),
            recent(flights),
            aircraft(flights, frames["planes"]),
        ],
        axis=1,
    )
    table[CATEGORICAL] = table[CATEGORICAL].astype("category")
    table["day"] = flights["scheduled_departure"].dt.floor("D")
    table["label"] = (flights["arrival_delay"] >= 15).astype(float)
    table = table[flights["arrival_delay"].notna() & (table["day"] >= pd.Timestamp(first))].reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        table.to_parquet(Path(folder) / "features.parquet")
    return table


# ── training ──────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Set before the pool forks, so that its processes share the pages.
DATA: dict[str, pd.DataFrame] = {}


def draw(count: int, seed: int = 1) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)

    def logarithmic(low: float, high: float) -> float:
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))

    return [
        {
            "learning_rate": logarithmic(0.02, 0.2),
            "num_leaves": round(logarithmic(8, 64)),
            "min_data_in_leaf": round(logarithmic(20, 500)),
            "feature_fraction": float(generator.uniform(0.4, 1.0)),
            "lambda_l2": logarithmic(0.01, 30),
        }
        for _ in range(count)
    ]


def dataset(rows: pd.DataFrame, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    return lgb.Dataset(rows.drop(columns=["day", "label"]), rows["label"], reference=reference, params=SETTINGS)


def compete(work: tuple[list[dict[str, Any]], tuple[int, ...]]) -> list[tuple[float, int, dict[str, Any]]]:
    """Train the trials of one process from rung to rung, on data that it bins once; the best third goes on.

    The lowest loss of each trial that ends, and the rung that had it.
    """
    trials, rungs = work
    train = dataset(DATA["train"]).construct()
    validation = dataset(DATA["validation"], reference=train).construct()
    alive = []
    for params in trials:
        booster = lgb.Booster({**SETTINGS, **params}, train)
        booster.add_valid(validation, "validation")
        alive.append((booster, params, []))
    reached = 0
    for rung in rungs:
        for booster, _, losses in alive:
            for _ in range(rung - reached):
                booster.update()
            losses.append((float(booster.eval_valid()[0][2]), rung))
        reached = rung
        alive.sort(key=lambda entry: entry[2][-1])
        if rung < rungs[-1]:
            alive = alive[: math.ceil(len(alive) / REDUCTION)]
    return [(*min(losses), params) for _, params, losses in alive]


def auc(label: np.ndarray, prediction: np.ndarray) -> float:
    ranks = pd.Series(prediction).rank().to_numpy()
    ones = label.sum()
    return float((ranks[label > 0].sum() - ones * (ones + 1) / 2) / (ones * (len(label) - ones)))


def night(options: argparse.Namespace) -> dict[str, Any]:
    last = options.instant.date() - (1 + MATURES_AFTER_DAYS) * DAY
    first = last - (WINDOW_DAYS - 1) * DAY
    holdout_from = pd.Timestamp(last - (options.holdout_days - 1) * DAY)
    validation_from = holdout_from - VALIDATION_DAYS * DAY
    seconds = {"imports": time.perf_counter() - START}

    def lap(stage: str) -> None:
        seconds[stage] = time.perf_counter() - START - sum(seconds.values())

    frames = load(options.production, first, last)
    lap("load")
    check(frames)
    lap("checks")
    table = build(frames, first)
    lap("features")
    DATA["train"] = table[table["day"] < validation_from]
    DATA["validation"] = table[(table["day"] >= validation_from) & (table["day"] < holdout_from)]
    holdout = table[table["day"] >= holdout_from]
    trials = json.loads(options.trials.read_text()) if options.trials else draw(16)
    rungs = RUNGS if options.halving else RUNGS[-1:]
    work = [(trials[process :: options.processes], rungs) for process in range(options.processes)]
    with multiprocessing.get_context("fork").Pool(options.processes) as pool:
        outcomes = [outcome for part in pool.map(compete, work) for outcome in part]
    loss, rounds, params = min(outcomes, key=lambda outcome: outcome[0])
    lap("trials")
    model = lgb.train({**SETTINGS, **params}, dataset(table[table["day"] < holdout_from]), rounds)
    lap("refit")
    prediction = model.predict(holdout.drop(columns=["day", "label"]), num_threads=1)
    label = holdout["label"].to_numpy()
    chance = np.where(label > 0, prediction, 1 - prediction)
    lap("score")
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall_seconds": time.perf_counter() - START,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in spent),
        "stage_seconds": seconds,
        "rows": len(table),
        "features": model.num_feature(),
        "validation_log_loss": loss,
        "holdout_log_loss": float(-np.log(chance).mean()),
        "holdout_auc": auc(label, prediction),
        "params": params,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("production", type=Path, help="the folder of landed flights, weather and planes")
    parser.add_argument(
        "--instant", type=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC), default="2013-07-03"
    )
    parser.add_argument("--halving", action="store_true", help="stop the worse half at 50 and at 100 rounds")
    parser.add_argument("--holdout-days", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--trials", type=Path, help="a JSON list of parameter sets, instead of 16 random ones")
    print(json.dumps(night(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
