"""A house whose pages are served, with something of everything in its register."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from include.core.events import DataOpened, DataRead
from include.core.records import Scope
from include.governance.register import Register
from include.registry.champions import Champions
from include.runtime.server.evidence import Evidence
from include.runtime.server.impact import Impacts
from include.runtime.server.pages.access import add_access
from include.runtime.server.pages.forms import Forms
from include.settings import ROOT
from include.store import Store
from tests.governance.conftest import STEWARD, House, build
from tests.runtime_server.conftest import KEY, STANDING, People

MOUNT = "/trainyard/pages"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The page "Data access" over a house, and clients of it."""

    house: House
    people: People
    app: FastAPI

    def form(self, user: str) -> dict[str, str]:
        """The token that a form drawn for *user* carries."""
        return {"form_token": Forms(KEY, clock=lambda: datetime.now(UTC)).token(user)}

    def client(self, user: str | None) -> TestClient:
        headers = {"Authorization": f"Bearer {self.people.token(user)}"} if user else {}
        return TestClient(self.app, headers=headers, follow_redirects=False)

    def ask(self, scope: Scope, requester: str = "ada") -> tuple[str, ...]:
        return self.house.access.request(scope, requester=requester, now=datetime.now(UTC))

    def asked(self, *datasets: str, project: str = "flight_delay", requester: str = "ada") -> tuple[str, ...]:
        return self.ask(self.house.scope(*datasets, project=project), requester)

    def granted(
        self, *datasets: str, project: str = "flight_delay", days: int = 90, window_days: int = 30
    ) -> list[str]:
        scope = self.house.scope(*datasets, project=project, window_days=window_days)
        return list(self.house.granted(scope, days=days, now=datetime.now(UTC)))

    def read(self, grant_id: str, *, rows: int, run_id: str = "scheduled__2026-03-02") -> None:
        """What the reader leaves when it reads under the grant."""
        (grant,) = (g for g in self.house.access.grants(now=datetime.now(UTC)) if g.grant_id == grant_id)
        shared = {"project": grant.project, "run_id": run_id, "grant_id": grant_id, "scope": grant.scope}
        day = (datetime.now(UTC) - timedelta(days=1)).date()
        self.house.ledger.record(f"receipt/{grant.project}", DataOpened(**shared, first=day, last=day))
        told = DataRead(**shared, first=day, last=day, rows=rows, files=1, reused=0)
        self.house.ledger.record(f"receipt/{grant.project}", told)


def desk(
    folder: Path,
    *,
    standing: str = STANDING,
    projects: Path = ROOT / "include" / "projects",
    names: tuple[str, ...] = (STEWARD, "ada"),
    house: Callable[[Path], House] = build,
) -> Desk:
    """A desk in *folder*; *names* have tokens."""
    built, people = house(folder), People.of(folder, names)
    pages = people.pages(standing=standing)
    evidence = Evidence(ledger=built.ledger, store=Store(str(folder / "store")), projects=projects)
    impacts = Impacts(built.ledger, evidence, Champions(built.ledger, built.verifier))
    add_access(pages, built.authority, Register(built.ledger, built.verifier), evidence, impacts)
    app = FastAPI()
    app.mount(MOUNT, pages.app)
    return Desk(house=built, people=people, app=app)


def furnished(folder: Path) -> Desk:
    """A desk with something of everything."""
    made = desk(folder, names=(STEWARD, "ada", "bob"))
    flights, _ = made.granted("flights", "weather", project="punctuality")
    made.read(flights, rows=336_776)
    made.granted("airports", project="punctuality", days=9)
    made.granted("flights", window_days=30)
    made.ask(made.house.scope("flights", "weather", "planes", "airports", project="flight_delay", window_days=121))
    (denied,) = made.asked("flights", project="marketing")
    made.house.authority.deny(denied, user=STEWARD, reason="There is no basis for this. Leave tail numbers out.")
    return made
