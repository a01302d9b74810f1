"""A steward who is new since Airflow started signs in to it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.runtime.embedded import sign_in
from include.runtime.embedded.environment import passwords_file
from include.runtime.embedded.process import RunningAirflow
from include.runtime.server.client import authority
from include.runtime.server.service import open_authority
from include.settings import ROOT, Settings
from tests.runtime.conftest import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "include" / "contracts", contracts, ignore=shutil.ignore_patterns("__pycache__"))
    return replace(settings_in(tmp_path, tmp_path / "production"), contracts=contracts)


def name_steward(settings: Settings, name: str) -> None:
    """Give the airports another steward than they had."""
    file = settings.contracts / "airports.odcs.yaml"
    text = file.read_text()
    assert "firstLevelApprovers: steward" in text
    file.write_text(text.replace("firstLevelApprovers: steward", f"firstLevelApprovers: {name}"))


@pytest.fixture
def terminals(airflow: RunningAirflow) -> Iterator[str]:
    """A dataset whose contract is new since Airflow started, and names a steward whom no other names."""
    text = (airflow.settings.contracts / "airports.odcs.yaml").read_text()
    assert text.count("firstLevelApprovers: steward") == 1
    file = airflow.settings.contracts / "terminals.odcs.yaml"
    file.write_text(text.replace("airports", "terminals").replace("Approvers: steward", "Approvers: maria"))
    yield "terminals"
    file.unlink()


@pytest.mark.airflow
def test_a_steward_whom_a_contract_names_later_signs_in_without_a_restart(
    airflow: RunningAirflow, terminals: str
) -> None:
    with pytest.raises(DeclarationError, match="maria"):
        airflow.client("maria")
    with authority(airflow.settings, "maria", introduce=True) as steward:
        steward.adopt(terminals)
    for user in ("maria", "dana"):
        with airflow.client(user) as client:
            assert terminals in {one["dataset"] for one in client.call("GET", "/trainyard/contracts")}


def test_a_contract_that_cannot_be_read_keeps_nobody_out_neither_its_stewards_nor_new_ones_of_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TRAINYARD_HOME": settings.home,
        "TRAINYARD_CONTRACTS": settings.contracts,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords_file(settings),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "dana:user,pilot:user",
    }.items():
        monkeypatch.setenv(name, str(value))
    (settings.contracts / "planes.odcs.yaml").write_text("no: contract")
    name_steward(settings, "maria")
    open_authority(settings).authority.adopt("airports", user="maria")
    sign_in.renew_users()
    users = os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")
    assert {"dana:user", "pilot:user", "maria:user"} <= set(users)
    assert len(users) == len(set(users))


def test_an_airflow_of_others_keeps_its_users(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(settings.home))
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", "/etc/airflow/passwords.json")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ops:admin")
    sign_in.renew_users()
    assert os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "ops:admin"
    assert not passwords_file(settings).exists()
