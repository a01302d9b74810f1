"""Addresses in the vault that a revocation cannot call back."""

from datetime import datetime

from include.core.events import AccessRevoked, TrainingOrdered
from include.ledger import Ledger


def outstanding(ledger: Ledger, *, now: datetime) -> tuple[TrainingOrdered, ...]:
    """The orders from before the latest revocation of their project whose addresses still open the vault at *now*.

    The process that held them is ended when a grant is revoked; whether a copy of its addresses is used until they end
    is NOT SHOWN. Of a step that was ordered several times, each order counts.
    """
    found: list[TrainingOrdered] = []
    living: dict[str, list[TrainingOrdered]] = {}
    for entry in ledger.read_all(kinds=(TrainingOrdered, AccessRevoked)):
        event = entry.event
        if isinstance(event, TrainingOrdered) and now < event.expires_at:
            living.setdefault(event.project, []).append(event)
        elif isinstance(event, AccessRevoked):
            found += living.pop(entry.stream.split("/")[1], [])
    return tuple(found)


def in_words(order: TrainingOrdered) -> str:
    """What of *order* cannot be shown, as ``status`` prints it."""
    return (
        f"who reads the rows of {order.project!r}: NOT SHOWN until {order.expires_at:%Y-%m-%d %H:%M:%S}Z: a grant was "
        f"revoked after order {order.order_id} ({order.step} of run {order.run_id!r}) gave addresses"
    )
