"""The types of production data: what a contract calls a file's column, and how its values are read.

One table for the draft of a contract, for nights and for rows to score: what one of them accepts, all do.
"""

import math
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from include.core.records import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

#: A float holds every whole number up to this one.
LARGEST_EXACT = 2**53
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1
_NANOSECONDS = 1000  # in a microsecond


def column_type(kind: "pa.DataType") -> ColumnType | None:
    """What a contract calls a column that a file holds as *kind*; ``None``: contracts have no such type.

    Decimals without a fraction are integers. A column that has no value in any row (Arrow's ``null``) has no type that
    a file could say.
    """
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    for is_one, type_ in (
        (types.is_boolean, ColumnType.BOOLEAN),
        (_is_whole, ColumnType.INTEGER),
        (types.is_floating, ColumnType.NUMBER),
        (types.is_decimal, ColumnType.NUMBER),
        (types.is_string, ColumnType.STRING),
        (types.is_large_string, ColumnType.STRING),
        (types.is_string_view, ColumnType.STRING),
        (types.is_timestamp, ColumnType.TIMESTAMP),
        (types.is_date, ColumnType.DATE),
    ):
        if is_one(kind):
            return type_
    return None


def accepts(held: "pa.DataType", type_: ColumnType) -> bool:
    """Whether a file's column of type *held* is what the contract means, a narrower or encoded form included.

    A timestamp of any zone is one: with a zone a file holds instants, counted in UTC, and the zone says only how their
    writer shows them (most readers cannot even see it). Without a zone it is in UTC. Floats may be integers: so pandas
    writes integers of which one is missing.
    """
    from pyarrow import types

    if held == arrow_type(type_):  # of most columns of most days
        return True
    values = held.value_type if types.is_dictionary(held) else held
    named = column_type(values)
    if named is type_ or types.is_null(values):  # a column without a single value, as pandas writes it
        return True
    if type_ is ColumnType.NUMBER:
        return named is ColumnType.INTEGER
    return type_ is ColumnType.INTEGER and bool(types.is_floating(values))


def _is_whole(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or (types.is_decimal(kind) and kind.scale <= 0))


@cache
def arrow_type(type_: ColumnType) -> "pa.DataType":
    """The Arrow type as which values of a contract's type are read."""
    import pyarrow as pa

    return {
        ColumnType.STRING: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIMESTAMP: pa.timestamp("us"),
        ColumnType.DATE: pa.date32(),
    }[type_]


def to_contract(column: "pa.ChunkedArray", type_: ColumnType) -> "pa.ChunkedArray":
    """The values of an accepted *column* as the contract's type: times in UTC, NaN of a number as null.

    A number is the nearest float of a decimal with a fraction. Everything else is kept to the last digit: a whole
    number that a float may not hold, a fraction of an integer or of a microsecond, is an error.

    Raises:
        ValueError: the type is not accepted, or values do not fit; the message says how many and why, and no value.
    """
    import pyarrow as pa

    if not accepts(column.type, type_):
        raise ValueError(f"it is {column.type}, not {type_}")
    try:
        return _cast(column, arrow_type(type_))
    except pa.ArrowInvalid:  # its message quotes the value
        raise ValueError(_fault(column, type_)) from None


def _cast(column: "pa.ChunkedArray", kind: "pa.DataType") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    held = column.type
    if held == kind:
        return _without_nan(column) if types.is_floating(kind) else column
    if types.is_dictionary(held):
        return _cast(column.cast(held.value_type), kind)
    if types.is_decimal(held) and types.is_floating(kind):
        # A cast of a decimal to a float is not the nearest one, that of its digits is.
        return column.cast(pa.int64() if held.scale <= 0 else pa.string()).cast(kind)
    if types.is_floating(held):
        column = _without_nan(column.cast(pa.float64()))
        if types.is_integer(kind) and pc.any(pc.greater_equal(pc.abs(column), LARGEST_EXACT)).as_py():
            raise pa.ArrowInvalid("whole numbers that a float may have rounded")
    return column.cast(kind)


def _without_nan(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """*column* with null for NaN, as Polars, Spark and NumPy write what is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = pc.sum(column).as_py()
    if total is None or not math.isnan(total):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _fault(column: "pa.ChunkedArray", type_: ColumnType) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    held = column.type
    if pa.types.is_timestamp(held):
        if held.unit == "ns":
            count = pc.cast(column, pa.int64())
            whole = pc.multiply(pc.divide(count, _NANOSECONDS), _NANOSECONDS)
            return _of(pc.not_equal(count, whole).to_pylist(), "have a fraction of a microsecond")
        return "some lie further away than a timestamp in microseconds reaches"
    if pa.types.is_date(held):
        return "some are no whole days"
    if pa.types.is_floating(held):
        return _of((not _is_exact(value) for value in column.to_pylist()), "are no whole numbers that a float holds")
    if type_ is ColumnType.INTEGER:
        outside = (
            value is not None and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER for value in column.to_pylist()
        )
        return _of(outside, "are beyond 64 bits")
    beyond = (value is not None and abs(value) > LARGEST_EXACT for value in column.to_pylist())
    return _of(beyond, f"are whole numbers beyond {LARGEST_EXACT}, which a number may not hold to the last digit")


def _is_exact(value: float | None) -> bool:
    return value is None or math.isnan(value) or (abs(value) < LARGEST_EXACT and value == int(value))


def _of(wrong: Iterable[bool | None], fault: str) -> str:
    flags = list(wrong)
    return f"{sum(map(bool, flags))} of {len(flags)} values {fault}"
