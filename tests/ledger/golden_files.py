"""Golden files: one event of every kind and version, as the ledger's bytes say it, kept for ever.

``python -m tests.ledger.golden_files`` writes those that are missing, never one that is there.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

from include.core.canonical import encode
from include.ledger.kinds import KINDS

FOLDER = Path(__file__).parent / "golden"
Record = typing.TypeVar("Record")

_PLAIN: Mapping[object, object] = {
    str: "text",
    int: 7,
    float: 0.25,
    bool: True,
    date: date(2013, 1, 31),
    datetime: datetime(2013, 2, 1, 4, 30, tzinfo=UTC),
}


def path_of(kind: str, version: int) -> Path:
    """Where the golden file of a kind and version lies."""
    return FOLDER / f"{kind}.v{version}.json"


def example(kind: type[Record]) -> Record:
    """An event or another record of *kind* with every field filled in."""
    made = _value(kind)
    assert isinstance(made, kind)
    return made


def _value(kind: object) -> object:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: _value(hints[field.name]) for field in dataclasses.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return _generic(typing.get_origin(kind), typing.get_args(kind))


def _generic(origin: object, arguments: tuple[object, ...]) -> object:
    if origin is tuple and arguments[-1] is Ellipsis:
        return (_value(arguments[0]),)
    if origin is tuple:
        return tuple(_value(argument) for argument in arguments)
    if origin in (types.UnionType, typing.Union):
        return _value(arguments[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"name": _value(arguments[1])}
    raise TypeError(f"no example for {origin} of {arguments}")


def main() -> None:
    """Write what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for name, kind in KINDS.items():
        path = path_of(name, kind.version)
        if not path.exists():
            path.write_bytes(encode(example(kind)) + b"\n")


if __name__ == "__main__":
    main()
