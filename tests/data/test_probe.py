from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import ibis
import pytest

from include.core.errors import DeclarationError, FeatureLeak
from include.core.project import FeatureGroup, Objective, Project
from include.core.records import DAY, Contract, Days, KnownAt
from include.data.probe import ProbedDay, sampled
from include.declared import scope_of
from include.declared.compiled import declared
from include.projects import flight_delay, temperature_tomorrow
from include.store import Store
from tests.data.nights import INSTANT, WINDOW, Night, freeze

DELAY = flight_delay.PROJECT.varied(window=WINDOW)
TEMPERATURE = temperature_tomorrow.PROJECT.varied(window=WINDOW)
KEY = DELAY.learning.target.key


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, contracts, Store(str(folder / "vault")))


def _with(build: Callable[..., ibis.Table], lookback_days: int) -> Project:
    return DELAY.varied(features=(FeatureGroup(name="leaking", build=build, lookback_days=lookback_days),))


def _build(night: Night, production: Path, project: Project) -> None:
    night.build(project, freeze(project, night.contracts, production, night.store))


def _delay_of_its_own_departure(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, suspect=flights.departure_delay)


def _whether_it_was_cancelled(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, suspect=flights.arrival_delay.isnull())


def _yesterdays_late_flights_known_or_not(flights: ibis.Table) -> ibis.Table:
    by_day = flights.group_by(carrier=flights.carrier, next=flights.scheduled_departure.date() + ibis.interval(days=1))
    late = by_day.aggregate(suspect=(flights.arrival_delay >= 15).sum())
    keyed = flights.mutate(day=flights.scheduled_departure.date())
    joined = keyed.left_join(late, [keyed.carrier == late.carrier, keyed.day == late.next])
    return joined.select(*KEY, "suspect")


def _departures_delayed_in_the_hours_before(population: ibis.Table, flights: ibis.Table) -> ibis.Table:
    asked = population.select(*KEY, at=population.predicted_at)
    left = flights.select(place=flights.origin, left_at=flights.scheduled_departure, minutes=flights.departure_delay)
    near = [asked.origin == left.place, left.left_at < asked.at, left.left_at >= asked.at - ibis.interval(hours=2)]
    return asked.left_join(left, near).group_by(*KEY).aggregate(suspect=ibis._.minutes.mean())


def _mean_delay_of_the_whole_table(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, suspect=flights.arrival_delay.mean().over(ibis.window()))


def _mean_distance_of_the_whole_table(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, suspect=flights.distance.mean().over(ibis.window()))


def _weather_of_the_hour_of_departure(population: ibis.Table, weather: ibis.Table) -> ibis.Table:
    hour = population.mutate(hour=population.scheduled_departure.truncate("h"))
    joined = hour.left_join(weather, [hour.origin == weather.origin, hour.hour == weather.observed_at])
    return joined.select(*KEY, suspect=joined.wind_speed)


def _departures_in_the_last_ten_days(flights: ibis.Table) -> ibis.Table:
    window = ibis.window(
        group_by=flights.origin, order_by=flights.scheduled_departure, preceding=ibis.interval(days=10), following=0
    )
    return flights.select(*KEY, suspect=flights.count().over(window))


@pytest.mark.parametrize(
    ("build", "lookback_days"),
    [
        (_delay_of_its_own_departure, 0),
        (_whether_it_was_cancelled, 0),
        (_yesterdays_late_flights_known_or_not, 1),
        (_departures_delayed_in_the_hours_before, 1),
        (_mean_delay_of_the_whole_table, 3),
        (_mean_distance_of_the_whole_table, 3),
        (_weather_of_the_hour_of_departure, 1),
        (_departures_in_the_last_ten_days, 3),
    ],
)
def test_a_leaking_feature_fails_by_its_name(
    build: Callable[..., ibis.Table], lookback_days: int, night: Night, production: Path
) -> None:
    with pytest.raises(FeatureLeak, match="'suspect' of group 'leaking'"):
        _build(night, production, _with(build, lookback_days))


def test_a_leak_is_found_at_whatever_instant_the_night_runs(night: Night, production: Path) -> None:
    project = _with(_yesterdays_late_flights_known_or_not, 1)
    for offset in range(1, 6):
        snapshot = freeze(project, night.contracts, production, night.store, INSTANT + timedelta(days=offset))
        with pytest.raises(FeatureLeak):
            night.build(project, snapshot)


def test_nothing_is_recorded_of_a_night_that_leaks(night: Night, production: Path) -> None:
    project, ledger = _with(_delay_of_its_own_departure, 0), night.new_ledger()
    with pytest.raises(FeatureLeak):
        night.build(project, freeze(project, night.contracts, production, night.store), ledger=ledger)
    assert ledger.read("partitions/flight_delay") == []


def test_a_population_chosen_by_its_outcomes_is_a_leak(night: Night, production: Path) -> None:
    def arrived(flights: ibis.Table) -> ibis.Table:
        return flight_delay.target.population(flights.filter(flights.arrival_delay.notnull()))

    with pytest.raises(FeatureLeak, match="which rows are predicted for"):
        _build(night, production, DELAY.varied(target=replace(DELAY.learning.target, population=arrived)))


def test_a_prediction_asked_for_at_a_time_that_only_the_outcome_tells_is_a_leak(night: Night, production: Path) -> None:
    def at_the_gate(flights: ibis.Table) -> ibis.Table:
        known = flights.filter(flights.departed_at.notnull())
        return known.select(*KEY, predicted_at=known.departed_at - ibis.interval(hours=1))

    with pytest.raises(FeatureLeak, match="which rows are predicted for"):
        _build(night, production, DELAY.varied(target=replace(DELAY.learning.target, population=at_the_gate)))


def test_a_label_comes_from_its_own_day(night: Night, production: Path) -> None:
    def busier_than_other_days(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, label=flights.count().over(ibis.window()))

    with pytest.raises(DeclarationError, match="its own day"):
        _build(night, production, DELAY.varied(target=replace(DELAY.learning.target, label=busier_than_other_days)))


def test_a_label_that_is_no_number_comes_from_its_own_day_too(night: Night, production: Path) -> None:
    def speed(flights: ibis.Table) -> ibis.Table:
        since = (flights.distance / 1000).floor()
        return flights.select(*KEY, label=since / since)  # 0 / 0 is NaN

    target = replace(DELAY.learning.target, objective=Objective.REGRESSION, label=speed)
    _build(night, production, DELAY.varied(target=target))


def test_a_feature_that_alone_predicts_too_well_is_an_alarm_even_where_its_contract_calls_it_known(
    night: Night, production: Path
) -> None:
    flights = night.contracts["flights"]
    columns = tuple(
        replace(column, known_at=KnownAt(column=None)) if column.name == "arrival_delay" else column
        for column in flights.columns
    )
    wrong = replace(night, contracts={**night.contracts, "flights": replace(flights, columns=columns)})

    def arrival(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, suspect=-flights.arrival_delay)

    with pytest.raises(FeatureLeak, match=r"'suspect'.*1\.000"):
        _build(wrong, production, _with(arrival, 0))


def test_the_declared_projects_hold_the_law_at_other_instants(night: Night, production: Path) -> None:
    for project in (DELAY, TEMPERATURE):
        for offset in (3, 90):
            instant = INSTANT + offset * DAY
            snapshot = freeze(project, night.contracts, production, night.store, instant)
            probed = night.build(project, snapshot).probed
            assert len(probed) == 2
            assert all(moment < instant for moment in probed)


def test_the_probed_instants_depend_on_the_snapshot_and_not_on_what_is_reused(night: Night, production: Path) -> None:
    snapshot, ledger = freeze(TEMPERATURE, night.contracts, production, night.store), night.new_ledger()
    first = night.build(TEMPERATURE, snapshot, ledger=ledger)
    assert night.build(TEMPERATURE, snapshot, ledger=ledger) == first


def test_a_night_probes_all_that_it_built_and_again_one_group_of_what_earlier_nights_built(night: Night) -> None:
    groups = declared(DELAY, night.contracts, scope_of(DELAY, night.contracts)).groups
    days = Days(first=INSTANT.date() - 30 * DAY, last=INSTANT.date())
    again = set()
    for seed in map(str, range(40)):
        newest, other = sampled(days, groups, lambda _group, day: day == days.last, seed)
        assert newest == ProbedDay(day=days.last, groups=groups)
        assert other.day in days
        assert other.groups == groups if other.day == days.last else len(other.groups) == 1
        again.update(other.groups)
        assert sampled(days, groups, lambda _group, _day: True, seed)[1] == ProbedDay(day=other.day, groups=groups)
    assert again == set(groups)
