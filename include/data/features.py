"""Point-in-time feature tables: one partition a table and a UTC day, computed where new, reused otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.events import PartitionsMade
from include.core.project import Project
from include.core.records import DAY, Contract, Days, FeatureSet, FeatureSpec, Partition, Run, Snapshot, Split
from include.data.point_in_time import DAY_COLUMN, LABEL, PREDICTED_AT, Declared, Derived, PointInTime, declared
from include.data.probe import probe
from include.data.relations import Artifacts, relations
from include.ledger import Fence, Ledger

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from include.governance.vault import Vault

#: Part of every partition's inputs. Raise it when the same inputs give other bytes.
FORMAT = 1


def build(
    *,
    run: Run,
    snapshot: Snapshot,
    snapshot_digest: str,
    project: Project,
    contracts: Mapping[str, Contract],
    vault: "Vault",
    opened: Artifacts,
    ledger: Ledger,
) -> FeatureSet:
    """The features and labels of the project's window.

    A partition of a group holds the target's key and the group's features (numbers and booleans as float32, categories
    as strings) for exactly the rows of the table ``label`` (key, ``day``, ``predicted_at``, ``label``), both sorted by
    key. What was computed from the same inputs before is reused; the rest is computed in one query a group, over tables
    that hold the new days and the lookback before them. Day by day or all at once, the bytes are the same as long as a
    project adds up whole numbers (a sum of fractions depends on the order of its rows).

    Categories are learnt from the training days alone. The truncation law is checked before anything is recorded.

    Raises:
        DeclarationError: a function misses a key column, doubles a name, or returns what is neither a number nor a
            category, or a category made of personal values.
        DataError: two rows have one key, or a row has none.
        FeatureLeak: a feature knows the future, or predicts too well to be true.
    """
    compiled = declared(project, contracts, snapshot.scope)
    split = Split.of(project.window, snapshot.last_matured)
    window = Days(first=split.train.first, last=split.holdout.last)
    work = _plan(compiled, project, snapshot, window, _made(ledger, run.project))
    fresh: list[Partition] = []
    specs: list[FeatureSpec] = []
    with relations(snapshot, contracts, opened) as held:
        rows = PointInTime(held, project, contracts, compiled, window)
        built: dict[Derived, pa.Table] = {}
        for task in work:
            if task.new:
                built[task.derived] = rows.rows(task.derived, task.span)
                fresh += task.write(built[task.derived], project.target.key, vault)
            specs += _specs(task.derived, rows.categories(task.derived, split.train))
        seed = record_digest((run.project, run.instant, snapshot_digest))
        probed = probe(rows, project=project, contract=contracts[project.target.dataset], built=built, seed=seed)
    _record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused] + fresh
    return FeatureSet(
        snapshot=snapshot_digest,
        objective=project.target.objective,
        key=project.target.key,
        features=tuple(specs),
        split=split,
        partitions=tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min))),
        probed=probed,
    )


# ── what is new ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A derived table's days: ``new`` maps each that must be computed to its inputs and whether they are complete."""

    derived: Derived
    reused: tuple[Partition, ...]
    new: Mapping[date, tuple[str, bool]]

    @property
    def span(self) -> Days:
        """What its query must span: from the first new day to the last."""
        return Days(first=min(self.new), last=max(self.new))

    def write(self, table: "pa.Table", key: tuple[str, ...], vault: "Vault") -> Iterator[Partition]:
        """Put the new days' partitions into the vault."""
        columns = [*key, DAY_COLUMN, PREDICTED_AT, LABEL] if self.derived.name == LABEL else [*key, *self.derived.names]
        for day, part in _by_day(table.select(columns), _ordinals(table), tuple(self.new)):
            data = _parquet(part)
            inputs, complete = self.new[day]
            yield Partition(
                table=self.derived.name,
                day=day,
                inputs=inputs,
                content=vault.put(data),
                rows=part.num_rows,
                size_bytes=len(data),
                complete=complete,
            )


def _plan(
    compiled: Declared, project: Project, snapshot: Snapshot, window: Days, made: Mapping[str, Partition]
) -> list[_Task]:
    """The label's task and one a group, in the project's order."""
    sources = _Sources(snapshot)
    work = []
    for derived in (compiled.label, *compiled.groups):
        # The tables' order and names do not matter, their content does: the same rows by another road are reused.
        definition = record_digest((FORMAT, _engine(), project.target.key, compiled.population, derived.sql))
        asked = replace(derived, datasets=compiled.population_datasets, lookback_days=0)
        inputs = {
            day: (
                record_digest((derived.name, definition, day, sources.behind(derived, day), sources.behind(asked, day)))
            )
            for day in window
        }
        work.append(
            _Task(
                derived=derived,
                reused=tuple(made[digest] for digest in inputs.values() if digest in made),
                new={
                    day: (digest, sources.complete(derived, day))
                    for day, digest in inputs.items()
                    if digest not in made
                },
            )
        )
    return work


class _Sources:
    """The snapshot's partitions by dataset and day."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_place = {(partition.table, partition.day): partition for partition in snapshot.partitions}

    def _behind(self, derived: Derived, day: date) -> list[Partition]:
        days = [None, *Days(first=day - derived.lookback_days * DAY, last=day)]
        places = [(dataset, each) for dataset in derived.datasets for each in days]
        return [self._by_place[place] for place in places if place in self._by_place]

    def behind(self, derived: Derived, day: date) -> list[str]:
        """The contents that *derived* may use for *day*, in a fixed order."""
        return [partition.content for partition in self._behind(derived, day)]

    def complete(self, derived: Derived, day: date) -> bool:
        return all(partition.complete for partition in self._behind(derived, day))


def _engine() -> str:
    import duckdb

    return f"duckdb {duckdb.__version__}"


def _made(ledger: Ledger, project: str) -> dict[str, Partition]:
    """What was ever made, by its inputs: contents, so that the instant of the run that made it does not matter."""
    events = (entry.event for entry in ledger.read(f"partitions/{project}"))
    return {
        partition.inputs: partition
        for event in events
        if isinstance(event, PartitionsMade)
        for partition in event.partitions
    }


def _record(ledger: Ledger, run: Run, fresh: Sequence[Partition]) -> None:
    if fresh:
        event = PartitionsMade(project=run.project, run_id=run.run_id, partitions=tuple(fresh))
        key = f"partitions/{run.project}/{run.run_id}/{record_digest(event.partitions)}"
        ledger.record(f"partitions/{run.project}", event, key=key, fence=Fence(project=run.project, token=run.fence))


# ── tables as bytes ───────────────────────────────────────────────────────────────────────────────────────────────────


def _specs(derived: Derived, categories: Mapping[str, tuple[str, ...]]) -> list[FeatureSpec]:
    """The features of a group, in its order; the label is none."""
    names = () if derived.name == LABEL else derived.names
    return [FeatureSpec(name=name, group=derived.name, categories=categories.get(name)) for name in names]


def _ordinals(table: "pa.Table") -> "NDArray[np.int64]":
    """The day of each row, as a proleptic Gregorian ordinal."""
    import numpy as np

    epoch = date(1970, 1, 1).toordinal()
    since_epoch: NDArray[np.int64] = table.column(DAY_COLUMN).to_numpy().astype("datetime64[D]").astype(np.int64)
    return since_epoch + epoch


def _by_day(
    table: "pa.Table", ordinals: "NDArray[np.int64]", days: Sequence[date]
) -> Iterator[tuple[date, "pa.Table"]]:
    import numpy as np

    for day in days:
        first, last = np.searchsorted(ordinals, [day.toordinal(), day.toordinal() + 1])
        yield day, table.slice(first, last - first)


def _parquet(table: "pa.Table") -> bytes:
    """*table* as Parquet: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # Hundreds of small files a night: without dictionaries, statistics and the Arrow schema they cost half.
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False, store_schema=False)
    data: bytes = sink.getvalue().to_pybytes()
    return data
