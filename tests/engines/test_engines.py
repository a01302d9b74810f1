"""What every engine gives for a project's queries: one suite, over the engine that nights run and a reference."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include import engines
from include.core.canonical import digest_of
from include.core.errors import DataError
from include.core.records import (
    DAY,
    Column,
    ColumnType,
    Contract,
    DatasetScope,
    Days,
    KnownAt,
    Partition,
    Scope,
    Snapshot,
    Treatment,
)
from include.declared import tables
from include.engines import Engine
from include.engines.dialect import sql_of
from include.engines.port import Becomes, LateValues, Population, Query
from tests.data import orders as shop
from tests.engines.reference import ReferenceEngine

FIRST = datetime(2026, 3, 1)  # noqa: DTZ001 -- as stored
DAYS = 5
ALWAYS, DONE = KnownAt(column=None), KnownAt(column="done_at", offset=timedelta(hours=1))


def _column(name: str, type_: ColumnType, known_at: KnownAt = ALWAYS, *, key: bool = False) -> Column:
    return replace(shop.CONTRACT.columns[0], name=name, type=type_, known_at=known_at, key=key)


ORDERS = replace(
    shop.CONTRACT,
    columns=(
        _column("id", ColumnType.INTEGER, key=True),
        _column("at", ColumnType.TIMESTAMP),
        _column("shop", ColumnType.STRING),
        _column("big", ColumnType.INTEGER),
        _column("x", ColumnType.NUMBER),
        _column("done_at", ColumnType.TIMESTAMP, replace(DONE, offset=timedelta(0))),
        _column("delay", ColumnType.NUMBER, DONE),
        _column("note", ColumnType.STRING, DONE),
    ),
)
SHOPS = replace(
    shop.CONTRACT,
    dataset="shops",
    partition_column=None,
    columns=(_column("name", ColumnType.STRING, key=True), _column("size", ColumnType.INTEGER)),
)
CONTRACTS: dict[str, Contract] = {"orders": ORDERS, "shops": SHOPS}
TYPES = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}
TABLES = tables(CONTRACTS, CONTRACTS)
POPULATION = Population(
    sql=sql_of(TABLES["orders"].select("id", "at", "shop", predicted_at=TABLES["orders"].at)),
    datasets=("orders",),
    columns=("id", "at", "shop", "predicted_at"),
    key=("id",),
    partition="at",
)
ASKED = ibis.table(
    {"id": "int64", "at": "timestamp(6)", "shop": "string", "predicted_at": "timestamp(6)"}, name="population"
)


def _of_the_row(orders: ibis.Table) -> ibis.Table:
    return orders.select("id", text=orders.note, whole=orders.big, number=orders.x * 1e30, label=orders.delay)


def _of_some_rows(orders: ibis.Table) -> ibis.Table:
    return _of_the_row(orders.filter(orders.big > 0))


def _repeated(orders: ibis.Table) -> ibis.Table:
    return _of_the_row(orders.union(orders.filter(orders.x > 0)))


def _without_key(orders: ibis.Table) -> ibis.Table:
    return _of_the_row(orders.mutate(id=orders.id.nullif(1)))


def _of_the_days_seen(orders: ibis.Table, population: ibis.Table) -> ibis.Table:
    by_shop = orders.group_by("shop").aggregate(
        text=orders.note.max(), whole=orders.big.max(), number=orders.count(), label=orders.delay.max()
    )
    return population.left_join(by_shop, "shop").select("id", "text", "whole", "number", "label")


def _of_the_order_before(orders: ibis.Table, population: ibis.Table) -> ibis.Table:
    past = orders.filter(orders.delay.notnull()).select("shop", predicted_at="done_at", delay="delay", big="big")
    found = population.asof_join(past, "predicted_at", predicates="shop")
    return found.select("id", text=found.shop, whole=found.big, number=found.delay, label=found.delay)


def _of_an_undivided_table(shops: ibis.Table, population: ibis.Table) -> ibis.Table:
    found = population.left_join(shops, population.shop == shops.name)
    return found.select("id", text=shops.name, whole=shops.size, number=shops.size / 3, label=shops.size)


COLUMNS = {"text": Becomes.TEXT, "whole": Becomes.INTEGER, "number": Becomes.NUMBER, "label": Becomes.LABEL}


def query_of(build: Callable[..., ibis.Table]) -> Query:
    named = build.__code__.co_varnames[: build.__code__.co_argcount]
    sql = sql_of(build(**{name: {**TABLES, "population": ASKED}[name] for name in named}))
    return Query(sql=sql, datasets=tuple(name for name in named if name != "population"), columns=COLUMNS)


QUERIES = {
    build.__name__: query_of(build)
    for build in (
        _of_the_row,
        _of_some_rows,
        _repeated,
        _without_key,
        _of_the_days_seen,
        _of_the_order_before,
        _of_an_undivided_table,
    )
}


@dataclass(frozen=True)
class Stored:
    """A snapshot whose files lie in a folder."""

    folder: Path
    snapshot: Snapshot

    def path(self, content: str) -> Path:
        return self.folder / content.removeprefix("sha256:")

    def reference(self) -> "AbstractContextManager[Engine]":
        return nullcontext(ReferenceEngine(self.snapshot, CONTRACTS, self.path))

    def duckdb(self) -> "AbstractContextManager[Engine]":
        return engines.opened(self.snapshot, CONTRACTS, self.path)


def stored(folder: Path, rows: list[dict[str, Any]], shops: list[dict[str, Any]]) -> Stored:
    parts = [("shops", None, shops)]
    parts += [
        ("orders", (FIRST + day * DAY).date(), [row for row in rows if row["at"].date() == (FIRST + day * DAY).date()])
        for day in range(DAYS)
    ]
    partitions = []
    for name, day, held in parts:
        schema = pa.schema([(column.name, TYPES[column.type]) for column in CONTRACTS[name].columns])
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(held, schema=schema), sink)
        data = sink.getvalue().to_pybytes()
        content = digest_of(data)
        (folder / content.removeprefix("sha256:")).write_bytes(data)
        partitions.append(
            Partition(
                table=name,
                day=day,
                inputs="",
                content=content,
                rows=len(held),
                size_bytes=len(data),
                complete=True,
            )
        )
    scope = Scope(
        project="p",
        purpose="",
        datasets=tuple(
            DatasetScope(
                dataset=name,
                contract_digest=contract.digest,
                columns=tuple((column.name, Treatment.CLEAR) for column in contract.columns),
                window_days=DAYS if contract.partition_column else None,
                copy_model=False,
            )
            for name, contract in CONTRACTS.items()
        ),
    )
    days = Days(first=FIRST.date(), last=(FIRST + (DAYS - 1) * DAY).date())
    return Stored(
        folder,
        Snapshot(
            project="p",
            instant=(FIRST + DAYS * DAY).replace(tzinfo=UTC),
            scope=scope,
            days=days,
            last_matured=days.last,
            partitions=tuple(partitions),
        ),
    )


NUMBERS = st.none() | st.sampled_from([0.0, -0.5, 1 / 3, 1e9, 3e38, float("nan"), float("inf"), -1e300])
MINUTES = st.integers(0, DAYS * 1440 - 1)


@st.composite
def orders(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some orders, most at times of their own, the first and the last moment of a day among them."""
    times = draw(st.lists(MINUTES | st.sampled_from([0, 1439, 1440, 2880]), min_size=1, max_size=14))
    return [
        {
            "id": number,
            "at": FIRST + timedelta(minutes=minutes),
            "shop": draw(st.sampled_from(["north", "south", "nowhere"])),
            "big": draw(st.sampled_from([0, 2**24 + 1, -(2**40) - 1])),
            "x": draw(NUMBERS),
            "done_at": draw(
                st.none() | st.sampled_from([FIRST + timedelta(minutes=minutes + m) for m in (0, 90, 2880)])
            ),
            "delay": draw(st.none() | st.sampled_from([0.0, 7.5, 1e300])),
            "note": draw(st.none() | st.sampled_from(["a", "b"])),
        }
        for number, minutes in enumerate(times)
    ]


SHOP_ROWS = [{"name": "north", "size": 3}, {"name": "south", "size": 2**30 + 1}]


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Its rows, by the names of its columns, none of which is NaN."""
    return [
        tuple(None if isinstance(value, float) and isnan(value) else value for value in row.values())
        for row in table.to_pylist()
    ]


@st.composite
def stretches(draw: st.DrawFn, within: int = DAYS) -> Days:
    first = draw(st.integers(0, within - 1))
    return Days(first=(FIRST + first * DAY).date(), last=(FIRST + draw(st.integers(first, within - 1)) * DAY).date())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("partitions")


@settings(max_examples=12)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), days=stretches(), before=st.integers(0, 3))
def test_every_engine_gives_the_same_for_a_query_over_the_same_days(
    rows: list[dict[str, Any]], name: str, days: Days, before: int, folder: Path
) -> None:
    kept, query = stored(folder, rows, SHOP_ROWS), QUERIES[name]
    seen = replace(days, first=days.first - before * DAY)
    with kept.reference() as reference, kept.duckdb() as engine:
        asked = reference.ask(POPULATION, [days])
        assert engine.ask(POPULATION, [days]) == replace(asked, by_day=dict(asked.by_day))
        expected, empty = reference.derive(query, days, seen)
        found, found_empty = engine.derive(query, days, seen)
        assert (sorted(rows_of(found), key=repr), found_empty) == (sorted(rows_of(expected), key=repr), empty)
        keys = [row[:3:2] for row in rows_of(found)]
        assert keys == sorted(keys), "by day and key"
        with engine.beside() as other:
            assert rows_of(other.derive(query, days, seen)[0]) == rows_of(found)
        if found.num_rows:
            kinds = [str(found.schema.field(column).type) for column in COLUMNS]
            assert kinds == ["string", "float", "float", "double"]


@settings(max_examples=12)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), data=st.data())
def test_every_engine_removes_the_same_of_what_became_known_after_an_instant(
    rows: list[dict[str, Any]], name: str, data: st.DataObject, folder: Path
) -> None:
    """As of a moment at which some order was made or known, and of the day of that order or another."""
    kept, query = stored(folder, rows, SHOP_ROWS), QUERIES[name]
    moments = [row["at"] for row in rows] + [row["done_at"] + DONE.offset for row in rows if row["done_at"]]
    instant = data.draw(st.sampled_from(moments)).replace(tzinfo=UTC)
    day = data.draw(st.sampled_from([row["at"].date() for row in rows]))
    one, reach = Days(first=day, last=day), Days(first=day - DAY, last=day)
    found = []
    for opened in (kept.reference, kept.duckdb):
        with opened() as engine:
            engine.ask(POPULATION, [kept.snapshot.days])
            times = engine.asked(day).column("predicted_at").to_pylist()
            assert times == sorted(times)
            asked = engine.asked_at(day, instant)
            engine.cut(dict.fromkeys(query.datasets, reach), instant, LateValues.REMOVED)
            known = engine.derive_known(query, one, reach)
            found.append([sorted(map(repr, rows_of(each))) for each in (asked, known)] + [engine.later(query.datasets)])
    assert found[0] == found[1]


#: Enough for every other row to lie before one of another value.
MANY: list[dict[str, Any]] = [
    {
        "id": place,
        "at": FIRST + timedelta(minutes=25 * place),
        "shop": "north",
        "big": 0,
        "x": 0.0,
        "done_at": FIRST + timedelta(minutes=25 * place + 480),
        "delay": float(place * 7919 % 31),
        "note": "abcdefg"[place % 7],
    }
    for place in range(280)
]


@pytest.mark.parametrize("which", ["reference", "duckdb"])
@settings(max_examples=4)
@given(hours=st.integers(20, 80), removed=st.sets(st.sampled_from(["delay", "note"])))
def test_what_was_known_stays_however_the_rest_is_disturbed(
    which: str, hours: int, removed: set[str], folder: Path
) -> None:
    """A row that is there has of each column what it was, what another row has, or nothing."""
    kept, query = stored(folder, MANY, SHOP_ROWS), QUERIES["_of_the_row"]
    instant, days = (FIRST + timedelta(hours=hours)).replace(tzinfo=UTC), kept.snapshot.days
    with getattr(kept, which)() as engine:
        engine.ask(POPULATION, [days])
        fixed = [("orders", name) for name in removed]
        engine.cut({"orders": days}, instant, LateValues.DISTURBED, removed=fixed)
        after = {row["id"]: row for row in engine.derive_known(query, days, days).to_pylist()}
    others = {"note": set(), "delay": set()}
    for row in MANY:
        known = (row["done_at"] + DONE.offset).replace(tzinfo=UTC) <= instant
        for name, column in (("text", "note"), ("label", "delay")):
            if known:
                assert after[row["id"]][name] == row[column], "of what was known nothing changes"
            else:
                others[column].add(after[row["id"]][name])
    for column, given_values in others.items():
        assert given_values <= {None, *(row[column] for row in MANY)}
        assert (given_values == {None}) is (column in removed)


def test_a_query_that_cannot_be_computed_is_told_by_its_columns_and_without_a_value(folder: Path) -> None:
    kept = stored(folder, [{"id": 1, "at": FIRST, "shop": "secret", "big": 0}], SHOP_ROWS)
    failing = TABLES["orders"].select(
        "id", text="shop", whole=TABLES["orders"].shop.cast("int64"), number="x", label="delay"
    )
    query = replace(QUERIES["_of_the_row"], sql=sql_of(failing))
    with kept.duckdb() as engine:
        engine.ask(POPULATION, [kept.snapshot.days])
        with pytest.raises(DataError) as told:
            engine.derive(query, kept.snapshot.days, kept.snapshot.days)
        assert "secret" not in str(told.value)
        assert told.value.__cause__ is None
        assert list(engine.failing(query)) == ["whole"]
