"""Lets a steward whom a contract has named since Airflow started sign in to it. Every task imports this.

Airflow's simple auth manager reads its list of users (from the environment of the API server) and their passwords at
each sign-in: it is enough to renew both before.
"""

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

#: Where the auth manager takes a name and a password, for a browser and for a program.
_SIGN_IN = ("/auth/token", "/auth/token/cli")
_PASSWORDS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"  # a variable's name
_USERS = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"


class StewardsSignIn:
    """Before anybody signs in to an embedded Airflow, its users become those of the contracts as they are now."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith(_SIGN_IN):
            await asyncio.to_thread(renew_users)
        await self._app(scope, receive, send)


def renew_users() -> None:
    """Make the users of this process those of the contracts; harmless where Airflow is not embedded.

    A contract that cannot be read keeps nobody from signing in who could before.
    """
    from include.contracts import load_folder
    from include.core.errors import TrainyardError
    from include.runtime.embedded.environment import passwords_file, secrets_of, users_option
    from include.settings import Settings

    settings = Settings.from_environment()
    if os.environ.get(_PASSWORDS) == str(passwords_file(settings)):
        with suppress(TrainyardError):
            secrets_of(settings)
            users = users_option(settings).split(",")
            if load_folder(settings.contracts, settings.classes).broken:
                users += os.environ.get(_USERS, "").split(",")
            os.environ[_USERS] = ",".join(dict.fromkeys(filter(None, users)))
