"""What is known of an hour 24 hours before it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

KEY = ("origin", "observed_at")

#: Columns of the weather, and the features made of them.
_FEW = {"temp": "temperature", "pressure": "pressure"}
_ALL = {
    **_FEW,
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_speed",
    "visib": "visibility",
    "precip": "precipitation",
}


def observations(population: "ibis.Table", weather: "ibis.Table") -> "ibis.Table":
    """The observation 24 hours before, and the temperatures and pressures 25, 27, 30 and 48 hours before."""
    import ibis

    result = population
    for hours in (24, 25, 27, 30, 48):
        columns = _ALL if hours == 24 else _FEW
        earlier = weather.select(
            **{f"origin_{hours}": weather.origin, f"hour_{hours}": weather.observed_at + ibis.interval(hours=hours)},
            **{f"{name}_{hours}_hours": weather[column] for column, name in columns.items()},
        )
        same = [
            population.origin == earlier[f"origin_{hours}"],
            population.observed_at == earlier[f"hour_{hours}"],
        ]
        result = result.left_join(earlier, same)
    return result.select(
        *KEY,
        *(f"{name}_24_hours" for name in _ALL.values()),
        *(f"{name}_{hours}_hours" for name in _FEW.values() for hours in (25, 27, 30, 48)),
        warming_3_hours=result.temperature_24_hours - result.temperature_27_hours,
        warming_day=result.temperature_24_hours - result.temperature_48_hours,
        pressure_change_6_hours=result.pressure_24_hours - result.pressure_30_hours,
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
