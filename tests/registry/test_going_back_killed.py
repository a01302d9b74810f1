"""Going back is one decision, wherever whoever carries it out is killed: the next try does the rest."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from include.core.records import Run
from include.ledger import Ledger
from include.registry.authority import PromotionAuthority
from include.registry.going_back import way_back
from include.registry.versions import Versions
from include.runtime.nights.aliases import put_back
from include.steps import Platform, going_back
from tests.governance.conftest import STEWARD
from tests.ledger.processes import die_at, in_child
from tests.registry.models import signer
from tests.registry.test_champions import P
from tests.registry.test_going_back import LATER, stewarded
from tests.registry.test_looks import Watched
from tests.registry.test_versions import _register, _shown, vault  # noqa: F401
from tests.training.flights import Folder

KILLED = -9


@dataclass(frozen=True)
class House:
    """A home in *folder* in which version 2 has replaced version 1 and loses more on 14 judged days."""

    folder: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(f"sqlite:///{self.folder / 'ledger.db'}")

    @property
    def versions(self) -> Versions:
        return Versions(uri=f"sqlite:///{self.folder / 'mlflow.db'}", artifacts=self.folder / "models")

    def copy(self, folder: Path) -> "House":
        folder.mkdir()
        for name in ("ledger.db", "mlflow.db"):
            shutil.copy(self.folder / name, folder)
        return House(folder)

    def platform(self, ledger: Ledger, authority: PromotionAuthority) -> Platform:
        """What going back needs of one."""
        champions = Watched(ledger, Folder(self.folder)).champions
        needed: dict[str, Any] = {each.name: None for each in fields(Platform)}
        needed |= {"ledger": ledger, "champions": champions, "versions": self.versions}
        return Platform(**needed | {"await_authority": lambda _: authority.decide()})


def by_hand(house: House) -> None:
    """What `./trainyard rollback` does, its authority included."""
    ledger = house.ledger
    authority = PromotionAuthority(ledger, signer())
    platform = house.platform(ledger, authority)
    way = way_back(platform.champions.known(P), P, None)
    authority.rollbacks.roll_back(
        P, version=way.version, left=way.left, user=STEWARD, reason="It is late", instant=LATER
    )
    put_back(platform, P)


def by_a_look(house: House) -> None:
    """What the watch does in its last step, its authority included."""
    ledger = house.ledger
    watched = Watched(ledger, Folder(house.folder))
    run = Run(project=P, run_id="watch", instant=LATER, code_digest="c", declaration_digest="d", fence=0)
    going_back.take_and_follow(house.platform(ledger, watched.authority), run)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, registries: Callable[[], Versions]) -> House:
    folder = tmp_path_factory.mktemp("house")
    made = Watched(Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Folder(folder))
    stewarded(made).authority.begin()
    shown = registries()
    for number in (1, 2):
        assert made.champion(made.in_force()) == number
        _register(shown, made.vault, number, copied=False)
    made.judge(2, 1, 14, worse=0.02)
    made.ledger.close()
    shutil.copy(shown.uri.removeprefix("sqlite:///"), folder / "mlflow.db")
    return House(folder)


#: What writes, and in which file: whatever else is called only reads.
WRITES = {
    "append": "/include/ledger/ledger.py",
    "record": "/include/ledger/ledger.py",
    "set_registered_model_alias": "/mlflow/tracking/client.py",
}


def around_writes(frame: FrameType, event: str) -> bool:
    """Before and after each event and each move of the alias."""
    file = WRITES.get(frame.f_code.co_name)
    return event in ("call", "return") and file is not None and frame.f_code.co_filename.endswith(file)


@pytest.mark.parametrize(("goes_back", "writes"), [(by_hand, 2), (by_a_look, 3)])
def test_whoever_is_killed_at_any_write_of_going_back_has_decided_once_after_the_next_try(
    house: House, tmp_path: Path, goes_back: Callable[[House], None], writes: int
) -> None:
    point, found = 0, set[tuple[int, int | None]]()
    ended = KILLED
    while ended == KILLED:
        point += 1
        tried = house.copy(tmp_path / str(point))

        def work(tried: House = tried, point: int = point) -> None:
            die_at(point, around_writes)
            goes_back(tried)

        ended = in_child(work)
        found.add((decided(tried), _shown(tried.versions)[1]))
        goes_back(tried)
        assert (decided(tried), _shown(tried.versions)[1]) == (1, 1), f"killed at {point}"
    assert (ended, point) == (0, 2 * writes + 1)
    assert found == {(0, 2), (1, 2), (1, 1)}, "killed before, between and after"


def decided(house: House) -> int:
    """How often the project went back."""
    return Watched(house.ledger, Folder(house.folder)).rollbacks()
