"""``contract new`` and ``contract adopt``: a data contract from somebody's own Parquet, and putting it into effect."""

import keyword
import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.core.errors import ContractError
from include.settings import Settings

console = Console(highlight=False)
contracts = typer.Typer(no_args_is_help=True, help="Data contracts: what stewards promise, and who decides.")

#: What functions of a project call their rows to predict for, so no dataset may be called that.
_RESERVED = {"population"}


def add_to(app: typer.Typer) -> None:
    app.add_typer(contracts, name="contract")


@contracts.command()
def new(
    name: Annotated[str, typer.Argument(help="The dataset's name: letters, digits and _.")],
    path: Annotated[Path, typer.Argument(help="A Parquet file, or a folder of them.", exists=True)],
    steward: Annotated[list[str], typer.Option(help="Who decides about it; may be given again.")],
    time: Annotated[
        str | None, typer.Option(help="The timestamp column (UTC) that places a row in its day; needed to train on it.")
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="A column that is known only days later; may be given again.")
    ] = None,
    after_days: Annotated[int, typer.Option(min=1, help="How many days later the outcomes are known.")] = 1,
) -> None:
    """Draft a contract for the Parquet files at PATH: every column restricted until its steward says otherwise.

    With --time the rows are first filed by UTC day under the production folder, as nights read them.
    """
    from include.runtime import deployment

    settings = Settings.from_environment()
    target = settings.contracts / f"{name}.odcs.yaml"
    _require_free(name, target)
    deployment.prepare(settings)
    text = _drafted(settings, name, path, time, tuple(steward), outcome or [], after_days)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(target)  # whoever reads the folder meanwhile finds no half of a contract
    _say(f"drafted {target}")
    if time is not None and not outcome:
        _say(f"it says that every column is known at {time}: give those that are not another `knownAt`")
    _say(f"next: edit what is marked EDIT, then `./trainyard contract adopt {name} --as {steward[0]}`")


def _require_free(name: str, target: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED:
        raise ContractError(
            "a dataset's name is an identifier, and no word of Python or of ours",
            value=name,
            remedy="Use letters, digits and _.",
        )
    if target.exists():
        raise ContractError(
            "a contract is never overwritten", value=str(target), remedy="Edit it, or choose another name."
        )


def _drafted(
    settings: Settings,
    name: str,
    path: Path,
    time: str | None,
    stewards: tuple[str, ...],
    outcomes: list[str],
    after_days: int,
) -> str:
    from include.contracts import draft
    from include.data.partitioning import file_by_day
    from include.data.source import PRODUCTION

    late = after_days if outcomes else 0
    if time is None:
        return draft(name, path, stewards=stewards, outcomes=outcomes, known_after_days=late)
    filed = settings.production / name
    days = file_by_day(path, filed, time=time)
    try:
        text = draft(
            name,
            filed,
            stewards=stewards,
            location=f"{PRODUCTION}/{name}",
            outcomes=outcomes,
            known_after_days=late,
        )
    except BaseException:  # nothing is left half-done: the same command, corrected, would find the folder taken
        shutil.rmtree(filed)
        raise
    _say(f"filed {len(days)} days, {days.first} to {days.last}, under {filed}")
    return text


@contracts.command()
def adopt(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    steward: Annotated[str | None, typer.Option("--as", help="The steward who adopts it.")] = None,
) -> None:
    """Put the contract file of NAME, as it is now, into effect. Grants bind its digest."""
    from include.runtime.airflow.environment import passwords_file, secrets_of
    from include.runtime.authority_client import authority

    settings = Settings.from_environment()
    with authority(settings, steward or settings.user) as client:
        digest = client.adopt(name)
    console.print(f"{name}: contract [bold]{digest[:19]}[/bold] is in effect")
    if passwords_file(settings).exists():
        secrets_of(settings)  # who is new has a password, and may sign in to an Airflow that runs
        _say(f"its stewards sign in to Airflow with the passwords in {passwords_file(settings)}")


def _say(line: str) -> None:
    console.print(line, soft_wrap=True, markup=False)  # paths stay whole, to be copied
