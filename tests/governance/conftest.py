"""A ledger, an authority and two contracts, all real, in a temporary folder."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from include.contracts import load, load_folder
from include.core.records import Contract, DatasetScope, Run, Scope, Treatment
from include.governance.access import Access
from include.governance.authority import Authority
from include.governance.signing import Signer, Verifier, create_key
from include.governance.vault import Vault
from include.ledger import Ledger
from include.store import Store

NOW = datetime(2024, 5, 1, 4, tzinfo=UTC)
PURPOSE = "Warn travellers of late flights"
STEWARD = "steward"
SHIPPED = Path(__file__).parents[2] / "include" / "contracts"
_names = count()


@dataclass(frozen=True, kw_only=True)
class House:
    """All rooms of one test, on one ledger."""

    folder: Path
    ledger: Ledger
    signer: Signer
    verifier: Verifier
    access: Access
    authority: Authority
    vault: Vault

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return load_folder(self.folder / "contracts")

    def scope(self, *datasets: str, project: str | None = None, window_days: int | None = 30) -> Scope:
        """Everything that the contracts of *datasets* let anyone read; of a project that nobody used yet."""
        return Scope(
            project=project or f"project_{next(_names)}",
            purpose=PURPOSE,
            datasets=tuple(self.dataset(name, window_days=window_days) for name in datasets or ("flights",)),
        )

    def dataset(self, name: str, *, window_days: int | None = 30) -> DatasetScope:
        contract = load(self.folder / "contracts" / f"{name}.odcs.yaml")
        columns = sorted((c.name, c.treatment) for c in contract.columns if c.treatment is not Treatment.DROP)
        undivided = contract.partition_column is None
        return DatasetScope(
            dataset=name,
            contract_digest=contract.digest,
            columns=tuple(columns),
            window_days=None if undivided else window_days,
        )

    def granted(self, scope: Scope, *, days: int = 30, now: datetime = NOW) -> tuple[str, ...]:
        """Ask for *scope* and approve all of it; the ids of the grants."""
        asked = self.access.request(scope, requester="ada", now=now)
        return tuple(
            self.authority.grant(request, user=STEWARD, reason="Agreed", days=days, now=now).grant_id
            for request in asked
        )


def run_of(project: str) -> Run:
    return Run(
        project=project, run_id="run-1", instant=NOW, code_digest="sha256:c", declaration_digest="sha256:d", fence=1
    )


def build(folder: Path, *, adopt: bool = True) -> House:
    """A house in *folder*. Those whose contracts are adopted are copies of one, and share its key."""
    if adopt:
        shutil.copytree(_adopted(), folder, dirs_exist_ok=True)
    else:
        (folder / "contracts").mkdir()
        for file in SHIPPED.glob("*.odcs.yaml"):
            (folder / "contracts" / file.name).write_bytes(file.read_bytes())
        create_key(folder / "authority.key")
    signer = Signer.load(folder / "authority.key")
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}")
    access = Access(ledger, signer.verifier)
    return House(
        folder=folder,
        ledger=ledger,
        signer=signer,
        verifier=signer.verifier,
        access=access,
        authority=Authority(ledger, signer, signer.verifier, lambda: load_folder(folder / "contracts")),
        vault=Vault(Store(str(folder / "vault")), access, ledger, lists=Store(str(folder / "store"))),
    )


@cache
def _adopted() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="trainyard-house-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = build(folder, adopt=False)
    for dataset in made.authority.contracts():
        made.authority.adopt(dataset, user=STEWARD)
    made.ledger.close()
    return folder


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house of this test's own, its contracts adopted."""
    return build(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One house for all examples of a property: each takes a project of its own."""
    return build(tmp_path_factory.mktemp("shared"))
