"""The page "Data access": everybody signed in may read it, stewards decide, and whatever anybody wrote is text."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page
from starlette.routing import Mount, Route

from include.core.events import AccessRequested
from include.core.records import Treatment
from include.governance.register import Register
from include.governance.registered import RequestStatus
from tests.governance.conftest import STEWARD, House, build
from tests.runtime_server.conftest import DESK, PHONE, THEMES, Reader, fits, serving
from tests.runtime_server.house import MOUNT, Desk, desk, furnished

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


@pytest.fixture
def served(tmp_path: Path) -> Desk:
    return desk(tmp_path, names=(STEWARD, "ada", "bob"))


def routes(served: Desk) -> Iterator[tuple[str, str]]:
    """Every method and path of the pages, with something in the place of its parameters."""
    (mount,) = (route for route in served.app.routes if isinstance(route, Mount))
    for route in mount.routes:
        assert isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, MOUNT + re.sub(r"\{[^}]*\}", "x-1", route.path)


def forms_of(served: Desk, user: str) -> dict[str, object]:
    """A body that every form would take, but for what it is about."""
    return {**served.form(user), "request_id": "r-1", "decision": "approve", "reason": "x", "days": 1, "digest": "x"}


def test_the_routes_are_the_known_ones(served: Desk) -> None:
    assert {(method, path.removeprefix(MOUNT)) for method, path in routes(served)} == {
        ("GET", "/static/x-1"),
        ("GET", "/access"),
        ("GET", "/access/projects/x-1"),
        ("GET", "/access/runs/x-1/x-1"),
        ("GET", "/access/requests/x-1"),
        ("POST", "/access/decide"),
        ("GET", "/access/grants"),
        ("GET", "/access/grants/x-1"),
        ("POST", "/access/grants/x-1/revoke"),
        ("POST", "/access/grants/x-1/lift"),
        ("GET", "/access/history"),
        ("POST", "/access/contracts/x-1/adopt"),
    }


def test_every_route_but_the_styles_asks_who_is_there(served: Desk) -> None:
    before = len(served.house.ledger.read_all())
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {served.people.token(STEWARD)}"}):
        client = TestClient(served.app, headers=headers, follow_redirects=False)
        for method, path in routes(served):
            answer = client.request(method, path, data=forms_of(served, STEWARD) if method == "POST" else None)
            assert answer.status_code == (404 if "/static/" in path else 401), (method, path)
    assert len(served.house.ledger.read_all()) == before


def test_every_form_needs_its_token(served: Desk) -> None:
    before = len(served.house.ledger.read_all())
    posts = [path for method, path in routes(served) if method == "POST"]
    assert len(posts) == 4
    for path in posts:
        for token in ("", "x", served.form("ada")["form_token"]):
            body = forms_of(served, STEWARD) | {"form_token": token}
            answer = served.client(STEWARD).post(path, data=body)
            assert answer.status_code == 403, path
            assert "nothing was changed" in answer.text
    assert len(served.house.ledger.read_all()) == before


def test_who_is_no_steward_reads_everything_and_decides_nothing(served: Desk) -> None:
    (grant_id,) = served.granted("airports")
    (request_id,) = served.asked()
    client, before = served.client("bob"), len(served.house.ledger.read_all())
    for path in ("", "/projects/flight_delay", f"/requests/{request_id}", "/grants", f"/grants/{grant_id}", "/history"):
        page = client.get(f"{MOUNT}/access{path}")
        assert page.status_code == 200
        assert 'method="post"' not in page.text
    for path, body in (
        ("/decide", {"request_id": request_id, "decision": "approve", "reason": "x", "days": 1}),
        ("/decide", {"request_id": request_id, "decision": "deny", "reason": "x"}),
        (f"/grants/{grant_id}/revoke", {"reason": "x"}),
        (f"/grants/{grant_id}/lift", {"reason": "x"}),
        ("/contracts/flights/adopt", {"digest": served.house.contracts["flights"].digest}),
    ):
        answer = client.post(f"{MOUNT}/access{path}", data=served.form("bob") | body)
        assert answer.status_code == 403
        assert "only a steward" in answer.text
    assert len(served.house.ledger.read_all()) == before


def test_a_steward_cannot_approve_what_they_asked_for_and_may_deny_it(served: Desk) -> None:
    (request_id,) = served.asked(requester=STEWARD)
    client = served.client(STEWARD)
    page = client.get(f"{MOUNT}/access/requests/{request_id}").text
    assert 'value="approve"' not in page
    assert "You asked for this yourself" in page
    body = served.form(STEWARD) | {"request_id": request_id, "reason": "x", "days": 1}
    refused = client.post(f"{MOUNT}/access/decide", data=body | {"decision": "approve"})
    assert refused.status_code == 403
    assert "nobody approves their own request" in refused.text
    assert client.post(f"{MOUNT}/access/decide", data=body | {"decision": "deny"}).status_code == 303


def test_a_form_decides_about_several_requests_and_leads_back(served: Desk) -> None:
    asked = served.asked("flights", "weather")
    body = served.form(STEWARD) | {"request_id": list(asked), "decision": "approve", "reason": "Agreed", "days": 30}
    answer = served.client(STEWARD).post(f"{MOUNT}/access/decide", data=body)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{MOUNT}/access?done=approved")
    held = served.house.access.grants("flight_delay", now=datetime.now(UTC))
    assert {grant.request_id for grant in held} == set(asked)
    assert {(grant.steward, grant.reason) for grant in held} == {(STEWARD, "Agreed")}
    again = served.client(STEWARD).post(f"{MOUNT}/access/decide", data=body)
    assert again.status_code == 409
    assert "is decided once" in again.text


@pytest.mark.parametrize(
    "wrong", [{"days": 0}, {"days": 367}, {"days": "x"}, {"reason": " "}, {"reason": "x" * 2001}, {"decision": "maybe"}]
)
def test_a_form_that_cannot_be_used_decides_nothing(served: Desk, wrong: dict[str, object]) -> None:
    (request_id,) = served.asked()
    body = served.form(STEWARD) | {"request_id": request_id, "decision": "approve", "reason": "Agreed", "days": 30}
    answer = served.client(STEWARD).post(f"{MOUNT}/access/decide", data=body | wrong)
    assert answer.status_code == 422
    assert [one.request_id for one in served.house.access.requests()] == [request_id]


def test_who_asked_for_what_is_asked_in_another_name_too_does_not_approve_it(served: Desk) -> None:
    served.asked(requester=STEWARD)
    (request_id,) = served.asked(requester="data-team")
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/{request_id}").text
    assert f"asked by <b>{STEWARD}, data-team</b>" in page
    assert "You asked for this yourself" in page
    assert 'value="approve"' not in page


def test_a_request_says_that_who_wrote_the_code_is_not_shown(served: Desk) -> None:
    (request_id,) = served.asked()
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/{request_id}").text
    assert "Who wrote this code is not shown" in page


def test_only_what_can_be_approved_is_ticked_or_all_where_nothing_can(served: Desk) -> None:
    (own,) = served.asked("flights", requester=STEWARD)
    (other,) = served.asked("weather", requester="ada")
    client = served.client(STEWARD)
    assert ticked(client.get(f"{MOUNT}/access/projects/flight_delay").text) == {own: False, other: True}
    served.house.authority.deny(other, user=STEWARD, reason="x")
    (second,) = served.asked("planes", requester=STEWARD)
    assert ticked(client.get(f"{MOUNT}/access/projects/flight_delay").text) == {own: True, second: True}


def ticked(page: str) -> dict[str, bool]:
    """The checkboxes of the decision, by request."""
    boxes = re.findall(r'type="checkbox" name="request_id" value="([^"]*)"([^>]*)>', page)
    return {request_id: "checked" in rest for request_id, rest in boxes}


@pytest.mark.parametrize(("decision", "told"), [("approve", "approved"), ("deny", "denied")])
def test_a_refusal_after_a_decision_names_what_was_decided(served: Desk, decision: str, told: str) -> None:
    first, second = served.asked("flights", "weather")
    body = served.form(STEWARD) | {"request_id": [first, "r-0", second], "decision": decision, "reason": "x", "days": 1}
    answer = served.client(STEWARD).post(f"{MOUNT}/access/decide", data=body)
    assert answer.status_code == 404
    assert f"Before that, {first} was {told}." in answer.text
    assert [one.request_id for one in served.house.access.requests()] == [second]


def test_an_address_of_what_is_not_there_is_not_found(served: Desk) -> None:
    for path in ("/requests/r-0", "/grants/g-0"):
        assert served.client("bob").get(f"{MOUNT}/access{path}").status_code == 404


def test_no_address_makes_a_page_say_what_we_did_not_write(served: Desk) -> None:
    page = served.client(STEWARD).get(f"{MOUNT}/access", params={"done": "Your password expired"})
    assert "password" not in page.text


def hostile(served: Desk) -> str:
    """A request all of whose words are hostile; its id."""
    scope = served.house.dataset("flights")
    columns = tuple(sorted([*scope.columns, (HOSTILE, Treatment.CLEAR)]))
    asked = AccessRequested(
        request_id="r-hostile",
        project=f"p{HOSTILE.replace('/', '')}",
        purpose=HOSTILE,
        scope=replace(scope, columns=columns),
        requester=HOSTILE,
    )
    served.house.ledger.record(f"access/{asked.project}/flights", asked)
    return asked.request_id


def test_whatever_anybody_wrote_is_text(served: Desk) -> None:
    request_id = hostile(served)
    (grant_id,) = served.granted("airports")
    served.house.authority.revoke(grant_id, user=STEWARD, reason=HOSTILE)
    (denied,) = served.asked("planes")
    served.house.authority.deny(denied, user=STEWARD, reason=HOSTILE)
    client = served.client(STEWARD)
    addresses = ("", f"/requests/{request_id}", f"/requests/{denied}", "/grants", f"/grants/{grant_id}", "/history")
    for path in addresses:
        page = client.get(f"{MOUNT}/access{path}")
        assert page.status_code == 200
        assert HOSTILE not in page.text
        assert "<img" not in page.text
        assert "49" not in page.text.partition("alert(2)")[2][:40]
    assert "&lt;script&gt;alert(1)" in client.get(f"{MOUNT}/access/requests/{request_id}").text


def test_a_path_that_leads_out_of_the_projects_shows_no_file(served: Desk) -> None:
    scope = served.house.dataset("flights")
    asked = AccessRequested(request_id="r-1", project="..", purpose="x", scope=scope, requester="ada")
    served.house.ledger.record("access/../flights", asked)
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/r-1")
    assert page.status_code == 200
    assert "cannot be shown here" in page.text


def test_a_request_says_what_is_new_against_the_last_grant(served: Desk) -> None:
    scope = served.house.scope(project="flight_delay")
    less = replace(scope.datasets[0], columns=tuple(c for c in scope.datasets[0].columns if c[0] != "tailnum"))
    served.house.granted(replace(scope, datasets=(less,)), now=datetime.now(UTC))
    (request_id,) = served.ask(served.house.scope(project="flight_delay", window_days=60))
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/{request_id}").text
    assert "1 column more, or read otherwise: tailnum." in page
    assert "30 days before, 60 days now" in page
    assert "personal: join keys" in page


def test_a_request_shows_the_features_that_use_a_column_and_the_code(served: Desk) -> None:
    (request_id,) = served.asked()
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/{request_id}").text
    assert "What is known of a flight one hour before its scheduled departure" in page


def test_a_request_under_a_changed_contract_is_adopted_in_the_page_and_then_approved(served: Desk) -> None:
    file = served.house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# edited\n")
    (request_id,) = served.asked()
    client = served.client(STEWARD)
    page = client.get(f"{MOUNT}/access/requests/{request_id}").text
    assert "contract&#39;s file was changed" in page or "contract's file was changed" in page
    assert "What stands or falls with flights" in page
    assert 'value="approve"' not in page
    digest = served.house.contracts["flights"].digest
    body = served.form(STEWARD) | {"digest": digest}
    assert client.post(f"{MOUNT}/access/contracts/flights/adopt", data=body).status_code == 303
    assert 'value="approve"' in client.get(f"{MOUNT}/access/requests/{request_id}").text
    stale = served.form(STEWARD) | {"digest": "sha256:0"}
    assert client.post(f"{MOUNT}/access/contracts/flights/adopt", data=stale).status_code == 409


def test_a_broken_file_hides_no_request_neither_of_its_dataset_nor_of_another(served: Desk) -> None:
    served.asked("flights", project="flight_delay")
    served.asked("weather", project="weather_only")
    (served.house.folder / "contracts" / "flights.odcs.yaml").write_text("name: [\n")
    client = served.client(STEWARD)
    assert client.get(f"{MOUNT}/access").status_code == 200
    assert client.get(f"{MOUNT}/access/projects/weather_only").status_code == 200
    assert "version 1.1.0" in client.get(f"{MOUNT}/access/projects/flight_delay").text, "as it was adopted"


def test_a_superseded_request_waits_for_nobody(served: Desk) -> None:
    (first,) = served.asked()
    served.ask(served.house.scope(project="flight_delay", window_days=60))
    page = served.client(STEWARD).get(f"{MOUNT}/access/requests/{first}").text
    assert "Nothing waits for this request" in page
    assert 'value="approve"' not in page


def test_a_run_leads_to_what_its_project_waits_for(served: Desk) -> None:
    client = served.client(STEWARD)
    never = client.get(f"{MOUNT}/access/runs/train_flight_delay/scheduled__2026-03-02T02:00:00+00:00")
    assert "It never asked for data" in never.text
    served.asked("flights", "weather")
    both = client.get(f"{MOUNT}/access/runs/train_flight_delay/manual__x").text
    assert both.count('type="checkbox"') == 2
    served.granted("flights", "weather")
    assert "Nothing waits for a decision" in client.get(f"{MOUNT}/access/runs/train_flight_delay/manual__x").text


def test_one_row_of_navigation_marks_where_one_is_and_a_runs_tab_has_none(served: Desk) -> None:
    (grant_id,) = served.granted("flights")
    client = served.client("bob")
    for path, title in (
        ("", "Requests"),
        ("/projects/flight_delay", "Requests"),
        ("/grants", "Grants"),
        (f"/grants/{grant_id}", "Grants"),
        ("/history", "History"),
    ):
        text = client.get(f"{MOUNT}/access{path}").text
        assert text.count("<nav") == 1, path
        assert re.findall(r'aria-current="true">([^<]*)<', text) == [title], path
    run = f"{MOUNT}/access/runs/train_flight_delay/x"
    assert "<nav" not in client.get(run).text
    served.asked("weather")
    assert "<nav" not in client.get(run).text


def test_history_is_read_page_by_page(served: Desk) -> None:
    for window in range(1, 61):
        served.ask(served.house.scope(project="flight_delay", window_days=window))
    client = served.client(STEWARD)
    first = client.get(f"{MOUNT}/access/history", params={"project": "flight_delay"}).text
    assert first.count("<tr>") == 51
    before = re.search(r"before=(\d+)", first)
    assert before
    second = client.get(f"{MOUNT}/access/history", params={"project": "flight_delay", "before": before[1]}).text
    assert second.count("<tr>") == 11


# ── in a real Chromium ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Reader]:
    made = furnished(tmp_path_factory.mktemp("furnished"))
    with serving(made.app) as url:
        yield Reader(browser=browser, url=url, token=made.people.token)


def contrast(page: Page) -> list[str]:
    """Texts whose contrast to their background is under 4.5 (WCAG 2.2, 1.4.3, for text of usual size)."""
    found: list[str] = page.evaluate(
        """() => {
        const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
          .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const parse = text => text.match(/[\\d.]+/g).map(Number);
        const behind = element => {
          for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] > .99) return colour;
          }
          return [255, 255, 255];
        };
        const low = [];
        for (const element of document.querySelectorAll("body *")) {
          const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
          if (!own || !element.checkVisibility()) continue;
          const [a, b] = [parse(getComputedStyle(element).color), behind(element)].map(light);
          const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
          if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${element.className} ${element.textContent.slice(0, 30)}`);
        }
        return low;
      }"""
    )
    return found


PAGES = ("", "/projects/flight_delay", "/projects/punctuality", "/grants", "/history", "/requests/r-none")


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
def test_every_page_fits_is_readable_and_has_its_structure(reader: Reader, theme: str, size: tuple[int, int]) -> None:
    page = reader.page(STEWARD, theme=theme, size=size)
    for path in PAGES:
        reader.errors.clear()
        page.goto(f"{MOUNT}/access{path}")
        assert fits(page), path
        assert contrast(page) == [], path
        assert page.locator("h1").count() == 1, path
        assert page.locator("main").count() == 1
        levels = [int(name[1]) for name in page.locator("h1, h2, h3").evaluate_all("all => all.map(e => e.tagName)")]
        assert all(below <= above + 1 for above, below in pairwise(levels)), path
        unlabelled = page.locator("input:not([type=hidden]), textarea, select").evaluate_all(
            "all => all.filter(e => !e.labels.length).map(e => e.name)"
        )
        assert unlabelled == [], path
        assert [told for told in reader.errors if "404" not in told] == [], path


@pytest.mark.browser
def test_columns_stand_under_each_other_on_a_phone(reader: Reader) -> None:
    page = reader.page(STEWARD, size=PHONE)
    page.goto(f"{MOUNT}/access/projects/flight_delay")
    assert page.locator("table.columns tr td").first.evaluate("e => getComputedStyle(e).display") == "block"
    shares = page.locator("table.folds tbody tr > *").evaluate_all(
        "all => all.filter(e => e.offsetWidth).map(e => e.offsetWidth / e.parentElement.clientWidth)"
    )
    assert len(shares) > 20
    assert min(shares) > 0.9, "a cell has its row's whole width, so that no word breaks letter by letter"


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_steward_decides_with_the_keyboard_alone(tmp_path: Path, browser: Browser, script: bool) -> None:
    made = desk(tmp_path)
    (request_id,) = made.asked()
    with serving(made.app) as url:
        page = Reader(browser=browser, url=url, token=made.people.token).page(STEWARD, script=script)
        page.goto(f"{MOUNT}/access")
        tab_to(page, "Review")
        page.keyboard.press("Enter")
        page.wait_for_url("**/projects/flight_delay")
        tab_to(page, "Reason")
        page.keyboard.type("Same purpose, same columns")
        tab_to(page, "Approve")
        page.keyboard.press("Enter")
        page.wait_for_url("**/access?done=approved")
        assert page.get_by_role("status").inner_text().startswith("Approved.")
    (grant,) = made.house.access.grants("flight_delay", now=datetime.now(UTC))
    assert (grant.request_id, grant.reason) == (request_id, "Same purpose, same columns")
    assert grant.expires_at - grant.not_before == timedelta(days=90)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called *name* has the focus, and see that one can see it."""
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and name in (
            focused.inner_text() or focused.evaluate("e => e.labels?.[0]?.innerText ?? ''")
        ):
            outline = focused.evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
            assert outline == "solid3px"
            return
    raise AssertionError(f"{name} cannot be reached")


@pytest.mark.browser
def test_hostile_text_runs_nothing_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    made = desk(tmp_path)
    request_id = hostile(made)
    with serving(made.app) as url:
        reader = Reader(browser=browser, url=url, token=made.people.token)
        page = reader.page(STEWARD)
        page.on("dialog", lambda dialog: reader.errors.append(dialog.message))
        for path in ("", f"/requests/{request_id}", "/history"):
            page.goto(f"{MOUNT}/access{path}")
            page.wait_for_load_state("networkidle")
            assert page.locator("main img, main script").count() == 0
        assert reader.errors == []


def test_a_grant_is_put_into_quarantine_and_lifted_on_its_page(served: Desk) -> None:
    (grant_id,) = served.granted("airports", project="lifted")
    client, path = served.client(STEWARD), f"{MOUNT}/access/grants/{grant_id}"
    page = client.get(path).text
    assert all(f'value="{kind}"' in page for kind in ("stop-new", "stop-running", "quarantine"))
    assert "Projects: lifted." in page, "what stands or falls with it is seen before it is revoked"
    body = served.form(STEWARD) | {"reason": "Poisoned"}
    assert client.post(f"{path}/revoke", data=body | {"kind": "forever"}).status_code == 422
    assert client.post(f"{path}/lift", data=body).status_code == 409
    answer = client.post(f"{path}/revoke", data=body | {"kind": "stop-running"})
    assert answer.headers["location"] == f"{MOUNT}/access?done=revoked"
    page = client.get(path).text
    assert 'value="quarantine"' in page
    assert 'value="stop-running"' not in page
    answer = client.post(f"{path}/revoke", data=body | {"kind": "quarantine"})
    assert "neither promoted nor served until" in client.get(answer.headers["location"]).text
    page = client.get(path).text
    assert "In quarantine" in page
    assert f"{path}/lift" in page
    assert f"{path}/lift" not in served.client("bob").get(path).text
    answer = client.post(f"{path}/lift", data=body | {"reason": "All is well"})
    assert "The quarantine is lifted" in client.get(answer.headers["location"]).text
    page = client.get(path).text
    assert f"Quarantine lifted by {STEWARD}" in page
    assert "All is well" in page
    assert "quarantine lifted" in client.get(f"{MOUNT}/access/history?project=lifted").text


@pytest.mark.browser
def test_a_steward_denies_and_revokes_with_a_reason(tmp_path: Path, browser: Browser) -> None:
    made = desk(tmp_path)
    (grant_id,) = made.granted("airports")
    (request_id,) = made.asked()
    register = Register(made.house.ledger, made.house.verifier)
    with serving(made.app) as url:
        page = Reader(browser=browser, url=url, token=made.people.token).page(STEWARD, size=PHONE)
        page.goto(f"{MOUNT}/access/requests/{request_id}")
        page.get_by_role("button", name="Deny").click()
        assert register.request(request_id).standing is RequestStatus.WAITING  # the browser asks for the reason first
        page.get_by_label("Reason").fill("Leave tail numbers out")
        page.get_by_role("button", name="Deny").click()
        page.wait_for_url("**/access?done=denied")
        page.goto(f"{MOUNT}/access/grants")
        page.get_by_role("link", name="Revoke the grant for airports to flight_delay").click()
        page.get_by_label("Reason").fill("The purpose has ended")
        page.get_by_role("button", name="Revoke").click()
        page.wait_for_url("**/access?done=revoked")
        page.goto(f"{MOUNT}/access/history")
        page.get_by_text("Leave tail numbers out").wait_for()
        page.get_by_text("The purpose has ended").wait_for()
    denial = register.request(request_id).denial
    assert denial is not None
    assert denial.reason == "Leave tail numbers out"
    assert register.grant(grant_id).revocation.steward == STEWARD


def test_a_house_without_an_adopted_contract_says_so(tmp_path: Path) -> None:
    def unadopted(folder: Path) -> House:
        return build(folder, adopt=False)

    made = desk(tmp_path, house=unadopted)
    (request_id,) = made.asked()
    page = made.client(STEWARD).get(f"{MOUNT}/access/requests/{request_id}")
    assert page.status_code == 200
    assert "never adopted" in page.text
