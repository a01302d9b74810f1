"""How a steward says who they are and why, and the authority that they then speak to."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from include.runtime.server.client import AuthorityClient, authority
from include.settings import Settings

Steward = Annotated[str | None, typer.Option("--as", help="Who you are. Default: TRAINYARD_USER.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence for the record.")]


def as_steward(name: str | None, *, introduce: bool = False) -> AbstractContextManager[AuthorityClient]:
    """The authority, asked as *name*, or as who TRAINYARD_USER says; *introduce*: as of :func:`authority`."""
    settings = Settings.from_environment()
    return authority(settings, name or settings.user, introduce=introduce)
