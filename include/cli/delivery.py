"""Lineage on its way out, after a night that the command line has run."""

from pathlib import Path

from include.settings import Settings


def deliver(settings: Settings) -> int:
    """Hand the lineage events that are new to the file or endpoint of the settings; how many.

    Raises:
        LedgerUnavailable: the endpoint cannot be reached; the next delivery starts where this one ended.
    """
    from include.ledger import Ledger
    from include.ledger.delivery import deliver_to_endpoint, deliver_to_file

    ledger = Ledger.open(settings.ledger)
    if settings.lineage.startswith(("http://", "https://")):
        return deliver_to_endpoint(ledger, settings.lineage)
    return deliver_to_file(ledger, Path(settings.lineage))
