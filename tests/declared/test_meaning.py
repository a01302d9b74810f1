"""A column's definition is its own: what stands beside it, and how it is written, do not count; what it means does."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import chain, product
from typing import Any

import duckdb
import ibis
import pytest

from include.core.project import FeatureGroup, Project
from include.core.records import Contract, DatasetScope, Scope
from include.declared import sql_of, tables
from include.declared.compiled import declared
from include.declared.meaning import Meaning
from include.projects import flight_delay, temperature_tomorrow
from include.settings import ROOT

FLIGHTS = flight_delay.PROJECT
KEY = FLIGHTS.learning.target.key
Build = Callable[..., ibis.Table]


def everything(contracts: dict[str, Contract]) -> Scope:
    """All columns that may be read: to derive what is read takes longer than to compile it."""
    datasets = (
        DatasetScope(
            dataset=contract.dataset,
            contract_digest=contract.digest,
            columns=tuple((column.name, column.treatment) for column in contract.columns),
            window_days=None,
        )
        for contract in contracts.values()
    )
    return Scope(project="any", purpose="any", datasets=tuple(datasets))


def definitions(project: Project, contracts: dict[str, Contract]) -> dict[str, str]:
    made = declared(project, contracts, everything(contracts))
    return {
        name: definition
        for table in (made.label, *made.groups)
        for name, definition in zip(table.names, table.definitions, strict=True)
    }


def of(build: Build, contracts: dict[str, Contract], lookback_days: int = 1) -> dict[str, str]:
    group = FeatureGroup(name="group", build=build, lookback_days=lookback_days)
    return definitions(FLIGHTS.varied(features=(group,), expectations=()), contracts)


def _crowd(table: Any) -> Any:
    return table.count().over(ibis.window(group_by=[table.origin, table.hour]))


def plain(flights: Any) -> Any:
    near = flights.filter(flights.distance < 900, flights.carrier.isin(["UA", "AA"]))
    return near.select(*KEY, miles=near.distance, crowd=_crowd(near), far=near.distance > 500)


def beside_another(flights: Any) -> Any:
    near = flights.filter(flights.distance < 900, flights.carrier.isin(["UA", "AA"]))
    return near.select(*KEY, minute=near.minute, miles=near.distance, crowd=_crowd(near), far=near.distance > 500)


def behind_others(flights: Any) -> Any:
    near = flights.filter(flights.carrier.isin({"AA", "UA"})).filter(lambda table: table.distance < 900)
    more = near.mutate(twice=near.hour * 2, miles=near.distance, mean=near.hour.mean().over(ibis.window()))
    return more.select("twice", "mean", *KEY, "miles", crowd=_crowd(more), far=more.miles > 500)


def joined_to_more(flights: Any, weather: Any) -> Any:
    near = flights.filter(flights.distance < 900, flights.carrier.isin(["UA", "AA"]))
    warmest = weather.group_by("origin").agg(warmest=weather.temp.max())
    joined = near.left_join(warmest, near.origin == warmest.origin)
    table = joined.select(*(near[name] for name in KEY), "warmest", "distance", "hour")
    return table.select(*KEY, "warmest", miles=table.distance, crowd=_crowd(table), far=table.distance > 500)


@pytest.mark.parametrize("build", [beside_another, behind_others, joined_to_more], ids=lambda build: build.__name__)
def test_a_definition_stays_however_many_features_come_beside_it(build: Build, contracts: dict[str, Contract]) -> None:
    before, after = of(plain, contracts), of(build, contracts)
    assert before.items() <= after.items()
    assert len(after) > len(before)


@pytest.mark.parametrize(
    ("build", "changed"),
    [
        (lambda flights: plain(flights.filter(flights.hour > 3)), {"miles", "crowd", "far"}),
        (lambda flights: plain(flights.mutate(distance=flights.distance * 2)), {"miles", "crowd", "far"}),
        (lambda flights: plain(flights.mutate(hour=flights.hour + 1)), {"crowd"}),
        (lambda flights: plain(flights).mutate(far=ibis._.miles > 501), {"far"}),
        (lambda flights: plain(flights).mutate(far=ibis._.miles >= 500), {"far"}),
        (lambda flights: plain(flights).mutate(crowd=ibis._.crowd.cast("string")), {"crowd"}),
        (lambda flights: plain(flights).distinct(), {"miles", "crowd", "far"}),
        (lambda flights: plain(flights).order_by("miles").limit(5), {"miles", "crowd", "far"}),
        (lambda flights: plain(flights).mutate(carrier=ibis._.carrier.lower()), {"miles", "crowd", "far"}),
        (lambda flights, planes: plain(flights.join(planes, "tailnum")), {"miles", "crowd", "far"}),
    ],
    ids=["filter", "source", "window", "literal", "comparison", "type", "distinct", "limit", "key", "inner join"],
)
def test_a_definition_changes_with_what_the_column_means(
    build: Build, changed: set[str], contracts: dict[str, Contract]
) -> None:
    before, after = of(plain, contracts), of(build, contracts)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_definition_changes_with_the_lookback_and_with_the_rows_that_are_asked_for(
    contracts: dict[str, Contract],
) -> None:
    before = of(plain, contracts)
    assert not before.items() & (of(plain, contracts, lookback_days=2).items() - {("label", before["label"])})

    def later(flights: Any) -> Any:
        asked = FLIGHTS.learning.target.population(flights)
        return asked.mutate(predicted_at=asked.predicted_at + ibis.interval(minutes=1))

    moved = FLIGHTS.varied(target=replace(FLIGHTS.learning.target, population=later))
    assert not definitions(moved, contracts).items() & definitions(FLIGHTS, contracts).items()


def test_where_a_looked_up_column_comes_from_is_part_of_its_definition(contracts: dict[str, Contract]) -> None:
    def build(by: str, figure: str) -> Build:
        def looked_up(flights: Any) -> Any:
            rates = flights.group_by(by).agg(rate=flights[figure].mean())
            return flights.left_join(rates, flights[by] == rates[by]).select(*(flights[name] for name in KEY), "rate")

        return looked_up

    pairs = [("origin", "distance"), ("dest", "distance"), ("origin", "hour")]
    assert len({of(build(*pair), contracts)["rate"] for pair in pairs}) == 3


def test_a_definition_is_the_same_whatever_else_was_defined_before(contracts: dict[str, Contract]) -> None:
    def build(by: str) -> Build:
        def looked_up(flights: Any) -> Any:
            rates = flights.group_by("origin").agg(rate=flights.distance.mean())
            return flights.left_join(rates, flights[by] == rates.origin).select(
                *(flights[name] for name in KEY), **{f"by_{by}": rates.rate}
            )

        return looked_up

    groups = tuple(FeatureGroup(name=f"by_{by}", build=build(by)) for by in ("origin", "dest"))
    alone = [definitions(FLIGHTS.varied(features=(group,)), contracts)[group.name] for group in groups]
    for order in (groups, groups[::-1]):
        found = definitions(FLIGHTS.varied(features=order), contracts)
        assert [found[group.name] for group in groups] == alone
    assert alone[0] != alone[1]


def test_a_filter_by_a_window_beside_another_filter_is_not_one_before_it(contracts: dict[str, Contract]) -> None:
    def first(flights: Any) -> Any:
        return ibis.row_number().over(order_by=flights.distance) < 9

    def beside(flights: Any) -> Any:  # the window is over the rows that the other lets pass
        return flights.filter(flights.hour > 3, first(flights)).select(*KEY, miles=ibis._.distance)

    def before(flights: Any) -> Any:
        return flights.filter(first(flights)).filter(ibis._.hour > 3).select(*KEY, miles=ibis._.distance)

    assert of(beside, contracts)["miles"] != of(before, contracts)["miles"]


def test_no_expression_is_too_deep_to_be_defined() -> None:
    table = ibis.table({"id": "int64", "a": "int64"}, name="rows")
    total, steps = table.a, table
    for number in range(400):
        total = total + number
        steps = steps.mutate(a=steps.a + number)
    meaning = Meaning(table.select("id"), key=("id",), others=())
    assert len({meaning.definition(made, "a", lookback_days=0) for made in (steps, table.mutate(a=total))}) == 1


def test_a_table_beside_itself_is_another(contracts: dict[str, Contract]) -> None:
    def build(compare: Callable[[Any, Any], Any]) -> Build:
        def earlier(flights: Any) -> Any:
            other = flights.view()
            found = other.filter(other.origin == flights.origin, compare(flights, other))
            return flights.select(*KEY, n=found.count().as_scalar())

        return earlier

    one = of(build(lambda flights, other: flights.hour > other.minute), contracts)
    two = of(build(lambda flights, other: other.hour > flights.minute), contracts)
    assert one["n"] != two["n"]


def _means(table: Any) -> Any:
    return table.group_by("b").agg(mean=table.a.mean())


STEPS: tuple[Callable[[Any], Any], ...] = (
    lambda table: table.filter(table.a > 2),
    lambda table: table.filter(table.b < 4),
    lambda table: table.filter(table.a > table.a.mean()),
    lambda table: table.mutate(a=table.a + table.b),
    lambda table: table.mutate(a=table.count().over(ibis.window(group_by=table.b))),
    lambda table: table.order_by("a", "id").limit(9),
    lambda table: table.left_join(_means(table), "b").select("id", "b", a=ibis._.mean),
    lambda table: table.left_join(_means(table), "b").select("id", "a", "b"),
    lambda table: table.join(table.filter(table.a > 4).view(), "id").select("id", "a", b="b_right"),
)


def test_expressions_of_one_definition_give_the_same_values() -> None:
    table = ibis.table({"id": "int64", "a": "int64", "b": "int64"}, name="rows")
    meaning = Meaning(table.select("id"), key=("id",), others=())
    values: dict[str, set[tuple[object, ...]]] = {}
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE TABLE rows AS SELECT i AS id, i * 37 % 11 AS a, i * 17 % 7 AS b FROM range(30) r(i)")
        ways = [*((step,) for step in STEPS), *product(STEPS, STEPS)]
        for steps in ways:
            built = reduce(lambda made, step: step(made), steps, table)
            found = sorted(connection.execute(sql_of(built.select("id", "a"))).fetchall())
            values.setdefault(meaning.definition(built, "a", lookback_days=0), set()).add(tuple(found))
    assert all(len(found) == 1 for found in values.values())
    assert len({*chain(*values.values())}) < len(values) < len(ways)


@pytest.mark.parametrize("project", [FLIGHTS, temperature_tomorrow.PROJECT], ids=lambda project: project.name)
def test_no_two_features_of_the_house_have_one_definition(project: Project, contracts: dict[str, Contract]) -> None:
    found = definitions(project, contracts)
    assert len({*found.values()}) == len(found)


def test_a_list_is_run_in_order_and_kept_as_it_was_written_where_an_earlier_release_did(
    contracts: dict[str, Contract],
) -> None:
    flights = tables(contracts, ["flights"])["flights"]

    def sql(*names: str, **options: bool) -> str:
        return sql_of(flights.filter(flights.origin.notin(list(names))), **options)

    assert sql("LGA", "EWR") == sql("EWR", "LGA") == sql("EWR", "LGA", as_written=True)
    assert "'LGA', 'EWR'" in sql("LGA", "EWR", as_written=True)


SETS = """
from dataclasses import replace
import ibis
from include.contracts import load_folder
from include.core.project import FeatureGroup
from include.declared.compiled import declared
from include.projects.flight_delay import PROJECT
from include.settings import ROOT
from tests.declared.test_meaning import everything

KEY = PROJECT.learning.target.key

def build(flights):
    near = flights.filter({flights.hour > 3, flights.minute < 50, flights.origin.isin({"JFK", "LGA", "EWR"})})
    chosen = near.select({*KEY, "dest", "hour", "minute", "distance"})
    means = chosen.group_by({"dest", "hour"}).agg(mean=chosen.distance.mean())
    joined = chosen.left_join(means, {"dest", "hour"})
    among = ibis.window(group_by={chosen.dest, chosen.hour})
    table = joined.select(*KEY, far=joined.dest.notin({"SFO", "LAX", "SEA"}), mean=joined.mean)
    return table.mutate(n=table.count().over(ibis.window(group_by={table.carrier, table.origin})))

def listed(flights):
    return flights.select(*KEY, far=flights.dest.isin({"SFO", "LAX", "SEA", "SAN", "PDX"}))

contracts = load_folder(ROOT / "include" / "contracts")
groups = FeatureGroup(name="sets", build=build), FeatureGroup(name="listed", build=listed)
project = PROJECT.varied(features=(groups[0],))
print(declared(project, contracts, everything(contracts)).groups[0].definitions)
print(declared(PROJECT.varied(features=(groups[1],)), contracts, everything(contracts)))
"""


def test_what_a_set_of_python_means_is_the_same_in_every_process() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SETS],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    one, other = (process.communicate()[0] for process in processes)
    assert "sha256:" in one
    assert one == other
