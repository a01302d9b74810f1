"""Hands the lineage events of the ledger on."""

from pathlib import Path

from include.settings import Settings


def deliver(settings: Settings) -> int:
    """Deliver the events that are new to the file or the HTTP endpoint of the settings; how many.

    Raises:
        LedgerUnavailable: the endpoint or the file cannot be reached: the next delivery goes on there.
    """
    from include.ledger import Ledger
    from include.ledger.delivery import deliver_to_endpoint, deliver_to_file

    ledger = Ledger.open(settings.ledger)
    if settings.lineage.startswith(("http://", "https://")):
        return deliver_to_endpoint(ledger, settings.lineage)
    return deliver_to_file(ledger, Path(settings.lineage))
