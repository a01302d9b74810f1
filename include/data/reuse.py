"""What of the tables of features is new, and what earlier nights and watches computed from the same inputs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from include import engines
from include.core import streams
from include.core.canonical import record_digest
from include.core.events import PartitionsMade
from include.core.project import Project
from include.core.records import DAY, Contract, Days, Partition, Run, Snapshot
from include.data.memory import Division, division_of
from include.data.point_in_time import reach
from include.data.probe import EXTRA_DAYS, ProbedDay
from include.declared.compiled import LABEL, CompiledProject, DerivedTable
from include.ledger import Fence, Ledger

#: Part of every partition's inputs. Raise it when the same inputs give other bytes.
FORMAT = 2
#: How many rows of a snapshot's datasets are computed together, unless one day has more.
STRETCH_ROWS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TableTask:
    """A derived table's days: ``new`` maps each that must be computed to its inputs and whether they are complete."""

    derived: DerivedTable
    definition: str
    reused: Mapping[date, Partition]
    new: Mapping[date, tuple[str, bool]]

    @cached_property
    def span(self) -> Days | None:
        """What its query must span: from the first new day to the last; ``None``: no day is new."""
        return Days(first=min(self.new), last=max(self.new)) if self.new else None

    def spans(self, day: date) -> bool:
        return self.span is not None and day in self.span

    def read_again(self, train: Days, samples: Sequence[ProbedDay]) -> list[Partition]:
        """The reused partitions that must be read: with categories to learn, whole labels to measure, or to be probed.

        The first of *samples* is the newest day.
        """
        again = {sample.day for sample in samples if self.derived in sample.groups}
        again.update(train if self.derived.categories else ())
        again.update([samples[0].day] if self.derived.name == LABEL and self.derived.integers else [])
        return [part for day, part in self.reused.items() if day in again and not self.spans(day)]


def plan(
    compiled: CompiledProject,
    project: Project,
    snapshot: Snapshot,
    window: Days,
    made: Mapping[str, Partition],
    kept: Callable[[str], bool],
    contracts: Mapping[str, Contract],
) -> list[TableTask]:
    """The label's task and one a group, in the project's order. What was *made* is reused unless it was lost.

    What was made under *contracts* that say otherwise when a value is known was probed by that, and is not reused.
    """
    sources = _Sources(snapshot)
    promised = {part.dataset: _promised(contracts[part.dataset], part.names) for part in snapshot.scope.datasets}
    work = []
    for derived in (compiled.label, *compiled.groups):
        # The tables' order and names do not matter, their content does: the same rows by another road are reused.
        definition = compiled.definition(derived, project.learning.target.key)
        under = [
            promised[name] for name in sorted({*derived.datasets, *compiled.population_datasets} & promised.keys())
        ]
        rules = (FORMAT, engines.version(), derived.name, definition, under)
        asked = replace(derived, datasets=compiled.population_datasets, lookback_days=0)
        inputs = {
            day: (record_digest((*rules, day, sources.behind(derived, day), sources.behind(asked, day))))
            for day in window
        }
        known = {day: made[digest] for day, digest in inputs.items() if digest in made}
        # Whether all is known behind them may have changed since, without another byte.
        reused = {
            day: replace(part, complete=sources.complete(derived, day))
            for day, part in known.items()
            if kept(part.content)
        }
        work.append(
            TableTask(
                derived=derived,
                definition=definition,
                reused=reused,
                new={
                    day: (digest, sources.complete(derived, day)) for day, digest in inputs.items() if day not in reused
                },
            )
        )
    return work


def needed(
    snapshot: Snapshot, compiled: CompiledProject, work: Sequence[TableTask], samples: Sequence[ProbedDay]
) -> list[Partition]:
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


def divided(
    project: Project,
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    work: Sequence[TableTask],
    read: Sequence[Partition],
) -> Division:
    """How memory is divided among the new days of *work*, which are computed of what is *read*."""
    spans = [task.span for task in work if task.span]
    return division_of(project, snapshot, contracts, [task.derived for task in work], read, spans)


def stretches(work: Sequence[TableTask], samples: Sequence[ProbedDay], snapshot: Snapshot) -> list[Days]:
    """The days for which rows are asked, as stretches without gaps that have :data:`STRETCH_ROWS` rows at most.

    What is computed together decides the last digit of a sum of fractions, so it is a matter of the data alone.
    """
    rows_of = Counter[date | None]()
    for part in snapshot.partitions:
        rows_of[part.day] += part.rows
    stretches: list[Days] = []
    rows = 0
    for day in sorted({*(sample.day for sample in samples), *(day for task in work if task.span for day in task.span)}):
        rows += rows_of[day]
        if stretches and stretches[-1].last + DAY == day and rows <= STRETCH_ROWS:
            stretches[-1] = replace(stretches[-1], last=day)
        else:
            stretches.append(Days(first=day, last=day))
            rows = rows_of[day]
    return stretches


def _promised(contract: Contract, names: Sequence[str]) -> str:
    """The digest of what *contract* says of the columns *names* beside their values."""
    known = sorted(
        (column.name, column.known_at.column, column.known_at.offset.total_seconds())
        for column in contract.columns
        if column.name in names
    )
    return record_digest((contract.dataset, contract.key, contract.partition_column, known))


def made(ledger: Ledger, project: str) -> dict[str, Partition]:
    """What was ever made, by its inputs: contents, so that the instant of the run that made it does not matter."""
    events = (entry.event for entry in ledger.read(streams.partitions(project)))
    return {
        partition.inputs: partition
        for event in events
        if isinstance(event, PartitionsMade)
        for partition in event.partitions
    }


def record(ledger: Ledger, run: Run, fresh: Sequence[Partition]) -> None:
    if fresh:
        event = PartitionsMade(project=run.project, run_id=run.run_id, partitions=tuple(fresh))
        key = streams.partitions_key(run.project, run.run_id, record_digest(event.partitions))
        ledger.record(streams.partitions(run.project), event, key=key, fence=Fence.of(run))


class _Sources:
    """The snapshot's partitions by dataset and day."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_place = {(partition.table, partition.day): partition for partition in snapshot.partitions}

    def _behind(self, derived: DerivedTable, day: date) -> list[Partition]:
        days = [None, *Days(first=day - derived.lookback_days * DAY, last=day)]
        places = [(dataset, each) for dataset in derived.datasets for each in days]
        return [self._by_place[place] for place in places if place in self._by_place]

    def behind(self, derived: DerivedTable, day: date) -> list[str]:
        """The contents that *derived* may use for *day*, in a fixed order."""
        return [partition.content for partition in self._behind(derived, day)]

    def complete(self, derived: DerivedTable, day: date) -> bool:
        return all(partition.complete for partition in self._behind(derived, day))
