"""A connection to DuckDB that opens some files and nothing else, and whose errors quote no value."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from include.core.errors import DataError, OutOfRoom, TrainyardError
from include.engines.confinement import lock, require_confined
from include.engines.port import Room

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Answer = TypeVar("Answer")
#: What DuckDB passes on of the operating system where a disk is full, or as much of it as one may use.
_DISK_FULL = ("No space left", "uota exceeded", "File too large")


class Session:
    """Runs statements in one thread: the same query, the same rows."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        confined: set[tuple[str, tuple[str, ...]]],
        room: Room | None = None,
    ) -> None:
        self._connection, self._confined, self._room = connection, confined, room

    @classmethod
    @contextmanager
    def opened(cls, files: Sequence[str], room: Room | None = None) -> Iterator["Session"]:
        """A database that can open *files* and no others: in memory, or in *room*.

        Nothing can change that: not a statement, not another cursor.

        Raises:
            OutOfRoom: the disk of *room* is full.
        """
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        place = ":memory:"
        settings["temp_directory"] = ""  # else it would put rows aside in whatever folder this process is in
        if room is not None:
            place = str(room.folder / "held rows")  # its name in queries: no dataset can be called so
            settings |= {"memory_limit": f"{room.memory_mib}MiB", "temp_directory": str(room.folder / "beside")}
        with duckdb.connect(place, config=settings) as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")  # else what names no zone is read in the machine's
            lock(connection, files)
            yield cls(connection, set(), room)

    @contextmanager
    def beside(self) -> Iterator["Session"]:
        """Another of the same database, with views and temporary tables of its own."""
        with self._connection.cursor() as connection:
            yield Session(connection, self._confined, self._room)

    def confined(self, sql: str, tables: Sequence[str]) -> str:
        """A project's query *sql*, which reads the views *tables* and nothing else; without this it is not to be run.

        Raises:
            DeclarationError: it is anything else (:func:`~include.engines.confinement.require_confined`).
        """
        query = (sql, tuple(tables))
        if query not in self._confined:
            require_confined(self._connection, *query)
            self._confined.add(query)
        return sql

    def run(self, sql: str, *given: object) -> None:
        """Execute a statement that returns no rows."""
        self._named(lambda: self._connection.execute(sql, given or None).fetchall())

    def fetch(self, sql: str) -> "pa.Table":
        """All rows that *sql* selects, in one chunk a column."""
        return self._named(lambda: self._connection.sql(sql).to_arrow_table()).combine_chunks()

    def count(self, sql: str) -> int:
        """The number that *sql* selects."""
        ((number,),) = self._named(lambda: self._connection.execute(sql).fetchall())
        return int(number)

    def _named(self, call: Callable[[], Answer]) -> Answer:
        """What *call* returns; an error of DuckDB by its kind only: its own message may quote a value.

        Raises:
            DataError, OutOfRoom: in its place.
        """
        import duckdb

        try:
            return call()
        except duckdb.Error as error:
            raise self._fault(error, full=any(each in str(error) for each in _DISK_FULL)) from None

    def _fault(self, error: Exception, *, full: bool) -> TrainyardError:
        import duckdb

        if full or isinstance(error, duckdb.OutOfMemoryException):
            return _out_of_room(self._room, full=full)
        return DataError(
            "a project's expressions can be computed over the snapshot",
            value=f"DuckDB's {type(error).__name__}",
            remedy="Run the expression in the notebook on rows that you may see: a cast may fail on some.",
        )


def _out_of_room(room: Room | None, *, full: bool) -> OutOfRoom:
    where = "in memory" if room is None else f"{room.memory_mib} MiB of memory, the rest beside {room.folder.parent}"
    return OutOfRoom(
        "a query has the memory and the disk that it needs",
        value=("no space is left on the disk: " if full else "it needs more: ") + where,
        remedy="Free space on that disk, or raise `data_memory_mib` of the project's Compute, then clear the task: "
        "nothing of it was kept.",
    )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
