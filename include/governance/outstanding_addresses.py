"""Addresses in the vault that the end of a grant cannot call back."""

from datetime import datetime

from include.core.events import AccessGranted, AccessRevoked, ContractAdopted, TrainingOrdered
from include.core.records import RevocationKind
from include.governance.decisions import place_of
from include.ledger import Ledger


def outstanding(ledger: Ledger, *, now: datetime) -> tuple[TrainingOrdered, ...]:
    """The orders whose addresses still open the vault at *now*, though a grant of their project ended since.

    A revocation ends one unless it stops only what is new, and so does the adoption of another version of a contract
    under which the project was granted something. The process that held the addresses is ended then; whether a copy of
    them is used until they end is NOT SHOWN. Of a step that was ordered several times, each order counts.
    """
    found: list[TrainingOrdered] = []
    living: dict[str, list[TrainingOrdered]] = {}
    granted: dict[str, set[str]] = {}
    for entry in ledger.read_all(kinds=(TrainingOrdered, AccessGranted, AccessRevoked, ContractAdopted)):
        event, place = entry.event, place_of(entry)
        if isinstance(event, TrainingOrdered):
            if now < event.expires_at:
                living.setdefault(event.project, []).append(event)
        elif isinstance(event, ContractAdopted):
            for project in granted.get(entry.stream.removeprefix("contract/"), ()):
                found += living.pop(project, [])
        elif place is not None and isinstance(event, AccessGranted):
            granted.setdefault(place[1], set()).add(place[0])
        elif place is not None and isinstance(event, AccessRevoked) and event.effect is not RevocationKind.STOP_NEW:
            found += living.pop(place[0], [])
    return tuple(found)


def in_words(order: TrainingOrdered) -> str:
    """What of *order* cannot be shown, as ``status`` prints it."""
    given = f"order {order.order_id} ({order.step} of run {order.run_id!r}) gave addresses"
    return (
        f"who reads the rows of {order.project!r}: NOT SHOWN until {order.expires_at:%Y-%m-%d %H:%M:%S}Z: a grant "
        f"ended, revoked or with its contract, after {given}"
    )
