"""The only reader of production data: one dataset, one UTC day at a time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.canonical import digest_of, encode
from include.core.errors import ContractError, DataError
from include.core.records import DAY, Column, ColumnType, Contract, day_start

if TYPE_CHECKING:
    import pyarrow as pa

#: What a contract's location may start with, for the folder of all production data.
PRODUCTION = "${TRAINYARD_PRODUCTION}"

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

    Several files of a day are one table, in the order of their names. With ``replay_days`` N the source has every UTC
    day: it repeats the N recorded days from :data:`REPLAY_FIRST` on, with all times shifted by the difference. (So N
    is a multiple of 7: a Monday stays a Monday.)

    No error of this class holds a value of the data.
    """

    def __init__(self, contract: Contract, production: Path) -> None:
        self.contract = contract
        self.folder = _folder(contract, production)

    def load(self, day: date | None) -> Files:
        """The bytes that hold *day* (``None``: an undivided table), not decoded yet.

        Raises:
            DataError: there is no file, or it cannot be read.
        """
        data = []
        for file in self._files(day):
            try:
                data.append((file, file.read_bytes()))
            except OSError as error:
                raise self._unreadable(file, day, error.strerror or type(error).__name__) from None
        return Files(day=day, digest=_combined([digest_of(each) for _, each in data]), data=tuple(data))

    def decode(self, files: Files, columns: Collection[str]) -> "pa.Table":
        """*columns* of a day's *files*, in their order, typed as the contract says; the rows in the files' order.

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

    def _files(self, day: date | None) -> list[Path]:
        folder = self._day_folder(day)
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix == ".parquet")
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
        import pyarrow.parquet as pq

        names = [self._column(name).name for name in columns]
        try:
            opened = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
            self._check_schema(opened.schema_arrow, file)
            # One thread: a step is a forked process on shared cores, and a day is small.
            table = opened.read(columns=names, use_threads=False).select(names)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:
            raise self._unreadable(file, day, _fault_of(data, error)) from None
        return table

    def _typed(self, table: "pa.Table", file: Path, day: date | None) -> "pa.Table":
        import pyarrow as pa

        schema = pa.schema([(name, arrow_type(self._column(name).type)) for name in table.column_names])
        if table.schema.equals(schema, check_metadata=True):
            return table
        try:
            return table.cast(schema)
        except pa.ArrowInvalid:  # its message quotes the value
            raise ContractError(
                f"{self._name(day)}: values fit the contract's types without loss",
                value=f"some in {file} do not",
                remedy="Have the file landed with the contract's types, or the contract changed by its stewards.",
            ) from None

    def _column(self, name: str) -> Column:
        column = self.contract.column(name)
        if column is None:
            raise ContractError(
                f"{self.contract.dataset}: only columns of the contract are read",
                value=name,
                remedy=f"Use one of {sorted(column.name for column in self.contract.columns)}.",
            )
        return column

    def _check_schema(self, schema: "pa.Schema", file: Path) -> None:
        held = {field.name: field.type for field in schema}
        missing = sorted(column.name for column in self.contract.columns if column.name not in held)
        differing = [
            f"{column.name} is {held[column.name]}, not {column.type.value}"
            for column in self.contract.columns
            if column.name in held and not _matches(held[column.name], column.type)
        ]
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


def arrow_type(type_: ColumnType) -> "pa.DataType":
    """The Arrow type as which values of a contract's type are read."""
    import pyarrow as pa

    return {
        ColumnType.STRING: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.TIMESTAMP: pa.timestamp("us"),
        ColumnType.DATE: pa.date32(),
    }[type_]


def _combined(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else digest_of(encode(digests))


def _folder(contract: Contract, production: Path) -> Path:
    location = contract.location
    if location.startswith(PRODUCTION):
        return production / location.removeprefix(PRODUCTION).lstrip("/")
    if not Path(location).is_absolute():
        raise ContractError(
            f"{contract.dataset}: a location is absolute, or starts with {PRODUCTION}",
            value=location,
            remedy="Correct `servers[0].path` of the contract.",
        )
    return Path(location)


def _matches(held: "pa.DataType", type_: ColumnType) -> bool:
    """Whether a file's column of type *held* is what the contract means, a narrower or encoded form included."""
    from pyarrow import types

    if types.is_null(held):  # a column without a single value, as pandas writes it
        return True
    if types.is_dictionary(held):
        return type_ is ColumnType.STRING and _matches(held.value_type, type_)
    if types.is_timestamp(held):
        return type_ is ColumnType.TIMESTAMP and held.tz in (None, "UTC", "+00:00")
    accepted: dict[ColumnType, bool] = {
        ColumnType.STRING: types.is_string(held) or types.is_large_string(held) or types.is_string_view(held),
        ColumnType.INTEGER: types.is_integer(held),
        ColumnType.NUMBER: types.is_floating(held) or types.is_integer(held),
        ColumnType.BOOLEAN: types.is_boolean(held),
        ColumnType.TIMESTAMP: False,
        ColumnType.DATE: types.is_date(held),
    }
    return accepted[type_]


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
