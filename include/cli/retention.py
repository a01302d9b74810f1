"""``retention`` and ``hold``: what is removed when its time is over, and what a steward keeps from that."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from include.cli.console import console
from include.cli.stewards import Reason, Steward, as_steward
from include.core.errors import RegistryError
from include.governance.holds import holds
from include.runtime.code import kept as kept_code
from include.runtime.nights.platform import open_platform
from include.settings import Settings
from include.steps import Platform

Subject = Annotated[str, typer.Argument(help="A dataset, a project (all its models), or PROJECT/VERSION.")]

#: This many lines of what goes next are shown.
SHOWN = 8

hold = typer.Typer(no_args_is_help=True, help="What is kept from removal, whatever time is declared for it.")


def retention() -> None:
    """Remove now what is kept longer than its contracts declare. The DAG `stewardship` and `run` do so once a day."""
    from include.steps.retention import carry_out

    carried = carry_out(open_platform(Settings.from_environment()), now=datetime.now(UTC))
    console.say(in_words(carried.removed, carried.left))


def keep_in_order(settings: Settings) -> None:
    """Draw the plots of new versions after a run or a watch, and carry retention out if a day has passed since then."""
    from include.runtime.upkeep.plots import draw_new
    from include.steps.retention import carry_out, is_due

    platform, now = open_platform(settings), datetime.now(UTC)
    try:
        draw_new(platform)
    except RegistryError as error:  # the next call goes on there
        console.say(f"plots: {error}")
    if is_due(platform.ledger, now=now):
        kept_code.remove_unneeded(settings, platform.ledger, now=now)
        carried = carry_out(platform, now=now)
        if carried.removed:
            console.say(in_words(carried.removed, carried.left))


@hold.command()
def add(subject: Subject, reason: Reason, steward: Steward = None) -> None:
    """Keep all of SUBJECT, as a steward of the dataset or of one that the model's project reads."""
    with as_steward(steward) as client:
        client.hold(subject, reason=reason)
    console.say(f"held: nothing of {subject} is removed until the hold is lifted")


@hold.command(name="list")
def list_() -> None:
    """The holds in force."""
    platform = open_platform(Settings.from_environment())
    table = Table("held", "since (UTC)", "by", "reason")
    for subject, found in sorted(holds(platform.ledger, platform.access.verifier).items()):
        table.add_row(subject, f"{found.since:%Y-%m-%d %H:%M}", found.steward, found.reason)
    console.print(table)


@hold.command()
def lift(subject: Subject, reason: Reason, steward: Steward = None) -> None:
    """End the hold of SUBJECT: what is due is removed from then on."""
    with as_steward(steward) as client:
        client.end_hold(subject, reason=reason)
    console.print(f"lifted: {subject}")


def in_words(removed: int, left: int) -> str:
    """What carrying retention out came to, in a line."""
    waits = f"; {left:,} wait until nothing of their projects runs" if left else ""
    return f"retention: {removed:,} artifacts removed whose declared time is over{waits}"


def show_retention(platform: "Platform", *, now: datetime) -> None:
    """What is removed next, what is held, and of which datasets nothing is removed, if there is any of these."""
    from include.steps.retention import outlook

    seen = outlook(platform, now=now)
    counted = Counter((max(each.due_since, now).date(), each.kind, ", ".join(each.datasets)) for each in seen.endings)
    table = Table("from (UTC)", "kind", "made of", "artifacts", title="removed next")
    for (day, kind, datasets), number in sorted(counted.items())[:SHOWN]:
        table.add_row(str(day), kind, datasets, f"{number:,}")
    if table.row_count:
        console.print(table)
    for hold in seen.holds:
        console.say(f"held: {hold.subject}, by {hold.steward}: {hold.reason}")
    for subject, why in seen.without.items():
        console.say(f"retention of {subject}: it is not carried out: {why}")
