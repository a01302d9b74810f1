"""A home that adopted the contracts of an earlier release goes on with those of this one."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.cli import status
from include.contracts import load_folder
from include.core.records import Scope
from include.declared import scope_of
from include.demo import chain as demo
from include.governance.access import Access
from include.governance.authority import Authority
from include.governance.signing import Signer
from include.projects import temperature_tomorrow
from include.runtime import deployment
from include.runtime.nights import local
from include.runtime.server.service import open_authority
from include.settings import ROOT, Settings
from tests.governance import earlier

EARLIER = ROOT / "tests" / "contracts" / "earlier"


def granted(access: Access, authority: Authority, scope: Scope, now: datetime) -> set[str]:
    asked = access.request(scope, requester=demo.DATA_SCIENTIST, now=now)
    decided = (authority.grant(each, user=demo.STEWARD, reason="Agreed", days=30, now=now) for each in asked)
    return {grant.grant_id for grant in decided}


def test_our_contracts_are_adopted_again_where_earlier_ones_of_ours_were_and_status_names_the_grants_to_renew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contracts = shutil.copytree(EARLIER, tmp_path / "contracts")
    environment = {"TRAINYARD_HOME": str(tmp_path / "home"), "TRAINYARD_CONTRACTS": str(contracts)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings, now = Settings.from_environment(environment), datetime.now(UTC)
    deployment.prepare(settings)
    opened = open_authority(settings)
    signer = Signer.load(settings.authority_keys / "authority.key")
    for contract in load_folder(contracts).values():
        earlier.adopt(opened.ledger, signer, contract, user=demo.STEWARD)
    access = local.open_platform(settings).access
    ended = granted(access, opened.authority, scope_of(temperature_tomorrow.PROJECT, load_folder(contracts)), now)

    shutil.copytree(ROOT / "include" / "contracts", contracts, dirs_exist_ok=True)
    flights = contracts / "flights.odcs.yaml"
    flights.write_text(flights.read_text() + "# somebody's own edit, which their steward is to read first\n")
    silent = (EARLIER / "planes.odcs.yaml").read_text().replace("name: planes", "name: aircraft")
    (contracts / "aircraft.odcs.yaml").write_text(silent)
    told: list[str] = []
    demo.adopt(settings, told.append)

    files = load_folder(contracts)
    adopted = {name for name, contract in files.items() if access.adopted(name) == contract.digest}
    assert adopted == {"airports", "planes", "weather"}
    assert any("aircraft is not adopted: expected: aircraft: before its adoption" in line for line in told)
    found = access.ended_with_contract(now=now)
    assert {grant.scope.dataset for grant in found} == {"airports", "weather"}
    status.status()
    shown = capsys.readouterr().out.split("grants to renew")[1]
    renewed = {grant_id for grant_id in ended if grant_id in shown}
    assert renewed == {grant.grant_id for grant in found}
