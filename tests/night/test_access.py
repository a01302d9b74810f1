"""No step of a night opens anything that no grant in force covers, whatever was computed or clicked before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from include import steps
from include.contracts import load_folder
from include.core.errors import AccessDenied, AuthorityError, ContractError
from include.core.events import AccessGranted, ArtifactOpened, DataOpened, DataRead, PartitionsMade, TrialRecorded
from include.settings import ROOT
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, NOW, STEPS, Night, Yard

OPENINGS = (DataOpened, DataRead, ArtifactOpened, PartitionsMade, TrialRecorded)


def kept_in_the_vault(yard: Yard) -> list[Path]:
    return [path for path in Path(yard.settings.vault).rglob("*") if path.is_file()]


def test_without_a_grant_nothing_is_read_kept_or_receipted(make_yard: MakeYard) -> None:
    yard = make_yard()
    yard.adopt()
    with pytest.raises(AccessDenied, match="flights: 0 grants in force"):
        yard.night()
    assert yard.events(*OPENINGS) == []
    assert kept_in_the_vault(yard) == []
    assert yard.attempts("night")["snapshot"] == ["AccessDenied"]


def test_a_gate_that_was_passed_by_hand_opens_nothing(done: tuple[Yard, Night], make_yard: MakeYard) -> None:
    """All that a night made lies there; the steps are called with its digests, as after a click on `success`."""
    finished, night = done
    yard = make_yard()
    yard.adopt()
    shutil.copytree(finished.settings.vault, yard.settings.vault)
    shutil.copytree(finished.settings.store, yard.settings.store)
    run = steps.begin(yard.platform, FLIGHTS, run_id="by-hand", instant=INSTANT, now=NOW)
    assert steps.missing_access(yard.platform, run, now=NOW)
    for name in STEPS:
        with pytest.raises(AccessDenied):
            yard.step(name, FLIGHTS, run, night.digests)
    assert yard.events(*OPENINGS) == []


def test_a_grant_that_is_revoked_between_two_steps_stops_the_next_until_it_is_given_again(
    make_yard: MakeYard, done: tuple[Yard, Night]
) -> None:
    """Whether the step would compute (in the first run) or find what was computed (in the second)."""
    yard = make_yard()
    _, undisturbed = done
    for run_id in ("computes", "reuses"):
        run = steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=NOW)
        digests: dict[str, str] = {}
        for number, name in enumerate(STEPS):
            yard.grant(FLIGHTS)
            granted = yard.platform.access.grants(FLIGHTS.name, now=NOW)
            yard.revoke(granted[number % len(granted)].grant_id)
            receipts = yard.events(*OPENINGS)
            with pytest.raises(AccessDenied):
                yard.step(name, FLIGHTS, run, digests)
            assert yard.events(*OPENINGS) == receipts
            assert yard.attempts(run_id)[name] == ["AccessDenied"]
            yard.grant(FLIGHTS)
            digests[name] = yard.step(name, FLIGHTS, run, digests)
        steps.finish(yard.platform, run)
        assert digests == undisturbed.digests


@pytest.fixture
def own_contracts(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "include" / "contracts", tmp_path / "contracts")


@pytest.fixture
def reopened() -> Callable[[Yard], Yard]:
    """A deployment as the next process finds it."""
    return lambda yard: Yard(home=yard.home, production=yard.production, contracts=yard.contracts)


def test_an_edited_contract_changes_nothing_and_blocks_until_its_steward_adopts_it(
    make_yard: MakeYard, own_contracts: Path, reopened: Callable[[Yard], Yard]
) -> None:
    yard = make_yard(contracts=own_contracts)
    yard.grant(FLIGHTS)
    night = yard.night()
    file = own_contracts / "flights.odcs.yaml"
    original = file.read_text()
    file.write_text(original.replace("classification: confidential", "classification: public"))
    adopted = yard.platform.access.adopted("flights")

    edited = reopened(yard)
    with pytest.raises(AccessDenied, match="flights: its contract file is not the adopted version"):
        edited.night(run_id="edited")
    assert edited.platform.access.adopted("flights") == adopted
    run = steps.begin(edited.platform, FLIGHTS, run_id="asks-again", instant=INSTANT, now=NOW)
    (asked,) = steps.request_access(edited.platform, run, requester="dana", now=NOW)
    steward = edited.authority.contract("flights").stewards[0]
    with pytest.raises(AuthorityError):
        edited.authority.grant(asked, user=steward, reason="not read yet", days=1, now=NOW)
    steps.finish(edited.platform, run)
    assert len(edited.events(AccessGranted)) == 3

    file.write_text(original)
    assert reopened(yard).night(run_id="restored").digests == night.digests


def test_an_edit_that_nobody_adopted_decides_nothing_of_a_run_that_has_begun(
    make_yard: MakeYard, own_contracts: Path, reopened: Callable[[Yard], Yard], done: tuple[Yard, Night]
) -> None:
    """The edit takes a contract's checks away, and has every value known always; then the file is no contract."""
    _, undisturbed = done
    yard = make_yard(contracts=own_contracts)
    yard.grant(FLIGHTS)
    run = steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    digests = {"snapshot": yard.step("snapshot", FLIGHTS, run, {})}
    file = own_contracts / "flights.odcs.yaml"
    document = yaml.safe_load(file.read_text())
    document["schema"][0]["quality"] = []
    for column in document["schema"][0]["properties"]:
        column["quality"] = []
        for said in column["customProperties"]:
            said["value"] = "always" if said["property"] == "knownAt" else said["value"]
    file.write_text(yaml.safe_dump(document))
    edited = reopened(yard)
    assert edited.platform.contracts["flights"].expectations == ()
    for name in ("validate", "features"):
        digests[name] = edited.step(name, FLIGHTS, run, digests)
    assert digests == {name: undisturbed.digests[name] for name in digests}
    file.write_text("half: [")
    broken = reopened(yard)
    assert {name: broken.step(name, FLIGHTS, run, digests) for name in digests} == digests


def test_a_run_that_began_under_another_contract_reads_nothing_under_the_new_one(
    make_yard: MakeYard, own_contracts: Path, reopened: Callable[[Yard], Yard]
) -> None:
    yard = make_yard(contracts=own_contracts)
    yard.grant(FLIGHTS)
    steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    file = own_contracts / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# another version\n")
    changed = reopened(yard)
    changed.adopt()
    assert load_folder(own_contracts)["flights"].digest == changed.platform.access.adopted("flights")
    with pytest.raises((AccessDenied, ContractError)):
        changed.night()
    assert changed.events(*OPENINGS) == []
