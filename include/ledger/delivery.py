"""OpenLineage events on their way out of the ledger, in order: to a file, an endpoint, or any callable."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO

from include.core.addresses import without_credentials, without_user
from include.core.errors import LedgerError, LedgerUnavailable
from include.core.events import LineageEmitted
from include.ledger import set_aside
from include.ledger.ledger import Ledger, of_kind

_BATCH_EVENTS = 500
_TIMEOUT_SECONDS = 10

#: Answers below 500 that say "later", not "no".
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
#: An event that is refused for good is tried again after each of these, and then set aside.
_PAUSES_SECONDS = (1.0, 4.0)
#: After so many refused in a row a delivery ends: what refuses all there is may be wrongly set up, and be mended soon.
_REFUSED_IN_A_ROW = 3

#: Takes an event (UTF-8 JSON); the status with which it was refused for good, or ``None``: it was taken.
Send = Callable[[bytes], int | None]


def deliver(ledger: Ledger, send: Send, *, name: str) -> int:
    """Call *send* with each event (UTF-8 JSON) that *name* has not had yet; how many were sent.

    In order, and at least once: an event is marked when *send* has returned, so whoever dies in between sends it again.
    What *send* raises ends the delivery; the next one starts with that event. Of two at once, the one behind stops at
    its next event: nobody gets old events after new ones. What is refused for good is set aside, and later ones go on.
    """
    last, _ = ledger.delivered(name)
    passed_over = {each.position for each in set_aside.all_set_aside(ledger, name)}
    sent = in_a_row = 0
    for batch in _batches(ledger, last):
        for position, event in batch:
            if ledger.delivered(name)[0] > last or in_a_row == _REFUSED_IN_A_ROW:
                return sent
            status = None if position in passed_over else send(event)
            if status is not None:
                tries = 1 + len(_PAUSES_SECONDS)
                set_aside.set_aside(ledger, name, position=position, status=status, tries=tries)
            ledger.mark_delivered(name, position=position)
            last = position
            in_a_row = 0 if status is None else in_a_row + 1
            sent += status is None and position not in passed_over
    return sent


def deliver_to_endpoint(ledger: Ledger, url: str, *, api_key: str | None = None) -> int:
    """POST each new event to the OpenLineage endpoint *url*; how many were sent. At least once, as :func:`deliver`.

    An endpoint is the same whoever signs in to it: what *url* has to sign in with is neither remembered nor shown.

    Raises:
        LedgerUnavailable: the endpoint cannot be reached or is busy.
        LedgerError: it refuses us, whatever the event, or *url* is none.
    """
    name, before = endpoint_name(url), f"endpoint {without_user(url)}"
    if before != name:  # as deliveries were remembered when only user and password were left out
        ledger.mark_delivered(name, position=ledger.delivered(before)[0])
    with _posting(url, api_key) as post:

        def patiently(event: bytes) -> int | None:
            status = post(event)
            for pause in _PAUSES_SECONDS:
                if status is None:
                    break
                time.sleep(pause)
                status = post(event)
            return status

        return deliver(ledger, patiently, name=name)


def send_again(ledger: Ledger, url: str, *, api_key: str | None = None) -> int:
    """POST to *url* what it refused before; how many it took now. The others stay set aside. Raises as above."""
    taken = 0
    with _posting(url, api_key) as post:
        for each in set_aside.all_set_aside(ledger, endpoint_name(url)):
            if not each.sent_again and post(set_aside.text_of(ledger, each)) is None:
                set_aside.sent_again(ledger, each)
                taken += 1
    return taken


def endpoint_name(url: str) -> str:
    """Under which name deliveries to *url* are remembered: without what signs in."""
    return f"endpoint {without_credentials(url)}"


@contextmanager
def _posting(url: str, api_key: str | None) -> "Iterator[Send]":
    import httpx  # deferred: a file needs none

    shown = without_credentials(url)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    with httpx.Client(headers=headers, timeout=_TIMEOUT_SECONDS) as client:

        def post(event: bytes) -> int | None:
            try:
                status = client.post(url, content=event).status_code
            except httpx.TransportError as error:
                raise _unreachable(shown, type(error).__name__) from error
            except httpx.InvalidURL:
                raise LedgerError(
                    "a lineage endpoint has an address",
                    value="a text that is none",  # its own part that is wrong may be one of a password
                    remedy="Set TRAINYARD_LINEAGE to one like https://lineage.example.org/api/v1/lineage.",
                ) from None
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
                raise _unreachable(shown, f"status {status}")
            if status in set_aside.FOR_GOOD:
                return status
            if status >= HTTPStatus.MULTIPLE_CHOICES:
                raise LedgerError(
                    "an OpenLineage endpoint takes every event",
                    value=f"{shown} answered {status}",
                    remedy="Check TRAINYARD_LINEAGE, and the API key in the file of TRAINYARD_LINEAGE_KEY_FILE.",
                )
            return None

        yield post


def deliver_to_file(ledger: Ledger, path: Path) -> int:
    """Append each new event to *path*, one JSON object a line; how many were appended.

    Each exactly once, wherever a delivery dies: what a dead one wrote beyond the mark is the beginning of what comes
    next, and is kept. A file that was moved away or shortened goes on with the events that are new.

    Raises:
        LedgerError: somebody else wrote to the file.
        LedgerUnavailable: the file cannot be written.
    """
    try:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two deliveries would interleave
            return _append(ledger, file, f"file {path.resolve()}")
    except OSError as error:
        raise LedgerUnavailable(
            "the lineage file can be written",
            value=f"{path}: {error.strerror}",
            remedy="Check that its folder exists, may be written and has room, then retry.",
        ) from error


def _append(ledger: Ledger, file: IO[bytes], name: str) -> int:
    position, marked = ledger.delivered(name)
    size = min(marked, file.seek(0, 2))
    file.seek(size)
    left = file.read()  # of a delivery that died before its mark; "a" writes at the end whatever the position
    appended = 0
    for batch in _batches(ledger, position):
        lines = b"".join(event.replace(b"\n", b" ") + b"\n" for _, event in batch)
        _require_prefix(left, lines, name)
        file.write(lines[len(left) :])
        file.flush()
        os.fsync(file.fileno())
        size += len(lines)
        ledger.mark_delivered(name, position=batch[-1][0], size_bytes=size)
        left = b""
        appended += len(batch)
    _require_prefix(left, b"", name)
    return appended


def _require_prefix(left: bytes, lines: bytes, name: str) -> None:
    if not lines.startswith(left):
        raise LedgerError(
            "only deliveries write to a lineage file",
            value=f"{name} holds {len(left)} bytes that are not from this ledger",
            remedy="Move the file away; the next delivery starts a new one.",
        )


def _batches(ledger: Ledger, position: int) -> Iterator[list[tuple[int, bytes]]]:
    while entries := ledger.read_all(after=position, kinds=[LineageEmitted], limit=_BATCH_EVENTS):
        position = entries[-1].position
        yield [(entry.position, event.event.encode()) for entry, event in of_kind(entries, LineageEmitted)]


def _unreachable(url: str, value: str) -> LedgerUnavailable:
    return LedgerUnavailable(
        "the lineage endpoint can be reached",
        value=f"{url}: {value}",
        remedy="Nothing is lost: the next delivery goes on from here.",
    )
