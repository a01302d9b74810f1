"""Rows of a table of PostgreSQL as a file, of which a contract is drafted."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from include.contracts.tables import DatabaseTable
from include.core.errors import ContractError, DataError
from include.data.sources.postgres_columns import TableColumn, UnreadableValue, catalog, parsed, selected
from include.data.sources.postgres_session import Session

#: Of a larger table no more rows are looked at.
MOST_ROWS = 1_000_000


def copy_rows(location: str, target: Path, credentials: Path | None, *, without: Collection[str]) -> None:
    """Copy rows of the table at *location* as a Parquet file into the folder *target*, at most :data:`MOST_ROWS`.

    Columns of *without* are there without values.

    Raises as a source does, and:
        ContractError: other columns have types that contracts do not know, or may not be read: all of them are named.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from psycopg import sql

    at = DatabaseTable.of(location)
    session = Session(location, at, credentials)
    session.begin(None)
    columns = [TableColumn(*row) for row in session.rows(catalog(at.schema, at.table))]
    if not columns:
        raise DataError(
            f"{location}: there is a table or view of that name", value="none", remedy="Correct the address."
        )
    _require_usable([column for column in columns if column.name not in without])
    kept = [column for column in columns if column.name not in without]
    schema = pa.schema([(column.name, column.held if column in kept else pa.null()) for column in columns])
    table = sql.Identifier(at.schema, at.table)
    statement = selected(kept, table, sql.SQL("true LIMIT {}").format(sql.Literal(MOST_ROWS)))
    with pq.ParquetWriter(target / "part.parquet", schema) as writer, closing(session.copied(statement)) as pieces:
        for lines in pieces:
            try:
                found = parsed(lines, kept)
            except UnreadableValue as error:
                raise _unusable([f"{error.column.name!r}: {error.column.unfit}"], [error.column]) from None
            values = {
                name: found[name] if name in found.column_names else pa.nulls(len(found)) for name in schema.names
            }
            writer.write_table(pa.table(values, schema=schema))


def _require_usable(columns: Collection[TableColumn]) -> None:
    closed = [column for column in columns if not column.granted]
    unknown = [column for column in columns if column.granted and column.held is None]
    if closed or unknown:
        faults = [f"{column.name!r} may not be read" for column in closed]
        faults += [f"{column.name!r} is {column.type}" for column in unknown]
        raise _unusable(faults, [*closed, *unknown])


def _unusable(faults: Collection[str], columns: Collection[TableColumn]) -> ContractError:
    import shlex

    left_out = " ".join(f"--without {shlex.quote(column.name)}" for column in columns)
    return ContractError(
        "every column may be read, and has a type and values that contracts know",
        value="; ".join(faults),
        remedy=f"Leave them out: `{left_out}`; or name a view that gives them as numbers, texts or times.",
    )
