"""How many people pass each sensor of Auckland's centre in an hour, a day ahead: a real series of ``confirm.py``."""

from typing import TYPE_CHECKING

from include.core.project import FeatureGroup, Ownership

from .declared import declared

if TYPE_CHECKING:
    import ibis

KEY = ("sensor", "counted_at")
HOURS = (24, 25, 26, 30, 36, 48, 72, 168)


def population(pedestrians: "ibis.Table") -> "ibis.Table":
    """Every counted hour, 24 hours ahead."""
    import ibis

    return pedestrians.select(*KEY, predicted_at=pedestrians.counted_at - ibis.interval(hours=24))


def counted(pedestrians: "ibis.Table") -> "ibis.Table":
    """People in the hour that ends then."""
    return pedestrians.select(*KEY, label=pedestrians.people)


def counts(population: "ibis.Table", pedestrians: "ibis.Table") -> "ibis.Table":
    """People at the sensor 24 hours before and earlier."""
    import ibis

    result = population
    for hours in HOURS:
        earlier = pedestrians.select(
            **{f"sensor_{hours}": pedestrians.sensor},
            **{f"at_{hours}": pedestrians.counted_at + ibis.interval(hours=hours)},
            **{f"people_{hours}_hours": pedestrians.people},
        )
        same = [population.sensor == earlier[f"sensor_{hours}"], population.counted_at == earlier[f"at_{hours}"]]
        result = result.left_join(earlier, same)
    return result.select(*KEY, *(f"people_{hours}_hours" for hours in HOURS))


def calendar(population: "ibis.Table") -> "ibis.Table":
    """Which sensor, the hour, the day of the week, and the season as a point on a circle."""
    import math

    season = population.counted_at.day_of_year() * (2 * math.pi / 365.25)
    return population.select(
        *KEY,
        place=population.sensor,
        hour=population.counted_at.hour(),
        weekday=population.counted_at.day_of_week.index(),
        season_sine=season.sin(),
        season_cosine=season.cos(),
    )


PROJECT = declared(
    "pedestrians_tomorrow",
    ownership=Ownership(owner="city", purpose="Know a day ahead how many people will pass."),
    dataset="pedestrians",
    key=KEY,
    population=population,
    label=counted,
    features=(
        FeatureGroup(name="counts", build=counts, lookback_days=7),
        FeatureGroup(name="calendar", build=calendar),
    ),
    margin=5.0,
)
