"""``setup``, ``stop``, ``reset``: the services of this deployment."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from include.cli.console import console
from include.core.addresses import without_credentials
from include.core.errors import DeclarationError
from include.demo import chain as demonstration
from include.runtime import deployment
from include.runtime.embedded import process_sessions, stewards
from include.runtime.nights.alone import require_idle
from include.runtime.server.client import make_keys
from include.settings import ROOT, Settings

Port = Annotated[int, typer.Option(min=1, max=65535, help="The port of Airflow's UI and API, on loopback.")]


def setup(
    flights: Annotated[bool, typer.Option(help="Land the demo's flights as production data.")] = True,
    adopt: Annotated[bool, typer.Option(help="Adopt the contracts that name the demo's steward, as that one.")] = True,
) -> None:
    """Make this deployment's folders and keys, land the flights, and put the contracts into effect."""
    settings = Settings.from_environment()
    deployment.prepare(settings)
    if flights:
        land(settings)
    make_keys(settings)
    if adopt and demonstration.STEWARD in stewards.of_new(settings) | stewards.of_adopted(settings):
        demonstration.adopt(settings, console.print)
    console.say(f"ready: {settings.home}")


def stop() -> None:
    """End every process that `./trainyard start` or `demo` started, and the call that watches over them."""
    settings = Settings.from_environment()
    running = process_sessions.alive(settings)
    process_sessions.stop(settings)
    console.print("stopped" if running else "nothing was running")


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete this deployment's home: ledger, keys, artifacts, models, landed data.

    What settings place outside of the home is named, and stays.
    """
    settings = Settings.from_environment()
    home = settings.home.resolve()
    if any(kept.is_relative_to(home) for kept in (Path.home().resolve(), ROOT)) or not _ours(home):
        raise DeclarationError(
            "only a folder that Trainyard made is deleted", value=str(home), remedy="Check TRAINYARD_HOME."
        )
    require_idle(settings)
    if elsewhere := _elsewhere(settings, home):
        told = f"not deleted, since outside of {home}: {'; '.join(elsewhere)}"
        console.say(f"{told}. A ledger or a vault without its keys is of no use.")
    if not yes:
        typer.confirm(f"Delete {home}, with its ledger and all models?", abort=True)
    process_sessions.stop(settings)
    shutil.rmtree(home, ignore_errors=False)
    console.print(f"deleted {home}")


def _ours(home: Path) -> bool:
    """Whether a key of ours lies there: the first thing that any command makes in a home."""
    made = ("keys/pseudonym.key", "keys/authority.pub", "authority/authority.key")
    return not home.exists() or any((home / name).is_file() for name in made)


def _elsewhere(settings: Settings, home: Path) -> list[str]:
    """What belongs to the deployment and lies outside of its home, each with its address."""
    places = {
        "ledger": settings.ledger,
        "store": settings.store,
        "vault": settings.vault,
        "production data": str(settings.production),
        "keys": str(settings.keys),
        "authority's keys": str(settings.authority_keys),
        "MLflow": settings.mlflow,
        "lineage": settings.lineage,
    }
    named = [*places.items(), *(("checkpoints", address) for address in settings.checkpoints)]
    return [f"{what} {without_credentials(address)}" for what, address in named if not _lies_in(home, address)]


def _lies_in(home: Path, address: str) -> bool:
    scheme, found, path = address.rpartition("://")
    local = not found or scheme in ("sqlite", "file", "local")
    return local and Path(path[1:] if scheme == "sqlite" else path).resolve().is_relative_to(home)


def land(settings: Settings) -> None:
    """Land the demo's flights as production data, with a progress bar; harmless when they are there."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("landing a year of real flights", total=None)
        demonstration.prepare(settings, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"production data: {settings.production}")
