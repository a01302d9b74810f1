"""A project goes back through a real Airflow exactly once, by a look and by hand, whoever is killed on the way."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from include.core.errors import RegistryError
from include.core.events import ChampionRolledBack, DayJudged, LookTaken
from include.core.records import DAY, DayOfSeries, LookOutcome
from include.registry.champions import Champions, Tenure
from include.runtime import deployment
from include.runtime.code.projects import load_project
from include.runtime.embedded.client import Client
from include.runtime.nights.scoring import load_champion
from include.runtime.server.client import AuthorityClient
from include.settings import ROOT
from tests.runtime.conftest import NIGHT_SECONDS, Listener
from tests.runtime.drifting import INSTANT, NAME, TRAIN, WATCH, House
from tests.runtime.nights import hold, task, until

pytestmark = pytest.mark.airflow

#: A command that is killed when it has the authority's signature, and MLflow's alias has not followed.
KILLED = """
import sys
from tests.ledger.processes import die_at
from include.cli.__main__ import app
die_at(1, lambda frame, event: event == "call" and frame.f_code.co_name == "put_back")
app(sys.argv[1:])
"""


def test_a_look_goes_back_once_though_the_task_is_killed_inside_and_its_event_is_lost_and_doubled(
    house: House,
    listener: Listener,
) -> None:
    champions = deployment.champions_of(house.airflow.settings, house.ledger)
    tenure = _last_of_three(house, champions)
    left, before = tenure.version.number, champions.known(NAME).champion(before=tenure.version.number)
    assert before is not None
    _judge(house, tenure, before.number)
    held = hold(house.airflow.settings.projects, NAME, "verdict")
    kill = held.with_name(f"kill-{NAME}-verdict")
    kill.touch()
    run_id = house.dana.trigger(WATCH, instant=tenure.since + timedelta(days=20))
    until(held.exists, seconds=NIGHT_SECONDS, what="the task is killed: nobody wakes the authority")
    until(lambda: _rollbacks(house), seconds=60, what="the authority goes back all the same")
    assert _served(house, champions) == (before.number, before.registered.evaluation)
    assert _alias(house) == left, "which only the killed task would have moved"
    (taken,) = (each for each in house.events(LookTaken, stream=f"drift/{NAME}") if _asks(each))
    house.ledger.record(f"drift/{NAME}", replace(taken, run_id="doubled"))
    held.unlink()
    assert house.dana.wait(WATCH, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    assert task(house.dana, WATCH, run_id, "verdict").try_number == 2
    assert _alias(house) == before.number
    house.signal()
    for _ in range(2):
        house.steward()
    assert (_rollbacks(house), _alias(house)) == (1, before.number)
    assert f"went back from version {left}" in _page(house)
    assert listener.titles().count(f"{NAME}: went back from version {left}") == 1
    assert f"{NAME}: MLflow's alias is not the champion's" not in listener.titles()


def test_a_steward_goes_back_by_hand_once_though_killed_before_the_alias_and_retires_once(
    house: House,
    steward: Client,
    listener: Listener,
) -> None:
    settings = house.airflow.settings
    champions, done = deployment.champions_of(settings, house.ledger), _rollbacks(house)
    champion = champions.in_force(NAME) or pytest.fail("it has a champion")
    left, first = champion.number, champions.tenures(NAME)[0].version
    assert _by_hand(house, "-c", KILLED).returncode == -signal.SIGKILL
    assert (_rollbacks(house), _alias(house)) == (done + 1, left), "signed, and the alias has not followed"
    assert _served(house, champions) == (first.number, first.registered.evaluation)
    for _ in range(2):
        again = _by_hand(house, "-m", "include.cli")
        assert again.returncode == 0, again.stderr
        assert f"version {first.number} is champion" in again.stdout
        assert (_rollbacks(house), _alias(house)) == (done + 1, first.number)
    assert f"went back from version {left}" in _page(house)

    authority = AuthorityClient(f"{house.airflow.url}/trainyard", steward.token(), "steward")
    for _ in range(2):
        authority.roll_back(NAME, version=None, left=first.number, reason="It is late", instant=datetime.now(UTC))
    for _ in range(2):
        house.steward()
    assert (_rollbacks(house), champions.in_force(NAME), _alias(house)) == (done + 2, None, None)
    with pytest.raises(RegistryError, match="has none"):
        load_champion(settings, load_project(NAME, settings.projects))
    assert f"retired version {first.number}" in _page(house)
    for title in (f"{NAME}: went back from version {left}", f"{NAME}: retired version {first.number}"):
        assert listener.titles().count(title) == 1


def _last_of_three(house: House, champions: Champions) -> Tenure:
    """The champion in force, before which two others were."""
    while len(tenures := champions.tenures(NAME)) < 3:
        run_id = house.dana.trigger(TRAIN, instant=INSTANT + len(tenures) * DAY)
        assert house.dana.wait(TRAIN, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
        assert len(champions.tenures(NAME)) > len(tenures)
    return tenures[-1]


def _judge(house: House, tenure: Tenure, predecessor: int) -> None:
    """Fourteen days on which the champion loses more, as watches that nobody saw would have left them."""
    for number in range(14):
        day = tenure.since.date() + (number + 1) * DAY
        judged = DayOfSeries(
            day=day,
            champion=tenure.version.number,
            rows=90,
            loss=0.9 + number / 1000,
            expected_loss=0.6,
            constant_loss=0.7,
            mean_score=0.3,
            mean_label=0.4,
            predecessor=predecessor,
            predecessor_loss=0.5,
        )
        told = DayJudged(project=NAME, run_id="watch__before", instant=tenure.since, judged=judged)
        house.ledger.record(f"drift/{NAME}", told, key=f"day/{NAME}/{day}")


def _by_hand(house: House, *python: str) -> subprocess.CompletedProcess[str]:
    """`./trainyard rollback` to the first version, as a process of its own."""
    settings = house.airflow.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRAINYARD_")} | {
        "PYTHONPATH": str(ROOT),
        "TRAINYARD_HOME": str(settings.home),
        "TRAINYARD_PROJECTS": str(settings.projects),
        "TRAINYARD_PRODUCTION": str(settings.production),
        "TRAINYARD_CONTRACTS": str(settings.contracts),
        "COLUMNS": "200",
    }
    command = [sys.executable, *python, "rollback", NAME, "1", "--as", "steward", "--reason", "Version 1 knew more"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _rollbacks(house: House) -> int:
    return len(house.events(ChampionRolledBack, stream=f"promotion/{NAME}"))


def _asks(taken: object) -> bool:
    return isinstance(taken, LookTaken) and taken.outcome is LookOutcome.BACK


def _served(house: House, champions: Champions) -> tuple[int, str]:
    """Which version is in force, and of which evaluation the model is that scores."""
    settings = house.airflow.settings
    found = champions.in_force(NAME) or pytest.fail("nothing is in force")
    loaded = load_champion(settings, load_project(NAME, settings.projects))
    return found.number, loaded.manifest.evaluation


def _alias(house: House) -> int | None:
    """Which of our versions MLflow's alias points to."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=house.airflow.settings.mlflow, registry_uri=house.airflow.settings.mlflow)
    alias = client.get_registered_model(NAME).aliases.get("champion")
    return None if alias is None else int(client.get_model_version(NAME, str(alias)).tags["trainyard.version"])


def _page(house: House) -> str:
    page = f"{house.airflow.url}/trainyard/pages/drift/{NAME}"
    return httpx.get(page, headers={"Authorization": f"Bearer {house.dana.token()}"}, trust_env=False).text
