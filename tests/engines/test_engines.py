"""What every engine gives for a project's queries: one suite, over the engines that nights run and a reference."""

import pickle
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
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
from include.engines.port import Becomes, LateValues, Part, Population, Query
from include.engines.spark import executor
from include.engines.spark.cluster import by_task
from include.engines.spark.engine import engine_over
from include.engines.spark.executor import Kind, Work, answers
from tests.data import orders as shop
from tests.engines.reference import ReferenceEngine, by_chance

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


class ThisProcess:
    """Executors that are this process. Work goes to them as bytes, as on a cluster, and comes back in disorder."""

    def done(self, work: Work) -> list[list[tuple[Kind, bytes]]]:
        there = pickle.loads(pickle.dumps(work))  # noqa: S301 -- our own, of this moment
        numbers = [pa.record_batch({"id": [number]}) for number in range(len(work.tasks))]
        found = list(answers(there, numbers))
        return by_task(pa.Table.from_batches(found[::-1]), len(work.tasks))


HERE = ThisProcess()


@dataclass(frozen=True)
class Stored:
    """A snapshot whose files lie in a folder."""

    folder: Path
    snapshot: Snapshot
    contracts: dict[str, Contract]

    def path(self, content: str) -> Path:
        return self.folder / content.removeprefix("sha256:")

    def reference(self) -> "AbstractContextManager[Engine]":
        return nullcontext(ReferenceEngine(self.snapshot, self.contracts, self.path))

    def duckdb(self) -> "AbstractContextManager[Engine]":
        return engines.opened(self.snapshot, self.contracts, self.path)

    def on_executors(self) -> "AbstractContextManager[Engine]":
        """The engine of a cluster whose executors are this process."""
        return engine_over(
            HERE,
            self.snapshot,
            self.contracts,
            self.path,
            partitions=None,
            engine=engines.opened,
            version=engines.version,
        )


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
        CONTRACTS,
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


Opened = Callable[[], "AbstractContextManager[Engine]"]


def part_of(days: Days, before: int) -> Part:
    return Part(days=days, seen=replace(days, first=days.first - before * DAY))


def require_same_rows(kept: Stored, opened: Opened, name: str, parts: Sequence[Part]) -> None:
    """What the reference gives for a query over some parts, the engine under test does too."""
    query, asked = QUERIES[name], [part.days for part in parts]
    with kept.reference() as reference, opened() as engine:
        expected_counts = reference.ask(POPULATION, asked)
        assert engine.ask(POPULATION, asked) == replace(expected_counts, by_day=dict(expected_counts.by_day))
        expected, found = list(reference.derive(query, parts)), list(engine.derive(query, parts))
        assert len(found) == len(parts)
        for (theirs, their_empty), (ours, our_empty) in zip(expected, found, strict=True):
            assert (sorted(rows_of(ours), key=repr), our_empty) == (sorted(rows_of(theirs), key=repr), their_empty)
            keys = [row[:3:2] for row in rows_of(ours)]
            assert keys == sorted(keys), "by day and key"
            if ours.num_rows:
                kinds = [str(ours.schema.field(column).type) for column in COLUMNS]
                assert kinds == ["string", "float", "float", "double"]
        with engine.beside() as other:
            again = [rows_of(table) for table, _ in other.derive(query, parts)]
            assert again == [rows_of(table) for table, _ in found]


@st.composite
def some_parts(draw: st.DrawFn) -> list[Part]:
    """One or two, with and without days between them."""
    first = draw(stretches())
    parts = [part_of(first, draw(st.integers(0, 3)))]
    left = (kept_days().last - first.last).days
    if left > 1:
        start = first.last + draw(st.integers(1, left)) * DAY
        parts.append(part_of(Days(first=start, last=kept_days().last), draw(st.integers(0, 3))))
    return parts


def kept_days() -> Days:
    return Days(first=FIRST.date(), last=(FIRST + (DAYS - 1) * DAY).date())


@settings(max_examples=12)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), parts=some_parts())
def test_every_engine_gives_the_same_for_a_query_over_the_same_days(
    rows: list[dict[str, Any]], name: str, parts: list[Part], folder: Path
) -> None:
    kept = stored(folder, rows, SHOP_ROWS)
    require_same_rows(kept, kept.duckdb, name, parts)


@settings(max_examples=5)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), parts=some_parts())
def test_an_engine_on_executors_gives_the_same_for_a_query_over_the_same_days(
    rows: list[dict[str, Any]], name: str, parts: list[Part], folder: Path
) -> None:
    kept = stored(folder, rows, SHOP_ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "_ROWS", 2)  # so that the rows of a part come back in several pieces
        require_same_rows(kept, kept.on_executors, name, parts)


def require_same_removals(kept: Stored, opened: Opened, name: str, instant: datetime, day: date) -> None:
    one, reach, query = Days(first=day, last=day), Days(first=day - DAY, last=day), QUERIES[name]
    found = []
    for each in (kept.reference, opened):
        with each() as engine:
            engine.ask(POPULATION, [kept.snapshot.days])
            times = engine.asked(day).column("predicted_at").to_pylist()
            assert times == sorted(times)
            asked = engine.asked_at(day, instant)
            engine.cut(dict.fromkeys(query.datasets, reach), instant, LateValues.REMOVED)
            known = engine.derive_known(query, one, reach)
            found.append([sorted(map(repr, rows_of(each))) for each in (asked, known)] + [engine.later(query.datasets)])
    assert found[0] == found[1]


@settings(max_examples=12)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), data=st.data())
def test_every_engine_removes_the_same_of_what_became_known_after_an_instant(
    rows: list[dict[str, Any]], name: str, data: st.DataObject, folder: Path
) -> None:
    """As of a moment at which some order was made or known, and of the day of that order or another."""
    kept = stored(folder, rows, SHOP_ROWS)
    moments = [row["at"] for row in rows] + [row["done_at"] + DONE.offset for row in rows if row["done_at"]]
    instant = data.draw(st.sampled_from(moments)).replace(tzinfo=UTC)
    day = data.draw(st.sampled_from([row["at"].date() for row in rows]))
    for opened in (kept.duckdb, kept.on_executors):
        require_same_removals(kept, opened, name, instant, day)


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


def disturbed(kept: Stored, which: str, hours: int, removed: Collection[str] = ()) -> dict[int, dict[str, Any]]:
    """The rows of :data:`MANY` by their ids, where what became known after some *hours* is disturbed."""
    instant, days = (FIRST + timedelta(hours=hours)).replace(tzinfo=UTC), kept.snapshot.days
    with getattr(kept, which)() as engine:
        engine.ask(POPULATION, [days])
        fixed = [("orders", name) for name in removed]
        engine.cut({"orders": days}, instant, LateValues.DISTURBED, removed=fixed)
        after: list[dict[str, Any]] = engine.derive_known(QUERIES["_of_the_row"], days, days).to_pylist()
    return {row["id"]: row for row in after}


@pytest.mark.parametrize("which", ["reference", "duckdb", "on_executors"])
@settings(max_examples=4)
@given(hours=st.integers(20, 80), removed=st.sets(st.sampled_from(["delay", "note"])))
def test_what_was_known_stays_however_the_rest_is_disturbed(
    which: str, hours: int, removed: set[str], folder: Path
) -> None:
    """A row that is there has of each column what it was, what another row has, or nothing."""
    after = disturbed(stored(folder, MANY, SHOP_ROWS), which, hours, removed)
    others = {"note": set(), "delay": set()}
    for row in MANY:
        known = row["done_at"] + DONE.offset <= FIRST + timedelta(hours=hours)
        for name, column in (("text", "note"), ("label", "delay")):
            if known:
                assert after[row["id"]][name] == row[column], "of what was known nothing changes"
            else:
                others[column].add(after[row["id"]][name])
    for column, given_values in others.items():
        assert given_values <= {None, *(row[column] for row in MANY)}
        assert (given_values == {None}) is (column in removed)


def test_every_engine_changes_values_of_the_same_rows_where_later_ones_are_disturbed(folder: Path) -> None:
    """Half of them, by the digests of their keys; of the others what became known later is null."""
    kept, instant = stored(folder, MANY, SHOP_ROWS), FIRST + timedelta(hours=40)
    unknown = [row for row in MANY if row["done_at"] + DONE.offset > instant]
    chosen = {row["id"] for row in unknown if by_chance(row, ORDERS)}
    assert 0.4 < len(chosen) / len(unknown) < 0.6
    for which in ("reference", "duckdb", "on_executors"):
        after = disturbed(kept, which, 40)
        given_values = {row["id"] for row in unknown if {after[row["id"]]["text"], after[row["id"]]["label"]} != {None}}
        assert given_values <= chosen
        assert len(given_values) > 0.7 * len(chosen)


@pytest.mark.parametrize("which", ["duckdb", "on_executors"])
def test_a_query_that_cannot_be_computed_is_told_by_its_columns_and_without_a_value(which: str, folder: Path) -> None:
    kept = stored(folder, [{"id": 1, "at": FIRST, "shop": "secret", "big": 0}], SHOP_ROWS)
    failing = TABLES["orders"].select(
        "id", text="shop", whole=TABLES["orders"].shop.cast("int64"), number="x", label="delay"
    )
    query = replace(QUERIES["_of_the_row"], sql=sql_of(failing))
    with getattr(kept, which)() as engine:
        engine.ask(POPULATION, [kept.snapshot.days])
        with pytest.raises(DataError) as told:
            list(engine.derive(query, [part_of(kept.snapshot.days, 0)]))
        assert "secret" not in str(told.value)
        assert told.value.__cause__ is None
        assert list(engine.failing(query)) == ["whole"]
