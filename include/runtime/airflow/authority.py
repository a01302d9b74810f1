"""The stewards' authority inside Airflow's API server, the only process that is told where its key lies."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_Message = MutableMapping[str, Any]
_Application = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]


class MountedAuthority:
    """The authority's API as an ASGI application that is built when it is first asked.

    Every task loads Airflow's plugins; only the API server serves them, and only there the key is opened.
    """

    def __init__(self) -> None:
        self._application: _Application | None = None

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        if self._application is None:
            self._application = _build()
        await self._application(scope, receive, send)


def _build() -> _Application:
    from airflow.api_fastapi.core_api.security import GetUserDep

    from include.runtime.airflow.reports import add_reports
    from include.runtime.authority_api import authority_app
    from include.runtime.authority_service import open_authority
    from include.settings import Settings

    def signed_in_user(user: GetUserDep) -> str:
        return str(user.get_name())

    settings = Settings.from_environment()
    authority, access = open_authority(settings)
    application = authority_app(authority, access, signed_in_user)
    add_reports(application, settings, signed_in_user)
    mounted: _Application = application
    return mounted
