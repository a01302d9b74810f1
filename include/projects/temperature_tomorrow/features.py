"""What is known of an hour 24 hours before it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

KEY = ("origin", "observed_at")


def observations(population: "ibis.Table", weather: "ibis.Table") -> "ibis.Table":
    """The observation 24 hours before, and the temperatures 25, 27, 30 and 48 hours before."""
    result = population.left_join(
        _hours_before(
            weather,
            24,
            temp="temperature",
            dewp="dew_point",
            humid="humidity",
            pressure="pressure",
            wind_dir="wind_direction",
            wind_speed="wind_speed",
            visib="visibility",
            precip="precipitation",
        ),
        KEY,
    ).drop("origin_right", "observed_at_right")
    for hours in (25, 27, 30, 48):
        earlier = _hours_before(weather, hours, temp=f"temperature_{hours}_hours", pressure=f"pressure_{hours}_hours")
        result = result.left_join(earlier, KEY).drop("origin_right", "observed_at_right")
    return result.drop("predicted_at").mutate(
        warming_3_hours=result.temperature - result.temperature_27_hours,
        pressure_change_6_hours=result.pressure - result.pressure_30_hours,
        warming_day=result.temperature - result.temperature_48_hours,
    )


def _hours_before(weather: "ibis.Table", hours: int, **names: str) -> "ibis.Table":
    """*weather*'s columns, renamed, in the rows of the hour that comes *hours* later."""
    import ibis

    return weather.select(
        "origin",
        observed_at=weather.observed_at + ibis.interval(hours=hours),
        **{new: weather[old] for old, new in names.items()},
    )


def calendar(population: "ibis.Table", airports: "ibis.Table") -> "ibis.Table":
    """The hour of the day and the season as points on a circle, and where the airport lies."""
    import math

    hour_angle = population.observed_at.hour() * (2 * math.pi / 24)
    season_angle = population.observed_at.day_of_year() * (2 * math.pi / 365.25)
    joined = population.mutate(
        hour_sine=hour_angle.sin(),
        hour_cosine=hour_angle.cos(),
        season_sine=season_angle.sin(),
        season_cosine=season_angle.cos(),
    ).left_join(airports, population.origin == airports.faa)
    return joined.select(
        *KEY,
        "hour_sine",
        "hour_cosine",
        "season_sine",
        "season_cosine",
        airport=joined.origin,
        latitude=joined.lat,
        longitude=joined.lon,
        altitude=joined.alt,
    )
