"""The page "Drift" over a recipe's whole series: the days of every champion in one, and what was done about it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser
from securesystemslib.signer import CryptoSigner

from include.core.events import GateOverridden
from include.core.records import DAY, Days, Gate, Override
from include.governance.claims import signed
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry.champions import Champions
from include.runtime.server.pages.drift import add_drift
from include.store import Store
from tests.governance.conftest import STEWARD
from tests.registry.models import signer
from tests.registry.test_champions import P, Registry
from tests.registry.test_going_back import LATER, back, quarantined, stewarded
from tests.runtime_server.conftest import DESK, PHONE, THEMES, People, Reader, fits, serving
from tests.runtime_server.watched import FEATURES, FIRST, HOSTILE, Story, failing, nightly
from tests.training.flights import Folder

PAGE = "/trainyard/pages/drift/flights"


def application(people: People, ledger: Ledger, store: Store, project: str = "flights") -> FastAPI:
    pages = people.pages()
    add_drift(pages, ledger, store, Champions(ledger, signer().verifier), lambda: (project,))
    outer = FastAPI()
    outer.mount("/trainyard/pages", pages.app)
    return outer


class Told:
    """A recipe that fails, and what its page says to somebody who is signed in."""

    def __init__(self, folder: Path) -> None:
        self.people = People.of(folder)
        self.ledger, store = Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Store(str(folder / "store"))
        self.story: Story = failing(self.ledger, store)
        self.app = application(self.people, self.ledger, store)
        self._client = TestClient(self.app, headers={"Authorization": f"Bearer {self.people.token('ada')}"})

    def text(self, path: str = PAGE) -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("recipe"))


def features(text: str) -> list[str]:
    return re.findall(r'<li data-name="([^"]+)"', text)


def test_a_recipe_that_fails_is_called_failing_and_told_that_a_human_is_asked(told: Told) -> None:
    text = told.text()
    assert "<b>FAILING.</b>" in text
    assert "retraining does not bring it back" in text
    assert "FAILING: a human is asked" in told.text(PAGE.removesuffix("/flights"))


def test_skill_stands_beside_loss_and_says_what_it_means(told: Told) -> None:
    text = told.text()
    assert [re.sub("<.*", "", each) for each in re.findall(r'<h2 id="chart-\d">(.*?) ', text)] == [
        "Skill", "Loss", "Calibration"
    ]  # fmt: skip
    assert '<b class="bad">-0.0' in text
    assert "knows no more than the base rate alone; +0.1000 is usual, down to +0.0500 is tolerated" in text
    assert "In 1 of 20 stretches of 180 nights, at most, this asks though nothing changed." in text
    assert "the base rate alone: 0.6" in text
    assert "each once, by 2 champions" in text


def test_the_skill_score_stands_beside_the_usual_and_the_tolerated_one(tmp_path: Path) -> None:
    told, day = Told(tmp_path), FIRST + 80 * DAY
    scores = {"skill_score": 0.08, "usual_skill_score": 0.16, "tolerated_skill_score": 0.07}
    told.story.days(Days(first=day, last=day), skill=0.1, scores=scores)
    assert "; skill score 8.0%: 16.0% is usual, down to 7.0% is tolerated" in told.text()


def test_promotions_retrainings_and_rollbacks_are_marked_on_the_series_across_champions(told: Told) -> None:
    text = told.text()
    assert text.count("retraining promoted</title>") == text.count("back to version 1</title>") == 3
    assert text.count("the change began</title>") == 3
    strokes = re.findall(r'<path class="changes" d="([^"]*)"', text)
    assert [each.count("M") for each in strokes] == [3, 3, 3], "two promotions and the way back"
    skill, _, _ = re.findall(r'<polyline class="line a" points="([^"]*)"', text)
    assert skill.count(",") == 80, "one line over the days of all champions"


def test_whether_retraining_helped_is_said_in_words_and_nothing_below_eight(told: Told, tmp_path: Path) -> None:
    assert "<p>pooled over 1 retrainings: nothing is said below eight.</p>" in told.text()
    ledger, store = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Store(str(tmp_path / "store"))
    nightly(ledger, store, nights=10)
    signed_in = {"Authorization": f"Bearer {told.people.token('ada')}"}
    text = TestClient(application(told.people, ledger, store), headers=signed_in).get(PAGE).text
    assert "pooled over 9 retrainings and 9 days, the new champion&#39;s loss is" in text


def test_an_override_that_is_in_force_is_told_with_who_placed_it_until_when_and_why(tmp_path: Path) -> None:
    made, until = Told(tmp_path), datetime.now(UTC).date()
    for day, reason in ((until - DAY, "long over"), (until, HOSTILE)):
        placed = Override(project="flights", gate=Gate.SKILL, until=day, by=STEWARD, reason=reason)
        position = made.ledger.version("override/flights") + 1
        for key in (signer(), Signer(CryptoSigner.generate_ed25519())):
            event = signed(GateOverridden(override=placed, envelope=""), key, position=position)
            if key is signer() or day == until:
                made.ledger.record("override/flights", event)
        if day < until:
            assert "lets every model through" not in made.text()
    text = made.text()
    assert text.count("lets every model through") == 1
    assert f"until {until}: overridden by {STEWARD}. &lt;img" in text


def test_each_stay_in_force_has_its_own_days(told: Told) -> None:
    (stays,) = re.findall(r'<h2 id="champions">(.*?)</table>', told.text(), re.S)
    rows = re.findall(r'<th scope="row">version (\d+)</th>.*?Judged days" class="number">(.*?)</td>', stays, re.S)
    assert rows == [("1", "30"), ("2", "10"), ("1", "40")]
    assert "went back from version 2 on 2013-02-20, asked by ada" in told.text()


def test_features_stand_in_the_order_of_how_much_the_model_uses_them_and_their_figures_are_explained(
    told: Told,
) -> None:
    text = told.text()
    by_share = sorted(FEATURES, key=lambda name: -FEATURES[name][0])
    assert features(text) == ["score", "label", *by_share, "weekday"]
    assert "<b>31.0 %</b> of the model" in text
    assert "no two weeks of it are alike (distances up to 48.1 are usual): drift cannot be shown" in text
    assert "as usual: distance 0.03, and up to 0.12 is usual for it" in text
    assert "population stability index" in text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("DIST", ["distance_km"]), (" origin ", ["origin_wind_speed", "humidity_at_origin"]), ("nothing", [])],
)
def test_a_feature_is_found_by_a_part_of_its_name_without_a_script(told: Told, wanted: str, found: list[str]) -> None:
    text = told.text(f"{PAGE}?feature={wanted}")
    assert features(text) == found
    assert f"{len(found)} of {len(FEATURES) + 3} shown" in text
    assert f'value="{wanted}"' in text


def test_what_is_looked_for_is_text_and_nothing_else(told: Told) -> None:
    assert HOSTILE not in told.text(f"{PAGE}?feature={HOSTILE}")


def test_a_rollback_is_shown_at_the_next_look(tmp_path: Path) -> None:
    made = Told(tmp_path)
    assert "version 1 is champion" in made.text()
    made.story.night(FIRST + 80 * DAY)
    made.story.days(Days(first=FIRST + 80 * DAY, last=FIRST + 80 * DAY), skill=0.1)
    assert "version 3 is champion" in made.text()
    made.story.back(2, FIRST + 81 * DAY)
    assert "version 2 is champion" in made.text()


def test_a_page_that_was_drawn_before_tells_of_a_quarantine_of_its_lift_and_of_a_retirement_with_who_and_why(
    tmp_path: Path,
) -> None:
    registry = stewarded(Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path)))
    registry.authority.begin()
    night = registry.night()
    people = People.of(tmp_path)
    app = application(people, registry.ledger, Store(str(tmp_path / "store")), P)
    client = TestClient(app, headers={"Authorization": f"Bearer {people.token('ada')}"})

    def told() -> list[bool]:
        pages = ("/trainyard/pages/drift", f"/trainyard/pages/drift/{P}")
        return [f"revoked by {STEWARD} (quarantine): A leak" in client.get(page).text for page in pages]

    assert told() == [False, False]
    lift = quarantined(registry, night.run_id)
    assert told() == [True, True]
    lift()
    assert told() == [False, False]
    assert "no champion yet" not in client.get(f"/trainyard/pages/drift/{P}").text
    back(registry, None, 1)
    for page in ("/trainyard/pages/drift", f"/trainyard/pages/drift/{P}"):
        assert f"retired version 1 on {LATER:%Y-%m-%d}, asked by {STEWARD}: It is late" in client.get(page).text
    assert "no champion yet" not in client.get(f"/trainyard/pages/drift/{P}").text


def test_a_page_of_many_champions_asks_the_ledger_no_more_often_than_one_of_few(tmp_path: Path) -> None:
    def asked(nights: int) -> tuple[int, int]:
        folder = tmp_path / str(nights)
        folder.mkdir()
        people, said = People.of(folder), list[object]()
        ledger, store = Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Store(str(folder / "store"))
        story = nightly(ledger, store, nights=nights)
        signed_in = TestClient(
            application(people, ledger, store), headers={"Authorization": f"Bearer {people.token('ada')}"}
        )
        signed_in.get(PAGE)

        def hear(*heard: object) -> None:
            said.append(heard[2])

        sa.event.listen(sa.Engine, "before_cursor_execute", hear)
        try:
            assert signed_in.get(PAGE).status_code == 200
            calm = len(said)
            story.night(FIRST + nights * DAY)
            said.clear()
            assert signed_in.get(PAGE).status_code == 200
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", hear)
        return calm, len(said)

    few, many = asked(2), asked(12)
    assert few == many, "neither at once, nor after another promotion"
    assert few[0] > 0


@pytest.fixture(scope="module")
def url(told: Told) -> Iterator[str]:
    with serving(told.app) as address:
        yield address


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
def test_the_recipe_fits_the_screen_and_its_features_are_narrowed_while_a_name_is_typed(
    told: Told, url: str, browser: Browser, theme: str, size: tuple[int, int]
) -> None:
    reader = Reader(browser=browser, url=url, token=told.people.token)
    page = reader.page(STEWARD, theme=theme, size=size)
    page.goto(PAGE)
    page.get_by_text("FAILING.", exact=True).wait_for()
    for chart in page.locator("svg.chart").all():
        drawn = chart.bounding_box()
        assert drawn is not None
        assert 0 <= drawn["x"] < drawn["x"] + drawn["width"] <= size[0]
    assert page.locator(".features > li:visible").count() == len(FEATURES) + 3
    page.get_by_label("Find a feature").fill("Origin")
    assert page.locator(".features > li:visible").count() == 2
    assert page.locator("#found").inner_text() == f"2 of {len(FEATURES) + 3} shown"
    page.get_by_label("Find a feature").fill("")
    assert page.locator(".features > li:visible").count() == len(FEATURES) + 3
    assert fits(page)
    assert reader.errors == []


@pytest.mark.browser
def test_a_feature_is_found_by_who_runs_no_script(told: Told, url: str, browser: Browser) -> None:
    page = Reader(browser=browser, url=url, token=told.people.token).page(STEWARD, script=False)
    page.goto(PAGE)
    page.get_by_label("Find a feature").fill("origin")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**feature=origin**")
    assert page.locator(".features > li").count() == 2
