"""A connection to DuckDB that opens some files and nothing else, and whose errors quote no value."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from include.core.errors import DataError
from include.engines.confinement import lock, require_confined

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Answer = TypeVar("Answer")


class Session:
    """Runs statements in one thread: the same query, the same rows."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", confined: set[tuple[str, tuple[str, ...]]]) -> None:
        self._connection, self._confined = connection, confined

    @classmethod
    @contextmanager
    def opened(cls, files: Sequence[str]) -> Iterator["Session"]:
        """A database in memory that can open *files* and no others.

        Nothing can change that: not a statement, not another cursor.
        """
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(":memory:", config=settings) as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")  # else what names no zone is read in the machine's
            lock(connection, files)
            yield cls(connection, set())

    @contextmanager
    def beside(self) -> Iterator["Session"]:
        """Another of the same database, with views and temporary tables of its own."""
        with self._connection.cursor() as connection:
            yield Session(connection, self._confined)

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
        _named(lambda: self._connection.execute(sql, given or None).fetchall())

    def fetch(self, sql: str) -> "pa.Table":
        """All rows that *sql* selects, in one chunk a column."""
        return _named(lambda: self._connection.sql(sql).to_arrow_table()).combine_chunks()

    def count(self, sql: str) -> int:
        """The number that *sql* selects."""
        ((number,),) = _named(lambda: self._connection.execute(sql).fetchall())
        return int(number)


def _named(call: Callable[[], Answer]) -> Answer:
    """What *call* returns; an error of DuckDB by its kind only: its own message may quote a value.

    Raises:
        DataError: in its place.
    """
    import duckdb

    try:
        return call()
    except duckdb.Error as error:
        raise DataError(
            "a project's expressions can be computed over the snapshot",
            value=f"DuckDB's {type(error).__name__}",
            remedy="Run the expression in the notebook on rows that you may see: a cast may fail on some.",
        ) from None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
