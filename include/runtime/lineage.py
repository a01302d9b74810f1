"""The lineage events of the ledger: handed on, and drawn."""

from pathlib import Path

from include.lineage.graph import Graph, graph_of
from include.settings import Settings


def deliver(settings: Settings) -> int:
    """Deliver the events that are new to the file or the HTTP endpoint of the settings; how many.

    Raises:
        LedgerUnavailable: the endpoint or the file cannot be reached: the next delivery goes on there.
        AuthorityError: the file with the endpoint's key cannot be read, or others may read it.
    """
    from include.governance import secrets
    from include.ledger import Ledger
    from include.ledger.delivery import deliver_to_endpoint, deliver_to_file

    ledger = Ledger.open(settings.ledger)
    if settings.lineage.startswith(("http://", "https://")):
        file = settings.lineage_key_file
        key = secrets.read(file).decode().strip() if file else None
        return deliver_to_endpoint(ledger, settings.lineage, api_key=key)
    return deliver_to_file(ledger, Path(settings.lineage))


def graph(settings: Settings, project: str, *, run: str | None = None) -> Graph:
    """The lineage of a run of *project* (none: of the last one), as the ledger has it, with the runs it builds on.

    Raises:
        DeclarationError: the ledger has no lineage of such a run.
        LedgerUnavailable: the ledger's database cannot be reached.
    """
    from include.core.events import LineageEmitted
    from include.ledger import Ledger

    entries = Ledger.open(settings.ledger).read("lineage")
    events = (entry.event.event for entry in entries if isinstance(entry.event, LineageEmitted))
    return graph_of(events, project=project, run=run)
