"""Columns may be called anything that a contract may call them: what is computed beside them has names of its own."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.core.project import (
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
    Window,
)
from include.core.records import DAY, Column, ColumnType, Contract, Days, KnownAt, Partition, Snapshot, Treatment
from include.data import scoring
from include.data.partition_rows import parquet_bytes
from include.declared import scope_of
from include.store import Store
from tests.data.nights import INSTANT, Night

FIRST, DAYS, ROWS = date(2013, 6, 10), 9, 25
CAMEL = {"id": "RideID", "at": "PickupAt", "x": "TripDistance", "shop": "Borough", "delay": "FareAmount"}


class Rides:
    """Nine days of 25 rows of ``id, at, x, shop, delay``, under other names, in the dataset `JetBlue`."""

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self.name = {name: names.get(name, name) for name in CAMEL}
        kinds = (
            ColumnType.INTEGER,
            ColumnType.TIMESTAMP,
            ColumnType.NUMBER,
            ColumnType.STRING,
            ColumnType.NUMBER,
        )
        self.contract = Contract(
            dataset="JetBlue",
            version="1.0.0",
            digest="sha256:" + "0" * 64,
            columns=tuple(self._column(name, kind) for name, kind in zip(CAMEL, kinds, strict=True)),
            stewards=("steward",),
            location="nowhere",
            partition_column=self.name["at"],
            matures_after_days=0,
            freshness_hours=None,
            replay_days=0,
            retention_days={},
            expectations=(),
        )
        self.night = Night(folder, {"JetBlue": self.contract}, Store(str(folder / "vault")))

    def _column(self, name: str, kind: ColumnType) -> Column:
        return Column(
            name=self.name[name],
            type=kind,
            classification="internal",
            restricted=False,
            personal=None,
            treatment=Treatment.CLEAR,
            known_at=KnownAt(column=self.name["at"], offset=timedelta(hours=1))
            if name == "delay"
            else KnownAt(column=None),
            required=name in ("id", "at"),
            key=name == "id",
            description="",
        )

    @property
    def project(self) -> Project:
        name = self.name

        def population(JetBlue: Any) -> Any:  # noqa: N803
            return JetBlue.select(name["id"], name["at"], name["shop"], predicted_at=JetBlue[name["at"]])

        def label(JetBlue: Any) -> Any:  # noqa: N803
            return JetBlue.select(name["id"], label=JetBlue[name["delay"]])

        def known(JetBlue: Any, population: Any) -> Any:  # noqa: N803
            joined = population.join(JetBlue, name["id"])
            day = {} if name["id"] == "day" else {"day": JetBlue[name["x"]]}
            return joined.select(name["id"], word=population[name["shop"]], **day)

        return Project(
            name="rides",
            ownership=Ownership(
                owner="tests",
                purpose="Tests of names.",
            ),
            learning=Learning(
                target=Target(
                    dataset="JetBlue",
                    key=(name["id"],),
                    population=population,
                    label=label,
                    objective=Objective.REGRESSION,
                ),
                features=(FeatureGroup(name="known", build=known),),
                window=Window(days=6, validation_days=1, holdout_days=1),
                search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}),
            ),
            quality=Quality(
                gates=Gates(margin=0.1, floor_loss=1.0),
            ),
        )

    def rows(self, day: date) -> pa.Table:
        start = datetime(day.year, day.month, day.day)  # noqa: DTZ001 -- as stored
        numbers = range(ROWS)
        held = {
            "id": pa.array([day.day * 100 + number for number in numbers]),
            "at": pa.array([start + timedelta(minutes=30 * number) for number in numbers], pa.timestamp("us")),
            "x": pa.array([number * 37 % 11 / 4 for number in numbers]),
            "shop": pa.array([("north", "south", "west")[number * 7 % 3] for number in numbers]),
            "delay": pa.array([float(number * 53 % 17) for number in numbers]),
        }
        return pa.table({self.name[name]: values for name, values in held.items()})

    def snapshot(self) -> Snapshot:
        scope = scope_of(self.project, self.night.contracts)
        names = sorted(self.name.values())
        names = [name for name in names if name in scope.datasets[0].names]
        days = Days(first=FIRST, last=FIRST + (DAYS - 1) * DAY)
        parts = []
        for day in days:
            content = self.night.store.put(parquet_bytes(self.rows(day).select(names)))
            parts.append(
                Partition(
                    table="JetBlue", day=day, inputs=content, content=content, rows=ROWS, size_bytes=1, complete=True
                )
            )
        return Snapshot(
            project="rides", instant=INSTANT, scope=scope, days=days, last_matured=days.last, partitions=tuple(parts)
        )


@pytest.mark.parametrize(
    "names",
    [CAMEL, {"at": "day"}, {"id": "day"}, {"shop": "Day", "x": "label"}],
    ids=lambda names: ", ".join(f"{name} as {other}" for name, other in names.items()),
)
def test_features_and_scores_are_the_same_whatever_the_columns_are_called(
    names: dict[str, str], tmp_path: Path, plain: list[dict[str, Any]]
) -> None:
    assert built(Rides(tmp_path, names)) == plain


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return built(Rides(tmp_path_factory.mktemp("plain"), {}))


def built(rides: Rides) -> list[dict[str, Any]]:
    """Labels and features of a night, and of some of its rows scored, under their plain names."""
    snapshot = rides.snapshot()
    features = rides.night.build(rides.project, snapshot)
    tables = [rides.night.table(part) for part in features.partitions]
    some = rides.rows(FIRST + 3 * DAY).select(sorted(rides.name.values())).slice(0, 5)
    scored = scoring.features_of(
        some,
        snapshot,
        project=rides.project,
        contracts=rides.night.contracts,
        opened=rides.night.store,
        vault=rides.night.store,
    )
    return [
        {"id": row[rides.name["id"]], **{name: row[name] for name in ("predicted_at", "label", "word") if name in row}}
        for table in (*tables, scored)
        for row in table.to_pylist()
    ]
