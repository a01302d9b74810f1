"""Takes the pictures of the pages "Data access" and "Drift" that the documentation shows, in a real Chromium.

python -m tests.runtime_server.screenshots docs/images
"""

import sys
import tempfile
from pathlib import Path

from fastapi import FastAPI
from playwright.sync_api import sync_playwright

from include.ledger import Ledger
from include.registry.champions import Champions
from include.runtime.server.pages.drift import add_drift
from include.store import Store
from tests.governance.conftest import STEWARD
from tests.registry.models import signer
from tests.runtime_server.conftest import DESK, FLAGS, PHONE, People, Reader, chromium_path, serving
from tests.runtime_server.house import MOUNT, furnished
from tests.runtime_server.watched import PROJECT, fading

#: Where the pictures' page "Drift" is served.
DRIFT = "/recipe"

#: Name, path, theme, size, and what is scrolled to.
PICTURES = (
    ("access-request", "/access/projects/flight_delay", "light", (1280, 1000), None),
    ("access-grants", "/access/grants", "dark", (1280, 720), None),
    ("access-phone", "/access/projects/flight_delay", "light", PHONE, "#decide"),
    ("drift", "/drift/flights", "light", (1280, 1050), None),
    ("drift-features", "/drift/flights", "dark", (1280, 760), "#inputs"),
    ("drift-phone", "/drift/flights", "dark", PHONE, "#chart-1"),
)


def recipe(home: Path, people: People) -> FastAPI:
    """The page "Drift" of a recipe that loses what it knew."""
    ledger, store = Ledger.open(f"sqlite:///{home / 'drift.db'}"), Store(str(home / "drift"))
    fading(ledger, store)
    pages = people.pages()
    add_drift(pages, ledger, store, Champions(ledger, signer().verifier), lambda: (PROJECT,))
    return pages.app


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        made = furnished(Path(home))
        made.app.mount(DRIFT, recipe(Path(home), made.people))
        with serving(made.app) as url, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            reader = Reader(browser=browser, url=url, token=made.people.token)
            for name, path, theme, size, target in PICTURES:
                page = reader.page(STEWARD, theme=theme, size=size or DESK)
                page.goto((DRIFT if path.startswith("/drift") else MOUNT) + path)
                if target:
                    page.locator(target).evaluate("each => each.scrollIntoView()")
                page.screenshot(path=str(folder / f"{name}.png"))
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
