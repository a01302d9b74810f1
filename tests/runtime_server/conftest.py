"""Pages served on loopback over real rooms, and a real Chromium in which somebody is signed in to them."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from include.runtime.server.pages.application import Pages
from include.runtime.server.pages.forms import Forms
from include.runtime.server.service import Users, bearer_user, token_file
from tests.governance.conftest import STEWARD

if TYPE_CHECKING:
    from fastapi import FastAPI
    from playwright.sync_api import Browser, Page

#: Chromium's own background traffic is off: what a page asks for is all that there is.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
THEMES = ("light", "dark")
#: Width and height of what a page must fit: a desk, and a telephone.
DESK, PHONE = (1280, 900), (390, 844)
#: Who has a token: a steward of the contracts, and somebody who is none.
PEOPLE = (STEWARD, "ada")
KEY = b"a key of this test"
STANDING = "NOT SHOWN: this process can read the authority's key (one operating-system user)"


def chromium_path() -> str:
    """Where Chromium is; skips without one, fails where CI should have it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium (Debian: apt-get install chromium)")
    return found


@contextmanager
def serving(app: "FastAPI") -> Iterator[str]:
    """*app* on a free port of loopback, in a thread; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=30)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Opens pages as a person, in a theme and at a size. ``errors`` collects what the browser complains about."""

    browser: "Browser"
    url: str
    token: Callable[[str], str]
    errors: list[str] = field(default_factory=list)

    def page(
        self, user: str | None, *, theme: str = "light", size: tuple[int, int] = DESK, script: bool = True
    ) -> "Page":
        """A page of *user*'s own; relative addresses are those of the served application."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        context = self.browser.new_context(
            base_url=self.url,
            extra_http_headers=headers,
            color_scheme=theme,  # type: ignore[arg-type]
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=script,
        )
        page = context.new_page()
        page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page


@pytest.fixture(scope="module")  # two drivers at once would be one too many: other modules have their own
def browser() -> "Iterator[Browser]":
    """One Chromium for the tests of a module."""
    driver = pytest.importorskip("playwright.sync_api", reason="requirements-dev.txt is not installed")
    path = chromium_path()
    with driver.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@dataclass(frozen=True, kw_only=True)
class People:
    """Who may sign in to the pages of a test, by bearer token."""

    folder: Path
    users: Users

    @classmethod
    def of(cls, folder: Path, names: tuple[str, ...] = PEOPLE) -> "People":
        return cls(folder=folder, users=Users.load(folder, names))

    def token(self, user: str) -> str:
        return token_file(self.folder, user).read_text()

    def pages(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), standing: str = STANDING) -> Pages:
        """The frame, with no section yet."""
        return Pages(bearer_user(self.users), Forms(KEY, clock=clock), standing=lambda: standing)


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People.of(tmp_path)


def fits(page: "Page") -> bool:
    """Whether nothing of the page lies to the right of what the screen shows."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
