"""The source of an Iceberg table: a UTC day is the rows whose time lies in it, in the snapshot of the run's instant."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from include.contracts.types import accepts, to_contract
from include.core.errors import ContractError, DataError
from include.core.records import AsOf, Column, ColumnType, Contract, Days
from include.data.sources import replay
from include.data.sources.canonical_rows import in_order, rows_digest
from include.data.sources.iceberg.catalog import Address
from include.data.sources.iceberg.fields import as_contract_says, layout
from include.data.sources.iceberg.held import HeldTable
from include.data.sources.iceberg.history import require_current, snapshot_at
from include.data.sources.port import Asking

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.io import FileIO
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot


class IcebergSource:
    """A :class:`~include.data.sources.Source` of the table that the contract's location names.

    Where the contract says ``asOf: commit``, what is read is the snapshot that was current at the instant that it is
    asked with; else, and without an instant, the current one. It is chosen once: all days are of the same snapshot.
    A day's digest is that of its rows, so that a table whose files are rewritten is the same table.
    """

    settled_before = None

    def __init__(self, contract: Contract, asking: Asking) -> None:
        """Raises DeclarationError, AuthorityError: credentials that are needed are not there."""
        self.contract, self.shown = contract, contract.location
        self._instant = asking.instant if contract.as_of is AsOf.COMMIT else None
        self._columns = asking.columns
        self._address = Address(contract.dataset, contract.location, asking.credentials)

    def is_empty(self) -> bool:
        return self._table[0].current_snapshot_id is None

    def filed(self) -> Days | None:
        return None if self.contract.replay_days or self.is_empty() else self._held.days

    def load(self, day: date | None) -> "IcebergDay":
        names = [column.name for column in self.contract.columns] if self._columns is None else list(self._columns)
        rows = in_order(self._typed(self.raw(day, names), day), self.contract.key)
        if day is not None and not rows.num_rows:
            self._require_within(day)
        shift = replay.shift(self.contract, day)
        return IcebergDay(source=self, day=day, digest=rows_digest(rows), rows=replay.shifted(rows, shift))

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        return frozenset({layout(self._table[0], self._snapshot, self.contract)})

    def close(self) -> None:
        """The catalog is left at once, and a snapshot stays as it is: there is nothing to let go of."""

    def column(self, name: str) -> Column:
        column = self.contract.column(name)
        if column is None:
            raise ContractError(
                f"{self.contract.dataset}: only columns of the contract are read",
                value=name,
                remedy=f"Use one of {sorted(column.name for column in self.contract.columns)}.",
            )
        return column

    def raw(self, day: date | None, names: Sequence[str]) -> "pa.Table":
        """The rows that stand for *day* with the columns *names*, as the table types them, in whatever order."""
        names = [self.column(name).name for name in names]
        return self._held.read(names, None if day is None else replay.recorded_day(self.contract, day))

    @cached_property
    def _table(self) -> "tuple[TableMetadata, FileIO]":
        return self._address.load()

    @cached_property
    def _snapshot(self) -> "Snapshot":
        metadata, _ = self._table
        if self._instant is None:
            return require_current(metadata, dataset=self.contract.dataset)
        return snapshot_at(metadata, self._instant, dataset=self.contract.dataset)

    @cached_property
    def _held(self) -> HeldTable:
        metadata, io = self._table
        ours = as_contract_says(metadata, self._snapshot, self.contract)
        self._check_types(ours)
        held = HeldTable(
            address=self._address,
            metadata=ours,
            io=io,
            snapshot_id=self._snapshot.snapshot_id,
            time=self.contract.partition_column,
        )
        held.require_timed(self.contract.dataset)
        return held

    def _check_types(self, metadata: "TableMetadata") -> None:
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        schema = metadata.schema()
        kinds = [(column, schema.find_type(column.name)) for column in self.contract.columns]
        differing = [
            f"{column.physical_name or column.name} is {kind}, not {column.type.value}"
            for column, kind in kinds
            if not accepts(schema_to_pyarrow(kind), column.type)
        ]
        if differing:
            raise ContractError(
                f"{self.contract.dataset}: the table's columns have the contract's types",
                value=f"differing {differing} in {self.shown}",
                remedy="Have the table's owner change their types, or its stewards change the contract.",
            )

    def _typed(self, table: "pa.Table", day: date | None) -> "pa.Table":
        import pyarrow as pa

        columns, faults = [], []
        for name, column in zip(table.column_names, table.columns, strict=True):
            try:
                columns.append(to_contract(column, self.column(name).type))
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise ContractError(
                f"{self._named(day)}: values fit the contract's types without loss",
                value=f"{'; '.join(faults)} (in {self.shown})",
                remedy="Have them committed with the contract's types, or the contract changed by its stewards.",
            )
        return pa.table(columns, names=table.column_names)

    def _require_within(self, day: date) -> None:
        """Raise DataError where *day*, of which there is no row, lies before or after all that have some."""
        recorded, held = replay.recorded_day(self.contract, day), self._held.days
        if held is None or recorded not in held:
            raise DataError(
                f"{self._named(day)}: the table holds rows of the day, or of days around it",
                value=f"{self.shown} holds {f'{held.first} to {held.last}' if held else 'no row'}"
                + (f", as of {self._instant:%Y-%m-%d %H:%M}Z" if self._instant else ""),
                remedy="Have its rows committed, or choose an --instant whose whole window the table holds.",
            )

    def _named(self, day: date | None) -> str:
        return self.contract.dataset if day is None else f"{self.contract.dataset} of {day.isoformat()}"


@dataclass(frozen=True, kw_only=True)
class IcebergDay:
    """The rows of a day, of the columns that were asked for, sorted by the contract's key, and their digest."""

    source: IcebergSource
    day: date | None
    digest: str
    rows: "pa.Table" = field(repr=False)

    def read(self, columns: Collection[str]) -> "pa.Table":
        names = [self.source.column(name).name for name in columns]
        if unasked := sorted(set(names) - set(self.rows.column_names)):
            raise ContractError(
                f"{self.source.contract.dataset}: only columns are read that the source was asked for",
                value=unasked,
                remedy=f"Ask it for them too, beside {sorted(self.rows.column_names)}.",
            )
        return self.rows.select(names)

    def batches(self, columns: Collection[str]) -> "Iterator[pa.RecordBatch]":
        yield from self.read(columns).to_batches()

    def holds_nan(self, columns: Collection[str]) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = [name for name in columns if self.source.column(name).type is ColumnType.NUMBER]
        held = self.source.raw(self.day, numbers).columns if numbers else []
        return any(pc.any(pc.is_nan(column)).as_py() for column in held if pa.types.is_floating(column.type))
