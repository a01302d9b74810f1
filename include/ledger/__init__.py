"""The memory: streams of events in one append-only log.

Start at :class:`Ledger`. ``lease`` keeps two nights of one project apart, ``projection`` caches a fold, ``delivery``
hands OpenLineage events on, ``outbox`` messages to people. State is always a fold over entries; nothing is ever updated
or deleted.
"""

from include.ledger.entry import Entry, Fence
from include.ledger.ledger import Ledger, of_kind

__all__ = ["Entry", "Fence", "Ledger", "of_kind"]
