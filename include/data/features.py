"""Point-in-time feature tables: one partition a table and a UTC day, computed where new, reused otherwise."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.events import PartitionsMade
from include.core.project import Project
from include.core.records import DAY, Contract, Days, FeatureSet, FeatureSpec, Partition, Run, Snapshot, Split
from include.data.point_in_time import PointInTime, reach
from include.data.probe import EXTRA_DAYS, Built, Sample, alarm, probe, sampled
from include.data.relations import Artifacts, relations
from include.data.writer import Writer
from include.ledger import Fence, Ledger
from include.lineage.compiled import DAY_COLUMN, LABEL, PREDICTED_AT, Declared, Derived

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.vault import Vault

#: Part of every partition's inputs. Raise it when the same inputs give other bytes.
FORMAT = 1
#: A category that fewer training rows have is no part of the vocabulary, which is recorded in the open: it may tell of
#: a person.
CATEGORY_ROWS = 20


def build(
    *,
    run: Run,
    snapshot: Snapshot,
    snapshot_digest: str,
    project: Project,
    compiled: Declared,
    contracts: Mapping[str, Contract],
    vault: "Vault",
    open: Callable[[Iterable[str]], Artifacts],
    ledger: Ledger,
) -> FeatureSet:
    """The features and labels of the project's window.

    A partition of a group holds the target's key and the group's features (numbers and booleans as float32, categories
    as strings) for exactly the rows of the table ``label`` (key, ``day``, ``predicted_at``, ``label``), both sorted by
    key. What was computed from the same inputs before is reused; the rest is computed in one query a group, over tables
    that hold the new days and the lookback before them. Day by day or all at once, the bytes are the same as long as a
    project adds up whole numbers (a sum of fractions depends on the order of its rows).

    *open* gives access to what is read: of the snapshot the days that new days and probes may use, of earlier nights'
    partitions those that are probed again and those that hold categories. Categories are learnt from the training days
    alone, and only those of at least ``CATEGORY_ROWS`` rows there; a model sees the others as missing. The
    truncation law is checked before anything is recorded.

    Raises:
        DataError: two of the rows that are read have one key, or a row has none.
        DeclarationError: a label depends on other days than its own.
        FeatureLeak: a feature knows the future, or predicts too well to be true.
    """
    split = Split.of(project.window, snapshot.last_matured)
    window = Days(first=split.train.first, last=split.holdout.last)
    work = _plan(compiled, project, snapshot, window, _made(ledger, run.project), vault.has)
    seed = record_digest((run.project, run.instant, snapshot_digest))
    tasks = {task.derived: task for task in work}
    samples = sampled(window, compiled.groups, lambda group, day: tasks[group].spans(day), seed)
    read = _read(snapshot, compiled, work, samples)
    again = [part for task in work for part in task.read_again(split.train, samples)]
    opened = open([part.content for part in (*read, *again)])
    with relations(snapshot, contracts, opened, partitions=read) as held:
        rows = PointInTime(held, project, contracts, compiled, _stretches(work, samples))
        tables = _Tables(rows, tasks, opened)
        contract = contracts[project.target.dataset]
        probed = probe(rows, samples=samples, built=tables.built, contract=contract, seed=seed)
        alarm(project, tables.with_labels(), seed=seed)
    fresh = _write(work, tables, project.target.key, vault)
    _record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused.values()] + fresh
    return FeatureSet(
        snapshot=snapshot_digest,
        objective=project.target.objective,
        key=project.target.key,
        label=tasks[compiled.label].definition,
        features=tuple(spec for task in work for spec in tables.specs(task, split.train)),
        split=split,
        partitions=tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min))),
        probed=probed,
    )


def live(
    *,
    run: Run,
    snapshot: Snapshot,
    project: Project,
    compiled: Declared,
    contracts: Mapping[str, Contract],
    vault: "Vault",
    open: Callable[[Iterable[str]], Artifacts],
    ledger: Ledger,
    days: Days,
    features: Collection[str],
) -> tuple[Partition, ...]:
    """The groups that hold the model's *features*, and the labels, of *days*, which came after the model.

    The partitions are those that :func:`build` makes. No other group is built: nothing probes here whether it knows the
    future, and a later night would reuse it.

    What a night or a watch computed from the same inputs before is reused. Nothing is learnt from these rows: no
    category, and no split. Sorted by table and day.

    Raises:
        DataError: two of the rows that are read have one key, or a row has none.
    """
    compiled = replace(
        compiled, groups=tuple(each for each in compiled.groups if not {*features}.isdisjoint(each.names))
    )
    work = _plan(compiled, project, snapshot, days, _made(ledger, run.project), vault.has)
    tasks = {task.derived: task for task in work}
    fresh: list[Partition] = []
    read = _read(snapshot, compiled, work, ())
    if any(task.new for task in work):
        opened = open([part.content for part in read])
        with relations(snapshot, contracts, opened, partitions=read) as held:
            tables = _Tables(PointInTime(held, project, contracts, compiled, _stretches(work, ())), tasks, opened)
        fresh = _write(work, tables, project.target.key, vault)
        _record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused.values()] + fresh
    return tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min)))


# ── what is new ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A derived table's days: ``new`` maps each that must be computed to its inputs and whether they are complete."""

    derived: Derived
    definition: str
    reused: Mapping[date, Partition]
    new: Mapping[date, tuple[str, bool]]

    @cached_property
    def span(self) -> Days | None:
        """What its query must span: from the first new day to the last; ``None``: no day is new."""
        return Days(first=min(self.new), last=max(self.new)) if self.new else None

    def spans(self, day: date) -> bool:
        return self.span is not None and day in self.span

    def read_again(self, train: Days, samples: Sequence[Sample]) -> list[Partition]:
        """The reused partitions that must be read: those that hold categories to learn, and those that are probed."""
        learnt = train if self.derived.categories else ()
        again = {*learnt, *(sample.day for sample in samples if self.derived in sample.groups)}
        return [part for day, part in self.reused.items() if day in again and not self.spans(day)]

    def write(self, table: "pa.Table", key: tuple[str, ...], writer: Writer) -> Iterator[Partition]:
        """Put the new days' partitions into the vault."""
        columns = [*key, DAY_COLUMN, PREDICTED_AT, LABEL] if self.derived.name == LABEL else [*key, *self.derived.names]
        chosen, places = table.select(columns), _places(table, self.new)
        for day, (first, end) in places.items():
            part = chosen.slice(first, end - first)
            data = _parquet(part)
            inputs, complete = self.new[day]
            yield Partition(
                table=self.derived.name,
                day=day,
                inputs=inputs,
                content=writer.put(data),
                rows=part.num_rows,
                size_bytes=len(data),
                complete=complete,
            )


def _plan(
    compiled: Declared,
    project: Project,
    snapshot: Snapshot,
    window: Days,
    made: Mapping[str, Partition],
    kept: Callable[[str], bool],
) -> list[_Task]:
    """The label's task and one a group, in the project's order. What was *made* is reused unless it was lost."""
    sources = _Sources(snapshot)
    work = []
    for derived in (compiled.label, *compiled.groups):
        # The tables' order and names do not matter, their content does: the same rows by another road are reused.
        definition = compiled.definition(derived, project.target.key)
        rules = (FORMAT, _engine(), derived.name, definition)
        asked = replace(derived, datasets=compiled.population_datasets, lookback_days=0)
        inputs = {
            day: (record_digest((*rules, day, sources.behind(derived, day), sources.behind(asked, day))))
            for day in window
        }
        known = {day: made[digest] for day, digest in inputs.items() if digest in made}
        reused = {day: part for day, part in known.items() if kept(part.content)}
        work.append(
            _Task(
                derived=derived,
                definition=definition,
                reused=reused,
                new={
                    day: (digest, sources.complete(derived, day)) for day, digest in inputs.items() if day not in reused
                },
            )
        )
    return work


def _read(snapshot: Snapshot, compiled: Declared, work: Sequence[_Task], samples: Sequence[Sample]) -> list[Partition]:
    """The snapshot's partitions that the new days and the probes may use."""
    places: set[tuple[str, date | None]] = set()

    def use(datasets: Iterable[str], days: Days) -> None:
        places.update((dataset, day) for dataset in datasets for day in (None, *days))

    for span in (
        *(task.span for task in work if task.span),
        *(Days(first=each.day, last=each.day) for each in samples),
    ):
        use((*compiled.population_datasets, *compiled.label.datasets), span)
    for task in work:
        if task.span:
            use(task.derived.datasets, reach(task.derived, task.span))
        for sample in samples:
            if task.derived in sample.groups:
                extra_days = EXTRA_DAYS if task.spans(sample.day) else 0
                shown = Days(first=sample.day, last=sample.day)
                use(task.derived.datasets, reach(task.derived, shown, extra_days))
    return [part for part in snapshot.partitions if (part.table, part.day) in places]


def _stretches(work: Sequence[_Task], samples: Sequence[Sample]) -> list[Days]:
    """The days for which rows are asked, as stretches without gaps."""
    stretches: list[Days] = []
    for day in sorted({*(sample.day for sample in samples), *(day for task in work if task.span for day in task.span)}):
        if stretches and stretches[-1].last + DAY == day:
            stretches[-1] = replace(stretches[-1], last=day)
        else:
            stretches.append(Days(first=day, last=day))
    return stretches


class _Tables:
    """The rows of each task's span, built; and those of single days, whether built or read again."""

    def __init__(self, rows: PointInTime, tasks: Mapping[Derived, _Task], opened: Artifacts) -> None:
        self._rows, self._tasks, self._opened = rows, tasks, opened
        self._built = {derived: rows.rows(derived, task.span) for derived, task in tasks.items() if task.span}

    def of(self, task: _Task) -> "pa.Table":
        """All rows of the *task*'s span."""
        return self._built[task.derived]

    def built(self, derived: Derived, day: date) -> Built:
        """The rows of *day*; of a label that was not built now, none."""
        task = self._tasks[derived]
        if task.span is not None and day in task.span:
            return Built(table=_of_days(self._built[derived], Days(first=day, last=day)), span_days=len(task.span))
        names = [] if derived.name == LABEL else list(derived.names)
        return Built(table=self._again(task, day, names), span_days=None)

    def with_labels(self) -> "Iterator[tuple[Derived, pa.Table, pa.Table]]":
        """What was built of each group, beside the labels of its rows."""
        label = self._rows.derived[0]
        of_labels = self._tasks[label].span
        for derived, table in self._built.items():
            span = self._tasks[derived].span
            if derived is label or span is None:
                continue
            if of_labels and of_labels.first <= span.first and span.last <= of_labels.last:
                yield derived, table, _of_days(self._built[label], span)
            else:
                yield derived, table, self._rows.rows(label, span)

    def specs(self, task: _Task, train: Days) -> list[FeatureSpec]:
        """The features of a group, in its order, with their categories in *train*; the label is none."""
        if task.derived.name == LABEL:
            return []
        learnt = self._categories(task, train) if task.derived.categories else {}
        return [
            FeatureSpec(name=name, group=task.derived.name, definition=task.definition, categories=learnt.get(name))
            for name in task.derived.names
        ]

    def _categories(self, task: _Task, days: Days) -> dict[str, tuple[str, ...]]:
        """The values of each category that enough rows of *days* have, sorted; null is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = list(task.derived.categories)
        parts = [self._again(task, day, names) for day in days if not task.spans(day)]
        if task.span:
            shared = Days(first=max(days.first, task.span.first), last=min(days.last, task.span.last))
            parts.append(_of_days(self._built[task.derived], shared).select(names))
        table = pa.concat_tables(parts)
        found = {name: pc.value_counts(table[name]).to_pylist() for name in names}
        return {
            name: tuple(
                sorted(
                    each["values"] for each in counted if each["values"] is not None and each["counts"] >= CATEGORY_ROWS
                )
            )
            for name, counted in found.items()
        }

    def _again(self, task: _Task, day: date, names: Sequence[str]) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not names:
            return pa.table({})
        path = self._opened.path(task.reused[day].content)
        return pq.ParquetFile(path).read(columns=list(names), use_threads=False)


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


def _write(work: Sequence[_Task], tables: _Tables, key: tuple[str, ...], vault: "Vault") -> list[Partition]:
    """The new days' partitions, all of them kept."""
    with Writer(vault) as writer:
        return [part for task in work if task.new for part in task.write(tables.of(task), key, writer)]


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
        ledger.record(f"partitions/{run.project}", event, key=key, fence=Fence.of(run))


# ── tables as bytes ───────────────────────────────────────────────────────────────────────────────────────────────────


def _of_days(table: "pa.Table", days: Days) -> "pa.Table":
    """The rows of *days* of a *table* that is sorted by day."""
    starts = _places(table, (days.first, days.last))
    first, end = starts[days.first][0], starts[days.last][1]
    return table.slice(first, max(end - first, 0))


def _places(table: "pa.Table", days: Iterable[date]) -> dict[date, tuple[int, int]]:
    """For each of *days* its first and past-last row in a *table* that is sorted by day."""
    import numpy as np

    held = table.column(DAY_COLUMN).to_numpy().astype("datetime64[D]")
    wanted = np.array(list(days), dtype="datetime64[D]")
    first, end = np.searchsorted(held, wanted), np.searchsorted(held, wanted, side="right")
    return dict(zip(wanted.tolist(), zip(first.tolist(), end.tolist(), strict=True), strict=True))


def _parquet(table: "pa.Table") -> bytes:
    """*table* as Parquet: the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # Hundreds of small files a night: without dictionaries, statistics and the Arrow schema they cost half.
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False, store_schema=False)
    data: bytes = sink.getvalue().to_pybytes()
    return data
