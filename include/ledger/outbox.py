"""Messages on their way to people: each to each address once, over kills and whoever sends at the same moment.

What is to be sent is a fold of the ledger, so that a message has one id however often it is thought of. Before one is
sent a claim is recorded, which keeps others from it; after its address took it, that it was. A process that dies in
between leaves a claim that ends. Then it is sent again: **at least once**, since a message that is lost is worse than
one that comes twice. It comes twice only if the death lies between the address's answer and our record of it, which
nobody can tell from one before the answer; both carry the same id, by which whoever takes them knows them for one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from include.core import streams
from include.core.canonical import record_digest
from include.core.events import Event, MessageFailed, MessageSent, MessageTried
from include.ledger.entry import Entry
from include.ledger.ledger import Ledger

#: Nobody else sends a message for so long after one began to: an address answers sooner, or not at all.
CLAIM = timedelta(minutes=10)
#: The pause after the first failure; each is twice as long as the one before, and none longer than that.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)


class Delivery(Enum):
    """What :func:`send_once` came to."""

    SENT = "sent"
    FAILED = "failed"
    NOT_NOW = "sent before, being sent, or to be tried later"


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address of a person: ``secret`` is where to send, ``to`` their name."""

    to: str
    secret: str

    @property
    def digest(self) -> str:
        return record_digest(self.secret).removeprefix("sha256:")[:16]

    @property
    def service(self) -> str:
        """What may be shown of it: of a chat's address the rest is a password."""
        return self.secret.partition("://")[0]


def send_once(
    ledger: Ledger, message_id: str, address: Address, send: Callable[[], bool], *, now: datetime
) -> Delivery:
    """Call *send* (whether the address took it) unless the message was sent there, is being sent, or has to wait."""
    stream = streams.message(message_id, address.digest)
    entries = ledger.read(stream)
    if not _is_due(entries, now):
        return Delivery.NOT_NOW
    what = {"message_id": message_id, "to": address.to, "address": address.digest, "service": address.service}
    version = ledger.offer(stream, MessageTried(**what, until=now + CLAIM), expected_version=len(entries))
    if not version:
        return Delivery.NOT_NOW
    sent = send()
    attempts = 1 + sum(isinstance(entry.event, MessageFailed) for entry in entries)
    pause = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 10), _LONGEST_PAUSE)
    outcome: Event = MessageSent(**what) if sent else MessageFailed(**what, attempts=attempts, again_at=now + pause)
    if not ledger.offer(stream, outcome, expected_version=version):
        ledger.record(stream, outcome)  # it took longer than the claim held: another sent it too
    return Delivery.SENT if sent else Delivery.FAILED


def undelivered(ledger: Ledger) -> tuple[MessageFailed, ...]:
    """The latest message of each address that did not take it, by name."""
    latest: dict[str, MessageSent | MessageFailed] = {}
    for entry in ledger.read_all(kinds=(MessageSent, MessageFailed)):
        if isinstance(entry.event, MessageSent | MessageFailed):
            latest[entry.event.address] = entry.event
    failed = [event for event in latest.values() if isinstance(event, MessageFailed)]
    return tuple(sorted(failed, key=lambda event: (event.to, event.address)))


def _is_due(entries: Sequence[Entry], now: datetime) -> bool:
    if any(isinstance(entry.event, MessageSent) for entry in entries):
        return False
    last = entries[-1].event if entries else None
    if isinstance(last, MessageTried):
        return now >= last.until or last.until > now + CLAIM  # by a clock that was ahead
    return not isinstance(last, MessageFailed) or now >= last.again_at or last.again_at > now + _LONGEST_PAUSE
