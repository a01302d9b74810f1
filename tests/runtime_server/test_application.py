"""The frame of every page: signed-in people only, no form of another site, a strict policy, readable everywhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from include.core.errors import LedgerUnavailable
from include.core.events import RunStarted
from include.governance.register import Register
from include.runtime.server.pages.application import Pages, Tab
from include.runtime.server.pages.forms import LIFETIME, Forms
from include.runtime.server.service import bearer_user
from tests.governance.conftest import STEWARD, build, run_of
from tests.runtime_server.conftest import DESK, KEY, PHONE, THEMES, People, Reader, fits, serving

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def application(people: People) -> FastAPI:
    """The frame with one section, which draws a message and takes a form."""
    pages = people.pages()
    section = pages.section("/signals", Tab(title="Signals", path="/signals"))

    @section.router.get("")
    def shown(request: Request, user: str = section.user, title: str = "Signals") -> HTMLResponse:
        return section.draw(request, "message", user, title=title, told="All tracks are clear.")

    @section.router.post("/set")
    def sent(request: Request, user: str = section.form) -> HTMLResponse:
        return section.draw(request, "message", user, title="Set", told=f"by {user}")

    @section.router.get("/gone")
    def gone() -> HTMLResponse:
        raise LedgerUnavailable("the ledger can be reached", value="<no connection>", remedy="Try again.")

    pages.include(section)
    outer = FastAPI()
    outer.mount("/trainyard/pages", pages.app)
    return outer


def client(people: People, user: str | None = STEWARD) -> TestClient:
    headers = {"Authorization": f"Bearer {people.token(user)}"} if user else {}
    return TestClient(application(people), headers=headers)


def test_who_is_not_signed_in_sees_only_that(people: People) -> None:
    answer = client(people, None).get("/trainyard/pages/signals")
    assert answer.status_code == 401
    assert "Sign in first" in answer.text
    assert "All tracks" not in answer.text


def test_every_page_carries_the_policy_and_nothing_in_it_is_inline(people: People) -> None:
    for path in ("/signals", "/signals/gone", "/nothing", "/static/pages.css"):
        answer = client(people).get(f"/trainyard/pages{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "style=" not in answer.text
        assert "<script>" not in answer.text


def test_pages_are_not_kept_by_the_browser(people: People) -> None:
    assert client(people).get("/trainyard/pages/signals").headers["cache-control"] == "no-store"


def test_a_form_needs_a_token_of_ours_for_this_person(people: People) -> None:
    forms = Forms(b"a key of this test", clock=lambda: datetime.now(UTC))
    asked = client(people)
    for token in ("", "x", "1.x", forms.token("ada"), Forms(b"other", clock=lambda: START).token(STEWARD)):
        answer = asked.post("/trainyard/pages/signals/set", data={"form_token": token})
        assert answer.status_code == 403, token
        assert "nothing was changed" in answer.text
    good = {"form_token": forms.token(STEWARD)}
    assert asked.post("/trainyard/pages/signals/set", data=good).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"}, 200),  # behind a proxy
    ],
)
def test_a_form_that_the_browser_says_another_site_sent_is_refused(
    people: People, headers: dict[str, str], status: int
) -> None:
    good = {"form_token": Forms(b"a key of this test", clock=lambda: datetime.now(UTC)).token(STEWARD)}
    assert client(people).post("/trainyard/pages/signals/set", data=good, headers=headers).status_code == status


def test_a_form_that_cannot_be_read_at_all_is_refused_as_one_with_a_wrong_field(people: People) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = client(people).post("/trainyard/pages/signals/set", content=b"--\xff", headers=headers)
    assert answer.status_code == 422
    assert "nothing was changed" in answer.text


@pytest.mark.parametrize(
    ("age", "holds"),
    [(timedelta(0), True), (LIFETIME - timedelta(seconds=1), True), (LIFETIME, False), (timedelta(seconds=-5), False)],
)
def test_a_token_holds_from_its_making_to_its_lifetime(age: timedelta, holds: bool) -> None:
    token = Forms(b"key", clock=lambda: START).token("ada")
    assert Forms(b"key", clock=lambda: START + age).holds(token, "ada") is holds


@pytest.mark.parametrize("token", ["", ".", "1.", "x.y", "²." + "0" * 64, "9" * 20 + ".x", "-1.x", "\ud800"])
def test_what_is_no_token_does_not_hold(token: str) -> None:
    assert not Forms(b"key", clock=lambda: START).holds(token, "ada")


def test_what_anybody_wrote_is_text(people: People) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    answer = client(people).get("/trainyard/pages/signals", params={"title": hostile})
    assert hostile not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_an_error_of_ours_is_a_page_that_says_what_to_do(people: People) -> None:
    answer = client(people).get("/trainyard/pages/signals/gone")
    assert answer.status_code == 503
    assert "Try again." in answer.text
    assert "<no connection>" not in answer.text


def test_a_field_that_cannot_be_read_is_named_and_not_repeated(people: People) -> None:
    answer = client(people).post("/trainyard/pages/signals/set", data={"form_token": "SENTINEL" * 100})
    assert answer.status_code == 422
    assert "form_token" in answer.text
    assert "SENTINEL" not in answer.text


def test_embedded_mode_says_what_it_does_not_protect_against(people: People) -> None:
    text = client(people).get("/trainyard/pages/signals").text
    assert "What this deployment does not protect against" in text
    assert "one operating-system user" in text


def test_a_page_tells_of_the_separation_of_duties_what_the_last_runs_process_recorded(tmp_path: Path) -> None:
    """The process that serves the pages holds the key: what it could say of itself tells nothing of who reads."""
    house, people = build(tmp_path), People.of(tmp_path)
    register = Register(house.ledger, house.verifier)
    pages = Pages(bearer_user(people.users), Forms(KEY, clock=lambda: START), standing=register.separation_of_duties)
    section = pages.section("/signals", Tab(title="Signals", path="/signals"))

    @section.router.get("")
    def shown(request: Request, user: str = section.user) -> HTMLResponse:
        return section.draw(request, "message", user, title="Signals", told="All tracks are clear.")

    pages.include(section)
    headers = {"Authorization": f"Bearer {people.token(STEWARD)}"}

    def told() -> str:
        return " ".join(TestClient(pages.app, headers=headers).get("/signals").text.split())

    assert "no run has begun yet" in told()
    for number, words in enumerate(("SHOWN: the key is out of reach", "NOT SHOWN: the key is within reach")):
        run = replace(run_of("punctuality"), run_id=f"run-{number}")
        house.ledger.record(f"run/punctuality/{number}", RunStarted(run=run, separation_of_duties=words))
        assert words.removeprefix("NOT SHOWN: ") in told()
        assert ("does not protect against" in told()) == words.startswith("NOT SHOWN")


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
def test_the_frame_fits_follows_the_theme_and_says_who_is_signed_in(
    people: People, browser: Browser, theme: str, size: tuple[int, int]
) -> None:
    with serving(application(people)) as url:
        reader = Reader(browser=browser, url=url, token=people.token)
        page = reader.page(STEWARD, theme=theme, size=size)
        page.goto("/trainyard/pages/signals")
        assert page.get_by_role("link", name="Signals").get_attribute("aria-current") == "true"
        page.get_by_text(f"signed in as {STEWARD}").wait_for()
        assert fits(page)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(15, 18, 22)"}[theme]
        page.evaluate("localStorage.setItem('theme', 'dark')")
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert reader.errors == []
