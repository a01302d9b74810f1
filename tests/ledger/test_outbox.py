"""A message is sent once to an address, whoever thinks of it at the same moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from include.ledger import Entry, Ledger
from include.ledger.outbox import Address, Delivery, send_once

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ADDRESS = Address(to="steward", secret="json://host")  # noqa: S106  # it is none


@dataclass
class Interrupted:
    """A ledger whose reader is held up: *meanwhile* happens between what it reads and whatever it does then."""

    ledger: Ledger
    meanwhile: Callable[[], object]

    def read(self, stream: str) -> list[Entry]:
        found = list(self.ledger.read(stream))
        self.meanwhile()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self.ledger, name)


def test_of_two_that_find_the_same_message_unsent_one_sends_it(ledger: Ledger) -> None:
    sent: list[str] = []

    def sender(name: str) -> Callable[[], bool]:
        def send() -> bool:
            sent.append(name)
            return True

        return send

    outcomes = []
    held_up = Interrupted(ledger, lambda: outcomes.append(send_once(ledger, "n-1", ADDRESS, sender("first"), now=NOW)))
    outcomes.append(send_once(held_up, "n-1", ADDRESS, sender("second"), now=NOW))  # type: ignore[arg-type]
    assert (sent, outcomes) == (["first"], [Delivery.SENT, Delivery.NOT_NOW])


def test_while_one_sends_a_message_no_other_begins_to(ledger: Ledger) -> None:
    begun: list[Delivery] = []

    def slowly() -> bool:
        begun.append(send_once(ledger, "n-1", ADDRESS, lambda: True, now=NOW))
        return True

    assert send_once(ledger, "n-1", ADDRESS, slowly, now=NOW) is Delivery.SENT
    assert begun == [Delivery.NOT_NOW]
