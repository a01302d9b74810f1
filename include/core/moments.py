"""Dates and times as people write them in declarations, all meaning one moment."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

#: The arguments of an expectation that are compared with the values of a column.
_COMPARED = ("min_value", "max_value", "value_set")


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


def compared(arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Each value that an expectation with *arguments* compares a column's values with, and the argument's name."""
    for name in _COMPARED:
        given = arguments.get(name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if value is not None:
                yield name, value


def with_moments(arguments: Mapping[str, object]) -> dict[str, object]:
    """*arguments*, each value of :func:`compared` as Great Expectations takes it for a timestamp: a bound as text.

    Raises:
        ValueError: one names no moment.
    """
    spelt = dict(arguments)
    for name in _COMPARED:
        given = arguments.get(name)
        if isinstance(given, list | tuple):
            spelt[name] = [None if value is None else moment(value) for value in given]
        elif given is not None:
            spelt[name] = moment(given).isoformat()
    return spelt


def with_zones(value: object) -> object:
    """*value*, each time without a zone in it as one in UTC: what has no zone has no canonical form."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    if isinstance(value, Mapping):
        return {name: with_zones(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(with_zones(part) for part in value)
    return value
