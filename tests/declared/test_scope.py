import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.contracts import load_folder
from include.core.errors import ContractError, DeclarationError
from include.core.project import Expectation, FeatureGroup, Project
from include.core.records import Contract, Scope, Treatment
from include.declared import column_lineage, expressions_of, scope_of, tables
from include.declared.declaration import digest_of
from include.declared.reads import columns_read
from include.projects import flight_delay, temperature_tomorrow
from tests.declared.conftest import CONTRACTS

PROJECTS = (flight_delay.PROJECT, temperature_tomorrow.PROJECT)
KEY = flight_delay.PROJECT.learning.target.key


def _with(build: Callable[..., ibis.Table]) -> Project:
    group = FeatureGroup(name="group", build=build)
    return flight_delay.PROJECT.varied(features=(group,), expectations=())


def _names(scope: Scope, dataset: str) -> set[str]:
    found = scope.dataset(dataset)
    return set(found.names) if found else set()


def _without(scope: Scope, dataset: str, column: str) -> Scope:
    return replace(
        scope,
        datasets=tuple(
            replace(held, columns=tuple(item for item in held.columns if item[0] != column))
            if held.dataset == dataset
            else held
            for held in scope.datasets
        ),
    )


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_project_runs_on_its_scopes_columns_and_on_no_fewer_of_those_it_reads(
    project: Project, contracts: dict[str, Contract]
) -> None:
    scope = scope_of(project, contracts)
    expressions = expressions_of(project, contracts, scope=scope)  # would raise if a column were missing
    read = {place for expression in expressions.all for place in columns_read(expression, contracts)}
    assert read
    for dataset, column in sorted(read):
        with pytest.raises(DeclarationError, match=rf"(features|target)\..*{column}"):
            expressions_of(project, contracts, scope=_without(scope, dataset, column))


_OUTCOMES = ("departure_delay", "arrival_delay", "air_time")
_SCHEDULE = ("distance", "hour", "minute")


@given(
    chosen=st.sets(st.sampled_from(_SCHEDULE + _OUTCOMES), min_size=1),
    filtered=st.sampled_from((*_SCHEDULE, None)),
    ordered=st.sampled_from((*_OUTCOMES, None)),
    joined=st.booleans(),
    passed_on=st.booleans(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_scope_is_what_outputs_filters_joins_and_orders_read_and_no_column_more(
    chosen: Collection[str],
    filtered: str | None,
    ordered: str | None,
    joined: bool,
    passed_on: bool,
    contracts: dict[str, Contract],
) -> None:
    def build(flights: ibis.Table, planes: ibis.Table) -> ibis.Table:
        table = flights
        if passed_on:  # an inner query that passes every column on
            table = table.mutate(twice=table.distance * 2).filter(ibis._.twice > 0)
        if filtered:
            table = table.filter(table[filtered] > 0)
        outputs = {f"f_{name}": table[name] for name in sorted(chosen)}
        if ordered:
            outputs["rank"] = ibis.rank().over(ibis.window(order_by=table[ordered]))
        if joined:
            return table.left_join(planes, "tailnum").select(*KEY, **outputs, seats=ibis._.seats)
        return table.select(*KEY, **outputs)

    project = _with(build)
    scope = scope_of(project, contracts)
    expected = {*KEY, *chosen, "arrival_delay", "outcome_recorded_at"}
    expected |= ({filtered} - {None}) | ({ordered} - {None}) | ({"distance"} if passed_on else set())
    assert _names(scope, "flights") == expected | ({"tailnum"} if joined else set())
    assert _names(scope, "planes") == ({"tailnum", "seats"} if joined else set())
    expressions_of(project, contracts, scope=scope)


def test_a_column_that_a_function_only_names_is_in_the_scope_so_that_the_function_can_be_called(
    contracts: dict[str, Contract],
) -> None:
    def build(flights: ibis.Table, airports: ibis.Table) -> ibis.Table:
        inner = flights.select(*KEY, "minute", "dest", twice=flights.hour * 2)
        ranked = inner.mutate(place=ibis.row_number().over(ibis.window(group_by=inner.dest)))
        return ranked.filter(ranked.place < airports.count().as_scalar()).select(*KEY, "twice")

    scope = scope_of(_with(build), contracts)
    assert {"hour", "dest", "minute"} <= _names(scope, "flights")
    assert "distance" not in _names(scope, "flights")
    assert _names(scope, "airports") == {"faa"}
    expressions_of(_with(build), contracts, scope=scope)


def test_a_read_value_brings_the_time_at_which_it_is_known_and_the_key(contracts: dict[str, Contract]) -> None:
    scope = scope_of(flight_delay.PROJECT, contracts)
    assert "outcome_recorded_at" in _names(scope, "flights")  # by arrival_delay
    for dataset in scope.datasets:
        contract = contracts[dataset.dataset]
        assert set(contract.key) <= set(dataset.names)
        assert contract.partition_column is None or contract.partition_column in dataset.names
        assert dataset.contract_digest == contract.digest
        assert dataset.columns == tuple(sorted(dataset.columns))


def test_an_expectations_columns_are_in_the_scope(contracts: dict[str, Contract]) -> None:
    def nothing(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, x=flights.hour)

    checks = (
        Expectation(dataset="airports", kind="expect_column_values_to_not_be_null", arguments={"column": "tzone"}),
        Expectation(
            dataset="flights",
            kind="expect_multicolumn_sum_to_equal",
            arguments={"column_list": ["minute", "distance"], "sum_total": 1},
        ),
        Expectation(
            dataset="flights",
            kind="expect_column_pair_values_a_to_be_greater_than_b",
            arguments={"column_A": "dest", "column_B": "air_time"},
        ),
    )
    scope = scope_of(_with(nothing).varied(expectations=checks), contracts)
    assert _names(scope, "airports") == {"faa", "tzone"}
    assert {"minute", "distance", "dest", "air_time"} <= _names(scope, "flights")


@pytest.mark.parametrize(("dataset", "column"), [("flights", "gate_number"), ("passengers", "name")])
def test_an_expectation_on_what_cannot_be_read_is_refused(
    dataset: str, column: str, contracts: dict[str, Contract]
) -> None:
    check = Expectation(dataset=dataset, kind="expect_column_to_exist", arguments={"column": column})
    with pytest.raises(DeclarationError, match=f"{dataset}.*{column}"):
        scope_of(flight_delay.PROJECT.varied(expectations=(check,)), contracts)


def test_the_window_counts_lookback_and_maturity_and_undivided_tables_have_none(
    contracts: dict[str, Contract],
) -> None:
    scope = scope_of(flight_delay.PROJECT, contracts)
    window_days = (
        flight_delay.PROJECT.learning.window.days
        + flight_delay.PROJECT.learning.lookback_days
        + contracts["flights"].matures_after_days
        + 1
    )
    assert {held.dataset: held.window_days for held in scope.datasets} == {
        "flights": window_days,
        "weather": window_days,
        "planes": None,
    }


def test_a_target_that_is_not_divided_by_day_is_refused(contracts: dict[str, Contract]) -> None:
    target = replace(flight_delay.PROJECT.learning.target, dataset="planes")
    with pytest.raises(DeclarationError, match="'planes'"):
        scope_of(flight_delay.PROJECT.varied(target=target), contracts)


def test_a_token_stays_a_token_in_the_scope(contracts: dict[str, Contract]) -> None:
    scope = scope_of(flight_delay.PROJECT, contracts)
    for dataset in ("flights", "planes"):
        held = scope.dataset(dataset)
        assert held is not None
        assert dict(held.columns)["tailnum"] is Treatment.TOKEN


def test_a_feature_is_traced_to_its_sources_through_joins_unions_windows_and_subqueries(
    contracts: dict[str, Contract],
) -> None:
    held = tables(contracts, ["flights", "planes", "weather"])
    flights, planes, weather = held["flights"], held["planes"], held["weather"]
    joined = flights.left_join(planes, "tailnum")
    one = joined.select(x=joined.distance + joined.seats, y=ibis.literal(1))
    two = weather.select(x=weather.temp, y=weather.wind_dir.cast("int8"))
    assert column_lineage(ibis.union(one, two), contracts) == {
        "x": (("flights", "distance"), ("planes", "seats"), ("weather", "temp")),
        "y": (("weather", "wind_dir"),),
    }
    ranked = flights.select(
        r=ibis.rank().over(ibis.window(group_by=flights.origin, order_by=flights.hour)),
        mean=flights.distance - weather.temp.mean().as_scalar(),
    )
    assert column_lineage(ranked.filter(ranked.r < 3), contracts) == {
        "r": (("flights", "hour"), ("flights", "origin")),
        "mean": (("flights", "distance"), ("weather", "temp")),
    }


def test_no_feature_of_the_declared_projects_comes_from_a_tail_number(contracts: dict[str, Contract]) -> None:
    for project in PROJECTS:
        for table in expressions_of(project, contracts).groups.values():
            sources = {source for found in column_lineage(table, contracts).values() for source in found}
            assert not {("flights", "tailnum"), ("planes", "tailnum")} & sources


def test_a_broken_contract_stops_the_projects_that_read_its_dataset_and_no_other(tmp_path: Path) -> None:
    folder = shutil.copytree(CONTRACTS, tmp_path / "contracts")
    (folder / "planes.odcs.yaml").write_text("name: [\n")
    contracts = load_folder(folder)
    whole = load_folder(CONTRACTS)
    assert scope_of(temperature_tomorrow.PROJECT, contracts) == scope_of(temperature_tomorrow.PROJECT, whole)
    assert digest_of(temperature_tomorrow.PROJECT, contracts) == digest_of(temperature_tomorrow.PROJECT, whole)
    for derive in (scope_of, digest_of):
        with pytest.raises(ContractError, match=r"planes\.odcs\.yaml, line 2"):
            derive(flight_delay.PROJECT, contracts)
