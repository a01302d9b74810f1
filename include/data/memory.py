"""How much memory a step of data takes, from what the partitions say of themselves, and how it is kept within bounds.

Rows go through in stretches of days: so many as the memory holds that the project's ``Compute`` declares. What a step
cannot divide is said before it starts. How it is divided changes no result.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import OutOfRoom
from include.core.project import Project
from include.core.records import ColumnType, Contract, Days, Partition, Scope, Snapshot
from include.engines import Room

if TYPE_CHECKING:
    from include.declared.compiled import DerivedTable
    from include.governance.vault import Vault

_MIB = 1 << 20
#: What a process takes before it has a row: the interpreter, the libraries, and what they keep.
PROCESS_MIB = 448
#: What a value takes in memory, at most for all but long texts.
_WIDTHS = {
    ColumnType.STRING: 32,
    ColumnType.INTEGER: 8,
    ColumnType.NUMBER: 8,
    ColumnType.TIMESTAMP: 8,
    ColumnType.DATE: 4,
    ColumnType.BOOLEAN: 1,
}
_FLOAT32, _TEXT = 4, _WIDTHS[ColumnType.STRING]
#: Beside the key a derived row has its day and its moment.
_DAY_AND_MOMENT = 12
#: The shares of the engine, and of the tables that it gives: while two are computed, each twice as long as its parts
#: are put together, one is looked at and one written.
_ENGINE, _TABLES, _AT_ONCE = 0.45, 0.35, 6


def row_bytes(types: Iterable[ColumnType]) -> int:
    """What a row of columns of *types* takes in memory."""
    return sum(_WIDTHS[type_] for type_ in types)


def held_bytes(partitions: Iterable[Partition], contracts: Mapping[str, Contract], scope: Scope) -> int:
    """What the rows of *partitions* take, of the columns in *scope*."""
    widths = {part.dataset: _width(contracts[part.dataset], part.names) for part in scope.datasets}
    return sum(part.rows * widths[part.table] for part in partitions)


def _width(contract: Contract, names: Sequence[str]) -> int:
    return row_bytes(column.type for column in contract.columns if column.name in names)


def key_bytes(contract: Contract, key: Sequence[str]) -> int:
    """What the columns *key* of a row take: texts, unless *contract* has them."""
    columns = [contract.column(name) for name in key]
    return row_bytes(ColumnType.STRING if column is None else column.type for column in columns)


def derived_bytes(derived: "DerivedTable", key_bytes: int) -> int:
    """What a row of a derived table takes, of a key of *key_bytes*."""
    texts = len(derived.categories)
    return _DAY_AND_MOMENT + key_bytes + texts * _TEXT + (len(derived.names) - texts) * _FLOAT32


def pieces(parts: Iterable[Days], rows: Mapping[date, int], *, row_bytes: int, most_bytes: int) -> list[Days]:
    """*parts*, in their order, as stretches: of as many as *most_bytes* hold of their days' *rows*, one at least."""
    found: list[Days] = []
    held = 0
    for part in parts:
        taken = sum(rows.get(day, 0) for day in part) * row_bytes
        if found and held + taken <= most_bytes:
            found[-1], held = Days(first=found[-1].first, last=part.last), held + taken
        else:
            found.append(part)
            held = taken
    return found


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a step that derives tables divides its memory.

    ``engine_mib`` is what its engine may take; ``None``: all is held in memory. The table of a stretch of days takes
    ``table_bytes`` at most, ``widths`` a row by the table's name, and ``ahead`` tables may be computed before the first
    is looked at.
    """

    engine_mib: int | None
    table_bytes: int
    widths: Mapping[str, int]
    ahead: int

    def pieces(self, table: str, parts: Iterable[Days], rows: Mapping[date, int]) -> list[Days]:
        """The stretches in which *table* is derived, of whole *parts* each; *rows* are those of each day."""
        return pieces(parts, rows, row_bytes=self.widths[table], most_bytes=self.table_bytes)

    @contextmanager
    def room(self, vault: "Vault") -> Iterator[Room | None]:
        """What the engine may take, its folder within the *vault*."""
        if self.engine_mib is None:
            yield None
            return
        with vault.workspace() as folder:
            yield Room(memory_mib=self.engine_mib, folder=folder)


@dataclass(frozen=True, kw_only=True)
class DataMemory:
    """What a step of data may take in memory: ``mib``, its process included."""

    mib: int

    @property
    def for_rows(self) -> int:
        """The bytes that are left for rows."""
        return max(self.mib - PROCESS_MIB, 0) * _MIB

    def require(self, what: str, needed_bytes: int, *, share: float = 1.0) -> None:
        """Check, before it is begun, that *needed_bytes* fit into the *share* of what rows may take.

        Raises:
            OutOfRoom: they do not; the message says with how much they would.
        """
        if needed_bytes <= self.for_rows * share:
            return
        enough = PROCESS_MIB + int(needed_bytes / share) // _MIB + 1
        raise OutOfRoom(
            f"{what} fits into the memory that a step of data may take",
            value=f"about {enough:,} MiB are needed, {self.mib:,} declared (`data_memory_mib`)",
            remedy=f"Declare Compute(data_memory_mib={enough}) where the machine has it.",
        )

    def divided(self, project: str, held: int, rows: Mapping[date, int], widths: Mapping[str, int]) -> Division:
        """The division for a step that reads *held* bytes and derives tables, ``widths`` as those of a division.

        *rows* are those of each day. If all fits, nothing is divided.

        Raises:
            OutOfRoom: not even a day fits.
        """
        widest, count = max(widths.values()), sum(rows.values())
        if 2 * held + count * (sum(widths.values()) + _AT_ONCE * widest) <= self.for_rows:
            return Division(engine_mib=None, table_bytes=self.for_rows, widths=widths, ahead=len(widths))
        largest = max(rows.values(), default=0)
        self.require(f"a day of {project!r} ({largest:,} rows)", largest * widest * _AT_ONCE, share=_TABLES)
        return Division(
            engine_mib=int(self.for_rows * _ENGINE) // _MIB,
            table_bytes=int(self.for_rows * _TABLES) // _AT_ONCE,
            widths=widths,
            ahead=1,
        )


def division_of(
    project: Project,
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    tables: Sequence["DerivedTable"],
    read: Sequence[Partition],
    spans: Sequence[Days],
) -> Division:
    """How the memory that *project* declares is divided where *tables* are derived of what is *read*, for *spans*.

    Raises:
        OutOfRoom: not even a day fits.
    """
    target = project.learning.target
    key = key_bytes(contracts[target.dataset], target.key)
    asked = [part for part in snapshot.of(target.dataset) if any(part.day in span for span in spans)]
    return DataMemory(mib=project.operations.compute.data_memory_mib).divided(
        project.name,
        held_bytes(read, contracts, snapshot.scope),
        {part.day: part.rows for part in asked if part.day is not None},
        {derived.name: derived_bytes(derived, key) for derived in tables},
    )
