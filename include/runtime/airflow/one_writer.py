"""Lets one request at a time write where Airflow keeps its records in SQLite. Every task imports this.

Airflow notes who called what on the event loop of its API server, and waits there for SQLite's only write lock. A
request that holds the lock needs the same loop to commit: both stand still until SQLite gives up after 5 s, and fail
with "database is locked" (Airflow 3.3.2, within seconds of two users who trigger runs).
"""

import asyncio
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from include.runtime.airflow.names import MOUNT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OneWriter:
    """Requests that may write take turns, those of users and those of tasks; the others go on meanwhile.

    So do those to what Trainyard mounts, which may wait long for a ledger and write nothing of Airflow's. An Airflow on
    another database, which locks rows and no more, notices nothing.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app
        self._turn = asyncio.Lock()
        self._locks_whole = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "").startswith("sqlite")

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        async with self._turn if self._writes(scope) else nullcontext():
            await self._app(scope, receive, send)

    def _writes(self, scope: "Scope") -> bool:
        return (
            self._locks_whole
            and scope["type"] == "http"
            and scope["method"] not in _READING
            and not scope["path"].startswith(f"{MOUNT}/")
        )
