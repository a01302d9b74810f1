"""The lineage events of the ledger: handed on, and drawn."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from include.core import streams
from include.core.errors import DeclarationError
from include.core.events import LineageEmitted
from include.governance import secrets
from include.ledger import Ledger
from include.ledger.set_aside import SetAsideEvent
from include.lineage.graph import Graph, graph_of
from include.runtime.deployment import champions_of
from include.settings import Settings


def deliver(settings: Settings) -> int:
    """Deliver the events that are new to the file or the HTTP endpoint of the settings; how many.

    What an endpoint refuses for good is set aside (:func:`set_aside`), and no failure.

    Raises:
        LedgerUnavailable: the endpoint or the file cannot be reached: the next delivery goes on there.
        LedgerError: the endpoint refuses us, or somebody else wrote to the file.
        AuthorityError: the file with the endpoint's key cannot be read, or others may read it.
    """
    from include.ledger.delivery import deliver_to_endpoint, deliver_to_file

    ledger = Ledger.open(settings.ledger)
    if _is_endpoint(settings):
        return deliver_to_endpoint(ledger, settings.lineage, api_key=_key(settings))
    return deliver_to_file(ledger, Path(settings.lineage))


def set_aside(settings: Settings) -> tuple[SetAsideEvent, ...]:
    """What the endpoint of the settings refused for good and has not taken since; a file refuses nothing."""
    from include.ledger.delivery import endpoint_name
    from include.ledger.set_aside import all_set_aside

    if not _is_endpoint(settings):
        return ()
    found = all_set_aside(Ledger.open(settings.ledger), endpoint_name(settings.lineage))
    return tuple(each for each in found if not each.sent_again)


def send_again(settings: Settings) -> int:
    """Send what was set aside to the endpoint once more; how many it took. Raises as :func:`deliver`."""
    from include.ledger.delivery import send_again as send

    return send(Ledger.open(settings.ledger), settings.lineage, api_key=_key(settings)) if set_aside(settings) else 0


def tell_set_aside(settings: Settings, send: Callable[[str, str], bool]) -> int:
    """Call *send* with title and text of what was set aside since the last call that it took; how many events.

    One message for all of them, of the first and how many. What *send* does not take is reported by the next call.
    """
    from include.ledger.delivery import endpoint_name

    ledger, name = Ledger.open(settings.ledger), f"told of {endpoint_name(settings.lineage)}"
    told, _ = ledger.delivered(name)
    aside = set_aside(settings)
    new = [each for each in aside if each.recorded_at > told]
    if not new:
        return 0
    text = (
        f"{new[0].in_words()}, as the first of {len(new)}; {len(aside)} are set aside by now. Later events went on "
        "without. `./trainyard lineage --set-aside` shows what was set aside, and `--send-again` sends it again."
    )
    if not send(f"lineage: {len(new)} events were refused and set aside", text):
        return 0
    ledger.mark_delivered(name, position=new[-1].recorded_at)
    return len(new)


def _is_endpoint(settings: Settings) -> bool:
    return settings.lineage.startswith(("http://", "https://"))


def _key(settings: Settings) -> str | None:
    file = settings.lineage_key_file
    return secrets.read(file).decode().strip() if file else None


def graph(settings: Settings, project: str, *, run: str | None = None) -> Graph:
    """The lineage of a run of *project*, as the ledger has it, with the runs it builds on.

    Without *run*, that of the night that made the champion; where there is none, or its lineage is not in the ledger,
    that of the last run.

    Raises:
        DeclarationError: the ledger has no lineage of such a run.
        LedgerUnavailable: the ledger's database cannot be reached.
    """
    ledger = Ledger.open(settings.ledger)
    events = [each.event for each in ledger.events(streams.LINEAGE, LineageEmitted)]
    champion = champions_of(settings, ledger).in_force(project) if run is None else None
    if champion is not None:
        with suppress(DeclarationError):  # it was made before lineage was recorded
            return graph_of(events, project=project, run=champion.registered.run_id)
    return graph_of(events, project=project, run=run)
