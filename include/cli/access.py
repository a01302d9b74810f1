"""``access``: what stewards see and decide, through the authority that knows who they are."""

import json
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from include.cli.console import console
from include.cli.notices import tell_people
from include.cli.stewards import Reason, Steward, as_steward
from include.core.records import RevocationKind
from include.settings import Settings

Project = Annotated[str | None, typer.Option(help="Only of this project.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the REST API answers.")]
_KINDS = (
    "stop-new: no read and no night begins, a night under way goes on. stop-running: what runs ends, too. "
    "quarantine: what was made under it is neither promoted nor served until you lift it, too."
)

access = typer.Typer(no_args_is_help=True, help="Who may read what: what waits, what is in force, and your decisions.")


@access.command(name="list")
def list_(steward: Steward = None, project: Project = None, as_json: AsJson = False) -> None:
    """What waits for a decision, and the grants in force with their last use."""
    with as_steward(steward) as client:
        waiting, grants = client.requests(project), client.grants(project)
    if as_json:
        _print_json({"requests": waiting, "grants": grants})
        return
    table = Table(
        _whole("request"), "project", "dataset", "columns", "asked by", "decided by", "before", title="waiting"
    )
    for one in waiting:
        columns = str(len(one["columns"]))
        decide, before = ", ".join(one["stewards"]), one.get("decided_before") or "first request"
        table.add_row(one["request_id"], one["project"], one["dataset"], columns, one["requester"], decide, before)
    console.print(table)
    held = Table(_whole("grant"), "project", "dataset", "until", "by", "last use", title="in force")
    for one in grants:
        last = f"{one['last_use_at'][:16]}Z" if one["last_use_at"] else "never"
        held.add_row(
            one["grant_id"], one["project"], one["dataset"], f"{one['expires_at'][:16]}Z", one["steward"], last
        )
    console.print(held)


@access.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="ID", help="The id of a request (r-…) or of a grant (g-…).")],
    steward: Steward = None,
    as_json: AsJson = False,
) -> None:
    """One request or grant: who, what for, which columns and how they are read."""
    with as_steward(steward) as client:
        found = client.grant_of(subject) if subject.startswith("g-") else client.request_of(subject)
    if as_json:
        _print_json(found)
        return
    columns = found["columns"]
    for name, value in found.items():
        if name in ("columns", "refused_by", "refusal"):  # the last two: names of before of what is shown already
            continue
        shown = ", ".join(value) if isinstance(value, list) else value
        console.say(f"{name.replace('_', ' '):16} {'–' if shown is None else shown}")
    table = Table("column", "read")
    for column, treatment in columns.items():
        table.add_row(column, "as it is" if treatment == "clear" else f"as a {treatment}")
    console.print(table)


@access.command()
def history(
    steward: Steward = None,
    project: Project = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many lines.")] = 50,
    before: Annotated[int | None, typer.Option(min=1, help="Only what is older than this position.")] = None,
    as_json: AsJson = False,
) -> None:
    """All that was asked and decided, newest first."""
    with as_steward(steward) as client:
        lines = client.history(project=project, before=before, limit=limit)
    if as_json:
        _print_json(lines)
        return
    table = Table("position", "when (UTC)", "what", "project", "dataset", "who and why", "proof")
    for line in lines:
        why = f"{line['who']}: {line['reason']}" if line["who"] else "unknown"
        when = line["at"][:16].replace("T", " ")
        act = f"{line['act']} ({line['revocation_kind']})" if line["revocation_kind"] else line["act"]
        table.add_row(str(line["position"]), when, act, line["project"], line["dataset"], why, line["proof"])
    console.print(table)


@access.command()
def approve(
    request: Annotated[list[str] | None, typer.Argument(help="Request ids. Default: all that wait for you.")] = None,
    steward: Steward = None,
    reason: Reason = "approved on the command line",
    days: Annotated[int, typer.Option(help="For how long, in days.")] = 90,
) -> None:
    """Approve requests for data, as a steward of the datasets' contracts."""
    with as_steward(steward) as client:
        waiting = [asked["request_id"] for asked in client.requests() if client.user in asked["stewards"]]
        if request is None and not waiting:
            console.print(f"nothing waits for {client.user}; open requests and contracts: `./trainyard status`")
            return
        for request_id in request or waiting:
            grant_id = client.grant(request_id, reason=reason, days=days)
            console.print(Text("granted", style="green"), f"{request_id} for {days} days: {grant_id}")
    tell_people(Settings.from_environment(), quietly=True)


@access.command()
def deny(
    request: Annotated[str, typer.Argument(help="The request's id.")], reason: Reason, steward: Steward = None
) -> None:
    """Deny a request; the night that waits for it ends with your reason. The same may be asked again."""
    with as_steward(steward) as client:
        client.deny(request, reason=reason)
        console.print(f"denied {request}")
    tell_people(Settings.from_environment(), quietly=True)


@access.command()
def revoke(
    grant: Annotated[str, typer.Argument(help="The grant's id.")],
    reason: Reason,
    kind: Annotated[RevocationKind, typer.Option(help=_KINDS)] = RevocationKind.STOP_RUNNING,
    steward: Steward = None,
) -> None:
    """End a grant now: nothing more is read under it. What depends on it: `./trainyard impact GRANT`."""
    with as_steward(steward) as client:
        client.revoke(grant, reason=reason, kind=kind)
        console.print(f"revoked {grant} ({kind})")


@access.command()
def lift(
    grant: Annotated[str, typer.Argument(help="The grant's id.")], reason: Reason, steward: Steward = None
) -> None:
    """End the quarantine of what was made under a revoked grant: it may be promoted and serve again."""
    with as_steward(steward) as client:
        client.lift(grant, reason=reason)
        console.print(f"lifted the quarantine of what was made under {grant}; the grant stays revoked")


@access.command()
def notify() -> None:
    """Send what stewards and those who asked are to know now; each message goes out once, however often you call.

    The DAG `stewardship` does it every quarter of an hour; without Airflow, `run` and decisions do, or your own timer.
    """
    if not tell_people(Settings.from_environment()):
        raise typer.Exit(1)


def _whole(title: str) -> Column:
    """A column of ids, which are not broken however narrow the terminal is: they are copied."""
    return Column(title, no_wrap=True, min_width=18)


def _print_json(found: object) -> None:
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
