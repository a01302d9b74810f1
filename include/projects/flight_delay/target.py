"""The flights to predict for, and what is predicted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

LATE_MINUTES = 15


def population(flights: "ibis.Table") -> "ibis.Table":
    """Every scheduled flight, one hour before its scheduled departure."""
    import ibis

    return flights.select(
        "carrier",
        "flight",
        "origin",
        "scheduled_departure",
        predicted_at=flights.scheduled_departure - ibis.interval(hours=1),
    )


def arrives_late(flights: "ibis.Table") -> "ibis.Table":
    """1 if the flight arrived 15 minutes late or more, 0 if not, null if it was cancelled or diverted."""
    return flights.select(
        "carrier",
        "flight",
        "origin",
        "scheduled_departure",
        label=(flights.arrival_delay >= LATE_MINUTES).cast("int8"),
    )
