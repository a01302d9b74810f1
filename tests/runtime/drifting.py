"""A project whose every verdict asks for a retraining, in the running Airflow: for all tests of what the watch does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from include.core.events import (
    Event,
    RetrainingEnded,
    RetrainingStarted,
    RunStarted,
)
from include.core.project import DriftPolicy
from include.core.records import RetrainingOutcome
from include.ledger import Ledger
from include.runtime.embedded.client import Client
from include.runtime.embedded.process import RunningAirflow
from tests.runtime.nights import NIGHT_SECONDS, PROJECT, approve, declare, reaches, until

NAME = "drifting"
TRAIN, WATCH = f"train_{NAME}", f"watch_{NAME}"
INSTANT = datetime(2013, 4, 1, 4, tzinfo=UTC)
#: The first watch; each further one looks two days later.
LATER = INSTANT + timedelta(days=26)
#: Kills the task that decides, once, when the watch has taken its looks and nobody has gone back yet.
KILLED = """
import signal
import sys

kill = Path(__file__).parent.with_name("kill-{name}-verdict")


def dies(frame, event, _):
    if event == "return" and frame.f_code.co_name == "take" and frame.f_code.co_filename.endswith("looks.py"):
        kill.rename(kill.with_name("hold-{name}-verdict"))
        os.kill(os.getpid(), signal.SIGKILL)


if task == "verdict" and kill.exists():
    sys.setprofile(dies)


def rows("""
TEXT = (
    PROJECT.replace("days=6,", "days=24,")
    .replace("def rows(", KILLED.strip())
    .replace("margin=1.0", "margin=100.0, auc_guard=1.0")
    .replace(
        "gates=",
        "drift=DriftPolicy(excess_loss=None, calibration_gap=1e-9, days=20, cooldown_days=1, monthly_budget=99),\n"
        "        gates=",
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

    def steward(self) -> None:
        """A round of the stewardship DAG, of which the reconciler is a part."""
        run_id = self.dana.trigger("stewardship")
        assert self.dana.wait("stewardship", run_id, timeout_seconds=NIGHT_SECONDS) == "success"

    def instant_of(self, run_id: str) -> datetime:
        begun = self.ledger.find(f"run/{NAME}/{run_id}")
        assert begun is not None
        assert isinstance(begun.event, RunStarted)
        return begun.event.run.instant


def in_airflow(airflow: RunningAirflow, dana: Client, steward: Client) -> House:
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
