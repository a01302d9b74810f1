"""Texts that a contract's types are read from, or told by.

Nothing is guessed that would lose a digit: ``007`` is a text, not 7. No error holds a value.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from include.contracts.types import LARGEST_EXACT, arrow_type
from include.core.records import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

#: Most types are ruled out by this many values.
_FIRST = 100
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONE = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_TIME = f"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,9}})?)?"
_WHOLE = "-?(0|[1-9][0-9]*)"
_FLOAT = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_INFINITE = "[+-]?(inf|Inf|INF|Infinity)"
#: What a contract's type may be read from.
_READ = {
    ColumnType.BOOLEAN: "(?i:true|false)|0|1",
    ColumnType.INTEGER: "[+-]?[0-9]+([.]0*)?",
    ColumnType.NUMBER: f"{_FLOAT}|{_INFINITE}",
    ColumnType.TIMESTAMP: f"{_TIME}{_ZONE}?|{_DATE}",
    ColumnType.DATE: _DATE,
}
#: What every value of a column must be for the column to be taken for the type, from the narrowest. ``12E4`` is a code.
_TOLD = (
    (ColumnType.BOOLEAN, "(?i:true|false)"),
    (ColumnType.INTEGER, _WHOLE),
    (ColumnType.NUMBER, f"{_WHOLE}([.][0-9]*)?([eE][+-][0-9]+)?|{_WHOLE}[.][0-9]*[eE][0-9]+|-?[.][0-9]+|{_INFINITE}"),
    (ColumnType.DATE, _DATE),
    (ColumnType.TIMESTAMP, _TIME),
    (ColumnType.TIMESTAMP, f"{_TIME}{_ZONE}"),
)
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)


def type_of(columns: "Iterable[pa.ChunkedArray]", *, only_times: bool = False) -> ColumnType | None:
    """What the texts of *columns* (one column, file by file) are, all of them; ``None``: there is no value.

    With *only_times* they are texts, or times: what is written between quotation marks is no number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    written = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    values = pc.unique(_valued(written).drop_null())
    if len(values) == 0:
        return None if written.null_count == len(written) or not only_times else ColumnType.STRING
    for type_, pattern in _TOLD:
        if (type_ in _TIMES or not only_times) and all(
            pc.all(_matching(some, pattern)).as_py() for some in (values[:_FIRST], values)
        ):
            try:
                _cast(_whole_microseconds(values) if type_ is ColumnType.TIMESTAMP else values, type_)
            except ValueError:  # it only looks like one: the 30th of February, a number of too many digits
                continue
            return type_
    return ColumnType.STRING


def typed(column: "pa.ChunkedArray", type_: ColumnType) -> "pa.ChunkedArray":
    """The texts of *column* as a contract's type: times in UTC, what stands for a missing value (``NA``) as null.

    Raises:
        ValueError: values are none of the type, or do not fit; the message says how many, and no value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if type_ is ColumnType.STRING:
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    values = _valued(column)
    wrong = pc.sum(pc.invert(_matching(values, _READ[type_]))).as_py() or 0
    if wrong:
        raise ValueError(f"{wrong} of {len(values)} values are no {type_}")
    return _cast(values, type_)


def _valued(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """*column* with null for what CSV files write where there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    missing = pa.array(csv.ConvertOptions().null_values)
    return pc.if_else(pc.is_in(column, missing), pa.scalar(None, column.type), column)


def _matching(values: "pa.Array", pattern: str) -> "pa.Array":
    import pyarrow.compute as pc

    return pc.match_substring_regex(values, f"^(?:{pattern})$")


def _whole_microseconds(values: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.replace_substring_regex(values, "([.][0-9]{6})[0-9]+", r"\1")


def _cast(values: "pa.Array", type_: ColumnType) -> "pa.Array":
    """*values*, each of which matches what *type_* is read from."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if type_ is ColumnType.TIMESTAMP:
            return _instants(pc.replace_substring_regex(values, "([.][0-9]{6})0+", r"\1"))
        if type_ is ColumnType.BOOLEAN:
            values = pc.utf8_lower(values)
        if type_ is ColumnType.INTEGER:
            values = pc.replace_substring_regex(values, "^[+]|[.]0*$", "")
        read = values.cast(arrow_type(type_))
    except pa.ArrowInvalid:  # its message quotes the value
        if type_ is ColumnType.TIMESTAMP:
            digits = pc.sum(pc.match_substring_regex(values, "[.][0-9]{6}[0-9]*[1-9]")).as_py() or 0
            if digits:
                raise ValueError(f"{digits} of {len(values)} values have a fraction of a microsecond") from None
        raise ValueError(f"some look like a {type_} and are beyond what it holds") from None
    if type_ is ColumnType.NUMBER:
        beyond = pc.and_(pc.greater_equal(pc.abs(read), LARGEST_EXACT), _matching(values, "[+-]?[0-9]+([.]0*)?"))
        if count := pc.sum(beyond).as_py():
            raise ValueError(
                f"{count} of {len(read)} values are whole numbers beyond {LARGEST_EXACT}, "
                "which a number may not hold to the last digit"
            )
    return read


def _instants(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    zoned = _matching(values, f"{_TIME}{_ZONE}")
    nothing, kind = pa.scalar(None, pa.string()), arrow_type(ColumnType.TIMESTAMP)
    with_zone = pc.if_else(zoned, values, nothing).cast(pa.timestamp("us", "UTC")).cast(kind)
    return pc.coalesce(with_zone, pc.if_else(zoned, nothing, values).cast(kind))
