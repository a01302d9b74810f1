"""The only reader of production data: one dataset, one UTC day at a time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.folders import path_values, refuse_table_format, table_files
from include.contracts.places import folder_of
from include.contracts.types import accepts, to_contract
from include.core.canonical import digest_of, encode, record_digest
from include.core.errors import ContractError, DataError
from include.core.records import DAY, Column, ColumnType, Contract, day_start

if TYPE_CHECKING:
    import pyarrow as pa

#: The first day of the demo's recording: what a contract with ``replayDays`` repeats starts here.
REPLAY_FIRST = date(2013, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The bytes of the files that hold a dataset's day (``None``: an undivided table), and their digest."""

    day: date | None
    digest: str
    data: tuple[tuple[Path, bytes], ...]


class Source:
    """A dataset as its contract describes it: ``<location>/day=YYYY-MM-DD/*.parquet``, or ``<location>/*.parquet``.

    Several files of a day are one table, in the order of their names. A file may lie in folders ``name=value``, each of
    which is a column of text; what begins with ``.`` or ``_`` is no data.

    With ``replay_days`` N the source has every UTC day: it repeats the N recorded days from :data:`REPLAY_FIRST` on,
    with all times shifted by the difference. (So N is a multiple of 7: a Monday stays a Monday.)

    No error of this class holds a value of the data.
    """

    def __init__(self, contract: Contract, production: Path) -> None:
        """Of the folder nothing is read yet.

        Raises:
            ContractError: the contract's location is relative.
            DataError: the folder cannot be listed, or is that of a table format, which alone knows which of its files
                are current.
        """
        self.contract = contract
        self.folder = folder_of(contract, production)
        refuse_table_format(self.folder)

    def load(self, day: date | None) -> Files:
        """The bytes that hold *day* (``None``: an undivided table), not decoded yet.

        Raises:
            DataError: there is no file, or it cannot be read.
        """
        data, folder = [], self._day_folder(day)
        for file in self._files(day, folder):
            try:
                data.append((file, file.read_bytes()))
            except OSError as error:
                raise self._unreadable(file, day, error.strerror or type(error).__name__) from None
        said = [path_values(file, folder) for file, _ in data]
        digests = [digest_of(each) for _, each in data] + ([record_digest(said)] if any(said) else [])
        digest = digests[0] if len(digests) == 1 else digest_of(encode(digests))
        return Files(day=day, digest=digest, data=tuple(data))

    def decode(self, files: Files, columns: Collection[str]) -> "pa.Table":
        """*columns* of a day's *files*, in their order, typed as the contract says; the rows in the files' order.

        NaN of a number is null, as the writers that use it mean it.

        Raises:
            DataError: the files are corrupt or truncated, or hold rows of another day.
            ContractError: the files do not match the contract.
        """
        import pyarrow as pa

        day = files.day
        table = pa.concat_tables(
            self._typed(self._decoded(data, file, day, columns), file, day) for file, data in files.data
        )
        shift = timedelta(0) if day is None else day - self._recorded_day(day)
        self._check_day(table, day, shift)
        return _shifted(table, shift)

    def holds_nan(self, files: Files, columns: Collection[str]) -> bool:
        """Whether a number among *columns* is NaN in the *files*. Raises as :meth:`decode`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = [name for name in columns if self._column(name).type is ColumnType.NUMBER]
        tables = [self._decoded(data, file, files.day, numbers) for file, data in files.data] if numbers else []
        held = (column for table in tables for column in table.columns if pa.types.is_floating(column.type))
        return any(pc.any(pc.is_nan(column)).as_py() for column in held)

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        """The names of all columns of each file of *day*, in the file's order, then those that its path gives.

        A column of the contract is called as the contract does.

        Raises:
            DataError: there is no file, or it cannot be read.
        """
        import pyarrow as pa

        from include.contracts.files import open_parquet

        found = set()
        folder = self._day_folder(day)
        for file in self._files(day, folder):
            try:
                names = open_parquet(file).schema_arrow.names
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(file, day, type(error).__name__) from None
            said = path_values(file, folder)
            names = [*names, *(name for name in said if name not in names)]
            ours = {theirs: name for name, theirs in self.contract.names_in(names).items()}
            found.add(tuple(ours.get(name, name) for name in names))
        return frozenset(found)

    def _files(self, day: date | None, folder: Path) -> list[Path]:
        try:
            files = table_files(folder, (".parquet",))
        except (FileNotFoundError, NotADirectoryError):
            files = []
        if not files:
            raise DataError(
                f"{self._name(day)}: the source holds a Parquet file",
                value=f"none in {folder}",
                remedy=self._layout_remedy(day),
            )
        return files

    def _layout_remedy(self, day: date | None) -> str:
        divided = next(self.folder.glob("day=*"), None) is not None
        if day is not None and not divided:
            return f"Divide the rows by UTC day into folders {self.folder}/day=YYYY-MM-DD."
        if day is None and divided:
            return "Mark the timestamp that divides the rows by day with `partitioned: true` in the contract."
        return "Land the data, or choose an --instant whose whole window the source holds."

    def _recorded_day(self, day: date) -> date:
        period = self.contract.replay_days
        return REPLAY_FIRST + (day - REPLAY_FIRST) % timedelta(days=period) if period else day

    def _day_folder(self, day: date | None) -> Path:
        return self.folder if day is None else self.folder / f"day={self._recorded_day(day).isoformat()}"

    def _name(self, day: date | None) -> str:
        return self.contract.dataset if day is None else f"{self.contract.dataset} of {day.isoformat()}"

    def _unreadable(self, file: Path, day: date | None, fault: str) -> DataError:
        return DataError(
            f"{self._name(day)}: the file is whole and readable Parquet",
            value=f"{file}: {fault}",
            remedy="The file is corrupt or truncated: have its owner land it again.",
        )

    def _decoded(self, data: bytes, file: Path, day: date | None, columns: Collection[str]) -> "pa.Table":
        import pyarrow as pa

        from include.contracts.files import open_parquet, read_columns, with_path_values

        wanted, said = [self._column(name).name for name in columns], path_values(file, self._day_folder(day))
        try:
            opened = open_parquet(pa.BufferReader(data))
            self._check_schema(opened.schema_arrow, said, file)
            theirs = self.contract.names_in((*opened.schema_arrow.names, *said))
            names = [theirs[name] for name in wanted]
            # One thread: a step is a forked process on shared cores, and a day is small.
            inside = [name for name in names if name not in said]
            table = read_columns(opened, pa.BufferReader(data), inside, use_threads=False)
            table = with_path_values(table, said).select(names).rename_columns(wanted)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:
            raise self._unreadable(file, day, _fault_of(data, error)) from None
        return table

    def _typed(self, table: "pa.Table", file: Path, day: date | None) -> "pa.Table":
        import pyarrow as pa

        columns, faults = [], []
        for name, column in zip(table.column_names, table.columns, strict=True):
            try:
                columns.append(to_contract(column, self._column(name).type))
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise ContractError(
                f"{self._name(day)}: values fit the contract's types without loss",
                value=f"{'; '.join(faults)} (in {file})",
                remedy="Have the file landed with the contract's types, or the contract changed by its stewards.",
            )
        return pa.table(columns, names=table.column_names)

    def _column(self, name: str) -> Column:
        column = self.contract.column(name)
        if column is None:
            raise ContractError(
                f"{self.contract.dataset}: only columns of the contract are read",
                value=name,
                remedy=f"Use one of {sorted(column.name for column in self.contract.columns)}.",
            )
        return column

    def _check_schema(self, schema: "pa.Schema", said: Mapping[str, str | None], file: Path) -> None:
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
                value=f"{repeated} twice in {file}",
                remedy="Have it left out of the file, or the folders or one of the columns renamed.",
            )
        if missing or differing:
            raise ContractError(
                f"{self.contract.dataset}: the file has the contract's columns with the contract's types",
                value=f"missing {missing or 'none'}, differing {differing or 'none'} in {file}",
                remedy="Have the file landed as the contract says, or its stewards change the contract.",
            )

    def _check_day(self, table: "pa.Table", day: date | None, shift: timedelta) -> None:
        import pyarrow.compute as pc

        partition = self.contract.partition_column
        if day is None or partition not in table.column_names or table.num_rows == 0:
            return
        first = (day_start(day) - shift).replace(tzinfo=None)
        times = table[partition]
        inside = pc.and_(pc.greater_equal(times, first), pc.less(times, first + DAY))
        strays = table.num_rows - (pc.sum(pc.fill_null(inside, False)).as_py() or 0)
        if strays:
            raise DataError(
                f"{self._name(day)}: every row's {partition} lies in the day of its folder",
                value=f"{strays} of {table.num_rows} rows in {self._day_folder(day)} do not",
                remedy="Have the rows landed in the folder of their UTC day.",
            )


def _fault_of(data: bytes, error: Exception) -> str:
    """What is wrong with a file's bytes; of the reader's *error* only the type, since it may quote a value."""
    from include.contracts.files import parquet_fault

    return f"{parquet_fault(BytesIO(data))} ({type(error).__name__})"


def _shifted(table: "pa.Table", shift: timedelta) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    if not shift:
        return table
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            moved = pc.add(table.column(index), pa.scalar(shift, pa.duration("us")))
            table = table.set_column(index, field, moved)
        elif pa.types.is_date(field.type):
            moved = pc.add(table.column(index).cast(pa.timestamp("us")), pa.scalar(shift, pa.duration("us")))
            table = table.set_column(index, field, moved.cast(field.type))
    return table
