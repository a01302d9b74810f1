"""``land``: rows by key into a dataset's folder, as new versions of their days."""

from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from include.cli.console import console, line
from include.cli.signals import unwound_by_signals
from include.contracts import load
from include.contracts.servers import is_table
from include.core.records import DAY, Contract, Days, last_day
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.code.projects import project_names
from include.settings import Settings

if TYPE_CHECKING:
    from include.data.landing import Landed


#: So many days are named in one line.
_SHOWN = 10


def land(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of rows: Parquet, CSV or JSON lines.", exists=True, dir_okay=False),
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the rows that have the keys in the files.")] = False,
    empty: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="A day that has no rows: file it so; may be given again."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be landed.")] = False,
    check: Annotated[
        str | None,
        typer.Option(help="Land nothing: look again at so many last days, or at FIRST..LAST, and tell what changed."),
    ] = None,
) -> None:
    """Land new, late and corrected rows of NAME, by key: each day that they change becomes a new version of it.

    Runs of this instant and later read the new versions; earlier instants read what stood before, and give what they
    gave. All rows land, or none. Rows that are there already change nothing.
    """
    from include.data import landing

    settings = Settings.from_environment()
    contract = load(settings.contracts / f"{name}.odcs.yaml", settings.classes)
    if check is not None:
        _look_again(settings, contract, _days(check))
        return
    if not (files or empty):
        raise typer.BadParameter("Name files of rows, or a day that has none.", param_hint="'FILES'")
    with console.status("Comparing the rows with those that are there"), unwound_by_signals():
        landed = landing.land(
            contract,
            settings.production,
            files or [],
            clock=lambda: datetime.now(UTC),
            delete=delete,
            empty=[moment.date() for moment in empty or []],
            dry_run=dry_run,
        )
    _show(landed)
    if dry_run:
        console.say("nothing was landed: --dry-run")
    elif landed.moment is None:
        console.say("nothing was landed: all of it is there already")
    else:
        console.say(
            f"landed at {landed.moment:%Y-%m-%dT%H:%M:%S.%f}Z: runs of that instant and later read it, "
            "earlier instants what stood before"
        )


def _show(landed: "Landed") -> None:
    table = Table("day", "new", "changed", "unchanged", "removed", "")
    for each in landed.days:
        counts = (each.new, each.changed, each.unchanged, each.removed)
        table.add_row(each.day.isoformat(), *(f"{count:,}" for count in counts), "first filed" if each.filed else "")
    if landed.days:
        console.print(table)
    if landed.absent:
        console.say(f"{landed.absent:,} keys are of no row that is there")


def _days(text: str) -> Days:
    """The days that *text* says: how many of the last that have ended, or the first and the last."""
    first, dots, last = text.partition("..")
    days = None
    with suppress(ValueError, OverflowError):
        end = date.fromisoformat(last) if dots else last_day(datetime.now(UTC))
        days = Days(first=date.fromisoformat(first) if dots else end - (int(text) - 1) * DAY, last=end)
    if not days:
        raise typer.BadParameter("Write a number of days, or FIRST..LAST as YYYY-MM-DD.", param_hint="'--check'")
    return days


def _look_again(settings: Settings, contract: Contract, days: Days) -> None:
    """Show which days are other than projects read them; those of a server the next nights look at."""
    from include.data import looks
    from include.data.sources import source_of

    deployment.require(settings)
    ledger, name = Ledger.open(settings.ledger), contract.dataset
    if is_table(contract.location):  # only a run knows which columns its digests are of
        looks.look_again(ledger, name, days, user=settings.user)
        console.say(
            f"{name}: the next night of each project looks at {days.first} to {days.last} again; what changed is read "
            "anew, and `./trainyard status` shows it"
        )
        return
    source = source_of(contract, settings.production, settings.source_credentials_file)
    for project in project_names(settings.projects):
        with console.status(line("looking at ", name)):
            changed = looks.changed(ledger, project, source, days)
        told = ", ".join(map(str, changed[:_SHOWN])) + (f" and {len(changed) - _SHOWN} more" * (len(changed) > _SHOWN))
        console.say(f"{project}: {name}: {told or 'no day'} changed since it was read")
