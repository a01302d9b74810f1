"""Who decides in Airflow: the name under which somebody signed in; and nobody gets anywhere without."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from include.runtime import deployment
from include.runtime.server import mounted as authority
from include.settings import Settings


@dataclass
class Numbered:
    """A user as other auth managers keep them: the id is a row's number."""

    name: str

    def get_id(self) -> str:
        return "7"

    def get_name(self) -> str:
        return self.name


def test_who_signed_in_is_known_by_name_whatever_their_id_is() -> None:
    assert authority.signed_in_user()(Numbered("steward")) == "steward"


def routes(application: FastAPI, below: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path of what is mounted in Airflow, with something in the place of parameters."""
    for route in application.routes:
        if isinstance(route, Mount):
            assert isinstance(route.app, FastAPI)
            yield from routes(route.app, below + route.path)
        else:
            assert isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, below + re.sub(r"\{[^}]*\}", "x-1", route.path)


def test_every_route_that_is_mounted_asks_who_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    deployment.prepare(Settings.from_environment())
    application = authority._build()
    assert isinstance(application, FastAPI)
    found = list(routes(application))
    assert ("POST", "/pages/access/decide") in found
    assert ("POST", "/requests/x-1/grant") in found
    assert ("GET", "/reports/x-1/x-1") in found
    assert ("GET", "/pages/runs/x-1/x-1") in found
    client = TestClient(application, follow_redirects=False)
    for method, path in found:
        expected = {"/health": 200, "/pages/static/x-1": 404}.get(path, 401)
        for body in ({"json": {"reason": "x", "days": 1}}, {"data": {"reason": "x", "decision": "approve"}}, {}):
            answer = client.request(method, path, **body) if method == "POST" else client.request(method, path)
            assert answer.status_code == expected, (method, path)
    assert (tmp_path / "authority" / authority.FORMS_KEY).stat().st_mode & 0o777 == 0o600
