"""One table of accepted types: what a contract calls a file's column, and how its values are read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts.types import accepts, arrow_type, column_type, to_contract
from include.core.records import ColumnType

NOON = datetime(2024, 7, 1, 12)  # noqa: DTZ001  # as contracts read instants: in UTC, without a zone

#: A column of each type that files hold, what a contract calls it, and its values as they are read.
ACCEPTED: list[tuple[pa.Array, ColumnType, list[object]]] = [
    *((pa.array(["7", None], kind), ColumnType.STRING, ["7", None]) for kind in (pa.string(), pa.large_string())),
    (pa.array(["7", None], pa.string_view()), ColumnType.STRING, ["7", None]),
    (pa.array(["7", None, "7"]).dictionary_encode(), ColumnType.STRING, ["7", None, "7"]),
    *(
        (pa.array([7, None], kind), ColumnType.INTEGER, [7, None])
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64())
    ),
    (pa.array([7, None]).dictionary_encode(), ColumnType.INTEGER, [7, None]),
    *(
        (pa.array([Decimal(2**60 + 1), None], kind), ColumnType.INTEGER, [2**60 + 1, None])
        for kind in (pa.decimal128(38, 0), pa.decimal256(60, 0))
    ),
    *(
        (pa.array([Decimal("7.10"), None], kind), ColumnType.NUMBER, [7.1, None])
        for kind in (pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal128(38, 18), pa.decimal256(60, 10))
    ),
    *(
        (pa.array([np.nan, 7.5, None, np.inf], kind), ColumnType.NUMBER, [None, 7.5, None, np.inf])
        for kind in (pa.float32(), pa.float64())
    ),
    (pa.array([np.float16(7.5), np.float16("nan")], pa.float16()), ColumnType.NUMBER, [7.5, None]),
    (pa.array([7.5, np.nan]).dictionary_encode(), ColumnType.NUMBER, [7.5, None]),
    (pa.array([True, None]), ColumnType.BOOLEAN, [True, None]),
    *(
        (pa.array([NOON, None], pa.timestamp(unit)), ColumnType.TIMESTAMP, [NOON, None])
        for unit in ("s", "ms", "us", "ns")
    ),
    *(
        (pa.array([NOON.replace(tzinfo=UTC), None], pa.timestamp("us", zone)), ColumnType.TIMESTAMP, [NOON, None])
        for zone in ("UTC", "Etc/UTC", "GMT", "Z", "+00:00", "Europe/Berlin", "-08:00")
    ),
    *(
        (pa.array([date(2024, 7, 1), None], kind), ColumnType.DATE, [date(2024, 7, 1), None])
        for kind in (pa.date32(), pa.date64())
    ),
]
NAMES = [f"{array.type}" for array, _, _ in ACCEPTED]
REFUSED = [
    pa.null(), pa.binary(), pa.large_binary(), pa.binary(16), pa.time64("us"), pa.duration("s"), pa.list_(pa.int64()),
    pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64()), pa.dictionary(pa.int8(), pa.binary()),
]  # fmt: skip


@pytest.mark.parametrize(("array", "type_", "values"), ACCEPTED, ids=NAMES)
def test_a_contract_names_each_type_and_reads_its_values(
    array: pa.Array, type_: ColumnType, values: list[object]
) -> None:
    assert column_type(array.type) is type_
    assert accepts(array.type, type_)
    read = to_contract(pa.chunked_array([array, array.slice(1)]), type_)
    assert read.type == arrow_type(type_)
    assert read.to_pylist() == [*values, *values[1:]]


@pytest.mark.parametrize("kind", REFUSED, ids=str)
def test_what_no_contract_can_name_has_no_type(kind: pa.DataType) -> None:
    assert column_type(kind) is None


def test_a_column_without_a_value_is_read_as_any_type() -> None:
    for type_ in ColumnType:
        assert to_contract(pa.chunked_array([pa.nulls(2)]), type_).null_count == 2


def test_whole_numbers_are_numbers_too() -> None:
    for values in (pa.array([7]), pa.array([Decimal(7)], pa.decimal128(38, 0)), pa.array([7], pa.uint64())):
        assert to_contract(pa.chunked_array([values]), ColumnType.NUMBER).to_pylist() == [7.0]


def test_integers_of_which_one_is_missing_are_read_from_the_floats_that_pandas_writes() -> None:
    for kind in (pa.float32(), pa.float64()):
        held = pa.chunked_array([pa.array([7.0, np.nan, None, -3.0], kind)])
        assert to_contract(held, ColumnType.INTEGER).to_pylist() == [7, None, None, -3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)))
def test_a_decimal_is_the_nearest_float(values: list[Decimal]) -> None:
    held = pa.chunked_array([pa.array(values, pa.decimal128(38, 6))])
    assert to_contract(held, ColumnType.NUMBER).to_pylist() == [float(value) for value in values]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=64) | st.none()))
def test_nan_is_null_and_every_other_float_is_kept(values: list[float | None]) -> None:
    read = to_contract(pa.chunked_array([pa.array(values, pa.float64())]), ColumnType.NUMBER).to_pylist()
    assert read == [None if value is None or np.isnan(value) else value for value in values]


def test_a_zone_does_not_change_the_instant() -> None:
    berlin = pc.assume_timezone(pa.array([NOON]), "Europe/Berlin")
    assert to_contract(pa.chunked_array([berlin]), ColumnType.TIMESTAMP).to_pylist() == [NOON - timedelta(hours=2)]


SECRET = 9_007_199_254_740_993


@pytest.mark.parametrize(
    ("array", "type_", "fault"),
    [
        (pa.array([SECRET, 1]), ColumnType.NUMBER, "1 of 2 values are whole numbers beyond 9007199254740992"),
        (pa.array([Decimal(SECRET), None], pa.decimal128(38, 0)), ColumnType.NUMBER, "1 of 2 values are whole"),
        (pa.array([Decimal(SECRET * 10**6)], pa.decimal128(38, 0)), ColumnType.NUMBER, "1 of 1 values are whole"),
        (pa.array([2**63 + SECRET, 1], pa.uint64()), ColumnType.INTEGER, "1 of 2 values are beyond 64 bits"),
        (pa.array([Decimal(10**20)], pa.decimal128(38, 0)), ColumnType.INTEGER, "1 of 1 values are beyond 64 bits"),
        (pa.array([SECRET, 1000, None], pa.timestamp("ns")), ColumnType.TIMESTAMP, "1 of 3 values have a fraction"),
        (pa.array([2**62], pa.timestamp("s")), ColumnType.TIMESTAMP, "some lie further away"),
        (pa.array([86_400_005], pa.date64()), ColumnType.DATE, "some are no whole days"),
        (pa.array(["7"]), ColumnType.INTEGER, "it is string, not integer"),
        (pa.array([1.5, 2.0**60, np.inf, np.nan, 7]), ColumnType.INTEGER, "3 of 5 values are no whole numbers"),
        (pa.array([1.5]).dictionary_encode(), ColumnType.INTEGER, "1 of 1 values are no whole numbers"),
        (pa.array([Decimal("1.0")]), ColumnType.INTEGER, r"it is decimal128\(2, 1\), not integer"),
        (pa.array([b"7"]), ColumnType.STRING, "it is binary, not string"),
    ],
    ids=str,
)
def test_what_would_lose_something_is_counted_and_not_quoted(array: pa.Array, type_: ColumnType, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as raised:
        to_contract(pa.chunked_array([array]), type_)
    assert str(SECRET) not in str(raised.value)
