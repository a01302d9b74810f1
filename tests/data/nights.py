"""Snapshots of the demo's data without grants, and the features built from them: the law under test is another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include import engines
from include.core.canonical import record_digest
from include.core.project import Project, Window
from include.core.records import DAY, Contract, Days, FeatureSet, Partition, Run, Snapshot, last_day
from include.data import features
from include.data.partition_rows import known_at, parquet_bytes, sorted_by_key
from include.data.sources import source_of
from include.declared import scope_of
from include.declared.compiled import declared
from include.ledger import Ledger, lease
from include.store import Store

INSTANT = datetime(2013, 6, 20, 4, tzinfo=UTC)
WINDOW = Window(days=8, validation_days=2, holdout_days=2)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def freeze(
    project: Project,
    contracts: Mapping[str, Contract],
    production: Path,
    store: Store,
    instant: datetime = INSTANT,
    credentials: Path | None = None,
) -> Snapshot:
    """What the reader would freeze, tokens left out."""
    scope = scope_of(project, contracts)
    partitions, days = [], Days(first=date.max, last=date.min)
    for dataset in scope.datasets:
        contract = contracts[dataset.dataset]
        if dataset.window_days is not None:
            days = Days(first=last_day(instant) - (dataset.window_days - 1) * DAY, last=last_day(instant))
        source = source_of(contract, production, credentials, instant=instant, columns=dataset.names)
        for day in [None] if dataset.window_days is None else days:
            table, complete = known_at(source.load(day).read(dataset.names), contract, instant)
            data = parquet_bytes(sorted_by_key(table, contract, day))
            content = store.put(data)
            partitions.append(
                Partition(
                    table=dataset.dataset,
                    day=day,
                    inputs=content,
                    content=content,
                    rows=table.num_rows,
                    size_bytes=len(data),
                    complete=complete,
                )
            )
    return Snapshot(
        project=project.name,
        instant=instant,
        scope=scope,
        days=days,
        last_matured=last_day(instant) - contracts[project.learning.target.dataset].matures_after_days * DAY,
        partitions=tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min))),
    )


@dataclass(frozen=True)
class Night:
    """One folder's store and ledger, in which features are built."""

    folder: Path
    contracts: Mapping[str, Contract]
    store: Store

    def build(
        self,
        project: Project,
        snapshot: Snapshot,
        *,
        ledger: Ledger | None = None,
        opened: set[str] | None = None,
        engine: engines.OpenEngine = engines.opened,
    ) -> FeatureSet:
        """The features of *snapshot*; without a *ledger* nothing was ever built before. *opened* is told what is."""

        def remember(digests: Iterable[str]) -> Store:
            (set() if opened is None else opened).update(digests)
            return self.store

        ledger = ledger or self.new_ledger()
        fence = lease.take(ledger, project.name, run_id="night", now=NOW, duration=timedelta(days=1))
        run = Run(
            project=project.name,
            run_id="night",
            instant=snapshot.instant,
            code_digest="sha256:code",
            declaration_digest="sha256:declaration",
            fence=fence.token,
        )
        return features.build(
            run=run,
            snapshot=snapshot,
            snapshot_digest=record_digest(snapshot),
            project=project,
            compiled=declared(project, self.contracts, snapshot.scope),
            contracts=self.contracts,
            vault=self.store,  # type: ignore[arg-type]  # a store keeps and finds as a vault does, without asking
            open=remember,
            ledger=ledger,
            engine=engine,
        )

    def new_ledger(self) -> Ledger:
        number = len(list(self.folder.glob("ledger-*.db")))
        return Ledger.open(f"sqlite:///{self.folder}/ledger-{number}.db")

    def table(self, partition: Partition) -> pa.Table:
        return pq.ParquetFile(self.store.path(partition.content)).read()
