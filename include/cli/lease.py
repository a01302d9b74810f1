"""``lease``: which run holds a project's lease, and ending that of one that is known to be dead."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from include.cli.console import console
from include.cli.night import ProjectName
from include.cli.stewards import Steward
from include.core.words import reason as as_reason
from include.core.words import require_sentence
from include.ledger import Ledger
from include.ledger import lease as leases
from include.runtime import deployment
from include.runtime.nights.alone import require_not_running
from include.runtime.nights.runs import require_known
from include.settings import Settings


def lease(
    project: ProjectName,
    free: Annotated[bool, typer.Option("--free", help="End it: the run that holds it writes nothing more.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is freed, in a sentence for the record.")] = "",
    by: Steward = None,
) -> None:
    """Show which run holds the lease of PROJECT, of which one night runs at a time. With --free, end it, on record.

    For a run that died without a word: its lease would end by itself within half an hour.
    """
    settings, now = Settings.from_environment(), datetime.now(UTC)
    deployment.require(settings)
    ledger = Ledger.open(settings.ledger)
    require_known(settings, ledger, project)
    held = leases.held_by(ledger, project, now=now)
    if free:
        said, who = as_reason(reason), by or settings.user
        require_sentence("the name of who frees it", who)
        require_not_running(settings, project)
        freed = leases.free(ledger, project, by=who, reason=said, now=now)
        console.say(f"freed: run {freed.run_id} of {project} holds no lease any more")
    elif held is None:
        console.say(f"free: no run of {project} holds its lease")
    else:
        console.say(f"held: run {held.run_id} of {project}, until {held.expires_at:%Y-%m-%d %H:%M:%S}Z")
