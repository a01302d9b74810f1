"""Records as bytes, and back: one encoding, so that equal records have equal digests."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Record = TypeVar("Record")

#: Metadata of a field that a record was given later: at its default it is left out of the bytes, so that records of
#: before keep their digests.
LATER: Mapping[str, object] = MappingProxyType({"later": True})
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_NEVER = object()
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def digest_of(data: bytes) -> str:
    """The SHA-256 of *data* as ``sha256:<64 hex digits>``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(record: object) -> bytes:
    """A frozen dataclass (or a JSON-like value) as UTF-8 JSON: keys sorted, no spaces, times in UTC.

    Raises:
        TypeError: the record holds something that has no canonical form (a set, a NaN, a naive time, a callable).
    """
    return _ENCODER.encode(_plain(record)).encode()


def record_digest(record: object) -> str:
    """The digest of the record's canonical bytes."""
    return digest_of(encode(record))


def decode(kind: type[Record], data: bytes) -> Record:
    """The record of type *kind* that :func:`encode` made *data* from.

    Raises:
        ValueError: the bytes are no such record (pydantic's ``ValidationError``, which names the field).
    """
    adaptable: Any = kind
    record: Record = _adapter(adaptable).validate_json(data)
    return record


def prepare(*kinds: type[object]) -> None:
    """Build now what :func:`decode` needs for *kinds*, and otherwise builds when it first meets one."""
    for kind in kinds:
        adaptable: Any = kind
        _adapter(adaptable)


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # deferred: importing errors and declarations must stay cheap

    return TypeAdapter(kind)


def _plain(value: object) -> Any:
    if type(value) in _AS_THEY_ARE or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"no canonical form for {value}: use None for what is not known")
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"no canonical form for the naive time {value}: attach its time zone")
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return _plain_container(value)


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """The fields of a dataclass, each with the value at which it is left out of the bytes."""
    return tuple(
        (field.name, field.default if LATER.keys() <= field.metadata.keys() else _NEVER)
        for field in dataclasses.fields(kind)
    )


def _plain_container(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        said = ((name, getattr(value, name), left_out) for name, left_out in _fields(type(value)))
        return {name: _plain(each) for name, each, left_out in said if left_out is _NEVER or each != left_out}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    raise TypeError(f"no canonical form for {type(value).__name__}")
