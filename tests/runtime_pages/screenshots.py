"""Takes the pictures of the page "Data access" that the documentation shows, in a real Chromium.

python -m tests.runtime_pages.screenshots docs/images
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.governance.conftest import STEWARD
from tests.runtime_pages.conftest import DESK, FLAGS, PHONE, Reader, chromium_path, serving
from tests.runtime_pages.house import MOUNT, furnished

#: Name, path, theme, size, and what is scrolled to.
PICTURES = (
    ("access-request", "/access/projects/flight_delay", "light", (1280, 1000), None),
    ("access-grants", "/access/grants", "dark", (1280, 720), None),
    ("access-phone", "/access/projects/flight_delay", "light", PHONE, "#decide"),
)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        made = furnished(Path(home))
        with serving(made.app) as url, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            reader = Reader(browser=browser, url=url, token=made.people.token)
            for name, path, theme, size, target in PICTURES:
                page = reader.page(STEWARD, theme=theme, size=size or DESK)
                page.goto(MOUNT + path)
                if target:
                    page.locator(target).scroll_into_view_if_needed()
                page.screenshot(path=str(folder / f"{name}.png"))
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
