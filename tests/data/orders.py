"""A small shop: 14 days of 40 orders, whose outcomes are known eight hours after each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

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
from include.core.records import DAY, Column, ColumnType, Contract, KnownAt, Treatment

FIRST = datetime(2026, 3, 1)  # noqa: DTZ001 -- as stored
INSTANT = datetime(2026, 3, 15, 12, tzinfo=UTC)
KEY = ("id",)
DAYS, ROWS = 14, 40


def _column(name: str, type_: ColumnType, known_at: KnownAt, *, key: bool = False) -> Column:
    return Column(
        name=name,
        type=type_,
        classification="internal",
        restricted=False,
        personal=None,
        treatment=Treatment.CLEAR,
        known_at=known_at,
        required=key,
        key=key,
        description="",
    )


ALWAYS, DONE = KnownAt(column=None), KnownAt(column="done_at")
CONTRACT = Contract(
    dataset="orders",
    version="1.0.0",
    digest="sha256:" + "1" * 64,
    columns=(
        _column("id", ColumnType.INTEGER, ALWAYS, key=True),
        _column("at", ColumnType.TIMESTAMP, ALWAYS),
        _column("shop", ColumnType.STRING, ALWAYS),
        _column("big", ColumnType.INTEGER, ALWAYS),
        _column("x", ColumnType.NUMBER, ALWAYS),
        _column("done_at", ColumnType.TIMESTAMP, DONE),
        _column("code", ColumnType.STRING, DONE),
        _column("document", ColumnType.STRING, DONE),
        _column("day_text", ColumnType.STRING, DONE),
        _column("mixed", ColumnType.STRING, DONE),
        _column("hash_text", ColumnType.STRING, DONE),
        _column("small", ColumnType.INTEGER, DONE),
        _column("closed", ColumnType.BOOLEAN, DONE),
        _column("delay", ColumnType.NUMBER, DONE),
    ),
    stewards=("steward",),
    location="${TRAINYARD_PRODUCTION}/orders",
    partition_column="at",
    matures_after_days=0,
    freshness_hours=None,
    replay_days=0,
    retention_days={},
    expectations=(),
)


def land_orders(production: Path) -> None:
    """Write all days. A ``mixed`` text is a number in the shop ``north``, and a word elsewhere."""
    for day in range(DAYS):
        places = [day * ROWS + row for row in range(ROWS)]
        at = [FIRST + day * DAY + timedelta(minutes=36 * row) for row in range(ROWS)]
        shops = [("north", "south", "west")[place % 3] for place in places]
        table = pa.table(
            {
                "id": places,
                "at": pa.array(at, pa.timestamp("us")),
                "shop": shops,
                "big": [2**24 + 1 + place for place in places],
                "x": [float(place % 5) for place in places],
                "done_at": pa.array([moment + timedelta(hours=8) for moment in at], pa.timestamp("us")),
                "code": [f"{place % 90:03d}" for place in places],
                "document": [f'{{"n": {place % 7}}}' for place in places],
                "day_text": [f"2026-02-{1 + place % 28:02d}" for place in places],
                "mixed": [
                    {"north": str(place % 4), "south": "unknown", "west": "none"}[shop]
                    for place, shop in zip(places, shops, strict=True)
                ],
                "hash_text": [str(2**63 - 1 - place) for place in places],
                "small": [place % 100 for place in places],
                "closed": [place % 50 == 0 for place in places],
                "delay": [float(place * 7919 % 31) for place in places],
            }
        )
        file = production / "orders" / f"day={(FIRST + day * DAY).date()}" / "part.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(table, file)


def _population(orders: ibis.Table) -> ibis.Table:
    return orders.select("id", "at", predicted_at=orders.at)


def _late(orders: ibis.Table) -> ibis.Table:
    return orders.select("id", label=(orders.delay >= 15).cast("int64"))


def project(*builds: Callable[..., ibis.Table], label: Callable[..., ibis.Table] = _late) -> Project:
    """A project with a group a function, called like it."""
    return Project(
        name="orders_late",
        ownership=Ownership(
            owner="tests",
            purpose="Tests of the data room.",
        ),
        learning=Learning(
            target=Target(
                dataset="orders",
                key=KEY,
                population=_population,
                label=label,
                objective=Objective.BINARY if label is _late else Objective.REGRESSION,
            ),
            features=tuple(FeatureGroup(name=build.__name__, build=build, lookback_days=1) for build in builds),
            window=Window(days=8, validation_days=2, holdout_days=2),
            search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}),
        ),
        quality=Quality(
            gates=Gates(margin=0.1, floor_loss=1.0),
        ),
    )


def of_the_day_before(name: str, **values: Callable[[ibis.Table], ibis.Value]) -> Callable[..., ibis.Table]:
    """A group of the means of *values* over the shop's orders of the day before that were done by its end."""

    def build(orders: ibis.Table) -> ibis.Table:
        end = orders.at.truncate("D") + ibis.interval(days=1)
        done = orders.filter(orders.done_at < end)
        by_day = done.group_by(shop=done.shop, next=done.at.date() + ibis.interval(days=1))
        means = by_day.aggregate(**{each: value(done).mean() for each, value in values.items()})
        keyed = orders.mutate(on=orders.at.date())
        joined = keyed.left_join(means, [keyed.shop == means.shop, keyed.on == means.next])
        return joined.select("id", *values)

    build.__name__ = name
    return build
