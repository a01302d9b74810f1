"""A ledger with an adopted contract, and what answers on it: where the histories of a project happen."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from include.contracts import load_folder
from include.core.records import DAY
from include.governance.access import Access
from include.governance.authority import Authority
from include.ledger import Ledger
from include.registry.authority import PromotionAuthority
from include.registry.champions import Champions
from include.steps import Platform
from include.store import Store
from tests.governance.conftest import SHIPPED, STEWARD
from tests.registry.models import signer

FIRST = datetime(2013, 6, 1, 4, tzinfo=UTC)
CONTRACTS = load_folder(SHIPPED)
MATURES = CONTRACTS["flights"].matures_after_days


def last_matured(instant: datetime) -> date:
    return instant.date() - (1 + MATURES) * DAY


class LostAnswer(Exception):
    """The ledger took it, and whoever wrote died before they knew."""


class Deaf(Ledger):
    """A ledger that takes what it is given, and whose answer nobody hears."""

    def record_all(self, *arguments: object, **named: object) -> list[object]:  # type: ignore[override]
        super().record_all(*arguments, **named)  # type: ignore[arg-type]
        raise LostAnswer

    def append(self, *arguments: object, **named: object) -> int:
        super().append(*arguments, **named)  # type: ignore[arg-type]
        raise LostAnswer


class Yard:
    """A ledger with the adopted contract of the flights, and what answers on it."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}")
        key = signer()
        self.access = Access(self.ledger, key.verifier)
        self.champions = Champions(self.ledger, key.verifier)
        self.steward = Authority(self.ledger, key, key.verifier, lambda: CONTRACTS)
        opened = SimpleNamespace(
            ledger=self.ledger,
            store=Store(folder / "store"),
            access=self.access,
            contracts=CONTRACTS,
            champions=self.champions,
        )
        opened.load = lambda kind, digest: Platform.load(cast(Platform, opened), kind, digest)
        self.platform = cast(Platform, opened)

    def promotions(self, *, deaf: bool = False) -> PromotionAuthority:
        """The authority, as a process that has just begun; *deaf*: it dies once it has written."""
        return PromotionAuthority(Deaf(self.ledger._database) if deaf else self.ledger, signer())

    @classmethod
    def template(cls, folder: Path) -> Path:
        made = cls(folder)
        made.steward.adopt("flights", user=STEWARD)
        made.promotions().begin()
        made.ledger.close()
        return folder
