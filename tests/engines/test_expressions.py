"""What an expression gives in every engine: generated ones, and where engines are known to differ, as the page says."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DataError
from include.engines.dialect import sql_of
from include.engines.port import Becomes, Query
from tests.engines.test_engines import (
    DAYS,
    FIRST,
    POPULATION,
    SHOP_ROWS,
    TABLES,
    Opened,
    Stored,
    orders,
    part_of,
    rows_of,
    stored,
)

Value = Any  # of Ibis, which publishes no types
ORDERS = TABLES["orders"]


# ── generated expressions ─────────────────────────────────────────────────────────────────────────────────────────────


def numbers(seed: int, count: int) -> list[Value]:
    """Expressions that give numbers, a function of *seed*. None of them is an error, whatever its columns hold."""
    chance = Random(seed)
    return [_number(chance, depth=3) for _ in range(count)]


def _number(chance: Random, depth: int) -> Value:
    if not depth or chance.random() < 0.15:
        return chance.choice(_leaves())
    one, other = (_number(chance, depth - 1).cast("float64") for _ in range(2))
    return chance.choice(
        [
            one + other,
            one * other,
            one / other,
            ibis.ifelse(one < other, one, other),
            ibis.greatest(one, other),
            one.fill_null(other),
            (one >= other).cast("int8"),
            one.try_cast("int64"),
            one.abs().sqrt(),
            one.isnull().cast("int8"),
        ]
    )


def _leaves() -> list[Value]:
    hour, weekday = ORDERS.at.hour(), ORDERS.at.day_of_week.index()
    of_the_day = ibis.window(group_by=[ORDERS.shop, ORDERS.at.date()])
    before = ibis.window(group_by=ORDERS.shop, order_by=ORDERS.id)
    return [
        *(ORDERS.big, ORDERS.x, ORDERS.delay, ORDERS.id, ORDERS.note.length(), ORDERS.done_at.epoch_seconds()),
        *(hour % -3, -weekday // 4, -weekday % 4),
        *(ORDERS.done_at.delta(ORDERS.at, unit=unit) for unit in ("hour", "day", "minute")),
        *(getattr(ORDERS.x, figure)().over(of_the_day) for figure in ("sum", "mean", "min", "max", "first")),
        *(ORDERS.count().over(of_the_day), ORDERS.big.sum().over(of_the_day), ORDERS.delay.lag().over(before)),
        *(ibis.rank().over(before), ORDERS.x.cummax()),
    ]


def query_of(values: list[Value], text: Value = ORDERS.shop) -> Query:
    """The query for *values*, as features, and a *text*."""
    names = [f"value_{place}" for place in range(len(values))]
    table = ORDERS.select("id", text=text, **dict(zip(names, values, strict=True)))
    kinds = {
        name: Becomes.INTEGER if value.type().is_integer() else Becomes.NUMBER
        for name, value in zip(names, values, strict=True)
    }
    return Query(sql=sql_of(table), datasets=("orders",), columns={"text": Becomes.TEXT, **kinds})


def given_by(kept: Stored, opened: Opened, query: Query, lengths: list[int]) -> list[str] | str:
    """The rows of all days, in parts of some days each; or that they cannot be computed."""
    days, parts = kept.snapshot.days, []
    first = days.first
    for length in lengths:
        last = min(first + timedelta(days=length - 1), days.last)
        parts.append(part_of(replace(days, first=first, last=last), 0))
        first = last + timedelta(days=1)
        if first > days.last:
            break
    with opened() as engine:
        engine.ask(POPULATION, [part.days for part in parts])
        try:
            return [repr(row) for table, _ in engine.derive(query, parts) for row in rows_of(table)]
        except DataError:
            return "an error"


LENGTHS = st.lists(st.integers(1, 3), min_size=DAYS, max_size=DAYS)
TEXTS = {
    "upper": ORDERS.shop.upper(),
    "filled": ORDERS.note.fill_null("none"),
    "joined": ORDERS.shop.substr(1, 2) + ORDERS.note,
    "day": ORDERS.at.strftime("%d"),
}


@settings(max_examples=5)
@given(rows=orders(), seed=st.integers(0, 2**32), text=st.sampled_from(sorted(TEXTS)), lengths=LENGTHS)
def test_an_expression_gives_the_same_in_every_engine(
    rows: list[dict[str, Any]], seed: int, text: str, lengths: list[int], folder: Path
) -> None:
    kept, query = stored(folder, rows, SHOP_ROWS), query_of(numbers(seed, 4), TEXTS[text])
    expected = given_by(kept, kept.reference, query, lengths)
    assert given_by(kept, kept.duckdb, query, lengths) == expected
    assert given_by(kept, kept.on_executors, query, lengths) == expected


# ── where engines are known to differ ─────────────────────────────────────────────────────────────────────────────────

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
#: The row that the page speaks of.
ROW = {
    "id": 1,
    "at": FIRST + timedelta(hours=10, minutes=59),
    "shop": "North",
    "big": -1,
    "x": 2.5,
    "done_at": FIRST + timedelta(hours=11, minutes=1),
    "delay": 0.0,
    "note": None,
}


def documented() -> dict[str, str]:
    """Each expression of the page's table, and what the page says that it gives."""
    return dict(
        re.findall(r"^\| `([^`]*orders\.[^`]*)` \| `?([^|`]+?)`?(?: \([^|]*\))? \|$", PAGE.read_text(), re.MULTILINE)
    )


def computed(kept: Stored, opened: Opened, expressions: Collection[str]) -> dict[str, str]:
    """What *expressions* give, all in one query over the page's row, as the page writes it."""
    values = {f"value_{place}": eval(each, {"orders": ORDERS, "ibis": ibis}) for place, each in enumerate(expressions)}  # noqa: S307 -- our own page
    kinds = {name: Becomes.TEXT if value.type().is_string() else Becomes.NUMBER for name, value in values.items()}
    query = Query(sql=sql_of(ORDERS.select("id", **values)), datasets=("orders",), columns=kinds)
    with opened() as engine:
        engine.ask(POPULATION, [kept.snapshot.days])
        try:
            ((table, _),) = engine.derive(query, [part_of(kept.snapshot.days, 0)])
        except DataError:
            return dict.fromkeys(expressions, "an error")
    (row,) = table.to_pylist()
    found = ("null" if row[name] is None else str(row[name]).removesuffix(".0") for name in values)
    return dict(zip(expressions, found, strict=True))


def require_as_documented(kept: Stored, opened: Opened) -> None:
    """Whatever fails fails its whole query, and is asked for alone."""
    told = documented()
    assert len(told) >= 12
    alone = [[each] for each, gives in told.items() if gives == "an error"]
    together = [each for each, gives in told.items() if gives != "an error"]
    for expressions in (together, *alone):
        assert computed(kept, opened, expressions) == {each: told[each] for each in expressions}


@pytest.mark.parametrize("which", ["duckdb", "on_executors"])
def test_where_engines_are_known_to_differ_every_engine_here_gives_what_the_page_says(which: str, folder: Path) -> None:
    kept = stored(folder, [ROW], SHOP_ROWS)
    require_as_documented(kept, getattr(kept, which))
