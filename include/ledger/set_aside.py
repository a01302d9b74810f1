"""Lineage events that an endpoint refuses for good: set aside, so that later ones go on, and never forgotten."""

from dataclasses import dataclass
from http import HTTPStatus

from include.core import streams
from include.core.events import LineageEmitted, LineageSentAgain, LineageSetAside
from include.ledger.ledger import Ledger, of_kind

#: Answers that are about the one event: it is malformed, too large, or says what the endpoint does not take.
FOR_GOOD = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@dataclass(frozen=True, kw_only=True)
class SetAsideEvent:
    """A lineage event that *endpoint* refused: its place in the ledger, the last answer, and where that was recorded.

    ``sent_again``: it was taken later.
    """

    endpoint: str
    position: int
    status: int
    recorded_at: int
    sent_again: bool = False

    def in_words(self) -> str:
        return f"{self.endpoint} refused the lineage event at position {self.position} with status {self.status}"


def set_aside(ledger: Ledger, endpoint: str, *, position: int, status: int, tries: int) -> None:
    """Record that the event at *position* is passed over, after so many *tries*; once, whoever finds it."""
    key = streams.lineage_set_aside_key(endpoint, position)
    if ledger.find(key) is None:
        event = LineageSetAside(endpoint=endpoint, position=position, status=status, tries=tries)
        ledger.record(streams.LINEAGE_SET_ASIDE, event, key=key)


def sent_again(ledger: Ledger, each: SetAsideEvent) -> None:
    """Record that the endpoint took it after all; once."""
    event = LineageSentAgain(endpoint=each.endpoint, position=each.position)
    ledger.record(streams.LINEAGE_SET_ASIDE, event, key=streams.lineage_sent_again_key(each.endpoint, each.position))


def all_set_aside(ledger: Ledger, endpoint: str) -> tuple[SetAsideEvent, ...]:
    """All events that *endpoint* ever refused for good, in the order in which they were set aside."""
    entries = ledger.read(streams.LINEAGE_SET_ASIDE)
    again = {event.position for _, event in of_kind(entries, LineageSentAgain) if event.endpoint == endpoint}
    return tuple(
        SetAsideEvent(
            endpoint=endpoint,
            position=event.position,
            status=event.status,
            recorded_at=entry.position,
            sent_again=event.position in again,
        )
        for entry, event in of_kind(entries, LineageSetAside)
        if event.endpoint == endpoint
    )


def text_of(ledger: Ledger, each: SetAsideEvent) -> bytes:
    """The event itself (UTF-8 JSON)."""
    (entry,) = ledger.read_all(after=each.position - 1, kinds=[LineageEmitted], limit=1)
    assert isinstance(entry.event, LineageEmitted)  # noqa: S101  # only such events are delivered, and none is removed
    return entry.event.event.encode()
