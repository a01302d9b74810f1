"""``registry``: which model versions are champion by the authority's signature."""

import typer

from include.cli.console import console
from include.cli.night import ProjectName
from include.cli.stewards import Steward, as_steward
from include.runtime.code.projects import load_project
from include.settings import Settings

registry = typer.Typer(no_args_is_help=True, help="Model versions, and who vouches that one is champion.")


@registry.callback()
def group() -> None:
    """A group, though it has one command."""


@registry.command()
def sign(project: ProjectName, steward: Steward = None) -> None:
    """Have the authority decide again, and sign, about a champion that was promoted before promotions were signed.

    It decides on the figures that were recorded then, by the gates of that time, which the project must still declare.
    """
    settings = Settings.from_environment()
    gates = load_project(project, settings.projects).quality.gates
    with as_steward(steward) as client:
        signed = client.sign_promotion(project, gates)
    state = "signed: it stays champion" if signed["promoted"] else "signed: NOT promoted, and no longer champion"
    console.say(f"{project} version {signed['version']}: {state}")
    for reason in signed["reasons"]:
        console.say(f"  · {reason}")
