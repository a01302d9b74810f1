"""Equal records have equal bytes, and bytes give the record back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, digest_of, encode, record_digest


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner:
    number: float
    day: date | None


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    at: datetime
    colour: Colour
    parts: tuple[Inner, ...]
    by_name: dict[str, int]


records = st.builds(
    Outer,
    name=st.text(),
    at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])),
    colour=st.sampled_from(Colour),
    parts=st.lists(
        st.builds(Inner, number=st.floats(allow_nan=False, allow_infinity=False), day=st.none() | st.dates()),
        max_size=3,
    ).map(tuple),
    by_name=st.dictionaries(st.text(), st.integers(-(2**53), 2**53), max_size=3),
)


@given(records)
def test_a_record_survives_its_bytes(record: Outer) -> None:
    assert decode(Outer, encode(record)) == record


@given(records)
def test_encoding_again_gives_the_same_bytes(record: Outer) -> None:
    assert encode(decode(Outer, encode(record))) == encode(record)


def test_the_order_of_a_mapping_does_not_matter() -> None:
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_a_time_has_one_spelling_whatever_its_zone() -> None:
    moment = datetime(2013, 1, 1, 12, tzinfo=UTC)
    assert encode(moment) == encode(moment.astimezone(timezone(timedelta(hours=9))))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, datetime(2013, 1, 1), len])  # noqa: DTZ001
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        encode(value)


def test_a_digest_names_its_algorithm() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert record_digest([]) == digest_of(b"[]")
