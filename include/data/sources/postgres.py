"""A table or a view of PostgreSQL: the granted columns of one UTC day, in one transaction of the server's.

What is read of a day is what its digest was computed from: both see one moment, and nobody alters the table between.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from include.contracts.tables import DatabaseTable
from include.contracts.types import accepts, arrow_type, to_contract
from include.core.canonical import record_digest
from include.core.errors import ContractError, DataError, SourceUnavailable
from include.core.records import DAY, ColumnType, Contract, Days, day_start, last_day
from include.data.sources import replay
from include.data.sources.port import Asking
from include.data.sources.postgres_columns import (
    TableColumn,
    UnreadableValue,
    catalog,
    digested,
    parsed,
    selected,
    with_nan,
)
from include.data.sources.postgres_session import Session

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg.sql import Composable

#: Part of every digest. Raise it when the same rows get another.
_FORMAT = 1
#: So many pieces of a day are typed while the next arrives.
_AHEAD = 2


class TableSource:
    """A :class:`~include.data.sources.Source` of the table that the contract's location names."""

    def __init__(self, contract: Contract, asking: Asking) -> None:
        """Raises DeclarationError, AuthorityError: the credentials do not say how to sign in."""
        self.contract, self.shown, self._asking = contract, contract.location, asking
        self._at = DatabaseTable.of(contract.location)
        self._session = Session(contract.dataset, self._at, asking.credentials)
        self._columns: Mapping[str, TableColumn] = {}
        self._is_timed = False

    @property
    def settled_before(self) -> date | None:
        instant = self._asking.instant
        return None if instant is None else last_day(instant) + DAY - self.contract.corrected_within_days * DAY

    def is_empty(self) -> bool:
        from psycopg import sql

        self._begin()
        found = self._exists(sql.SQL("true"))
        self.close()
        return not found

    def filed(self) -> Days | None:
        from psycopg import sql

        partition = self.contract.partition_column
        if self.contract.replay_days or partition is None:
            return None
        self._begin()
        column = self._columns[partition]
        ((first, last),) = self._session.rows(
            sql.SQL("SELECT min({0})::date, max({0})::date FROM {1} WHERE isfinite({2})").format(
                column.expression, self._table, sql.Identifier(column.name)
            )
        )
        self.close()
        return None if first is None else Days(first=first, last=last)

    def load(self, day: date | None) -> "TableDay":
        transaction = self._begin()
        self._require_timed()
        self._require_landed(day)
        asked = tuple(column.name for column in self.contract.columns if self._is_granted(column.name))
        columns = tuple(self._columns[name] for name in asked)
        digest = self._digest(day, columns)
        return TableDay(source=self, day=day, digest=digest, transaction=transaction, columns=columns)

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        self._begin()
        self._require_landed(day)
        ours = {column.name: name for name, column in self._columns.items()}
        names = tuple(ours.get(column.name, column.name) for column in self._catalog())
        self.close()
        return frozenset({names})

    def close(self) -> None:
        self._session.end()

    def typed(self, held: "TableDay", columns: Collection[str]) -> "Iterator[pa.Table]":
        """The rows that are *held*, some at a time, as the contract's types."""
        self._return_to(held)
        asked = [self._granted(name) for name in columns]
        statement = selected(asked, self._table, self._of(held.day))
        with closing(self._session.copied(statement)) as lines:
            yield from _ahead(partial(self._typed, held.day, tuple(columns), asked), lines)
        self._session.end()

    def holds_nan(self, held: "TableDay", columns: Collection[str]) -> bool:
        """Whether a number among *columns* of the rows that are *held* is NaN."""
        self._return_to(held)
        numbers = [self._granted(name) for name in columns if self._type_of(name) is ColumnType.NUMBER]
        floating = [column for column in numbers if column.may_be_nan]
        if not floating:
            return False
        ((found,),) = self._session.rows(with_nan(floating, self._table, self._of(held.day)))
        return bool(found)

    @property
    def _table(self) -> "Composable":
        from psycopg import sql

        return sql.Identifier(self._at.schema, self._at.table)

    def _begin(self) -> int:
        """The number of a new transaction, in which the table is as the contract says. Raises as :meth:`load`."""
        transaction = self._session.begin(self._asking.instant)
        held = {column.name: column for column in self._catalog()}
        self._check(held)
        theirs = self.contract.names_in(held)
        self._columns = {column.name: held[theirs[column.name]] for column in self.contract.columns}
        return transaction

    def _catalog(self) -> list[TableColumn]:
        return [TableColumn(*row) for row in self._session.rows(catalog(self._at.schema, self._at.table))]

    def _check(self, held: Mapping[str, TableColumn]) -> None:
        if not held:
            raise DataError(
                f"{self.contract.dataset}: there is a table or view of that name",
                value=f"none at {self.shown}",
                remedy="Correct `servers[0]` or `schema[0].physicalName` of the contract, or have it made.",
            )
        theirs = self.contract.names_in(held)
        found = [(column, held.get(theirs[column.name])) for column in self.contract.columns]
        missing = sorted(theirs[column.name] for column, there in found if there is None)
        differing = [
            f"{there.name} is {there.type}, not {column.type.value}"
            for column, there in found
            if there is not None and (there.held is None or not accepts(there.held, column.type))
        ]
        if missing or differing:
            raise ContractError(
                f"{self.contract.dataset}: the table has the contract's columns, of types that fit the contract's",
                value=f"missing {missing or 'none'}, differing {differing or 'none'} in {self.shown}",
                remedy="Have the table altered back, a view give such columns, or its stewards change the contract.",
            )
        if closed := sorted(c.name for o, c in found if c and not c.granted and self._is_granted(o.name)):
            raise SourceUnavailable(
                f"{self.contract.dataset}: the reader's role may read the columns that are granted",
                value=f"no SELECT on {closed} of {self.shown}",
                remedy=f"Have it granted: `GRANT SELECT ({', '.join(closed)}) ON … TO …`, then retry.",
            )

    def _is_granted(self, name: str) -> bool:
        return self._asking.columns is None or name in self._asking.columns

    def _granted(self, name: str) -> TableColumn:
        if name not in self._columns or not self._is_granted(name):
            raise ContractError(
                f"{self.contract.dataset}: only granted columns of the contract are read",
                value=name,
                remedy=f"Use one of {sorted(each for each in self._columns if self._is_granted(each))}.",
            )
        return self._columns[name]

    def _type_of(self, name: str) -> ColumnType | None:
        column = self.contract.column(name)
        return column.type if column else None

    def _digest(self, day: date | None, columns: Iterable[TableColumn]) -> str:
        """That of *columns* of the rows of *day*, by the server."""
        columns = tuple(columns)
        ((rows, *sums),) = self._session.rows(digested(columns, self._table, self._of(day)))
        types = [(column.name, column.type) for column in columns]
        return record_digest({"format": _FORMAT, "columns": types, "rows": rows, "sums": sums})

    def _return_to(self, held: "TableDay") -> None:
        """Have *held* be what is read next, though its transaction may be over. Raises as :meth:`load`."""
        if self._session.is_in(held.transaction):
            return
        held.transaction = self._begin()
        by_name = {column.name: column for column in self._columns.values()}
        columns = tuple(by_name.get(column.name) for column in held.columns)
        if columns != held.columns or self._digest(held.day, held.columns) != held.digest:
            raise SourceUnavailable(
                f"{self._named(held.day)}: a day stays as it is until it is read",
                value=f"{self.shown} changed meanwhile",
                remedy="It is looked at again by itself.",
            )

    def _of(self, day: date | None) -> "Composable":
        """What holds of the rows of *day*, or of the recorded day that stands for it."""
        from psycopg import sql

        if day is None or self.contract.partition_column is None:
            return sql.SQL("true")
        first = day_start(replay.recorded_day(self.contract, day))
        return sql.SQL("{} AND {}").format(self._since(first), self._before(first + DAY))

    def _since(self, moment: datetime) -> "Composable":
        return self._compared(">=", moment)

    def _before(self, moment: datetime) -> "Composable":
        return self._compared("<", moment)

    def _compared(self, how: str, moment: datetime) -> "Composable":
        """By the column itself, so that the server can use its index."""
        from psycopg import sql

        time = self._columns[str(self.contract.partition_column)]
        literal = sql.Literal(f"{moment:%Y-%m-%d %H:%M:%S}")
        return sql.SQL(f"{{}} {how} {{}}::{time.base}").format(sql.Identifier(time.name), literal)

    def _exists(self, where: "Composable") -> bool:
        from psycopg import sql

        ((found,),) = self._session.rows(sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(self._table, where))
        return bool(found)

    def _require_timed(self) -> None:
        """Raise DataError if rows are of no day: nobody would ever read them. Asked once; an index answers it."""
        from psycopg import sql

        if self._is_timed or self.contract.partition_column is None:
            return
        time = self._columns[self.contract.partition_column]
        nowhere = sql.SQL(f"{{0}} IS NULL OR {{0}} IN ('infinity'::{time.base}, '-infinity'::{time.base})")
        if self._exists(nowhere.format(sql.Identifier(time.name))):
            raise DataError(
                f"{self.contract.dataset}: every row has its {time.name}, which places it in its day",
                value=f"null or infinite in rows of {self.shown}",
                remedy="Have the rows corrected, or name a view without them.",
            )
        self._is_timed = True

    def _require_landed(self, day: date | None) -> None:
        """Raise DataError unless *day* has rows, or lies between days that have."""
        if day is None or self.contract.partition_column is None:
            return
        first = day_start(replay.recorded_day(self.contract, day))
        if not (self._exists(self._since(first)) and self._exists(self._before(first + DAY))):
            raise DataError(
                f"{self._named(day)}: the table holds rows of the day, or of days before and after it",
                value=f"none in {self.shown}",
                remedy="Have the rows written, or choose an --instant whose whole window the table holds.",
            )

    def _typed(self, day: date | None, names: tuple[str, ...], columns: list[TableColumn], lines: bytes) -> "pa.Table":
        import pyarrow as pa

        faults, found = [], []
        try:
            table = parsed(lines, columns)
        except UnreadableValue as error:
            raise self._unfit(day, [f"{error.column.name}: {error.column.unfit}"]) from None
        for name, column in zip(names, table.columns, strict=True):
            try:
                found.append(to_contract(column, self._type_of(name) or ColumnType.STRING))
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise self._unfit(day, faults)
        return replay.shifted(pa.table(found, names=list(names)), replay.shift(self.contract, day))

    def _unfit(self, day: date | None, faults: Iterable[str]) -> ContractError:
        return ContractError(
            f"{self._named(day)}: values fit the contract's types without loss",
            value=f"{'; '.join(faults)} (in {self.shown})",
            remedy="Have the rows corrected, a view give null or another type for them, or the contract changed by its "
            "stewards.",
        )

    def _named(self, day: date | None) -> str:
        return self.contract.dataset if day is None else f"{self.contract.dataset} of {day.isoformat()}"


@dataclass(kw_only=True)
class TableDay:
    """The rows of a day as a transaction of the server's sees them, and their digest, of the granted ``columns``."""

    source: TableSource
    day: date | None
    digest: str
    transaction: int
    columns: tuple[TableColumn, ...]

    def read(self, columns: Collection[str]) -> "pa.Table":
        import pyarrow as pa

        types = {column.name: column.type for column in self.source.contract.columns}
        empty = pa.schema([(name, arrow_type(types.get(name, ColumnType.STRING))) for name in columns]).empty_table()
        return pa.concat_tables([empty, *self.source.typed(self, columns)])

    def batches(self, columns: Collection[str]) -> "Iterator[pa.RecordBatch]":
        for table in self.source.typed(self, columns):
            yield from table.to_batches()

    def holds_nan(self, columns: Collection[str]) -> bool:
        return self.source.holds_nan(self, columns)


def _ahead(make: "Callable[[bytes], pa.Table]", pieces: Iterable[bytes]) -> "Iterator[pa.Table]":
    """What *make* gives of each of *pieces*, in their order, in another thread while the next arrive."""
    with ThreadPoolExecutor(1) as pool:
        made: deque[Future[pa.Table]] = deque()
        for piece in pieces:
            made.append(pool.submit(make, piece))
            while len(made) > _AHEAD:
                yield made.popleft().result()
        while made:
            yield made.popleft().result()
