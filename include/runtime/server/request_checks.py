"""What a request has to be before anybody decides by it: whole text, sent by a page of ours or by no page."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.core.errors import AuthorityError

if TYPE_CHECKING:
    from fastapi.routing import APIRoute


class WholeNumber:
    """Marks a whole number of a body: pydantic takes no truth value, fraction or text for it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return handler(source) | {"strict": True}


def sent_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another site sent the request; no page can make it say otherwise.

    It does by ``Sec-Fetch-Site`` or, where it sends that not (over plain HTTP), by ``Origin``. What is no browser
    sends neither, and holds no session that another site could abuse.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def own_page() -> Callable[..., None]:
    """A FastAPI dependency that refuses what :func:`sent_from_elsewhere` says of the request."""
    from fastapi import Request

    def sender(request: Request) -> None:
        if sent_from_elsewhere(request.headers):
            raise AuthorityError(
                "a decision is sent from a page of this deployment, or by a program",
                value="a page of another site",
                remedy="Decide on the page itself, or from the command line: nothing was changed.",
            )

    return sender


def json_route() -> "type[APIRoute]":
    """The class of routes whose body is JSON in UTF-8, of sane depth and whole characters; else FastAPI's 422."""
    from fastapi import Request
    from fastapi.routing import APIRoute

    class _Request(Request):
        async def json(self) -> Any:
            try:
                said = json.loads((await self.body()).decode("utf-8"))
                json.dumps(said, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no character
            except (ValueError, RecursionError):
                raise json.JSONDecodeError("no JSON in UTF-8", "", 0) from None  # the one that FastAPI answers with 422
            return said

    class _Route(APIRoute):
        def get_route_handler(self) -> Any:
            handle = super().get_route_handler()

            async def read(request: Request) -> Any:
                return await handle(_Request(request.scope, request.receive))

            return read

    return _Route
