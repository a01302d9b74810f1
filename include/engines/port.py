"""What the rest asks of an engine: the rows to predict for, and what a project's queries give for each of them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from include.core.records import Contract, Days, Partition, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

#: The table of rows to predict for, as queries name it, and the time in it at which each is asked for.
POPULATION = "population"
PREDICTED_AT = "predicted_at"
#: The UTC day of a row, beside the columns of the project: no column of a contract begins with a blank.
DAY_COLUMN = " day"


@dataclass(frozen=True, kw_only=True)
class Room:
    """What an engine may take: so much memory, and the empty ``folder``, which is its own, for what goes beyond."""

    memory_mib: int
    folder: Path


class LateValues(StrEnum):
    """What is done to that which became known only after an instant."""

    REMOVED = "removed"  # values are null, rows are absent
    DISTURBED = "removed or changed"  # every other row's values are other ones, and it stays; the rest is removed


class Becomes(Enum):
    """What the values of a column that a query gives become."""

    TEXT = auto()  # what they are
    LABEL = auto()  # float64
    INTEGER = auto()  # float32, of whole numbers of any size
    NUMBER = auto()  # float32, or null where they are not finite or float32 cannot hold them


@dataclass(frozen=True, kw_only=True)
class Population:
    """The query for the rows to predict for: its ``columns``, ``key`` and ``partition``, the time that a day is of."""

    sql: str
    datasets: tuple[str, ...]
    columns: tuple[str, ...]
    key: tuple[str, ...]
    partition: str


@dataclass(frozen=True, kw_only=True)
class AskedRows:
    """How many rows to predict for each day has; how many of all repeat a key, and how many lack one or their time."""

    by_day: Mapping[date, int]
    repeated: int
    empty: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """A project's query over ``datasets`` and :data:`POPULATION`, for the key and ``columns``."""

    sql: str
    datasets: tuple[str, ...]
    columns: Mapping[str, Becomes]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Days whose rows are computed together, and the days that a query sees meanwhile."""

    days: Days
    seen: Days


class Engine(Protocol):
    """A snapshot's rows, and what queries give over them: the same rows and query, the same result.

    Queries are written as :mod:`include.engines.dialect` says, and reach the datasets that they name, of the days that
    they are shown, and nothing else. What they raise quotes no value of the data.

    Every method that runs a query raises:
        DataError: it cannot be computed over these rows.
        DeclarationError: it reads anything else.
        OutOfRoom: it needs more memory or disk than the engine may take.
    """

    def beside(self) -> AbstractContextManager["Engine"]:
        """The same rows, for a second thread."""

    def ask(self, population: Population, stretches: Iterable[Days]) -> AskedRows:
        """Find the rows to predict for in each of the *stretches*, which have no day in common, once for all methods.

        The query of a stretch sees its days alone.
        """

    def asked(self, day: date) -> "pa.Table":
        """The columns of the population's rows of *day*, sorted by the time at which they are asked for."""

    def asked_at(self, day: date, instant: datetime) -> "pa.Table":
        """The rows of *day* that the population holds where what became known after *instant* (UTC) is removed."""

    def derive(self, query: Query, parts: Sequence[Part]) -> "Iterator[tuple[pa.Table, int]]":
        """For each of *parts*, in their order: the day, time and key of every row to predict for in its days, and what
        *query* gives for the key.

        Sorted by day and key; null where the query gives no row, repeated where it gives several. The number says how
        many of its own rows lack part of the key.
        Which parts there are is the caller's to say, and never the engine's: a sum of fractions depends on it.
        """

    def derive_known(self, query: Query, days: Days, seen: Days) -> "pa.Table":
        """:meth:`derive` of one part, over what :meth:`cut` left of the days *seen*."""

    def failing(self, query: Query) -> Sequence[str]:
        """The columns of *query*, which has just failed in :meth:`derive`, that fail without the others too."""

    def cut(
        self,
        datasets: Mapping[str, Days],
        instant: datetime,
        later: LateValues,
        *,
        removed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Keep each dataset's rows of its days with that which became known after *instant* (UTC) *later*.

        The columns *removed*, each as its dataset and its name, are not changed: all that became known later is null.
        They replace what an earlier call kept.
        """

    def later(self, datasets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The columns of *datasets*, each as its dataset and its name, whose values may become known after a row is."""


class OpenEngine(Protocol):
    """How an engine is opened over a snapshot's rows."""

    def __call__(
        self,
        snapshot: Snapshot,
        contracts: Mapping[str, Contract],
        path_of: Callable[[str], Path],
        *,
        partitions: Iterable[Partition] | None = None,
        room: Room | None = None,
    ) -> AbstractContextManager[Engine]:
        """Over all rows, or those of some *partitions*, whose files *path_of* names by their contents.

        *room* bounds what it takes in this process; ``None``: nothing does.
        """
