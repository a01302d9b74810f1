"""Evidently's page shows what moved, without a value, and asks no host for anything."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.records import Days
from include.monitoring.profile import profile, profile_like
from include.monitoring.report import ROWS, Explanation, explain

THEN = Days(first=date(2013, 4, 1), last=date(2013, 6, 1))
NOW = Days(first=date(2013, 6, 2), last=date(2013, 6, 8))
PLANES = [f"N{number}QX" for number in range(701, 731)]


def rows(count: int, *, seed: int, moved: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "humidity": random.normal(61.0625 + moved, 5.0, count),
            "visibility": np.where(random.random(count) < 0.3, np.nan, random.random(count)),
            "tailnum": random.choice(PLANES, count),
            "origin": random.choice(["EWR", "JFK"], count),
        }
    )


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    reference = profile(rows(20_000, seed=1), THEN)
    return explain([reference], [profile_like(rows(6_000, seed=2, moved=10.0), NOW, reference)])


def test_the_figures_name_the_column_that_moved_and_no_other(explanation):
    figures = json.loads(explanation.figures)
    drifts = {each["config"]["column"]: each["value"] for each in figures["metrics"] if "column" in each["config"]}
    assert {name for name, value in drifts.items() if value > 0.1} == {"humidity"}
    assert set(drifts) == {"humidity", "visibility", "tailnum", "origin"}


EXPLAINED = """
import hashlib
from tests.monitoring.test_report import NOW, THEN, explain, profile, profile_like, rows

reference = profile(rows(20_000, seed=1), THEN)
made = explain([reference], [profile_like(rows(6_000, seed=2, moved=10.0), NOW, reference)])
print([hashlib.sha256(each).hexdigest() for each in (made.html, made.figures)])
"""


def test_page_and_figures_are_the_same_in_every_process(explanation):
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EXPLAINED],
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    here = [hashlib.sha256(each).hexdigest() for each in (explanation.html, explanation.figures)]
    assert ran.stdout.strip() == str(here)


def test_neither_page_nor_figures_hold_a_value(explanation):
    edges = profile(rows(20_000, seed=1), THEN).column("humidity").edges
    for value in (*PLANES, "EWR", "JFK", *(repr(edge) for edge in edges), *(f"{edge:.3f}" for edge in edges)):
        assert value.encode() not in explanation.html
        assert value.encode() not in explanation.figures


def test_a_share_is_told_by_a_fixed_number_of_rows(explanation):
    assert ROWS == 5_000
    assert explanation.html.count(b"bin 001") < 100, "counts by bin, not rows, stand in the page"


def test_profiles_without_a_common_column_or_without_rows_are_refused():
    reference = profile(rows(1000, seed=1), THEN)
    with pytest.raises(DataError, match="0 columns in common"):
        explain([reference], [profile(pa.table({"other": np.arange(30.0)}), NOW)])
    with pytest.raises(DataError, match="columns in common"):
        explain([reference], [profile_like(rows(5, seed=1), NOW, reference)])


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium (Debian: apt-get install chromium)")
    return found


#: The addresses that a page asked for, its text, and the errors of its scripts.
Shown = tuple[list[str], str, list[str]]


@pytest.fixture(scope="module")
def shown(explanation: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The page in a real Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: ./trainyard test installs it")
    page_file: Path = tmp_path_factory.mktemp("report") / "drift.html"
    page_file.write_bytes(explanation.html)
    asked: list[str] = []
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri())
        page.get_by_text("humidity").first.wait_for()
        page.wait_for_timeout(1500)
        yield asked, page.inner_text("body"), errors
        browser.close()


@pytest.mark.browser
def test_the_page_asks_no_host_for_anything_and_shows_the_columns(shown):
    asked, text, errors = shown
    assert not errors
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert {"humidity", "visibility", "tailnum", "origin"} <= set(text.split())
