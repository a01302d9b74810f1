"""``override``: a person lets models through one gate for a time, or ends that, and says why."""

from typing import Annotated

import typer

from include.cli.console import console
from include.cli.night import ProjectName
from include.cli.stewards import Reason, Steward, as_steward
from include.core.errors import DeclarationError
from include.core.records import Gate

Overridden = Annotated[Gate, typer.Option("--gate", help="The gate that models are let through.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="The last day (UTC) on which it holds, as 2013-07-01.")]
End = Annotated[bool, typer.Option("--end", help="End the override that is in force, now.")]


def override(
    project: ProjectName,
    gate: Overridden,
    reason: Reason,
    until: Until = None,
    end: End = False,
    steward: Steward = None,
) -> None:
    """Let models of PROJECT through a gate to the end of a day, as a steward of what it reads, or end that at once.

    A later override of a gate replaces it. The authority signs each; a verdict that one lets through says by whom and
    why.
    """
    if end is (until is not None):
        value = "both" if end else "neither"
        remedy = "Name the last day with --until, or end what is in force with --end."
        raise DeclarationError("an override has --until or --end", value=value, remedy=remedy)
    with as_steward(steward) as client:
        if until is None:
            client.end_override(project, gate.value, reason=reason)
            told = f"ended: models of {project} pass the gate {gate.value} by themselves again"
        else:
            made = client.override(project, gate.value, until=until, reason=reason)
            told = (
                f"overridden: models of {project} pass the gate {made['gate']} until {made['until']}, by {made['by']}"
            )
    console.say(told)
