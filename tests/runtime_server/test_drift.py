"""The page "Drift": what the ledger says of each champion's later days, to whoever is signed in and nobody else."""

import html
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from include.core.canonical import decode, encode, record_digest
from include.core.events import ArtifactsRemoved, DriftJudged, ModelRegistered, PolicyDeclared, RetrainingAsked
from include.core.project import DriftPolicy
from include.core.records import (
    DAY,
    ArtifactKind,
    ColumnProfile,
    DayFigures,
    Days,
    DriftState,
    DriftVerdict,
    FeatureDrift,
    LiveFigures,
    Profile,
    RetrainingOutcome,
    Verdict,
)
from include.core.runs import RunKind, by_hand, run_id_of
from include.ledger import Entry, Ledger
from include.monitoring import page
from include.monitoring.report import explain
from include.monitoring.shapes import shapes
from include.registry.champions import Champions
from include.retraining import asks
from include.runtime.server.pages.drift import add_drift
from include.runtime.server.reports import add_reports
from include.runtime.server.service import bearer_user
from include.store import Store
from tests.governance.conftest import STEWARD
from tests.registry.models import signer
from tests.runtime_server.conftest import DESK, PHONE, THEMES, People, Reader, fits, serving
from tests.runtime_server.watched import HOSTILE

POLICY = DriftPolicy(excess_loss=0.03, calibration_gap=0.05)
FIRST = date(2013, 9, 1)


def profiles(tilt: int) -> tuple[Profile, ...]:
    """A feature and the outcomes; a greater *tilt* moves rows to the right."""
    columns = (
        ColumnProfile(name="airline", edges=None, categories=("AA", "UA"), counts=(100, 200 + tilt, 40), nulls=0),
        ColumnProfile(
            name="late_rate", edges=(0.1, 0.2, 0.3), categories=None, counts=(90, 90, 90, 90 + tilt), nulls=30
        ),
    )
    outcome = (ColumnProfile(name="score", edges=(0.5,), categories=None, counts=(300, 100 + tilt), nulls=0),)
    return tuple(Profile(first=FIRST, last=FIRST, rows=400 + tilt, columns=names) for names in (columns, outcome))


@dataclass(frozen=True, kw_only=True)
class Yard:
    """A ledger and a store with what watches left in them."""

    ledger: Ledger
    store: Store

    def champion(self, version: int) -> None:
        model = ModelRegistered(
            project="flights",
            run_id=f"night-{version}",
            model_version=version,
            evaluation=f"sha256:{version}",
            bundle="sha256:b",
            verdict=Verdict(promote=True, reasons=()),
        )
        self.ledger.append("model/flights", [model], expected_version=version - 1)

    def judge(
        self,
        days: Days,
        state: DriftState,
        *,
        version: int = 1,
        reason: str = "as declared",
        run_id: str | None = None,
    ) -> str:
        """A watch that covered *days*; its run id."""
        then, now = profiles(0), profiles(60)
        explained = explain(then, now) if state is DriftState.RETRAIN else None
        live = LiveFigures(
            scored="sha256:s",
            reference="sha256:r",
            profiles="sha256:p",
            report=page.keep(self.store, explained.html) if explained else None,
            report_figures=self.store.put(explained.figures) if explained else None,
            shapes=shapes(then, now),
            since=days,
            figures=tuple(figures(day) for day in days),
        )
        run_id = run_id or f"watch__scheduled__{days.last}T06:00:00+00:00"
        event = DriftJudged(
            project="flights",
            run_id=run_id,
            instant=datetime(days.last.year, days.last.month, days.last.day, 6, tzinfo=UTC) + 3 * DAY,
            model_version=version,
            policy=record_digest(POLICY),
            live=self.store.put(encode(live)),
            days=days,
            figures=live.figures,
            verdict=DriftVerdict(
                state=state,
                reasons=(reason,),
                figures={"excess_loss": 0.0412, "calibration_gap": -0.061},
                days=tuple(days),
                inputs=(
                    FeatureDrift(feature="late_rate", psi=0.41, limit=0.2),
                    FeatureDrift(feature="airline", psi=0.01, limit=None),
                ),
            ),
        )
        self.ledger.record("drift/flights", event, key=f"judged/flights/{run_id}")
        return run_id

    def ask(self, run_id: str, instant: datetime) -> None:
        asked = RetrainingAsked(project="flights", ask_id=run_id[-12:], run_id=run_id, model_version=1, instant=instant)
        assert asks.ask(self.ledger, POLICY, asked) == asked


def figures(day: date) -> DayFigures:
    wave = (day.toordinal() % 9) / 100
    return DayFigures(day=day, rows=900, loss=0.48 + wave, expected_loss=0.45, mean_score=0.2, mean_label=0.15 + wave)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Four watches over September and October, the third of which had the champion retrained."""
    made = Yard(ledger=Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), store=Store(str(tmp_path / "store")))
    made.champion(1)
    policy = PolicyDeclared(project="flights", digest=record_digest(POLICY), policy=encode(POLICY).decode())
    made.ledger.record("drift/flights", policy, key="policy")
    made.judge(Days(first=FIRST, last=FIRST + 12 * DAY), DriftState.TOO_FEW_TO_KNOW)
    made.judge(Days(first=FIRST + 13 * DAY, last=FIRST + 28 * DAY), DriftState.STABLE)
    run_id = made.judge(Days(first=FIRST + 29 * DAY, last=FIRST + 40 * DAY), DriftState.RETRAIN, reason=HOSTILE)
    made.ask(run_id, datetime(2013, 10, 14, 6, tzinfo=UTC))
    asks.start(made.ledger, "flights", "asset_triggered__1", champion=None)
    asks.end(made.ledger, "flights", "asset_triggered__1", RetrainingOutcome.PROMOTED)
    made.champion(2)
    made.judge(Days(first=FIRST + 41 * DAY, last=FIRST + 50 * DAY), DriftState.WARNING, version=2)
    return made


def application(people: People, yard: Yard) -> FastAPI:
    pages = people.pages()
    add_drift(pages, yard.ledger, yard.store, Champions(yard.ledger, signer().verifier), lambda: ("flights", "quiet"))
    outer = FastAPI()
    outer.mount("/trainyard/pages", pages.app)
    return outer


def client(people: People, yard: Yard, user: str | None = "ada") -> TestClient:
    headers = {"Authorization": f"Bearer {people.token(user)}"} if user else {}
    return TestClient(application(people, yard), headers=headers)


PAGES = "/trainyard/pages/drift"
REPORT = f"{PAGES}/flights/report/{quote('watch__scheduled__2013-10-11T06:00:00+00:00')}"


def test_an_ask_whose_champion_was_replaced_is_told_as_one_without_a_night(people: People, tmp_path: Path) -> None:
    made = Yard(ledger=Ledger.open(f"sqlite:///{tmp_path / 'other.db'}"), store=Store(str(tmp_path / "other")))
    made.champion(1)
    run_id = made.judge(Days(first=FIRST, last=FIRST + 28 * DAY), DriftState.RETRAIN)
    made.ask(run_id, datetime(2013, 10, 1, 6, tzinfo=UTC))
    made.champion(2)
    assert asks.start(made.ledger, "flights", "asset_triggered__1", champion=2) is None
    text = client(people, made).get(f"{PAGES}/flights").text
    assert "no night ran: the champion had been replaced" in text
    assert "waits for its night" not in text


def test_a_policy_without_limits_of_means_is_told_in_one_sentence_too(people: People, yard: Yard) -> None:
    alone = DriftPolicy()
    declared = PolicyDeclared(project="flights", digest=record_digest(alone), policy=encode(alone).decode())
    yard.ledger.record("drift/flights", declared, key="another")
    text = " ".join(client(people, yard).get(f"{PAGES}/flights").text.split())
    assert "A retraining is asked for where the recipe's skill stays more than half below" in text
    assert "judged days; at most one every" in text


def test_a_version_whose_rows_were_removed_is_shown_as_not_rebuildable_and_a_removed_report_is_not_there(
    people: People, yard: Yard
) -> None:
    signed_in = client(people, yard)
    for path in ("", "/flights"):
        assert "NOT REBUILDABLE" not in signed_in.get(f"{PAGES}{path}").text
    assert signed_in.get(REPORT).status_code == 200
    found = yard.ledger.find(f"judged/flights/{unquote(REPORT.rpartition('/')[2])}")
    assert found is not None
    assert isinstance(found.event, DriftJudged)
    report = decode(LiveFigures, yard.store.get(found.event.live)).report
    assert report is not None
    yard.store.remove(report)
    removed = ArtifactsRemoved(
        artifact_kind=ArtifactKind.MODEL,
        datasets=("flights",),
        artifacts=(report,),
        due_since=datetime(2014, 1, 1, tzinfo=UTC),
        rule="30 days",
        versions=("flights/2",),
    )
    yard.ledger.record("retention", removed)
    assert signed_in.get(PAGES).text.count("NOT REBUILDABLE") == 1
    assert signed_in.get(f"{PAGES}/flights").text.count("NOT REBUILDABLE") == 2, (
        "as champion, and in its verdict's line"
    )
    assert signed_in.get(REPORT).status_code == 404


@pytest.mark.parametrize("path", ["", "/flights", "/quiet", "/nothing", REPORT.removeprefix(PAGES)])
def test_who_is_not_signed_in_sees_nothing(people: People, yard: Yard, path: str) -> None:
    answer = client(people, yard, None).get(f"{PAGES}{path}")
    assert answer.status_code == 401
    assert "retraining" not in answer.text


def test_all_projects_stand_with_their_last_verdict(people: People, yard: Yard) -> None:
    text = client(people, yard).get(PAGES).text
    assert "a human looks" in text
    assert "2013-10-21" in text
    assert "version 2" in text
    assert "not judged yet" in text, "the other project"


def test_a_project_shows_calendar_figures_features_verdicts_and_what_came_of_them(people: People, yard: Yard) -> None:
    text = client(people, yard).get(f"{PAGES}/flights").text
    for told in (
        "September 2013",
        "October 2013",
        "retraining promoted",
        "retrained in asset_triggered__1: its model is champion",
        "moved: distance 0.41, where up to 0.20 is usual for it, 2.0 times that",
        "distance 0.01; too few weeks before to say what is usual",
        "+0.0412",
        "-0.0610",
        record_digest(POLICY),
        'href="/dags/watch_flights/runs/scheduled__2013-10-11T06%3A00%3A00%2B00%3A00"',
    ):
        assert told in text, told
    assert text.count("<polyline") == 4, "two lines in each of two charts: no day is missing"
    assert HOSTILE not in text
    assert "style=" not in text


def test_a_runs_link_stays_below_where_airflow_is_served(people: People, yard: Yard) -> None:
    outer = FastAPI()
    outer.mount("/company/airflow", application(people, yard))
    asked = TestClient(outer, headers={"Authorization": f"Bearer {people.token('ada')}"})
    text = asked.get(f"/company/airflow{PAGES}/flights").text
    assert 'href="/company/airflow/dags/watch_flights/runs/scheduled__2013-10-11T06%3A00%3A00%2B00%3A00"' in text


def test_a_verdict_by_the_command_line_links_to_no_run(people: People, yard: Yard) -> None:
    before = client(people, yard).get(f"{PAGES}/flights").text.count("/dags/")
    assert before == 4
    name = run_id_of(RunKind.WATCH, by_hand(datetime(2013, 10, 25, 6, tzinfo=UTC), record_digest(POLICY)))
    yard.judge(Days(first=FIRST + 51 * DAY, last=FIRST + 51 * DAY), DriftState.STABLE, version=2, run_id=name)
    after = client(people, yard).get(f"{PAGES}/flights").text
    assert after.count("/dags/") == before
    assert "by hand" in after


def test_a_report_is_linked_only_where_there_is_one(people: People, yard: Yard) -> None:
    asked = client(people, yard)
    linked = re.findall(r'href="([^"]*/report/[^"]*)"', asked.get(f"{PAGES}/flights").text)
    assert len(linked) == 1, "only the verdict that asked for a retraining was explained"
    assert asked.get(html.unescape(linked[0])).status_code == 200


def test_what_was_read_of_the_ledger_is_not_read_again(
    people: People, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, read = client(people, yard), list[int]()
    read_all, read_one = Ledger.read_all, Ledger.read

    def counted_all(ledger: Ledger, **options: Any) -> list[Entry]:
        found = read_all(ledger, **options)
        read.append(len(found))
        return found

    def counted(ledger: Ledger, *place: Any, **options: Any) -> list[Entry]:
        found = list(read_one(ledger, *place, **options))
        read.append(len(found))
        return found

    monkeypatch.setattr(Ledger, "read_all", counted_all)
    monkeypatch.setattr(Ledger, "read", counted)
    before = asked.get(f"{PAGES}/flights").text
    assert sum(read) > 0
    read.clear()
    assert asked.get(PAGES).status_code == 200
    assert asked.get(f"{PAGES}/flights").text.count("<tr>") == before.count("<tr>")
    assert sum(read) == 0
    yard.judge(Days(first=FIRST + 51 * DAY, last=FIRST + 51 * DAY), DriftState.STABLE, version=2)
    assert asked.get(f"{PAGES}/flights").text.count("<tr>") > before.count("<tr>"), "what is new is shown"
    assert sum(read) == 1


def test_a_report_of_a_run_opens_no_ledger_of_its_own(
    yard: Yard, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()
    add_reports(app, yard.ledger, yard.store, bearer_user(people.users))

    def opened(*_: object, **__: object) -> Ledger:
        raise AssertionError("a ledger was opened")

    monkeypatch.setattr(Ledger, "open", opened)
    asked = TestClient(app, headers={"Authorization": f"Bearer {people.token('ada')}"})
    run = quote("scheduled__2013-10-11T06:00:00+00:00", safe="")
    assert asked.get(f"/drift-reports/watch_flights/{run}").status_code == 200
    assert asked.get("/reports/train_flights/none").status_code == 404


def test_a_project_that_is_not_declared_is_nothing_and_one_without_verdicts_says_so(people: People, yard: Yard) -> None:
    asked = client(people, yard)
    assert asked.get(f"{PAGES}/nothing").status_code == 404
    assert asked.get(f"{PAGES}/nothing/report/x").status_code == 404
    assert "Nothing was judged yet" in asked.get(f"{PAGES}/quiet").text


def test_a_report_can_reach_nothing_and_only_those_of_verdicts_are_shown(people: People, yard: Yard) -> None:
    asked = client(people, yard)
    shown = asked.get(REPORT)
    assert shown.status_code == 200
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert asked.get(f"{PAGES}/flights/report/{yard.store.put(b'something')}").status_code == 404


def test_a_page_asks_the_ledger_as_often_for_a_year_of_daily_verdicts_as_for_two(
    people: People, yard: Yard, tmp_path: Path
) -> None:
    asked, days = client(people, yard), itertools.count()

    def judged(count: int) -> int:
        for _ in range(count):
            day = FIRST + (51 + next(days)) * DAY
            yard.judge(Days(first=day, last=day), DriftState.STABLE, version=2)
        said: list[object] = []

        def hear(connection: sa.Connection, _: object, statement: str, *__: object) -> None:
            if connection.engine.url.database == str(tmp_path / "ledger.db"):  # others ask theirs, in threads
                said.append(statement)

        asked.get(f"{PAGES}/flights")
        sa.event.listen(sa.Engine, "before_cursor_execute", hear)
        try:
            assert asked.get(f"{PAGES}/flights").status_code == 200
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", hear)
        return len(said)

    assert judged(2) == judged(363) > 0


@pytest.fixture
def url(people: People, yard: Yard) -> Iterator[str]:
    with serving(application(people, yard)) as address:
        yield address


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
def test_the_page_fits_and_is_complete_in_a_real_browser(
    people: People, url: str, browser: Browser, tmp_path: Path, theme: str, size: tuple[int, int]
) -> None:
    reader = Reader(browser=browser, url=url, token=people.token)
    page = reader.page(STEWARD, theme=theme, size=size)
    page.goto(PAGES)
    assert fits(page)
    page.get_by_role("link", name="flights").click()
    page.get_by_role("heading", name="Calendar of verdicts").wait_for()
    asked = page.locator("td.asked")
    assert asked.count() == 1
    assert "a retraining was asked for" in str(asked.get_attribute("title"))
    drawn = page.locator("svg.chart").first.bounding_box()
    assert drawn is not None
    assert drawn["height"] > 90
    assert page.locator(".features li").count() == 3
    assert page.locator(".features li.drifted").count() == 1
    assert fits(page)
    page.screenshot(path=str(tmp_path / f"drift-{theme}-{size[0]}.png"), full_page=True)
    assert reader.errors == []


def test_the_same_profiles_make_the_same_report() -> None:
    assert explain(profiles(0), profiles(60)) == explain(profiles(0), profiles(60))


@pytest.mark.browser
def test_the_report_draws_itself_and_asks_nobody_for_anything(people: People, url: str, browser: Browser) -> None:
    reader = Reader(browser=browser, url=url, token=people.token)
    page = reader.page(STEWARD)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(REPORT)
    page.get_by_text("late_rate").first.wait_for(timeout=30_000)
    assert [one for one in asked if not one.startswith(("data:", "blob:"))] == [url + REPORT]
