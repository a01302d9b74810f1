"""The hours to predict for, and what is predicted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis


def population(weather: "ibis.Table") -> "ibis.Table":
    """Every hour at every airport, 24 hours ahead."""
    import ibis

    return weather.select("origin", "observed_at", predicted_at=weather.observed_at - ibis.interval(hours=24))


def temperature(weather: "ibis.Table") -> "ibis.Table":
    """The temperature in degrees Fahrenheit."""
    return weather.select("origin", "observed_at", label=weather.temp)
