"""``override``: a person lets models through one gate for a time, and says why."""

from typing import Annotated

import typer

from include.cli.access import Reason, Steward
from include.cli.night import ProjectName
from include.cli.shown import Words
from include.core.records import Gate
from include.runtime.authority_client import authority
from include.settings import Settings

Overridden = Annotated[Gate, typer.Option("--gate", help="The gate that models are let through.")]
Until = Annotated[str, typer.Option(metavar="DATE", help="The last day (UTC) on which it holds, as 2013-07-01.")]

console = Words()


def add_to(app: typer.Typer) -> None:
    app.command()(override)


def override(project: ProjectName, gate: Overridden, until: Until, reason: Reason, steward: Steward = None) -> None:
    """Let models of PROJECT through a gate to the end of a day, as a steward of what it reads. A later one replaces it.

    The authority signs it; each verdict that it lets through says by whom and why.
    """
    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        made = client.override(project, gate.value, until=until, reason=reason)
    console.print(
        f"overridden: models of {project} pass the gate {made['gate']} until {made['until']}, by {made['by']}",
        soft_wrap=True,
    )
