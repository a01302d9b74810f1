"""The stewards' authority inside Airflow's API server, the only process that knows where its key lies."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from include.core.errors import TrainyardError
from include.governance import secrets
from include.runtime.server.service import AuthorityParts, open_authority
from include.settings import Settings
from include.store import Store

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


#: Beside the grant-signing key, what the pages' forms are signed with: all API servers of a deployment share it.
FORMS_KEY = "forms.key"


class MountedAuthority:
    """The authority's API as an ASGI application that is built when it is first asked.

    Every task loads Airflow's plugins; only the API server serves them, and only there the key is opened.
    """

    def __init__(self) -> None:
        self._application: ASGIApp | None = None

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if self._application is None:
            self._application = _build()
        await self._application(scope, receive, send)


def signed_in_user() -> Callable[..., str]:
    """The FastAPI dependency that names who is signed in to Airflow, by the name that contracts call them."""
    from airflow.api_fastapi.core_api.security import GetUserDep

    def current_user(user: GetUserDep) -> str:
        return str(user.get_name())

    return current_user


def _build() -> "ASGIApp":
    from include.runtime.nights.promoting import Decider
    from include.runtime.server.api import authority_app
    from include.runtime.server.reports import add_reports

    settings, current_user = Settings.from_environment(), signed_in_user()
    opened, store = open_authority(settings), Store(settings.store)
    decider = Decider(opened.promotions, opened.checkpoints)
    application = authority_app(
        opened.authority, opened.register, current_user, promotions=opened.promotions, wake=decider.wake
    )
    decider.start()
    add_reports(application, opened.ledger, store, current_user)
    application.mount("/pages", _pages(settings, opened, store, current_user))
    mounted: ASGIApp = application
    return mounted


def _pages(settings: Settings, opened: AuthorityParts, store: Store, current_user: Callable[..., str]) -> Any:
    from include.runtime.code.kept import unpack
    from include.runtime.code.projects import project_names
    from include.runtime.deployment import champions_of
    from include.runtime.server.evidence import Evidence
    from include.runtime.server.impact import Impacts
    from include.runtime.server.pages.access import add_access
    from include.runtime.server.pages.application import Pages
    from include.runtime.server.pages.drift import add_drift
    from include.runtime.server.pages.forms import Forms
    from include.runtime.server.pages.run import add_runs

    secrets.keep(settings.authority_keys / FORMS_KEY, secrets.random_key)
    forms = Forms(secrets.read_key(settings.authority_keys / FORMS_KEY), clock=lambda: datetime.now(UTC))
    pages = Pages(current_user, forms, standing=opened.register.separation_of_duties)
    then = partial(unpack, settings, opened.ledger)
    evidence = Evidence(ledger=opened.ledger, store=store, projects=settings.projects, unpack=then)
    champions = champions_of(settings, opened.ledger)
    impacts = Impacts(opened.ledger, evidence, champions)
    add_access(pages, opened.authority, opened.register, evidence, impacts)
    add_runs(pages, opened.ledger, store)
    fold = add_drift(pages, opened.ledger, store, champions, lambda: project_names(settings.projects))
    threading.Thread(target=_warm, args=(opened.register.catch_up, fold), name="what pages show", daemon=True).start()
    return pages.app


def _warm(*folds: Callable[[], object]) -> None:
    """Fold the past before anybody looks. What fails here fails again, and is told, where somebody does."""
    for fold in folds:
        with suppress(TrainyardError):
            fold()
