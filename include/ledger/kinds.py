"""Kinds of events by name and version. Whatever is not known here is refused, never skipped.

To change a published kind: raise its ``version``, add an upcaster from the version before, keep all golden files.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from include.core import events
from include.core.canonical import decode, encode
from include.core.errors import LedgerError
from include.core.events import Event

#: Takes the JSON object of one version of a kind, returns that of the next version.
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

KINDS: Mapping[str, type[Event]] = {
    kind.kind: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and "kind" in vars(kind)
}


def _unsigned(fields: dict[str, Any]) -> dict[str, Any]:
    """Denials and revocations of version 1 were not signed."""
    return fields | {"envelope": None}


def _stopping(fields: dict[str, Any]) -> dict[str, Any]:
    """Revocations of versions 1 and 2 ended what ran."""
    return fields | {"effect": "stop-running"}


def _as_it_is(fields: dict[str, Any]) -> dict[str, Any]:
    """What the version did not have, the record says without a word: a field that was given later is at its default."""
    return fields


def _of_a_shard(fields: dict[str, Any]) -> dict[str, Any]:
    """In version 1 only the shards of a search were trained elsewhere."""
    return {name: value for name, value in fields.items() if name != "shard"} | {"step": f"train-{fields['shard']}"}


#: By kind and the version that it takes.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("access_requested", 1): _as_it_is,
    ("data_opened", 1): _as_it_is,
    ("data_read", 1): _as_it_is,
    ("drift_judged", 1): _as_it_is,
    ("gates_declared", 1): _as_it_is,
    ("gates_declared", 2): _as_it_is,
    ("model_evaluated", 1): _as_it_is,
    ("model_registered", 1): _as_it_is,
    ("pod_measured", 1): _as_it_is,
    ("step_measured", 1): _as_it_is,
    ("access_refused", 1): _unsigned,
    ("access_revoked", 1): _unsigned,
    ("access_revoked", 2): _stopping,
    ("shard_ordered", 1): _of_a_shard,
    ("pod_ended", 1): _of_a_shard,
}


def encode_event(event: Event) -> tuple[str, int, bytes]:
    """The kind, version and canonical bytes under which *event* is kept.

    The event is decoded once, and the bytes are those of what was read: an entry that cannot be read back would block
    every later reader, and one fact has one spelling (a whole number in the place of a float is a float).

    Raises:
        LedgerError: the kind is unknown, a field is not of its declared type, or has no canonical form.
    """
    if KINDS.get(getattr(event, "kind", "")) is not type(event):
        raise LedgerError(
            "only known kinds are recorded", value=type(event).__name__, remedy="Declare it in include/core/events."
        )
    try:
        body = encode(event)
    except (TypeError, ValueError) as error:
        raise LedgerError(
            "an event has a canonical form",
            value=f"{event.kind}: {type(error).__name__}",
            remedy="Use only plain, finite, zoned values.",
        ) from error
    return event.kind, event.version, encode(decode_event(event.kind, event.version, body))


def decode_event(kind: str, version: int, body: bytes) -> Event:
    """The event that the canonical bytes *body* say, brought to the current version of its kind.

    Raises:
        LedgerError: the kind or version is unknown, or the bytes are no such event.
    """
    known = KINDS.get(kind)
    if known is None or not 1 <= version <= known.version:
        raise LedgerError(
            "every kind and version in the ledger is known",
            value=f"kind {kind!r} version {version}",
            remedy="Read this ledger with the release that wrote it, or a later one.",
        )
    try:
        return decode(known, _upcast(kind, version, known.version, body))
    except (ValueError, KeyError) as error:
        # The error's own text may quote what the event holds.
        raise LedgerError(
            "an entry decodes as its kind",
            value=f"kind {kind!r} version {version} ({type(error).__name__})",
            remedy="Compare the kind's fields with its golden file.",
        ) from error


def _upcast(kind: str, version: int, current: int, body: bytes) -> bytes:
    if version == current:
        return body
    fields = json.loads(body)
    for step in range(version, current):
        fields = UPCASTERS[kind, step](fields)
    return json.dumps(fields).encode()
