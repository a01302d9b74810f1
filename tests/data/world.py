"""The real parts around a snapshot in one folder: ledger, stores, authority, grants, a run that has begun."""

import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.core.events import DataOpened, DataRead, PartitionsMade, RunStarted
from include.core.project import (
    Expectation,
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
)
from include.core.records import Contract, DatasetScope, Run, Scope, Snapshot
from include.data import snapshot
from include.governance.access import Access
from include.governance.authority import Authority
from include.governance.pseudonyms import Pseudonyms
from include.governance.signing import Signer, create_key
from include.governance.vault import OpenedArtifacts, Vault
from include.ledger import Ledger, lease
from include.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANT = datetime(2013, 6, 15, 4, tzinfo=UTC)
PURPOSE = "Tests of the data room."


def _nothing(**_: Any) -> Any:
    raise AssertionError("this room computes no feature here")


def project_of(expectations: tuple[Expectation, ...] = ()) -> Project:
    return Project(
        name="delays",
        ownership=Ownership(
            owner="tests",
            purpose=PURPOSE,
        ),
        learning=Learning(
            target=Target(
                dataset="flights",
                key=("carrier", "flight", "origin", "scheduled_departure"),
                population=_nothing,
                label=_nothing,
                objective=Objective.BINARY,
            ),
            features=(FeatureGroup(name="none", build=_nothing),),
            search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}),
        ),
        quality=Quality(
            gates=Gates(margin=0.1, floor_loss=1.0),
            expectations=expectations,
        ),
    )


def scope_of(contracts: Mapping[str, Contract], datasets: Collection[str], window_days: int) -> Scope:
    """All columns of *datasets*, as far back as *window_days*."""
    return Scope(
        project="delays",
        purpose=PURPOSE,
        datasets=tuple(
            DatasetScope(
                dataset=name,
                contract_digest=contracts[name].digest,
                columns=tuple(sorted((column.name, column.treatment) for column in contracts[name].columns)),
                window_days=window_days if contracts[name].partition_column else None,
            )
            for name in sorted(datasets)
        ),
    )


class World:
    """A platform in *folder*; ``take`` begins a run and takes its snapshot."""

    def __init__(
        self,
        folder: Path,
        production: Path,
        contracts: Mapping[str, Contract],
        *,
        datasets: Collection[str] = ("flights", "weather"),
        window_days: int = 5,
        granted: bool = True,
        credentials: Path | None = None,
    ) -> None:
        self.folder, self.production, self.contracts, self.credentials = folder, production, contracts, credentials
        self.scope = scope_of(contracts, datasets, window_days)
        self.ledger = Ledger.open(f"sqlite:///{folder}/ledger.db")
        if not (folder / "authority").exists():
            create_key(folder / "authority")
        signer = Signer.load(folder / "authority")
        self.access = Access(self.ledger, signer.verifier)
        self.authority = Authority(self.ledger, signer, signer.verifier, lambda: self.contracts)
        self.store = Store(folder / "store")
        self.vault = Vault(Store(folder / "vault"), self.access, self.ledger, lists=self.store)
        self.pseudonyms = Pseudonyms(b"k" * 32)
        if granted:
            self.grant(self.scope)

    def grant(self, scope: Scope) -> None:
        for dataset in scope.datasets:
            self.authority.adopt(dataset.dataset, user="steward")
        for request in self.access.request(scope, requester="dana", now=NOW):
            self.authority.grant(request, user="steward", reason="tests", days=30, now=NOW)

    def begin(self, instant: datetime = INSTANT, run_id: str | None = None) -> Run:
        run_id = run_id or uuid.uuid4().hex
        late = NOW + timedelta(days=400) * self.ledger.version("lease/delays")  # every earlier lease has expired
        fence = lease.take(self.ledger, "delays", run_id=run_id, now=late, duration=timedelta(days=1))
        run = Run(
            project="delays",
            run_id=run_id,
            instant=instant,
            code_digest="sha256:code",
            declaration_digest="sha256:declaration",
            fence=fence.token,
        )
        key = f"run/delays/{run_id}"
        if self.ledger.find(key) is None:
            self.ledger.record(key, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=key)
        return run

    def take(
        self,
        instant: datetime = INSTANT,
        *,
        run: Run | None = None,
        scope: Scope | None = None,
        now: datetime = NOW,
        project: Project | None = None,
    ) -> Snapshot:
        return snapshot.take(
            run=run or self.begin(instant),
            project=project or project_of(),
            scope=scope or self.scope,
            contracts=self.contracts,
            production=self.production,
            credentials=self.credentials,
            vault=self.vault,
            access=self.access,
            ledger=self.ledger,
            pseudonyms=self.pseudonyms,
            now=now,
        )

    def open(self, taken: Snapshot) -> OpenedArtifacts:
        digests = [partition.content for partition in taken.partitions]
        return self.vault.open(digests, run=self.begin(), step="tests", scope=self.scope, now=NOW)

    def receipts(self) -> list[DataRead]:
        events = [entry.event for entry in self.ledger.read("receipt/delays")]
        return [event for event in events if isinstance(event, DataRead)]

    def openings(self) -> list[DataOpened]:
        events = [entry.event for entry in self.ledger.read("receipt/delays")]
        return [event for event in events if isinstance(event, DataOpened)]

    def made(self) -> list[PartitionsMade]:
        events = [entry.event for entry in self.ledger.read("partitions/delays")]
        return [event for event in events if isinstance(event, PartitionsMade)]
