"""What the docstring of an event says of its stream and key, held against what the ledger recorded."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import date
from itertools import zip_longest

from include.core.canonical import record_digest
from include.core.events import Event
from include.ledger import Entry


def templates(kind: type[Event], what: str) -> list[str]:
    """The streams or keys (*what*) that the docstring names."""
    return re.findall(rf"\b{what} ``([^`]+)``", " ".join((kind.__doc__ or "").split()), flags=re.IGNORECASE)


def contradictions(entries: list[Entry]) -> list[str]:
    """What of *entries* is not as documented, in words."""
    return [
        f"{entry.event.kind}: {what} {found!r} is none of {templates(type(entry.event), what)}"
        for entry in entries
        for what, found in (("stream", entry.stream), ("key", entry.key))
        if not _is_documented(entry.event, what, found)
    ]


def _is_documented(event: Event, what: str, found: str | None) -> bool:
    named = templates(type(event), what)
    if found is None:
        return not named
    return any(re.fullmatch(_pattern(template, event), found) for template in named)


def _pattern(template: str, event: Event) -> str:
    said = dict(reversed(list(_said(event))))
    parts = re.split(r"<(\w+)>", template)
    places = (re.escape(said[part]) if part in said else ".+" for part in parts[1::2])
    texts = (re.escape(part) for part in parts[::2])
    return "".join(text + place for text, place in zip_longest(texts, places, fillvalue=""))


def _said(record: object) -> Iterator[tuple[str, str]]:
    """By name, what stands in the event, and in its records; a record itself by its digest."""
    assert dataclasses.is_dataclass(record)
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str | int | date):
            yield field.name, str(value)
        elif dataclasses.is_dataclass(value) or isinstance(value, tuple):
            yield field.name, record_digest(value)
            if dataclasses.is_dataclass(value):
                yield from _said(value)
