"""The engine whose parts are computed on executors, and the day that is probed here."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.core.records import Contract, Days, Partition, Snapshot
from include.engines.late_values import late_columns
from include.engines.port import AskedRows, Engine, LateValues, OpenEngine, Part, Population, Query, Room
from include.engines.spark.cluster import opened_cluster
from include.engines.spark.executor import Kind, Task, Work, counted_of, failed_of, rows_of

if TYPE_CHECKING:
    import pyarrow as pa


class Executors(Protocol):
    """Whatever does work."""

    def done(self, work: Work) -> list[list[tuple[Kind, bytes]]]:
        """What was found of each task, in their order."""


@dataclass(frozen=True, kw_only=True)
class HeldRows:
    """A snapshot's partitions, and the engine that reads some of them, here as on an executor."""

    snapshot: Snapshot
    contracts: Mapping[str, Contract]
    path_of: Callable[[str], Path]
    partitions: tuple[Partition, ...]
    engine: OpenEngine
    version: Callable[[], str]

    def read(self, places: Mapping[str, Collection[Days]]) -> tuple[Partition, ...]:
        """The partitions of each dataset's days, and of the datasets that have none."""
        return tuple(
            part
            for part in self.partitions
            if part.table in places and (part.day is None or any(part.day in days for days in places[part.table]))
        )


@dataclass(frozen=True, kw_only=True)
class _Here:
    """The engine in this process, over the days of ``reads`` beside what the rows of ``days`` are made of."""

    engine: Engine
    days: Days
    reads: Mapping[str, Days]

    def holds(self, days: Days, reads: Mapping[str, Days]) -> bool:
        within = all(name in self.reads and _within(each, self.reads[name]) for name, each in reads.items())
        return within and _within(days, self.days)


class SparkEngine:
    """Rows are counted and derived on the cluster, a part a task; what a probe cuts and compares, of a day, here."""

    def __init__(self, executors: Executors, held: HeldRows, open_here: ExitStack) -> None:
        self._executors, self._held, self._open_here = executors, held, open_here
        self._here: _Here | None = None
        self._cut: dict[str, Any] = {}
        self._uncut = False
        self._failing: tuple[str, ...] = ()
        self._paths: dict[str, str] = {}  # each verified once: a query reads what the one before it read

    @contextmanager
    def beside(self) -> Iterator["SparkEngine"]:
        yield copy(self)

    def ask(self, population: Population, stretches: Iterable[Days]) -> AskedRows:
        self._population, self._stretches = population, tuple(stretches)
        apart = population.partition in population.key  # then no two days have one key
        asked = [(days,) for days in self._stretches] if apart else [self._stretches]
        found = self._done(None, [Task(asked=days, part=None, partitions=self._read(days, {})) for days in asked])
        counted = [counted_of(data) for task in found for _, data in task]
        return AskedRows(
            by_day={day: rows for each in counted for day, rows in each.by_day.items()},
            repeated=sum(each.repeated for each in counted),
            empty=sum(each.empty for each in counted),
        )

    def asked(self, day: date) -> "pa.Table":
        return self._near(Days(first=day, last=day), {}).asked(day)

    def asked_at(self, day: date, instant: datetime) -> "pa.Table":
        return self._near(Days(first=day, last=day), {}).asked_at(day, instant)

    def derive(self, query: Query, parts: Sequence[Part]) -> "Iterator[tuple[pa.Table, int]]":
        import pyarrow as pa

        tasks = []
        for part in parts:
            asked, reads = self._asked_for(part.days), dict.fromkeys(query.datasets, part.seen)
            tasks.append(Task(asked=asked, part=part, partitions=self._read(asked, reads)))
        for answers in self._done(query, tasks):
            rows = pa.concat_tables([rows_of(data) for kind, data in answers if kind is Kind.ROWS])
            yield rows.combine_chunks(), sum(int(data) for kind, data in answers if kind is Kind.EMPTY)

    def derive_known(self, query: Query, days: Days, seen: Days) -> "pa.Table":
        engine = self._near(days, self._cut["datasets"])
        if self._uncut:
            engine.cut(**self._cut)
            self._uncut = False
        return engine.derive_known(query, days, seen)

    def failing(self, query: Query) -> Sequence[str]:
        return [name for name in query.columns if name in self._failing]

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Done when its rows are asked for: not before is it known of which days."""
        self._cut = {"datasets": dict(datasets), "instant": instant, "later": later, "removed": tuple(removed)}
        self._uncut = True

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        return late_columns(datasets, self._held.contracts, self._held.snapshot.scope)

    def _asked_for(self, days: Days) -> tuple[Days, ...]:
        """The stretches that rows of *days* are asked for in."""
        return tuple(each for each in self._stretches if each.first <= days.last and days.first <= each.last)

    def _read(self, asked: Collection[Days], reads: Mapping[str, Days]) -> tuple[Partition, ...]:
        places: dict[str, list[Days]] = {name: list(asked) for name in self._population.datasets}
        for name, days in reads.items():
            places.setdefault(name, []).append(days)
        return self._held.read(places)

    def _done(self, query: Query | None, tasks: Sequence[Task]) -> list[list[tuple[Kind, bytes]]]:
        held = self._held
        read = {part.content for task in tasks for part in task.partitions}
        for content in read - self._paths.keys():
            self._paths[content] = str(held.path_of(content).absolute())
        work = Work(
            engine=held.engine,
            version=held.version,
            expected=held.version(),
            snapshot=held.snapshot,
            contracts=held.contracts,
            paths={content: self._paths[content] for content in read},
            population=self._population,
            query=query,
            tasks=tuple(tasks),
        )
        found = self._executors.done(work)
        failed = [failed_of(data) for task in found for kind, data in task if kind is Kind.FAILED]
        if failed:
            self._failing = tuple(name for _, names in failed for name in names)
            raise failed[0][0]
        return found

    def _near(self, days: Days, reads: Mapping[str, Days]) -> Engine:
        """The engine here, over *reads* and what rows of *days* are made of, asked for these."""
        if self._here is None or not self._here.holds(days, reads):
            self._open_here.close()
            held, asked = self._held, self._asked_for(days)
            opened = held.engine(held.snapshot, held.contracts, held.path_of, partitions=self._read(asked, reads))
            engine = self._open_here.enter_context(opened)
            engine.ask(self._population, asked)
            self._here, self._uncut = _Here(engine=engine, days=days, reads=reads), True
        return self._here.engine


def _within(days: Days, others: Days) -> bool:
    return others.first <= days.first and days.last <= others.last


@contextmanager
def opened(
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    path_of: Callable[[str], Path],
    *,
    partitions: Iterable[Partition] | None = None,
    room: Room | None = None,
    address: str,
    engine: OpenEngine,
    version: Callable[[], str],
) -> Iterator[SparkEngine]:
    """The engine over the snapshot's rows, or only those of some *partitions* of it, on the cluster at *address*.

    *engine* is what computes there, and here what is probed; *version* says which it is. *room* bounds nothing: what is
    computed is elsewhere.

    Raises:
        DeclarationError: PySpark or Java is not installed here.
        EngineUnavailable: the cluster cannot be reached.
    """
    with (
        opened_cluster(address) as cluster,
        engine_over(
            cluster, snapshot, contracts, path_of, partitions=partitions, engine=engine, version=version
        ) as found,
    ):
        yield found


@contextmanager
def engine_over(
    executors: Executors,
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    path_of: Callable[[str], Path],
    *,
    partitions: Iterable[Partition] | None,
    engine: OpenEngine,
    version: Callable[[], str],
) -> Iterator[SparkEngine]:
    """:func:`opened`, whoever the *executors* are."""
    datasets = {dataset.dataset for dataset in snapshot.scope.datasets}
    held = HeldRows(
        snapshot=snapshot,
        contracts={name: contract for name, contract in contracts.items() if name in datasets},
        path_of=path_of,
        partitions=tuple(snapshot.partitions if partitions is None else partitions),
        engine=engine,
        version=version,
    )
    with ExitStack() as open_here:
        yield SparkEngine(executors, held, open_here)
