"""What a night came to, and its validation report, inside Airflow's UI, as somebody with a browser sees it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import secrets_of
from include.runtime.embedded.process import RunningAirflow
from tests.runtime_server.conftest import PHONE

playwright = pytest.importorskip("playwright.sync_api", reason="requirements-dev.txt is not installed")

pytestmark = [pytest.mark.airflow, pytest.mark.browser]

#: Chromium's own background traffic is off: what the page asks for is all that there is.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium (Debian: apt-get install chromium)")
    return found


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, airflow: RunningAirflow, chromium: str) -> Iterator["playwright.Page"]:
    """A browser in which dana is signed in."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(color_scheme=request.param, viewport={"width": 1400, "height": 900})
        page.goto(f"{airflow.url}/auth/login")
        page.fill("input[name=username]", "dana")
        page.fill("input[name=password]", secrets_of(airflow.settings).passwords["dana"])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/auth/login" not in url)
        yield page
        browser.close()


def test_a_run_shows_what_it_came_to_under_one_row_of_tabs_leads_to_its_report_and_asks_no_other_host(
    page: "playwright.Page", airflow: RunningAirflow, night: tuple[str, str], tmp_path: Path
) -> None:
    dag_id, run_id = night
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{airflow.url}/dags/{dag_id}/runs/{quote(run_id, safe='')}")
    page.get_by_role("link", name="Outcome").click()
    shown = page.frame_locator("iframe")
    shown.get_by_role("heading", name="Version 1 became champion").wait_for()
    shown.get_by_role("heading", name="was chosen").wait_for()
    assert shown.get_by_role("navigation").count() == 0
    assert shown.get_by_role("link", name="Drift report").count() == 0
    assert page.get_by_role("link", name="Drift report").count() == 0
    for width in (1400, PHONE[0]):
        page.set_viewport_size({"width": width, "height": 900})
        assert shown.locator("html").evaluate("all => all.scrollWidth <= all.clientWidth")
        page.screenshot(path=str(tmp_path / f"outcome-{width}.png"))
    shown.get_by_role("link", name="Validation report").click()
    shown.get_by_role("heading", name="Validation of punctual").wait_for()
    assert shown.locator("table tr").count() > 1
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {airflow.url.split("/")[2]}


def test_nobody_sees_a_report_without_signing_in(airflow: RunningAirflow, dana: Client, night: tuple[str, str]) -> None:
    signed_in = {"Authorization": f"Bearer {dana.token()}"}
    for below in ("reports", "pages/runs"):
        address = f"{airflow.url}/trainyard/{below}/{night[0]}/{night[1]}"
        assert httpx.get(address, trust_env=False).status_code == httpx.codes.UNAUTHORIZED
        assert httpx.get(address, headers=signed_in, trust_env=False).status_code == httpx.codes.OK
        missing = f"{airflow.url}/trainyard/{below}/{night[0]}/no-such-run"
        assert httpx.get(missing, headers=signed_in, trust_env=False).status_code == httpx.codes.NOT_FOUND
