"""What is known of a flight one hour before its scheduled departure."""

from typing import TYPE_CHECKING

from include.projects.flight_delay.target import LATE_MINUTES

if TYPE_CHECKING:
    import ibis

KEY = ("carrier", "flight", "origin", "scheduled_departure")

#: An outcome that is recorded later than that after the day of departure is left out: so far back the lags must look.
SLOWEST_OUTCOME_DAYS = 3

#: The same for the arrivals of the last hours.
SLOWEST_RECENT_HOURS = 36

_LAGGED = {
    "airline": ("carrier",),
    "destination": ("dest",),
    "airport_hour": ("origin", "hour"),
    "airport": ("origin",),
}
_RECENT = {"airport_3_hours": "origin", "airline_3_hours": "carrier"}
_RECENT_FIGURES = ("late_rate", "delay_minutes", "arrivals")
_FIGURES = ("late_rate_28_days", "late_rate_7_days", "arrivals_28_days")


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


def lags(population: "ibis.Table", flights: "ibis.Table") -> "ibis.Table":
    """How often flights were late in the last 28 and 7 days, as known at 23:00 UTC of the day before.

    One hour before the first departure of a UTC day it is 23:00 of the day before, so every flight of the day may know
    it. Late and all arrivals are counted in whole numbers: a rate is the same in whatever order the rows are added up.
    """
    import ibis

    usable_from = (flights.outcome_recorded_at + ibis.interval(hours=25) - ibis.interval(microseconds=1)).date()
    known = flights.arrival_delay.notnull() & (
        usable_from <= flights.scheduled_departure.date() + ibis.interval(days=SLOWEST_OUTCOME_DAYS)
    )
    arrivals = flights.filter(known).select(
        "carrier", "dest", "origin", "hour", usable_from=usable_from, late=flights.arrival_delay >= LATE_MINUTES
    )
    asked = population.select(*KEY).inner_join(flights.select(*KEY, "dest", "hour"), KEY)
    asked = asked.mutate(day=asked.scheduled_departure.date())
    result = asked
    for name, entity in _LAGGED.items():
        rates = _late_rates(asked, arrivals, entity, name)
        same = [asked[column] == rates[f"{name}_{column}"] for column in ("day", *entity)]
        result = result.left_join(rates, same)
    return result.select(*KEY, *(f"{name}_{figure}" for name in _LAGGED for figure in _FIGURES))


def _late_rates(asked: "ibis.Table", arrivals: "ibis.Table", entity: tuple[str, ...], name: str) -> "ibis.Table":
    """For each day and *entity* that flies on it: late arrivals among all that became known in 28 and in 7 days."""
    import ibis

    by_day = arrivals.group_by(*entity, "usable_from").aggregate(late=arrivals.late.sum(), all=arrivals.count())
    days = asked.select("day", *entity).distinct()
    pairs = days.inner_join(
        by_day,
        [*entity, by_day.usable_from <= days.day, by_day.usable_from > days.day - ibis.interval(days=28)],
    )
    recent = pairs.usable_from > pairs.day - ibis.interval(days=7)
    return pairs.group_by(**{f"{name}_{column}": pairs[column] for column in ("day", *entity)}).aggregate(
        **{
            f"{name}_late_rate_28_days": pairs.late.sum() / pairs.all.sum(),
            f"{name}_late_rate_7_days": pairs.late.sum(where=recent) / pairs.all.sum(where=recent),
            f"{name}_arrivals_28_days": pairs.all.sum(),
        }
    )


def recent(population: "ibis.Table", flights: "ibis.Table") -> "ibis.Table":
    """How many of the arrivals that became known in the three whole hours before were late, and by how many minutes."""
    import ibis

    slowest = flights.scheduled_departure + ibis.interval(hours=SLOWEST_RECENT_HOURS)
    arrivals = flights.filter(flights.arrival_delay.notnull() & (flights.outcome_recorded_at <= slowest)).select(
        "origin",
        "carrier",
        known_hour=flights.outcome_recorded_at.truncate("h"),
        late=flights.arrival_delay >= LATE_MINUTES,
        minutes=flights.arrival_delay.cast("int64"),
    )
    asked = population.select(*KEY, hour=population.predicted_at.truncate("h"))
    result = asked
    for name, entity in _RECENT.items():
        figures = _recent_figures(asked, arrivals, entity, name)
        same = [asked[column] == figures[f"{name}_{column}"] for column in ("hour", entity)]
        result = result.left_join(figures, same)
    return result.select(*KEY, *(f"{name}_{figure}" for name in _RECENT for figure in _RECENT_FIGURES))


def _recent_figures(asked: "ibis.Table", arrivals: "ibis.Table", entity: str, name: str) -> "ibis.Table":
    import ibis

    by_hour = arrivals.group_by(entity, "known_hour").aggregate(
        late=arrivals.late.sum(), minutes=arrivals.minutes.sum(), all=arrivals.count()
    )
    hours = asked.select("hour", entity).distinct()
    known = [by_hour.known_hour < hours.hour, by_hour.known_hour >= hours.hour - ibis.interval(hours=3)]
    pairs = hours.inner_join(by_hour, [entity, *known])
    return pairs.group_by(**{f"{name}_{column}": pairs[column] for column in ("hour", entity)}).aggregate(
        **{
            f"{name}_late_rate": pairs.late.sum() / pairs.all.sum(),
            f"{name}_delay_minutes": pairs.minutes.sum() / pairs.all.sum(),
            f"{name}_arrivals": pairs.all.sum(),
        }
    )


def aircraft(flights: "ibis.Table", planes: "ibis.Table") -> "ibis.Table":
    """The aircraft assigned two hours before departure. Its registration joins the tables and is no feature."""
    joined = flights.left_join(planes, "tailnum")
    return joined.select(
        *KEY,
        aircraft_age_years=joined.scheduled_departure.year() - joined.year,
        aircraft_seats=joined.seats,
        aircraft_manufacturer=joined.manufacturer,
    )
