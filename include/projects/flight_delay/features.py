"""What is known of a flight one hour before its scheduled departure."""

from typing import TYPE_CHECKING

from include.projects.flight_delay.target import LATE_MINUTES

if TYPE_CHECKING:
    import ibis

KEY = ("carrier", "flight", "origin", "scheduled_departure")


def schedule(flights: "ibis.Table") -> "ibis.Table":
    """The flight in its timetable, published a month before: when, where to, by whom, and how crowded it will be."""
    import ibis

    departure = flights.scheduled_departure
    hours_behind_utc = (departure.hour() - flights.hour + 24) % 24  # `hour` is local, so no time zone table is needed
    local = departure - hours_behind_utc.as_interval("h")
    day, hour = departure.truncate("D"), departure.truncate("h")
    same_hour = ibis.window(group_by=[flights.origin, hour])
    same_hour_and_carrier = ibis.window(group_by=[flights.origin, flights.carrier, hour])
    same_day_and_destination = ibis.window(group_by=[flights.dest, day])
    earlier_today = ibis.window(group_by=[flights.origin, day], order_by=departure, rows=None)
    return flights.select(
        *KEY,
        airline=flights.carrier,
        airport=flights.origin,
        dest=flights.dest,
        flight_number=flights.flight,
        distance=flights.distance,
        hour_of_day=flights.hour,
        minute_of_hour=flights.minute,
        minute_of_day=flights.hour * 60 + flights.minute,
        weekday=local.day_of_week.index(),
        weekend=local.day_of_week.index() >= 5,
        hour_of_week=local.day_of_week.index() * 24 + flights.hour,
        departures_in_hour=flights.count().over(same_hour),
        departures_in_hour_by_airline=flights.count().over(same_hour_and_carrier),
        departures_to_dest_today=flights.count().over(same_day_and_destination),
        departures_before_today=ibis.rank().over(earlier_today),
    )


def weather(population: "ibis.Table", weather: "ibis.Table") -> "ibis.Table":
    """The last hourly observation at the origin, how it changed in three hours, and the rain and gusts since."""
    import ibis

    asked = population.mutate(at=population.predicted_at.truncate("h"))
    now = weather.select(
        "origin",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
        at=weather.observed_at,
    )
    before = weather.select(
        "origin",
        at=weather.observed_at + ibis.interval(hours=3),
        temp_before=weather.temp,
        pressure_before=weather.pressure,
        visib_before=weather.visib,
        precip_before=weather.precip,
        wind_before=weather.wind_speed,
    )
    joined = asked.left_join(now, ["origin", "at"]).left_join(before, ["origin", "at"])
    return joined.select(
        *KEY,
        temperature=joined.temp,
        dew_point=joined.dewp,
        humidity=joined.humid,
        wind_direction=joined.wind_dir,
        wind_speed=joined.wind_speed,
        wind_gust=joined.wind_gust,
        precipitation=joined.precip,
        pressure=joined.pressure,
        visibility=joined.visib,
        temperature_change=joined.temp - joined.temp_before,
        pressure_change=joined.pressure - joined.pressure_before,
        visibility_before=joined.visib_before,
        precipitation_before=joined.precip_before,
        wind_speed_before=joined.wind_before,
    )


def lags(flights: "ibis.Table") -> "ibis.Table":
    """How often flights were late in the last 28 and 7 days, as known at 23:00 UTC of the day before.

    One hour before the first departure of a UTC day it is 23:00 of the day before, so every flight of the day may know
    it. Counts are whole numbers, so that the rates are the same however the rows are added up.
    """
    import ibis

    keyed = flights.mutate(day=flights.scheduled_departure.date(), everywhere=ibis.literal("all"))
    usable_from = (flights.outcome_recorded_at + ibis.interval(hours=25) - ibis.interval(microseconds=1)).date()
    outcomes = keyed.mutate(usable_from=usable_from).filter(
        lambda row: row.arrival_delay.notnull() & (row.usable_from <= row.day + ibis.interval(days=3))
    )
    result = keyed
    for name, entity in (
        ("network", ("everywhere",)),
        ("airport", ("origin",)),
        ("airline", ("carrier",)),
        ("destination", ("dest",)),
        ("airport_hour", ("origin", "hour")),
        ("airline_destination", ("carrier", "dest")),
    ):
        rates = _late_rates(keyed, outcomes, entity, name)
        result = result.left_join(rates, ["day", *entity]).drop("day_right", *(f"{column}_right" for column in entity))
    names = [column for column in result.columns if column.endswith(("_days",))]
    return result.select(*KEY, *names)


def _late_rates(flights: "ibis.Table", outcomes: "ibis.Table", entity: tuple[str, ...], name: str) -> "ibis.Table":
    """For each day and *entity* that flies on it: the share of late arrivals among those known in 28 and in 7 days."""
    import ibis

    by_day = outcomes.group_by(*entity, "usable_from").aggregate(
        late=(outcomes.arrival_delay >= LATE_MINUTES).sum(), arrived=outcomes.count()
    )
    asked = flights.select("day", *entity).distinct()
    pairs = asked.inner_join(
        by_day,
        [
            *entity,
            by_day.usable_from <= asked.day,
            by_day.usable_from > asked.day - ibis.interval(days=28),
        ],
    )
    recent = pairs.usable_from > pairs.day - ibis.interval(days=7)
    return pairs.group_by("day", *entity).aggregate(
        **{
            f"{name}_late_rate_28_days": pairs.late.sum() / pairs.arrived.sum(),
            f"{name}_late_rate_7_days": pairs.late.sum(where=recent) / pairs.arrived.sum(where=recent),
            f"{name}_arrivals_28_days": pairs.arrived.sum(),
        }
    )


def aircraft(flights: "ibis.Table", planes: "ibis.Table") -> "ibis.Table":
    """The aircraft assigned two hours before departure. Its registration joins the tables and is no feature."""
    joined = flights.left_join(planes, "tailnum")
    return joined.select(
        *KEY,
        aircraft_age_years=joined.scheduled_departure.year() - joined.year,
        aircraft_seats=joined.seats,
        aircraft_engines=joined.engines,
        aircraft_manufacturer=joined.manufacturer,
        aircraft_unknown=joined.seats.isnull(),
    )
