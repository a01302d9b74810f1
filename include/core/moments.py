"""Dates and times as people write them in declarations, all meaning one moment."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

#: The arguments of expectations that are compared with the values of a column: of these, a bound, and of all, a set.
_BOUNDS, _SET = ("min_value", "max_value"), "value_set"
_BOUNDED = (
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_values_to_be_between",
)


def moment(value: object) -> datetime:
    """The UTC moment, without a zone, that *value* names: a date (its start), a time, or either as ISO 8601 text.

    A time without a zone is UTC.

    Raises:
        ValueError: it names none, or is a time of another zone.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime) or value.utcoffset() not in (None, timedelta(0)):
        raise ValueError("no date or time in UTC")
    return value.replace(tzinfo=None)


def compared(kind: str, arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Each value that an expectation of *kind* compares a column's values with, and the argument's name."""
    for name in _names(kind):
        given = arguments.get(name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if value is not None:
                yield name, value


def with_moments(kind: str, arguments: Mapping[str, object]) -> dict[str, object]:
    """*arguments*, each value of :func:`compared` as Great Expectations takes it for a timestamp: a bound as text.

    Raises:
        ValueError: one names no moment.
    """
    spelt = dict(arguments)
    for name in _names(kind):
        given = arguments.get(name)
        if isinstance(given, list | tuple):
            spelt[name] = [None if value is None else moment(value) for value in given]
        elif given is not None:
            spelt[name] = moment(given).isoformat()
    return spelt


def _names(kind: str) -> tuple[str, ...]:
    return (*_BOUNDS, _SET) if kind in _BOUNDED else (_SET,)


def with_zones(value: object) -> object:
    """*value*, each time without a zone in it as one in UTC: what has no zone has no canonical form."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    if isinstance(value, Mapping):
        return {name: with_zones(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(with_zones(part) for part in value)
    return value
