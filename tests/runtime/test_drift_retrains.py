"""Drift retrains through a real Airflow exactly once, whatever becomes of the asset event and of the watch's tasks."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from include.core.errors import RegistryError
from include.core.events import (
    ChampionRolledBack,
    DataOpened,
    DayJudged,
    DriftJudged,
    Event,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingEnded,
    RetrainingStarted,
    RunStarted,
    StepStarted,
)
from include.core.project import DriftPolicy
from include.core.records import DAY, DayOfSeries, RetrainingOutcome
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.airflow import sessions
from include.runtime.airflow.client import Client
from include.runtime.airflow.process import RunningAirflow
from include.runtime.airflow.reconciliation import PATIENCE
from include.runtime.authority_client import AuthorityClient
from include.runtime.projects import load_project
from include.runtime.scoring import load_champion
from include.steps import retraining
from tests.runtime.conftest import NIGHT_SECONDS
from tests.runtime.nights import PROJECT, approve, declare, hold, reaches, task, until

pytestmark = pytest.mark.airflow

NAME = "drifting"
TRAIN, WATCH = f"train_{NAME}", f"watch_{NAME}"
INSTANT = datetime(2013, 4, 1, 4, tzinfo=UTC)
#: The first watch; each further one looks two days later.
LATER = INSTANT + timedelta(days=26)
TEXT = (
    PROJECT.replace("days=6,", "days=24,")
    .replace("margin=1.0", "margin=100.0, auc_guard=1.0")
    .replace(
        "operations=",
        "drift=DriftPolicy(excess_loss=None, calibration_gap=1e-9, days=20, cooldown_days=1, monthly_budget=99),\n"
        "    operations=",
    )
)
POLICY = DriftPolicy(excess_loss=None, calibration_gap=1e-9, days=20, cooldown_days=1, monthly_budget=99)


@dataclass(frozen=True, kw_only=True)
class House:
    """The running Airflow, its ledger, and who asks it."""

    airflow: RunningAirflow
    ledger: Ledger
    dana: Client

    def watch(self, instant: datetime) -> str:
        """A whole watch; its run id."""
        run_id = self.dana.trigger(WATCH, instant=instant)
        assert self.dana.wait(WATCH, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
        return run_id

    def runs(self) -> dict[str, dict[str, Any]]:
        """The training nights, by their ids."""
        found = self.dana.call("GET", f"/api/v2/dags/{TRAIN}/dagRuns?limit=100")["dag_runs"]
        return {run["dag_run_id"]: run for run in found}

    def signal(self) -> None:
        """An asset event, as somebody may send at any time."""
        assets = self.dana.call("GET", f"/api/v2/assets?uri_pattern=drift/{NAME}")["assets"]
        with self.airflow.client("ada") as ada:
            ada.call("POST", "/api/v2/assets/events", {"asset_id": assets[0]["id"]})

    def events(self, *kinds: type[Event], stream: str = f"retraining/{NAME}") -> Sequence[Event]:
        return [entry.event for entry in self.ledger.read(stream) if not kinds or isinstance(entry.event, kinds)]

    def retrained(self, asks: int) -> RetrainingStarted:
        """Wait until *asks* asks have ended, each answered by one night; the last of these."""
        until(
            lambda: len(self.events(RetrainingEnded)) >= asks, seconds=2 * NIGHT_SECONDS, what=f"{asks} retrainings end"
        )
        ended = [event for event in self.events(RetrainingEnded) if isinstance(event, RetrainingEnded)]
        started = [event for event in self.events(RetrainingStarted) if isinstance(event, RetrainingStarted)]
        assert [event.outcome for event in ended] == [RetrainingOutcome.PROMOTED] * asks
        assert [event.ask_id for event in started] == [event.ask_id for event in ended]
        assert self.dana.wait(TRAIN, started[-1].run_id, timeout_seconds=NIGHT_SECONDS) == "success"
        return started[-1]

    def found_nothing(self, run_id: str) -> None:
        """The night ended well, before it began, and said why."""
        assert self.dana.wait(TRAIN, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
        states = {one.task_id: one.state for one in self.dana.tasks(TRAIN, run_id)}
        assert set(states.values()) == {"skipped"}
        assert "Nothing is asked for" in self.dana.log(TRAIN, run_id, "gate")
        assert self.events(stream=f"run/{NAME}/{run_id}") == [], "it did not even begin, and so read nothing"

    def instant_of(self, run_id: str) -> datetime:
        begun = self.ledger.find(f"run/{NAME}/{run_id}")
        assert begun is not None
        assert isinstance(begun.event, RunStarted)
        return begun.event.run.instant


@pytest.fixture(scope="module")
def house(airflow: RunningAirflow, dana: Client, steward: Client) -> House:
    """A project whose every verdict asks for a retraining, with a first champion."""
    declare(airflow.settings.projects, NAME, operations='watch_schedule="0 4 1 1 *"', text=TEXT)
    until(lambda: dana.has_dag(TRAIN) and dana.has_dag(WATCH), seconds=60, what="the project has both DAGs")
    made = House(airflow=airflow, ledger=Ledger.open(airflow.settings.ledger), dana=dana)
    early = dana.trigger(WATCH, instant=LATER)
    assert dana.wait(WATCH, early, timeout_seconds=NIGHT_SECONDS) == "success"
    assert {one.state for one in dana.tasks(WATCH, early)} == {"skipped"}
    assert "has no champion yet" in dana.log(WATCH, early, "gate")
    run_id = dana.trigger(TRAIN, instant=INSTANT)
    reaches(dana, TRAIN, run_id, "gate", "deferred")
    approve(steward, NAME)
    assert dana.wait(TRAIN, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    return made


def test_a_verdict_starts_one_night_at_its_own_instant_and_a_doubled_event_finds_nothing_to_do(house: House) -> None:
    before = house.runs().keys()
    run_id = house.watch(LATER)
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    assert [(event.run_id, event.instant) for event in judged] == [(f"watch__{run_id}", LATER)]
    started = house.retrained(1)
    answer = house.runs()[started.run_id]
    assert (answer["run_type"], answer["logical_date"]) == ("asset_triggered", None)
    assert house.instant_of(started.run_id) == LATER
    consumed = house.dana.call("GET", f"/api/v2/dags/{TRAIN}/dagRuns/{started.run_id}/upstreamAssetEvents")
    assert [(one["source_dag_id"], one["source_run_id"]) for one in consumed["asset_events"]] == [(WATCH, run_id)]
    assert len(house.runs()) == len(before) + 1

    house.signal()
    until(lambda: len(house.runs()) == len(before) + 2, seconds=60, what="the doubled event starts a run")
    (doubled,) = house.runs().keys() - before - {started.run_id}
    house.found_nothing(doubled)
    assert len(house.events(RetrainingStarted)) == 1


def test_the_page_and_the_reports_tab_are_for_who_is_signed_in(house: House) -> None:
    url = house.airflow.url
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    report = f"/trainyard/drift-reports/{WATCH}/{quote(judged[0].run_id.removeprefix('watch__'), safe='')}"
    signed_in = {"Authorization": f"Bearer {house.dana.token()}"}
    for path, told in (
        ("/trainyard/pages/drift", NAME),
        (f"/trainyard/pages/drift/{NAME}", "retraining promoted"),
        (report, "<html"),
    ):
        assert httpx.get(f"{url}{path}", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
        answer = httpx.get(f"{url}{path}", headers=signed_in, trust_env=False)
        assert answer.status_code == httpx.codes.OK
        assert told in answer.text
    nothing = httpx.get(f"{url}/trainyard/drift-reports/{TRAIN}/none", headers=signed_in, trust_env=False)
    assert nothing.status_code == httpx.codes.NOT_FOUND


def test_where_no_day_has_matured_since_the_watch_is_skipped_before_it_reads(house: House) -> None:
    run_id = house.watch(LATER)
    assert {one.state for one in house.dana.tasks(WATCH, run_id)} == {"skipped"}
    assert "Nothing to watch" in house.dana.log(WATCH, run_id, "gate")
    assert house.events(DataOpened, StepStarted, stream=f"run/{NAME}/watch__{run_id}") == []


def test_a_lost_event_is_found_by_the_reconciler_and_a_late_one_finds_nothing_to_do(house: House) -> None:
    before, asks = house.runs().keys(), len(house.events(RetrainingAsked))
    # As the watch would have recorded it eleven minutes ago, with an event that never became a run.
    earlier = Ledger.open(house.airflow.settings.ledger, clock=lambda: datetime.now(UTC) - PATIENCE)
    instant = LATER + timedelta(days=20)
    wanted = RetrainingAsked(project=NAME, ask_id="lost", run_id="watch__lost", model_version=2, instant=instant)
    assert retraining.ask(earlier, POLICY, wanted) == wanted
    for _ in range(2):
        _steward(house)
    started = house.retrained(asks + 1)
    assert started.run_id == "retraining__lost"
    assert house.instant_of(started.run_id) == instant
    assert house.runs().keys() - before == {"retraining__lost"}, "looked for twice, started once"

    house.signal()
    until(lambda: len(house.runs()) == len(before) + 2, seconds=60, what="the delayed event starts a run")
    (late,) = house.runs().keys() - before - {"retraining__lost"}
    house.found_nothing(late)


@pytest.mark.long
def test_a_watch_that_is_killed_at_each_step_asks_for_one_night_all_the_same(house: House) -> None:
    before, asks = house.runs().keys(), len(house.events(RetrainingAsked))
    steps = ("snapshot", "score", "drift", "verdict", "retrain")
    holds = [hold(house.airflow.settings.projects, NAME, step) for step in steps]
    for held in holds:
        held.touch()
    run_id = house.dana.trigger(WATCH, instant=LATER + timedelta(days=43))
    for step, held in zip(steps, holds, strict=True):
        reaches(house.dana, WATCH, run_id, step, "running")
        until(lambda step=step: _killed(house, run_id, step), seconds=60, what=f"{step} is dead")
        held.unlink()
    assert house.dana.wait(WATCH, run_id, timeout_seconds=2 * NIGHT_SECONDS) == "success"
    assert [task(house.dana, WATCH, run_id, step).try_number for step in steps] == [2] * len(steps)
    assert task(house.dana, WATCH, run_id, "retrain").state == "success"
    assert len(house.events(RetrainingAsked)) == asks + 1
    started = house.retrained(asks + 1)
    assert house.runs().keys() - before == {started.run_id}
    judged = [event for event in house.events(stream=f"drift/{NAME}") if isinstance(event, DriftJudged)]
    assert len([event for event in judged if event.run_id == f"watch__{run_id}"]) == 1
    assert house.events(RetrainingDeclined) == []


def test_a_look_and_then_a_steward_go_back_once_each_and_alias_champion_and_page_follow(
    house: House, steward: Client
) -> None:
    settings = house.airflow.settings
    champions = deployment.champions_of(settings, house.ledger)
    tenure, known = champions.tenures(NAME)[-1], champions.known(NAME)
    left, before = tenure.version.number, known.champion(before=tenure.version.number)
    assert before is not None
    for number in range(14):  # as watches that nobody saw would have left them
        day = tenure.since.date() + (number + 1) * DAY
        judged = DayOfSeries(
            day=day,
            champion=left,
            rows=90,
            loss=0.9 + number / 1000,
            expected_loss=0.6,
            constant_loss=0.7,
            mean_score=0.3,
            mean_label=0.4,
            predecessor=before.number,
            predecessor_loss=0.5,
        )
        told = DayJudged(project=NAME, run_id="watch__before", instant=tenure.since, judged=judged)
        house.ledger.record(f"drift/{NAME}", told, key=f"day/{NAME}/{day}")
    house.watch(tenure.since + timedelta(days=20))
    _steward(house)
    assert len(house.events(ChampionRolledBack, stream=f"promotion/{NAME}")) == 1
    found = champions.in_force(NAME)
    assert found is not None
    assert (found.number, _alias(house)) == (before.number, before.number)
    page = f"{house.airflow.url}/trainyard/pages/drift/{NAME}"
    answer = httpx.get(page, headers={"Authorization": f"Bearer {house.dana.token()}"}, trust_env=False)
    assert f"went back from version {left}" in answer.text

    authority = AuthorityClient(f"{house.airflow.url}/trainyard", steward.token(), "steward")
    for _ in range(2):
        authority.roll_back(NAME, version=None, left=before.number, reason="It is late", instant=datetime.now(UTC))
    assert len(house.events(ChampionRolledBack, stream=f"promotion/{NAME}")) == 2
    for _ in range(2):
        _steward(house)
    assert (champions.in_force(NAME), _alias(house)) == (None, None)
    with pytest.raises(RegistryError, match="has none"):
        load_champion(settings, load_project(NAME, settings.projects))


def _alias(house: House) -> int | None:
    """Which of our versions MLflow's alias points to."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=house.airflow.settings.mlflow, registry_uri=house.airflow.settings.mlflow)
    alias = client.get_registered_model(NAME).aliases.get("champion")
    return None if alias is None else int(client.get_model_version(NAME, str(alias)).tags["trainyard.version"])


def _steward(house: House) -> None:
    """A round of the stewardship DAG, of which the reconciler is a part."""
    run_id = house.dana.trigger("stewardship")
    assert house.dana.wait("stewardship", run_id, timeout_seconds=NIGHT_SECONDS) == "success"


def _killed(house: House, run_id: str, step: str) -> bool:
    """Kill whatever task runs; whether Airflow has noticed that *step* is dead."""
    for child in _tasks_of(house.airflow):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return task(house.dana, WATCH, run_id, step).state != "running"


def _tasks_of(airflow: RunningAirflow) -> list[int]:
    workers = [pid for pid, command in sessions.processes(airflow.settings).items() if "LocalExecutor" in command]
    return [child.pid for pid in workers for child in psutil.Process(pid).children() if pid != child.pid]
