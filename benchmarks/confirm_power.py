"""What one house near Paris draws from the grid, a day ahead: the second real series of ``confirm.py``."""

from typing import TYPE_CHECKING

from include.core.project import FeatureGroup, Ownership

from .declared import declared

if TYPE_CHECKING:
    import ibis

KEY = ("house", "read_at")


def population(power: "ibis.Table") -> "ibis.Table":
    """Every reading, 24 hours ahead."""
    import ibis

    return power.select(*KEY, predicted_at=power.read_at - ibis.interval(hours=24))


def drawn(power: "ibis.Table") -> "ibis.Table":
    """Active power in kilowatts."""
    return power.select(*KEY, label=power.active_power)


def readings(population: "ibis.Table", power: "ibis.Table") -> "ibis.Table":
    """Power 24 hours before and earlier, and what each meter of the house showed."""
    import ibis

    result = population
    columns = {"active_power": "power", "reactive_power": "reactive", "voltage": "voltage"}
    meters = {f"meter_{number}": f"meter_{number}" for number in (1, 2, 3)}
    for hours in (24, 25, 26, 30, 36, 48, 72, 168):
        wanted = {**columns, **meters} if hours == 24 else {"active_power": "power"}
        earlier = power.select(
            **{f"house_{hours}": power.house, f"at_{hours}": power.read_at + ibis.interval(hours=hours)},
            **{f"{name}_{hours}_hours": power[column] for column, name in wanted.items()},
        )
        same = [population.house == earlier[f"house_{hours}"], population.read_at == earlier[f"at_{hours}"]]
        result = result.left_join(earlier, same)
    return result.select(
        *KEY,
        *(f"{name}_24_hours" for name in (*columns.values(), *meters.values())),
        *(f"power_{hours}_hours" for hours in (25, 26, 30, 36, 48, 72, 168)),
    )


def calendar(population: "ibis.Table") -> "ibis.Table":
    """The time of the day, the day of the week, and the season as a point on a circle."""
    import math

    season = population.read_at.day_of_year() * (2 * math.pi / 365.25)
    return population.select(
        *KEY,
        hour=population.read_at.hour() + population.read_at.minute() / 60.0,
        weekday=population.read_at.day_of_week.index(),
        season_sine=season.sin(),
        season_cosine=season.cos(),
    )


PROJECT = declared(
    "household_power",
    ownership=Ownership(owner="grid", purpose="Know a day ahead what a house will draw."),
    dataset="power",
    key=KEY,
    population=population,
    label=drawn,
    features=(
        FeatureGroup(name="readings", build=readings, lookback_days=7),
        FeatureGroup(name="calendar", build=calendar),
    ),
    margin=0.05,
)
