from dataclasses import replace

import ibis
import pytest

from include.core.errors import DeclarationError
from include.core.records import Contract, Treatment
from include.declared import call, scope_of, sql_of, tables
from include.projects.flight_delay import PROJECT, features


def _treated(contracts: dict[str, Contract], column: str, treatment: Treatment) -> dict[str, Contract]:
    flights = contracts["flights"]
    columns = tuple(replace(held, treatment=treatment) if held.name == column else held for held in flights.columns)
    return {**contracts, "flights": replace(flights, columns=columns)}


def test_a_table_has_the_contracts_columns_without_direct_identifiers(contracts: dict[str, Contract]) -> None:
    table = tables(_treated(contracts, "tailnum", Treatment.DROP), ["flights"])["flights"]
    assert set(table.columns) == {column.name for column in contracts["flights"].columns} - {"tailnum"}
    assert table.scheduled_departure.type().is_timestamp()
    assert table.distance.type().is_floating()


def test_a_token_is_a_string_whatever_the_column_was(contracts: dict[str, Contract]) -> None:
    table = tables(_treated(contracts, "flight", Treatment.TOKEN), ["flights"])["flights"]
    assert table.flight.type().is_string()


def test_within_a_scope_a_table_has_its_columns_only(contracts: dict[str, Contract]) -> None:
    scope = scope_of(PROJECT, contracts)
    for dataset in scope.datasets:
        (table,) = tables(contracts, [dataset.dataset], scope=scope).values()
        assert sorted(table.columns) == list(dataset.names)


def test_a_dataset_without_a_contract_is_refused_by_name(contracts: dict[str, Contract]) -> None:
    with pytest.raises(DeclarationError, match="'passengers'"):
        tables(contracts, ["passengers"])


def test_an_unknown_parameter_is_refused_with_function_parameter_and_remedy(contracts: dict[str, Contract]) -> None:
    def seats(passengers: ibis.Table) -> ibis.Table:
        return passengers

    with pytest.raises(DeclarationError, match=r"seats.*'passengers'.*Name one of \['flights'\]"):
        call(seats, tables(contracts, ["flights"]))


@pytest.mark.parametrize("how", ["attribute", "item", "select", "filter", "join"])
def test_an_unknown_column_is_refused_with_function_column_and_remedy(how: str, contracts: dict[str, Contract]) -> None:
    def feature(flights: ibis.Table, planes: ibis.Table) -> ibis.Table:
        asked = {
            "attribute": lambda: flights.select(x=flights.gate_number),
            "item": lambda: flights.select(x=flights["gate_number"]),
            "select": lambda: flights.select("gate_number"),
            "filter": lambda: flights.filter(ibis._.gate_number == 1),
            "join": lambda: flights.left_join(planes, "gate_number"),
        }
        return asked[how]()

    with pytest.raises(DeclarationError, match=r"feature.*gate_number.*Columns to choose from"):
        call(feature, tables(contracts, ["flights", "planes"]))


def test_a_column_used_against_its_type_is_refused(contracts: dict[str, Contract]) -> None:
    def feature(flights: ibis.Table) -> ibis.Table:
        return flights.select(x=flights.carrier.mean())

    with pytest.raises(DeclarationError, match="feature"):
        call(feature, tables(contracts, ["flights"]))


def test_what_is_no_table_is_refused(contracts: dict[str, Contract]) -> None:
    with pytest.raises(DeclarationError, match="returns an Ibis table"):
        call(lambda flights: flights.distance, tables(contracts, ["flights"]))


def test_the_same_expression_always_gives_the_same_text(contracts: dict[str, Contract]) -> None:
    def text() -> str:
        given = tables(contracts, ["flights"])
        return sql_of(features.schedule(given["flights"]))

    assert text() == text()
