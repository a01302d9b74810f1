"""Parquet filed by UTC day, wherever its bytes come from: what a day's files hold, typed and checked."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

from include.contracts.types import accepts, to_contract
from include.core.canonical import digest_of, encode, record_digest
from include.core.errors import ContractError, DataError
from include.core.records import DAY, Column, ColumnType, Contract, Days, day_start
from include.data.sources import replay
from include.data.sources.day_files import DayFile, DayFolders, UnreadableFile

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetSource:
    """A :class:`~include.data.sources.Source` of Parquet in the folders of days, or in one, that *place* has."""

    def __init__(self, contract: Contract, place: DayFolders) -> None:
        self.contract, self.shown, self._place = contract, place.shown, place
        self._is_plain = False

    @property
    def settled_before(self) -> date | None:
        return None

    def is_empty(self) -> bool:
        return self._place.is_empty()

    def filed(self) -> Days | None:
        if self.contract.replay_days:
            return None
        days = sorted(day for name in self._plain().folders() if (day := self._place.days.day(name)) is not None)
        return Days(first=days[0], last=days[-1]) if days else None

    def load(self, day: date | None) -> "ParquetDay":
        try:
            files = self._plain().read(self._folder(day))
        except UnreadableFile as error:
            raise self.unreadable(error.shown, day, str(error.strerror)) from None
        self._require_some(files, day)
        said = [file.said for file in files]
        digests = [digest_of(file.data) for file in files] + ([record_digest(said)] if any(said) else [])
        digest = digests[0] if len(digests) == 1 else digest_of(encode(digests))
        return ParquetDay(source=self, day=day, digest=digest, files=tuple(files))

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        import pyarrow as pa

        from include.contracts.files import open_parquet

        found = set()
        footers = list(self._plain().footers(self._folder(day)))
        self._require_some(footers, day)
        for shown, said, file in footers:
            try:
                names = open_parquet(file).schema_arrow.names
            except (pa.ArrowException, OSError) as error:
                raise self.unreadable(shown, day, type(error).__name__) from None
            names = [*names, *(name for name in said if name not in names)]
            ours = {theirs: name for name, theirs in self.contract.names_in(names).items()}
            found.add(tuple(ours.get(name, name) for name in names))
        return frozenset(found)

    def close(self) -> None:
        """Nothing is held between two questions."""

    def column(self, name: str) -> Column:
        column = self.contract.column(name)
        if column is None:
            raise ContractError(
                f"{self.contract.dataset}: only columns of the contract are read",
                value=name,
                remedy=f"Use one of {sorted(column.name for column in self.contract.columns)}.",
            )
        return column

    def shift(self, day: date | None) -> timedelta:
        """What is added to the times of the day that stands for *day*."""
        return replay.shift(self.contract, day)

    def named(self, day: date | None) -> str:
        return self.contract.dataset if day is None else f"{self.contract.dataset} of {day.isoformat()}"

    def folder_shown(self, day: date | None) -> str:
        folder = self._folder(day)
        return f"{self.shown}/{folder}" if folder else self.shown

    def unreadable(self, shown: str, day: date | None, fault: str) -> DataError:
        return DataError(
            f"{self.named(day)}: the file is whole and readable Parquet",
            value=f"{shown}: {fault}",
            remedy="The file is corrupt or truncated: have its owner land it again.",
        )

    def check_schema(self, schema: "pa.Schema", said: Mapping[str, str | None], shown: str) -> None:
        import pyarrow as pa

        held = {field.name: field.type for field in schema} | dict.fromkeys(said, pa.string())
        repeated = sorted(name for name in held if schema.names.count(name) + (name in said) > 1)
        theirs = self.contract.names_in(held)
        types = {column: held.get(theirs[column.name]) for column in self.contract.columns}
        missing = sorted(
            column.physical_name or column.name for column, held_type in types.items() if held_type is None
        )
        differing = [
            f"{theirs[column.name]} is {held_type}, not {column.type.value}"
            for column, held_type in types.items()
            if held_type is not None and not accepts(held_type, column.type)
        ]
        if repeated:
            raise ContractError(
                f"{self.contract.dataset}: a column stands once, in the file or in its path",
                value=f"{repeated} twice in {shown}",
                remedy="Have it left out of the file, or the folders or one of the columns renamed.",
            )
        if missing or differing:
            raise ContractError(
                f"{self.contract.dataset}: the file has the contract's columns with the contract's types",
                value=f"missing {missing or 'none'}, differing {differing or 'none'} in {shown}",
                remedy="Have the file landed as the contract says, or its stewards change the contract.",
            )

    def _plain(self) -> DayFolders:
        if not self._is_plain:
            self._place.refuse_table_format()
            self._is_plain = True
        return self._place

    def _require_some(self, files: Collection[object], day: date | None) -> None:
        if not files:
            raise DataError(
                f"{self.named(day)}: the source holds a Parquet file",
                value=f"none in {self.folder_shown(day)}",
                remedy=self._layout_remedy(day),
            )

    def _layout_remedy(self, day: date | None) -> str:
        divided = any(True for _ in self._place.folders())
        if day is not None and not divided:
            return f"Divide the rows by UTC day into folders {self.shown}/{self._place.days.shown}."
        if day is None and divided:
            return "Mark the timestamp that divides the rows by day with `partitioned: true` in the contract."
        return "Land the data, or choose an --instant whose whole window the source holds."

    def _folder(self, day: date | None) -> str:
        return "" if day is None else self._place.days.folder(replay.recorded_day(self.contract, day))


@dataclass(frozen=True, kw_only=True)
class ParquetDay:
    """The bytes of the files that hold a dataset's day (``None``: an undivided table), and their digest."""

    source: ParquetSource
    day: date | None
    digest: str
    files: tuple[DayFile, ...]

    def read(self, columns: Collection[str]) -> "pa.Table":
        import pyarrow as pa

        table = pa.concat_tables(self._typed(self._decoded(file, columns), file) for file in self.files)
        shift = self.source.shift(self.day)
        self._check_day(table, shift)
        return replay.shifted(table, shift)

    def batches(self, columns: Collection[str]) -> "Iterator[pa.RecordBatch]":
        yield from self.read(columns).to_batches()

    def holds_nan(self, columns: Collection[str]) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = [name for name in columns if self.source.column(name).type is ColumnType.NUMBER]
        tables = [self._decoded(file, numbers) for file in self.files] if numbers else []
        held = (column for table in tables for column in table.columns if pa.types.is_floating(column.type))
        return any(pc.any(pc.is_nan(column)).as_py() for column in held)

    def _decoded(self, file: DayFile, columns: Collection[str]) -> "pa.Table":
        import pyarrow as pa

        from include.contracts.files import open_parquet, read_columns, with_path_values

        source, said = self.source, file.said
        wanted = [source.column(name).name for name in columns]
        try:
            opened = open_parquet(pa.BufferReader(file.data))
            source.check_schema(opened.schema_arrow, said, file.shown)
            theirs = source.contract.names_in((*opened.schema_arrow.names, *said))
            names = [theirs[name] for name in wanted]
            # One thread: a step is a forked process on shared cores, and a day is small.
            inside = [name for name in names if name not in said]
            table = read_columns(opened, pa.BufferReader(file.data), inside, use_threads=False)
            table = with_path_values(table, said).select(names).rename_columns(wanted)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:
            raise source.unreadable(file.shown, self.day, _fault_of(file.data, error)) from None
        return table

    def _typed(self, table: "pa.Table", file: DayFile) -> "pa.Table":
        import pyarrow as pa

        columns, faults = [], []
        for name, column in zip(table.column_names, table.columns, strict=True):
            try:
                columns.append(to_contract(column, self.source.column(name).type))
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise ContractError(
                f"{self.source.named(self.day)}: values fit the contract's types without loss",
                value=f"{'; '.join(faults)} (in {file.shown})",
                remedy="Have the file landed with the contract's types, or the contract changed by its stewards.",
            )
        return pa.table(columns, names=table.column_names)

    def _check_day(self, table: "pa.Table", shift: timedelta) -> None:
        import pyarrow.compute as pc

        partition = self.source.contract.partition_column
        if self.day is None or partition not in table.column_names or table.num_rows == 0:
            return
        first = (day_start(self.day) - shift).replace(tzinfo=None)
        times = table[partition]
        inside = pc.and_(pc.greater_equal(times, first), pc.less(times, first + DAY))
        strays = table.num_rows - (pc.sum(pc.fill_null(inside, False)).as_py() or 0)
        if strays:
            raise DataError(
                f"{self.source.named(self.day)}: every row's {partition} lies in the day of its folder",
                value=f"{strays} of {table.num_rows} rows in {self.source.folder_shown(self.day)} do not",
                remedy="Have the rows landed in the folder of their UTC day.",
            )


def _fault_of(data: bytes, error: Exception) -> str:
    """What is wrong with a file's bytes; of the reader's *error* only the type, since it may quote a value."""
    from include.contracts.files import parquet_fault

    return f"{parquet_fault(BytesIO(data))} ({type(error).__name__})"
