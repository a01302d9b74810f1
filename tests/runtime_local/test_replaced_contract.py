"""A night that began before its contract's new version goes on no more; the next one that is started by hand does."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.core.errors import AccessDenied, ContractError, DataError
from include.projects import temperature_tomorrow
from include.runtime import deployment
from include.runtime.nights import local
from include.runtime.nights.platform import declared_digest
from include.runtime.server.service import AuthorityParts, open_authority
from include.settings import ROOT, Settings

PROJECT = temperature_tomorrow.PROJECT
DATASETS = ("airports", "weather")
INSTANT = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    for name in DATASETS:
        shutil.copy(ROOT / "include" / "contracts" / f"{name}.odcs.yaml", contracts)
    settings = Settings.from_environment(
        {"TRAINYARD_HOME": str(tmp_path / "home"), "TRAINYARD_CONTRACTS": str(contracts), "TRAINYARD_USER": "dana"}
    )
    deployment.prepare(settings)
    return settings


@pytest.fixture
def opened(settings: Settings) -> AuthorityParts:
    found = open_authority(settings)
    for name in DATASETS:
        found.authority.adopt(name, user="steward")
    return found


def run(settings: Settings) -> str:
    """What ``./trainyard run`` does; the name of the night."""
    name = f"manual__{declared_digest(settings, PROJECT)}"
    with pytest.raises(AccessDenied, match=r"never asked for|waits for a decision"):
        local.run_night(settings, PROJECT, run_id=name, instant=INSTANT)
    return name


def adopt_another_version(settings: Settings, opened: AuthorityParts) -> None:
    file = settings.contracts / "weather.odcs.yaml"
    file.write_text(file.read_text() + "# another version\n")
    opened.authority.adopt("weather", user="steward")


def test_a_night_by_hand_is_another_one_after_a_contract_was_adopted_anew_and_approving_it_works(
    settings: Settings, opened: AuthorityParts
) -> None:
    first = run(settings)
    assert run(settings) == first
    adopt_another_version(settings, opened)
    with pytest.raises(ContractError, match=r"the contract was replaced of weather\. Start another run"):
        local.run_night(settings, PROJECT, run_id=first, instant=INSTANT)
    second = run(settings)
    assert second != first
    now = datetime.now(UTC)
    for asked in opened.register.waiting():
        opened.authority.grant(asked.request.request_id, user="steward", reason="Agreed", days=30, now=now)
    passed: list[str] = []
    display = local.Display(step=lambda step, digest: passed.append(step))
    with pytest.raises(DataError):  # beyond the gate: nothing is landed here
        local.run_night(settings, PROJECT, run_id=second, instant=INSTANT, display=display)
    assert passed[:3] == ["gate", "gate", "snapshot"]
