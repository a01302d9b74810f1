"""``contract new`` and ``contract adopt``: a data contract from somebody's own Parquet, and putting it into effect."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.core.errors import ContractError
from include.settings import Settings

console = Console()
contracts = typer.Typer(no_args_is_help=True, help="Data contracts: what stewards promise, and who decides.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(contracts, name="contract")


@contracts.command()
def new(
    name: Annotated[str, typer.Argument(help="The dataset's name: letters, digits and _.")],
    path: Annotated[Path, typer.Argument(help="A Parquet file, or a folder of them.", exists=True)],
    time: Annotated[
        str | None, typer.Option(help="The timestamp column (UTC) that places a row in its day; needed to train on it.")
    ] = None,
    steward: Annotated[list[str] | None, typer.Option(help="Who decides about it; may be given again.")] = None,
) -> None:
    """Draft a contract for the Parquet files at PATH: every column restricted until its steward says otherwise.

    With --time the rows are first filed by UTC day under the production folder, as nights read them.
    """
    from include.contracts import draft
    from include.data.partitioning import file_by_day

    settings = Settings.from_environment()
    target = settings.contracts / f"{name}.odcs.yaml"
    if target.exists():
        raise ContractError(
            "a contract is never overwritten", value=str(target), remedy="Edit it, or choose another name."
        )
    source = path
    if time is not None:
        source = settings.production / name
        days = file_by_day(path, source, time=time)
        console.print(f"filed {len(days)} days, {days.first} to {days.last}, under {source}")
    target.write_text(draft(name, source, stewards=tuple(steward or ())))
    console.print(f"drafted {target}")
    console.print("next: edit what is marked EDIT, then `./trainyard contract adopt " + name + " --as STEWARD`")


@contracts.command()
def adopt(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    steward: Annotated[str | None, typer.Option("--as", help="The steward who adopts it.")] = None,
) -> None:
    """Put the contract file of NAME, as it is now, into effect. Grants bind its digest."""
    from include.runtime.authority_client import authority

    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        digest = client.adopt(name)
    console.print(f"{name}: contract [bold]{digest[:19]}[/bold] is in effect")
