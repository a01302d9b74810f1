"""The frame around every page: who may look, the menu, the policy that the browser holds us to, how a refusal reads."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from include.core.errors import AuthorityError, TrainyardError
from include.core.words import visible
from include.runtime.server.pages.forms import Forms
from include.runtime.server.refusals import status_of
from include.runtime.server.request_checks import sent_from_elsewhere

_FOLDER = Path(__file__).parent

#: Nothing is loaded but our own styles, pictures and the script that follows Airflow's theme; nobody else frames us.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One entry of the menu. ``path`` is relative to where the pages are mounted; pages below it belong to it."""

    title: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Where one page adds its routes: all of *router* asks who is there.

    ``draw(request, template, user, status=200, **content)`` is the page as a response. ``user`` and ``form`` are
    FastAPI defaults for a parameter that takes the signed-in person's name: a route that takes a form uses ``form``,
    which also checks the form's token.
    """

    router: APIRouter
    draw: Callable[..., HTMLResponse]
    user: Any
    form: Any


class Pages:
    """The application that serves the pages, to be mounted. Make sections, then mount :attr:`app`."""

    def __init__(self, current_user: Callable[..., str], forms: Forms, *, standing: Callable[[], str]) -> None:
        """*current_user* is the FastAPI dependency that names who asks, or raises; *standing* says whether the
        separation of duties is shown, as :meth:`~include.governance.register.Register.separation_of_duties` does.
        """
        self._current_user, self._forms, self._standing = current_user, forms, standing
        self._tabs: list[Tab] = []
        self._templates = _templates()
        self.app: FastAPI = FastAPI(title="Trainyard", docs_url=None, redoc_url=None, openapi_url=None)
        self.app.middleware("http")(_with_headers)
        self._add_static()
        self._add_errors()

    def section(self, path: str, *tabs: Tab) -> Section:
        """Pages whose routes begin with *path* (``/access``), and its entries of the menu, the only row of navigation.

        Add its routes, then :meth:`include`.
        """
        self._tabs += tabs
        return Section(
            router=APIRouter(prefix=path, dependencies=[Depends(self._current_user)]),
            draw=self.draw,
            user=Depends(self._current_user),
            form=Depends(self._sender()),
        )

    def include(self, section: Section) -> None:
        """Serve the routes that were added to *section*."""
        self.app.include_router(section.router)

    def draw(
        self,
        request: Request,
        template: str,
        user: str | None,
        *,
        status: int = 200,
        menu: bool = True,
        **content: object,
    ) -> HTMLResponse:
        """*template* (``access/waiting``) as a response. It knows ``base`` (the mount's path), ``user``, ``tabs``,
        ``form_token``, ``standing``, ``now`` (UTC) and *content*.

        ``menu``: whether the page has one. A tab of a run has not: above it stands the row of Airflow's tabs.
        """
        base = str(request.scope.get("root_path", ""))
        page = self._templates.get_template(f"{template}.html.jinja").render(
            base=base,
            user=user,
            menu=menu,
            tabs=self._tabs,
            tab=_tab_of(request.url.path.removeprefix(base), self._tabs),
            form_token=self._forms.token(user) if user else "",
            standing=self._standing() if user else "",
            now=datetime.now(UTC),
            **content,
        )
        return HTMLResponse(page, status_code=status)

    def _sender(self) -> Callable[..., str]:
        user_dependency, token_field = Depends(self._current_user), Form("", max_length=200)

        def sender(request: Request, user: str = user_dependency, form_token: str = token_field) -> str:
            if sent_from_elsewhere(request.headers) or not self._forms.holds(form_token, user):
                raise AuthorityError(
                    "a form is sent from a page that was drawn for you today",
                    value="another page, another person, or an old form",
                    remedy="Go back, load the page again, and decide again: nothing was changed.",
                )
            return user

        return sender

    def _add_static(self) -> None:
        script = "text/javascript"
        kinds = {"pages.css": "text/css", "theme.js": script, "search.js": script, "icon.svg": "image/svg+xml"}

        @self.app.get("/static/{name}")
        def static(name: str) -> FileResponse:
            """Style and theme of every page, the one of refusals included: all that needs no signing in."""
            if name not in kinds:
                raise HTTPException(404)
            return FileResponse(_FOLDER / "static" / name, media_type=kinds[name])

    def _add_errors(self) -> None:
        @self.app.exception_handler(TrainyardError)
        def ours(request: Request, error: TrainyardError) -> HTMLResponse:
            status = status_of(error)
            return self._message(request, status, f"Expected: {error.rule}", f"Found: {error.value}. {error.remedy}")

        @self.app.exception_handler(HTTPException)
        def http(request: Request, error: HTTPException) -> HTMLResponse:
            if error.status_code == HTTPStatus.UNAUTHORIZED:
                return self._message(request, 401, "Sign in first", "This page is for people who are signed in.")
            if error.status_code == HTTPStatus.BAD_REQUEST:  # a form without a boundary, say
                return self._unreadable(request, ["the form"])
            return self._message(request, error.status_code, HTTPStatus(error.status_code).phrase, _TOLD_404)

        @self.app.exception_handler(RequestValidationError)
        def unreadable(request: Request, error: RequestValidationError) -> HTMLResponse:
            """Which fields are wrong, without repeating what they held."""
            return self._unreadable(request, sorted({str(each["loc"][-1]) for each in error.errors()}))

    def _unreadable(self, request: Request, fields: Sequence[str]) -> HTMLResponse:
        told = f"Look again at: {', '.join(fields)}. Go back and send it again: nothing was changed."
        return self._message(request, 422, "A field cannot be read", told)

    def _message(self, request: Request, status: int, title: str, told: str) -> HTMLResponse:
        return self.draw(request, "message", None, status=status, title=title, told=told)


def _tab_of(path: str, tabs: Sequence[Tab]) -> Tab | None:
    """The entry that the page at *path* belongs to: of all that it lies below, the longest."""
    above = [tab for tab in tabs if f"{path}/".startswith(f"{tab.path}/")]
    return max(above, key=lambda tab: len(tab.path), default=None)


_TOLD_404 = "There is nothing here. The menu leads to what there is."


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    static = request.url.path.rpartition("/")[0].endswith("/static")
    headers = {**_HEADERS, "Cache-Control": "private, max-age=300"} if static else _HEADERS
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


def _templates() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,  # whatever a person or a contract wrote is text
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def _shown(value: object) -> object:
    """What stands in a page of *value*: nothing of a text is hidden, or turns what stands behind it around."""
    return visible(value) if type(value) is str else value


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _ago(moment: datetime, now: datetime) -> str:
    """How long before *now*, or until *moment*, in the largest unit that fits."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if size >= length:
            count = int(size // length)
            told = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{told} ago" if seconds >= 0 else f"in {told}"
    return "just now" if seconds >= 0 else "in a moment"


_FILTERS: Mapping[str, Callable[..., str]] = {"moment": _moment, "ago": _ago, "number": "{:,}".format}
