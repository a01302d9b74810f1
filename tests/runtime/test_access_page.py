"""A steward decides in Airflow's UI, in a real Chromium, and the night goes on or ends with the reason."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import secrets_of
from include.runtime.embedded.process import RunningAirflow
from tests.runtime.conftest import NIGHT_SECONDS
from tests.runtime.nights import INSTANT, declare, reaches, until
from tests.runtime_server.conftest import FLAGS, PHONE, THEMES, chromium_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

pytestmark = [pytest.mark.airflow, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    driver = pytest.importorskip("playwright.sync_api", reason="requirements-dev.txt is not installed")
    path = chromium_path()
    with driver.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


def signed_in(browser: "Browser", airflow: RunningAirflow, user: str, *, theme: str = "light") -> "Page":
    page = browser.new_page(color_scheme=theme, viewport={"width": 1400, "height": 1000})  # type: ignore[arg-type]
    page.goto(f"{airflow.url}/auth/login")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", secrets_of(airflow.settings).passwords[user])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)
    return page


def waiting(airflow: RunningAirflow, dana: Client, steward: Client, name: str) -> tuple[str, str]:
    """A night of a new project that waits at its gate, all contracts adopted: its DAG and run."""
    for contract in steward.call("GET", "/trainyard/contracts"):
        steward.call("POST", f"/trainyard/contracts/{contract['dataset']}/adopt", {})
    dag_id = declare(airflow.settings.projects, name)
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "gate", "deferred", seconds=90)
    return dag_id, run_id


def framed(page: "Page") -> "FrameLocator":
    return page.frame_locator("iframe")


def test_the_waiting_gate_leads_to_its_request_and_the_night_goes_on_when_the_steward_approves(
    airflow: RunningAirflow, dana: Client, steward: Client, browser: "Browser"
) -> None:
    dag_id, run_id = waiting(airflow, dana, steward, "approved_in_the_page")
    page = signed_in(browser, airflow, "steward")
    page.goto(f"{airflow.url}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/gate/details")
    page.get_by_role("link", name="Data access request").click()
    shown = framed(page)
    shown.get_by_role("heading", name="approved_in_the_page asks for data").wait_for()
    shown.get_by_label("Reason").fill("The same columns as ever")
    shown.get_by_role("button", name="Approve").click()
    shown.get_by_role("status").get_by_text("Approved.").wait_for()
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    (grant,) = steward.call("GET", "/trainyard/grants?project=approved_in_the_page")
    assert (grant["steward"], grant["reason"]) == ("steward", "The same columns as ever")
    assert grant["uses"] >= 1


def test_a_denial_in_the_page_ends_the_night_with_the_reason(
    airflow: RunningAirflow, dana: Client, steward: Client, browser: "Browser"
) -> None:
    dag_id, run_id = waiting(airflow, dana, steward, "denied_in_the_page")
    page = signed_in(browser, airflow, "steward", theme="dark")
    page.goto(airflow.url)
    page.get_by_role("link", name="Data access").click()
    shown = framed(page)
    shown.get_by_role("link", name="Review the requests of denied_in_the_page").click()
    shown.get_by_label("Reason").fill("No basis for departure delays")
    shown.get_by_role("button", name="Deny").click()
    shown.get_by_role("status").get_by_text("Denied").wait_for()
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "failed"
    reaches(dana, dag_id, run_id, "gate", "failed")
    log = dana.log(dag_id, run_id, "gate")
    assert "No basis for departure delays" in log
    assert "steward denied request" in log


def test_who_is_no_steward_sees_the_page_and_has_nothing_to_decide(
    airflow: RunningAirflow, dana: Client, steward: Client, browser: "Browser"
) -> None:
    dag_id, run_id = waiting(airflow, dana, steward, "read_in_the_page")
    page = signed_in(browser, airflow, "dana")
    page.goto(f"{airflow.url}/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/gate")
    page.locator("a[href*=trainyard_access_task_instance]").click()
    shown = framed(page)
    shown.get_by_text("signed in as dana").wait_for()
    shown.get_by_text("you, dana, may read").wait_for()
    assert shown.get_by_role("button", name="Approve").count() == 0


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_follows_the_theme_that_is_chosen_in_airflow(
    airflow: RunningAirflow, browser: "Browser", theme: str
) -> None:
    page = signed_in(browser, airflow, "steward", theme="light")
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{airflow.url}/plugin/trainyard_access")
    shown = framed(page)
    shown.get_by_role("heading", name="What waits for you").wait_for()
    background = shown.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(15, 18, 22)"}[theme]


def test_nobody_sees_the_page_without_signing_in(airflow: RunningAirflow, browser: "Browser") -> None:
    page = browser.new_page()
    answer = page.goto(f"{airflow.url}/trainyard/pages/access")
    assert answer is not None
    assert answer.status == 401
    page.get_by_role("heading", name="Sign in first").wait_for()
