"""What the command line reports to people: by message, and here, at the next command of who asked."""

from datetime import UTC, datetime, timedelta

from include.cli.console import console
from include.core.errors import TrainyardError
from include.governance.signing import Verifier
from include.ledger import Ledger
from include.runtime import deployment
from include.settings import Settings

#: Decisions that ``run`` shows are no older than that.
_SHOWN_WITHIN = timedelta(days=30)


def tell_people(settings: Settings, *, quietly: bool = False) -> bool:
    """Send what is due; whether all addresses took it. *quietly*: say nothing where nothing was to be sent.

    That a message cannot be sent takes nothing from the command that was called.
    """
    from include.runtime.upkeep import notices

    if quietly and settings.addresses_file is None:
        return True
    try:
        told = notices.tell(settings, now=datetime.now(UTC))
    except TrainyardError as error:
        console.say(f"messages: {error}")
        return False
    if told.sent or told.failed or not quietly:
        console.say(f"messages: {told.sent} sent, {told.failed} not taken; see `./trainyard status`")
    return not told.failed


def show_decisions(settings: Settings, project: str) -> None:
    """Print what was decided about the project's requests since this was called last, with the reasons."""
    from include.governance.history import Act
    from include.governance.register import Register

    deployment.require(settings)
    ledger, name = Ledger.open(settings.ledger), f"decisions of {project}"
    register = Register(ledger, Verifier.load(settings.keys / deployment.AUTHORITY_PUBLIC_KEY))
    position, (shown, _) = register.catch_up(), ledger.delivered(name)
    since = datetime.now(UTC) - _SHOWN_WITHIN
    lines = [
        line for line in register.history(project=project, limit=100) if line.position > shown and line.at >= since
    ]
    news = {line.request_id: line for line in reversed(lines) if line.act is not Act.REQUESTED and line.request_id}
    for request_id, line in news.items():
        decided = register.request(request_id).decided
        if decided is not None:
            console.say(f"{line.dataset}: request {request_id} was {decided}")
    if news:
        ledger.mark_delivered(name, position=position)


def show_messages(settings: Settings, stewards: tuple[str, ...]) -> None:
    """Print which addresses take no messages, and which stewards have none."""
    from include.runtime.upkeep import notices

    if settings.addresses_file is None:
        return
    try:
        for each in notices.not_reached(settings):
            console.say(
                f"not reached: an address of {each.to} ({each.service}) did not take a message, {each.attempts} times "
                f"so far; it is tried again after {each.again_at:%Y-%m-%d %H:%M}Z"
            )
        for steward in notices.without_address(settings, stewards):
            console.say(f"not reached: {settings.addresses_file} has no address of the steward {steward}")
    except TrainyardError as error:
        console.say(f"messages: {error}")
