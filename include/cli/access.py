"""``approve``, ``deny``, ``revoke``: what stewards decide, through the authority that knows who they are."""

from typing import Annotated

import typer
from rich.console import Console

from include.runtime.authority_client import authority
from include.settings import Settings

Steward = Annotated[str | None, typer.Option("--as", help="The steward who decides. Default: TRAINYARD_USER.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence for the record.")]

console = Console()


def add_to(app: typer.Typer) -> None:
    app.command()(approve)
    app.command()(deny)
    app.command()(revoke)


def approve(
    request: Annotated[list[str] | None, typer.Argument(help="Request ids. Default: all that wait for you.")] = None,
    steward: Steward = None,
    reason: Reason = "approved on the command line",
    days: Annotated[int, typer.Option(help="For how long, in days.")] = 90,
) -> None:
    """Approve requests for data, as a steward of the datasets' contracts."""
    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        waiting = [asked for asked in client.requests() if client.user in asked["stewards"]]
        if request is None and not waiting:
            console.print(f"nothing waits for {client.user}; open requests and contracts: `./trainyard status`")
            return
        for request_id in request or [asked["request_id"] for asked in waiting]:
            grant_id = client.grant(request_id, reason=reason, days=days)
            console.print(f"[green]granted[/green] {request_id} for {days} days: {grant_id}")


def deny(
    request: Annotated[str, typer.Argument(help="The request's id.")], reason: Reason, steward: Steward = None
) -> None:
    """Refuse a request; the same may be asked again."""
    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        client.refuse(request, reason=reason)
        console.print(f"refused {request}")


def revoke(
    grant: Annotated[str, typer.Argument(help="The grant's id.")], reason: Reason, steward: Steward = None
) -> None:
    """End a grant now: nothing more is read under it."""
    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        client.revoke(grant, reason=reason)
        console.print(f"revoked {grant}")
