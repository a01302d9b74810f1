"""A feature that reads an outcome of its own row is found in its expression, and nothing else is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import ibis
import pytest

from include.core.project import FeatureGroup, Project
from include.core.records import Contract, KnownAt
from include.declared.late_reads import late_reads
from include.projects import flight_delay, temperature_tomorrow

FLIGHTS = flight_delay.PROJECT
KEY = FLIGHTS.learning.target.key


def found(build: Callable[..., Any], contracts: Mapping[str, Contract], project: Project = FLIGHTS) -> list[Any]:
    declared = project.varied(features=(FeatureGroup(name="group", build=build, lookback_days=3),))
    return [(read.feature, read.column) for read in late_reads(declared, contracts)]


@pytest.mark.parametrize("project", [FLIGHTS, temperature_tomorrow.PROJECT])
def test_no_feature_of_the_house_is_accused(project: Project, contracts: dict[str, Contract]) -> None:
    assert late_reads(project, contracts) == ()


def test_an_outcome_of_the_same_row_is_found_however_it_is_wrapped(contracts: dict[str, Contract]) -> None:
    def plain(flights: Any) -> Any:
        return flights.select(*KEY, delayed=flights.departure_delay, dest=flights.dest)

    def wrapped(flights: Any) -> Any:
        doubled = flights.mutate(twice=flights.departure_delay * 2).filter(lambda table: table.distance > 0)
        return doubled.mutate(more=lambda table: table.twice + table.distance).select(*KEY, "more")

    def joined(population: Any, flights: Any) -> Any:
        return population.join(flights, list(KEY)).select(*KEY, late=flights.departure_delay.fill_null(0))

    assert found(plain, contracts) == [("delayed", "departure_delay")]
    assert found(wrapped, contracts) == [("more", "departure_delay")]
    assert found(joined, contracts) == [("late", "departure_delay")]


def test_an_outcome_of_earlier_rows_is_not_accused(contracts: dict[str, Contract]) -> None:
    def lagged(flights: Any) -> Any:
        earlier = ibis.window(group_by=flights.carrier, order_by=flights.scheduled_departure)
        return flights.select(*KEY, before=flights.departure_delay.lag().over(earlier))

    def of_others(population: Any, flights: Any) -> Any:
        mean = flights.group_by("carrier").agg(mean=flights.departure_delay.mean())
        return population.join(mean, "carrier").select(*KEY, "mean")

    def of_another_row(population: Any, flights: Any) -> Any:
        other = flights.view()
        same = [population.carrier == other.carrier, population.flight == other.flight]
        return population.join(other, same).select(*(population[name] for name in KEY), late=other.departure_delay)

    for build in (lagged, of_others, of_another_row):
        assert found(build, contracts) == []


def test_what_counts_is_when_the_row_is_asked_for(contracts: dict[str, Contract]) -> None:
    """`tailnum` is known two hours before departure, flights are asked for one hour before it."""

    def build(flights: Any) -> Any:
        return flights.select(*KEY, miles=flights.distance)

    assert found(build, contracts) == []
    flights = contracts["flights"]

    def known(offset: timedelta) -> dict[str, Contract]:
        columns = tuple(
            replace(column, known_at=KnownAt(column="scheduled_departure", offset=offset))
            if column.name == "distance"
            else column
            for column in flights.columns
        )
        return {**contracts, "flights": replace(flights, columns=columns)}

    assert found(build, known(timedelta(hours=-1))) == []
    assert found(build, known(timedelta(minutes=-59))) == [("miles", "distance")]
