"""Whatever is asked of the served applications, by their own OpenAPI documents and against them: no 5xx, nothing given.

Schemathesis draws requests that a document allows, and some that it does not. Who asks is signed in nowhere, or is a
viewer, or the steward of another dataset than the one that everything here is about.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from include.core.events import AccessGranted, AccessRevoked, ContractAdopted, RequestDenied
from include.governance.register import Register
from include.registry.authority import PromotionAuthority
from include.registry.champions import Champions
from include.runtime.server.api import authority_app
from include.runtime.server.evidence import Evidence
from include.runtime.server.impact import Impacts
from include.runtime.server.pages.access import add_access
from include.runtime.server.pages.drift import add_drift
from include.runtime.server.pages.forms import Forms
from include.runtime.server.reports import add_reports
from include.runtime.server.service import bearer_user
from include.settings import ROOT
from include.store import Store
from tests.governance.conftest import STEWARD, House, build
from tests.runtime_server.conftest import KEY, People

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

DECISIONS = (AccessGranted, RequestDenied, AccessRevoked, ContractAdopted)
VIEWER, OTHER = "ada", "bob"
#: What answers whoever asks: that it is alive, and the styles of the page that says "Sign in first".
OPEN = {"/health", "/static/{name}"}


@dataclass(frozen=True, kw_only=True)
class Served:
    """Both applications as Airflow's API server mounts them, over one house, and what is open in it."""

    house: House
    people: People
    calls: dict[str, Any]
    ids: dict[str, str]

    def decided(self) -> int:
        return len(self.house.ledger.read_all(kinds=DECISIONS))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("fuzzed")
    house, people = _house(folder), People.of(folder, (STEWARD, VIEWER, OTHER))
    (held,) = house.granted(house.scope("weather"), now=datetime.now(UTC))
    (asked,) = house.access.request(house.scope("flights"), requester="carol", now=datetime.now(UTC))
    users, store = bearer_user(people.users), Store(str(folder / "store"))
    register = Register(house.ledger, house.verifier)
    promotions = PromotionAuthority(house.ledger, house.signer)
    authority = authority_app(house.authority, register, users, promotions=promotions)
    add_reports(authority, house.ledger, store, users)
    pages = people.pages()
    evidence = Evidence(ledger=house.ledger, store=store, projects=ROOT / "include" / "projects")
    champions = Champions(house.ledger, house.verifier)
    add_access(pages, house.authority, register, evidence, Impacts(house.ledger, evidence, champions))
    add_drift(pages, house.ledger, store, champions, lambda: ("flight_delay",))
    calls: dict[str, Any] = {}
    for app in (authority, pages.app):
        schema = schemathesis.openapi.from_dict(app.openapi())
        schema.app = app
        calls |= {call.label: call for found in schema.get_all_operations() if (call := found.ok())}
    ids = {"request_id": asked, "grant_id": held, "dataset": "flights", "project": "flight_delay"}
    return Served(house=house, people=people, calls=calls, ids=ids)


def _house(folder: Path) -> House:
    """One in which the contract of airports has another steward than all others."""
    house = build(folder, adopt=False)
    file = folder / "contracts" / "airports.odcs.yaml"
    file.write_text(file.read_text().replace("firstLevelApprovers: steward", f"firstLevelApprovers: {OTHER}"))
    for dataset, contract in house.authority.contracts().items():
        house.authority.adopt(dataset, user=contract.stewards[0])
    return house


def _asked(served: Served, drawn: Case, user: str | None) -> Case:
    """*drawn* as *user* sends it: signed in, and with the token that a form which was drawn for them carries."""
    drawn.headers["Authorization"] = f"Bearer {served.people.token(user)}" if user else ""
    if isinstance(drawn.body, dict) and "form_token" in drawn.body and user:
        drawn.body["form_token"] = Forms(KEY, clock=lambda: datetime.now(UTC)).token(user)
    return drawn


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_asked_nothing_breaks_and_only_a_steward_of_the_dataset_decides(
    served: Served, mode: GenerationMode
) -> None:
    before = served.decided()
    for label, call in served.calls.items():
        known = {each.name: served.ids[each.name] for each in call.path_parameters if each.name in served.ids}
        if mode is GenerationMode.NEGATIVE and not (call.query or call.body):
            continue  # any text is a path
        _fuzz(served, label, call.as_strategy(mode))
        if known:
            _fuzz(served, label, call.as_strategy(mode, path_parameters=known))
    assert served.decided() == before


def _fuzz(served: Served, label: str, drawn: "SearchStrategy[Case]") -> None:
    @settings(max_examples=4, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=drawn)
    def ask(case: Case) -> None:
        for user in (None, VIEWER, OTHER):
            answer = _asked(served, case, user).call()
            assert answer.status_code < 500, f"{label} as {user}: {answer.status_code}"
            if user is None and label.split(" ")[1] not in OPEN:
                assert not 200 <= answer.status_code < 300, f"{label}: {answer.status_code}"

    ask()
