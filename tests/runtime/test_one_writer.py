"""Requests that write take turns where one writer locks the whole database."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from include.runtime.airflow.one_writer import OneWriter

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send


class Server:
    """Notes how many requests are inside at once, of those that write and of all."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.most_writing = self.most = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self.inside.append(scope["method"])
        self.most = max(self.most, len(self.inside))
        self.most_writing = max(self.most_writing, sum(method != "GET" for method in self.inside))
        try:
            await asyncio.sleep(0.01)
            if scope["path"] == "/breaks":
                raise RuntimeError("broken")
        finally:
            self.inside.remove(scope["method"])


def serve(database: str, requests: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> Server:
    """All *requests* (method, path) at once, to a server whose Airflow has that *database*."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database)
    server = Server()

    async def never() -> "Message":
        raise AssertionError("nothing is received")

    async def nothing(_: "Message") -> None:
        raise AssertionError("nothing is sent")

    async def all_at_once() -> None:
        app = OneWriter(server)
        asked = [
            asyncio.wait_for(app({"type": "http", "method": method, "path": path}, never, nothing), timeout=10)
            for method, path in requests
        ]
        answered = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in answered] == [
            RuntimeError if path == "/breaks" else type(None) for _, path in requests
        ]

    asyncio.run(all_at_once())
    return server


WRITING = [(method, "/api") for method in ("POST", "PATCH", "PUT", "DELETE")]
READING = [("GET", "/api")] * 3


def test_on_sqlite_one_request_at_a_time_writes_while_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve("sqlite:////home/airflow.db", WRITING + READING, monkeypatch)
    assert (server.most_writing, server.most) == (1, 1 + len(READING))


def test_what_trainyard_mounts_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    decisions = [("POST", "/trainyard/requests/1/grant")] * 2
    assert serve("sqlite:////home/airflow.db", decisions + WRITING, monkeypatch).most == len(decisions) + 1


def test_a_request_that_breaks_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve("sqlite:////home/airflow.db", [("POST", "/breaks"), *WRITING], monkeypatch).most_writing == 1


@pytest.mark.parametrize("database", ["postgresql+psycopg://airflow@localhost/airflow", ""])
def test_elsewhere_requests_wait_for_nobody(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve(database, WRITING + READING, monkeypatch).most_writing == len(WRITING)
