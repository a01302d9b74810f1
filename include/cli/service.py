"""``setup``, ``stop``, ``reset``: the services of this deployment."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from include.core.errors import DeclarationError
from include.settings import ROOT, Settings

if TYPE_CHECKING:
    pass

Port = Annotated[int, typer.Option(min=1, max=65535, help="The port of Airflow's UI and API, on loopback.")]

console = Console()


def add_to(app: typer.Typer) -> None:
    for command in (setup, stop, reset):
        app.command()(command)


def setup(
    flights: Annotated[bool, typer.Option(help="Land the demo's flights as production data.")] = True,
    adopt: Annotated[bool, typer.Option(help="Adopt the contracts as the steward that they name.")] = True,
) -> None:
    """Make this deployment's folders and keys, land the flights, and put the contracts into effect."""
    from include.runtime import demo as demonstration
    from include.runtime import deployment
    from include.runtime.authority_client import authority

    settings = Settings.from_environment()
    deployment.prepare(settings)
    if flights:
        land(settings)
    with authority(settings, demonstration.STEWARD):
        pass  # its first start makes the grant-signing key and publishes the public one
    if adopt:
        demonstration.adopt(settings, console.print)
    console.print(f"ready: {settings.home}")


def stop() -> None:
    """End every process that `./trainyard demo` started."""
    from include.runtime.airflow import sessions

    settings = Settings.from_environment()
    running = sessions.alive(settings)
    sessions.stop(settings)
    console.print("stopped" if running else "nothing was running")


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete this deployment's home: ledger, keys, artifacts, models, landed data."""
    from include.runtime.airflow import sessions

    settings = Settings.from_environment()
    home = settings.home
    if home in {Path.home(), ROOT, Path("/")} or not _ours(home):
        raise DeclarationError(
            "only a folder that Trainyard made is deleted", value=str(home), remedy="Check TRAINYARD_HOME."
        )
    if not yes:
        typer.confirm(f"Delete {home}, with its ledger and all models?", abort=True)
    sessions.stop(settings)
    shutil.rmtree(home, ignore_errors=False)
    console.print(f"deleted {home}")


def _ours(home: Path) -> bool:
    return not home.exists() or (home / "keys").is_dir() or (home / "production").is_dir()


def land(settings: Settings) -> None:
    """Land the demo's flights as production data, with a progress bar; harmless when they are there."""
    from include.runtime import demo as demonstration

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("landing a year of real flights", total=None)
        demonstration.prepare(settings, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"production data: {settings.production}")
