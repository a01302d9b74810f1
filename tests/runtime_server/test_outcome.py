"""A run's tab says what the run came to, to whoever is signed in: a night's decision and why, a watch's verdict."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from include.core import streams
from include.core.canonical import encode
from include.core.events import (
    DriftJudged,
    ModelRegistered,
    PodMeasured,
    RunStarted,
    StepFinished,
    StepMeasured,
    TrialRecorded,
    TrialsMeasured,
)
from include.core.project import Objective, Severity
from include.core.records import (
    BenchmarkFigures,
    CheckResult,
    Days,
    DriftState,
    DriftVerdict,
    Interval,
    LiveFigures,
    Plan,
    PlannedTrial,
    Promotion,
    Run,
    Slice,
    Trial,
    TrialCost,
    TrialState,
    Validation,
    Verdict,
)
from include.ledger import Ledger
from include.monitoring import page as drift_page
from include.runtime.server.pages.run import add_runs
from include.runtime.server.reports import add_reports
from include.runtime.server.service import bearer_user
from include.steps import progress
from include.store import Store
from include.training.progress import TrainingProgress
from tests.governance.conftest import STEWARD
from tests.registry.models import BENCHMARK, FEATURE_SET, NO_BENCHMARK, evaluation
from tests.runtime_server.conftest import DESK, PHONE, THEMES, People, Reader, fits, serving
from tests.runtime_server.watched import HOSTILE
from tests.training.flights import Folder

MOUNT = "/trainyard"
NIGHT = "scheduled__2026-03-02T04:00:00+00:00"
RUNS = f"{MOUNT}/pages/runs"
PAGE = f"{RUNS}/train_flights/{quote(NIGHT, safe='')}"
WATCH = f"{RUNS}/watch_flights/{quote(NIGHT, safe='')}"
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
#: Of the holdout, in words that nothing else of the page holds.
LOSS, REASON = "0.4197", "a loss of 0.4197 lies 0.0203 under the champion's"
STATES = (TrialState.PRUNED, TrialState.COMPLETE, TrialState.FAILED)
INTERVAL = Interval(estimate=-0.0203, lower=-0.03, upper=-0.01, days=21)


@dataclass(frozen=True, kw_only=True)
class Yard:
    """A project whose runs leave what a night leaves, step by step."""

    ledger: Ledger
    store: Store

    def keep(self, record: object) -> str:
        return self.store.put(encode(record))

    def begin(self, run_id: str) -> None:
        run = Run(project="flights", run_id=run_id, instant=AT, code_digest="", declaration_digest="", fence=1)
        stream = streams.run("flights", run_id)
        self.ledger.record(stream, RunStarted(run=run, separation_of_duties=""), key=stream)

    def made(self, step: str, output: str, run_id: str = NIGHT) -> None:
        at = {"project": "flights", "run_id": run_id, "step": step, "attempt": f"{run_id}{step}"}
        self.ledger.record(streams.run("flights", run_id), StepFinished(**at, inputs=f"sha256:{step}", output=output))

    def validated(self) -> Validation:
        checks = (
            check("row_counts_are_usual", limits="100 to 900 rows", days=(date(2026, 2, 27),), rows=93),
            check("mostly_known", column="delay", limits="at most 5 % null", rows=25_000, unexpected=1_741),
            check("keys_are_unique", severity=Severity.CRITICAL, success=True),
        )
        report = self.store.put(b"<html><body><h1>Validation of flights</h1></body></html>")
        found = Validation(snapshot="sha256:s", expectations="sha256:e", covered=(), checks=checks, report=report)
        self.made("validate", self.keep(found))
        return found

    def planned(self) -> tuple[tuple[PlannedTrial, ...], str]:
        """Three trials that are to be trained, and the digest of their plan."""
        planned = tuple(PlannedTrial(trial_id=f"sha256:trial{number}", params={}) for number in range(3))
        plan = Plan(
            features=self.keep(FEATURE_SET), task="sha256:t", objective=Objective.BINARY, binned="sha256:b",
            training_rows=100, profile="sha256:p", trials=planned, shards=((0, 1, 2),), rungs=(5,), reduction=3,
            seed=1, warm=(),
        )  # fmt: skip
        digest = self.keep(plan)
        self.made("plan", digest)
        return planned, digest

    def searched(self, folder: Path, *, champion: int | None = 3, benchmark: BenchmarkFigures | None = None) -> str:
        """Three trials, and an evaluation of the second; its digest."""
        planned, digest = self.planned()
        for one, state in zip(planned, STATES, strict=True):
            losses = () if state is TrialState.FAILED else (0.6123,)
            params = {"learning_rate": 0.0871234, "kind": HOSTILE}
            error = "a value of the data" if state is TrialState.FAILED else None
            trial = Trial(trial_id=one.trial_id, params=params, state=state, losses=losses, rounds=50, error=error)
            told = TrialRecorded(project="flights", run_id=NIGHT, plan=digest, instant=AT, trial=trial)
            self.ledger.record("trials/flights", told, key=f"trial/{one.trial_id}")
        made = replace(
            evaluation(Folder(folder), champion=champion),
            plan=digest,
            features=self.keep(FEATURE_SET),
            compared_metrics={"log_loss": 0.4197},
            champion_metrics={"log_loss": 0.44} if champion else {},
            difference=INTERVAL,
            benchmark=benchmark,
            slices=(Slice(feature="airport", category=HOSTILE, rows=20, days=14, loss=0.5, difference=INTERVAL),),
        )
        found = self.keep(made)
        self.made("evaluate", found)
        return found

    def decided(self, evaluated: str, *, promote: bool = True) -> None:
        verdict = Verdict(promote=promote, reasons=(REASON, HOSTILE), refusals=() if promote else ("gate margin",))
        kept = Promotion(evaluation=evaluated, version=4, bundle="sha256:bundle", verdict=verdict)
        self.made("promote", self.keep(kept))

    def took(self) -> None:
        """What the night took, in attempts of which one was cut off and in a pod, and a night that failed before it."""
        failed = "scheduled__2026-03-01T04:00:00+00:00"
        self.begin(failed)
        self.registered(3, "before")
        attempts = (
            (failed, "plan", "f", 100.0, False), (NIGHT, "plan", "cut", 20.0, True),
            (NIGHT, "plan", "again", 4.0, False), (NIGHT, "train-0", "t", 2.5, False),
        )  # fmt: skip
        for run_id, step, attempt, wall, so_far in attempts:
            told = StepMeasured(
                project="flights", run_id=run_id, step=step, attempt=attempt, wall_seconds=wall, cpu_seconds=wall / 2,
                so_far=so_far,
            )  # fmt: skip
            self.ledger.record(streams.cost_of_run("flights", run_id), told)
        at = {"project": "flights", "run_id": NIGHT, "step": "train-0"}
        trained = (("trial1", TrialState.COMPLETE, 4.0), ("trial1", TrialState.COMPLETE, 3.0), ("trial0", None, 0.5))
        costs = tuple(
            TrialCost(trial=trial, ended=ended, wall_seconds=wall, cpu_seconds=wall, gpu_seconds=wall if ended else 0.0)
            for trial, ended, wall in trained
        )
        for event in (
            TrialsMeasured(**at, attempt="t", in_pod=False, trials=costs),
            PodMeasured(**at, pod="pod-0", wall_seconds=30.0, gpu_seconds=60.0),
        ):
            self.ledger.record(streams.cost_of_run("flights", NIGHT), event)
        self.registered(4, NIGHT)

    def registered(self, version: int, run_id: str) -> None:
        verdict = Verdict(promote=True, reasons=(), refusals=())
        model = ModelRegistered(
            project="flights", run_id=run_id, model_version=version, evaluation="", bundle="", verdict=verdict
        )
        self.ledger.record(streams.model("flights"), model)

    def judged(self, *, report: bool) -> None:
        self.begin(f"watch__{NIGHT}")
        page = drift_page.keep(self.store, b"<html>drift</html>") if report else None
        days = Days(first=date(2026, 2, 27), last=date(2026, 2, 28))
        figures = LiveFigures(
            scored="sha256:s", reference="sha256:r", profiles="sha256:p", report=page, report_figures=None, shapes=(),
            since=days, figures=(),
        )  # fmt: skip
        verdict = DriftVerdict(
            state=DriftState.RETRAIN, reasons=("skill is missed by 0.02", HOSTILE), figures={"skill": 0.031},
            days=(date(2026, 2, 28),), inputs=(),
        )  # fmt: skip
        told = DriftJudged(
            project="flights", run_id=f"watch__{NIGHT}", instant=AT, model_version=4, policy="sha256:p",
            live=self.keep(figures),
            days=days, figures=(), verdict=verdict,
        )  # fmt: skip
        self.ledger.record("drift/flights", told, key=f"judged/flights/watch__{NIGHT}")


def check(
    expectation: str,
    *,
    column: str | None = None,
    severity: Severity = Severity.WARNING,
    success: bool = False,
    rows: int | None = None,
    unexpected: int | None = None,
    days: tuple[date, ...] = (),
    limits: str = "",
) -> CheckResult:
    return CheckResult(
        dataset="flights", expectation=expectation, column=column, severity=severity, success=success, rows=rows,
        unexpected=unexpected, days=days, limits=limits,
    )  # fmt: skip


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(ledger=Ledger.open(f"sqlite:///{tmp_path / 'l.db'}"), store=Store(str(tmp_path / "store")))


@pytest.fixture
def app(yard: Yard, people: People) -> FastAPI:
    pages, mounted, outer = people.pages(), FastAPI(), FastAPI()
    add_runs(pages, yard.ledger, yard.store)
    add_reports(mounted, yard.ledger, yard.store, bearer_user(people.users))
    mounted.mount("/pages", pages.app)
    outer.mount(MOUNT, mounted)
    return outer


@pytest.fixture
def asked(app: FastAPI, people: People) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {people.token('ada')}"})


def words(asked: TestClient, path: str = PAGE) -> str:
    answer = asked.get(path)
    assert answer.status_code == 200
    assert HOSTILE not in answer.text
    return " ".join(answer.text.split())


def test_a_decided_night_shows_its_figures_each_gates_reason_its_trial_and_the_warnings_with_limits_and_counts(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    yard.validated()
    yard.decided(yard.searched(tmp_path), promote=False)
    told = words(asked)
    for said in (
        "Version 4", "candidate: the champion stays", "gate margin", REASON.replace("'", "&#39;"), LOSS, "0.4400",
        "-0.0203", "airport &lt;img", "Trial 2 was chosen", "Log loss 0.6123", "learning_rate", "0.0871234",
        "1 complete, 1 pruned, 1 failed", "2 of 3 checks failed", "100 to 900 rows", "1,741 of 25,000 rows",
        "2026-02-27",
    ):  # fmt: skip
        assert said in told, said
    assert "a value of the data" not in told


def test_a_first_version_that_did_not_pass_leaves_no_champion_to_stay(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    yard.decided(yard.searched(tmp_path, champion=None), promote=False)
    assert "candidate: no version is champion" in (told := words(asked))
    assert "the champion stays" not in told


def test_the_benchmark_stands_beside_the_champion_on_the_same_rows_or_its_place_says_that_it_is_not_shown(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    yard.decided(yard.searched(tmp_path))
    assert "benchmark" not in words(asked)
    yard.decided(yard.searched(tmp_path, benchmark=BENCHMARK))
    told = words(asked)
    for said in ("Linear benchmark</th>", "0.5789", "-0.0678", "-0.0456", "beside the trials: 0.5432"):
        assert said in told, said
    assert "0.5678" not in told, "the champion was compared on other rows"
    yard.decided(yard.searched(tmp_path, champion=None, benchmark=NO_BENCHMARK))
    assert "NOT SHOWN:</b> the linear benchmark: it could not be trained" in words(asked)


def test_no_figure_of_the_holdout_is_shown_before_the_night_is_decided(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    evaluated = yard.searched(tmp_path)
    told = words(asked)
    assert "Nothing is decided yet" in told
    assert "Trial 2 was chosen" in told
    assert LOSS not in told
    yard.decided(evaluated)
    assert "became champion" in (told := words(asked))
    assert LOSS in told


def test_a_night_that_trains_shows_how_far_each_step_is_and_when_it_ends_and_then_no_more(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    assert "In training" not in words(asked)
    yard.planned()
    assert "In training" not in words(asked)
    far = TrainingProgress(trials=16, ended=3, best=0.51239, rounds=1200, all_rounds=3000, seconds=120.0)
    progress.keep(yard.store, "flights", NIGHT, "train-0", far, at=AT)
    told = words(asked)
    for said in ("train-0", "1,200 of 3,000", "3 of 16", "0.5124", "about 2026-03-02 04:03 UTC"):
        assert said in told, said
    yard.made("train-0", "sha256:outcomes")
    assert "In training" not in words(asked)
    progress.keep(yard.store, "flights", NIGHT, "refit", replace(far, trials=1, ended=0, best=None), at=AT)
    assert "0 of 1" in words(asked)
    yard.searched(tmp_path)
    assert "In training" not in words(asked)


def test_a_watch_shows_its_verdict_and_leads_to_a_drift_report_only_where_there_is_one(
    yard: Yard, asked: TestClient
) -> None:
    yard.judged(report=False)
    told = words(asked, WATCH)
    assert "asks for a retraining" in told
    assert "skill is missed by 0.02" in told
    assert "+0.0310" in told
    assert "Drift report" not in told


def test_a_link_to_a_report_leads_to_it(yard: Yard, asked: TestClient) -> None:
    yard.judged(report=True)
    yard.begin(NIGHT)
    assert "Validation report" not in words(asked)
    yard.validated()
    for page, kind, title in ((PAGE, "reports/train_flights", "Validation of"), (WATCH, "drift-reports", "drift")):
        (link,) = [part.split('"')[0] for part in words(asked, page).split('href="') if kind in part]
        assert title in asked.get(link).text


def test_the_page_of_a_run_says_what_each_step_and_trial_took_and_what_led_to_its_version(
    yard: Yard, asked: TestClient, tmp_path: Path
) -> None:
    yard.begin(NIGHT)
    assert "What it took" not in words(asked)
    yard.decided(yard.searched(tmp_path))
    yard.took()
    told = words(asked)
    for said in (
        '<th scope="row">plan</th><td data-label="Attempts or pods" class="number">2</td><td data-label="Time" '
        'class="number">at least 24.0 s</td>',
        '<th scope="row">train-0, in pods</th><td data-label="Attempts or pods" class="number">1</td>',
        '<th scope="row">2, complete</th><td data-label="Trainings" class="number">2</td><td data-label="Time" '
        'class="number">7.0 s</td>',
        '<th scope="row">This run</th><td data-label="Attempts or pods" class="number">4</td><td data-label="Time" '
        'class="number">at least 56.5 s</td><td data-label="Processors" class="number">at least 13.2 s</td>'
        '<td data-label="Accelerators" class="number">at least 67.0 s</td>',
        'nights that failed included</th><td data-label="Attempts or pods" class="number">5</td>'
        '<td data-label="Time" class="number">at least 156.5 s</td>',
    ):
        assert said in told, said


def test_what_is_lost_is_not_shown_and_hides_nothing_else(yard: Yard, asked: TestClient, tmp_path: Path) -> None:
    yard.begin(NIGHT)
    yard.validated()
    yard.searched(tmp_path)
    yard.decided("sha256:" + "0" * 64)
    told = words(asked)
    assert "NOT SHOWN" in told
    assert "Trial 2 was chosen" in told
    assert "2 of 3 checks failed" in told


def test_a_runs_tab_has_no_menu_of_its_own_and_the_note_of_every_page(yard: Yard, asked: TestClient) -> None:
    yard.begin(NIGHT)
    told = words(asked)
    assert "<nav" not in told
    assert "signed in as <b>ada</b>" in told
    assert "What this deployment does not protect against" in told


def test_a_run_that_never_began_is_not_found_and_nobody_sees_one_without_signing_in(
    yard: Yard, app: FastAPI, asked: TestClient
) -> None:
    assert asked.get(PAGE).status_code == 404
    yard.begin(NIGHT)
    assert asked.get(PAGE).status_code == 200
    assert asked.get(WATCH).status_code == 404
    assert TestClient(app).get(PAGE).status_code == 401


@pytest.fixture
def url(yard: Yard, app: FastAPI, tmp_path: Path) -> Iterator[str]:
    yard.begin(NIGHT)
    yard.validated()
    yard.decided(yard.searched(tmp_path))
    yard.took()
    yard.judged(report=True)
    with serving(app) as address:
        yield address


@pytest.mark.browser
def test_the_tab_fits_in_a_real_browser_and_runs_nothing_that_anybody_wrote(
    people: People, url: str, browser: Browser, tmp_path: Path
) -> None:
    reader = Reader(browser=browser, url=url, token=people.token)
    for theme in THEMES:
        for size in (DESK, PHONE):
            page = reader.page(STEWARD, theme=theme, size=size)
            for name, path in (("night", PAGE), ("watch", WATCH)):
                page.goto(path)
                for summary in page.locator("details > summary").all():
                    summary.click()
                assert page.get_by_role("heading", name="What it took").count() == (name == "night")
                assert fits(page), (theme, size, name)
                shares = page.locator("caption").evaluate_all(
                    "all => all.map(e => e.offsetWidth / e.parentElement.offsetWidth)"
                )
                assert min(shares, default=1) > 0.9, "a caption has its table's whole width"
                assert page.locator("h1").count() == 1
                assert page.locator("img").count() == 0
                page.screenshot(path=str(tmp_path / f"{name}-{theme}-{size[0]}.png"), full_page=True)
            page.context.close()
    assert reader.errors == []
