"""Columns of tables of PostgreSQL: how each is asked for, and as which Arrow type its text is read, if as any."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg.sql import Composable, Composed

#: What a type is called by us that people name themselves, and of which the text is the value.
_ENUM = "enum"
_TEXTS = frozenset(
    ("text", "varchar", "bpchar", "name", "citext", "uuid", "json", "jsonb", "inet", "cidr", "macaddr", "macaddr8")
) | {_ENUM}
_WHOLE = frozenset(("int2", "int4", "int8"))
#: A column of the reader of CSV, in its message: the rest of it quotes the value.
_IN_COLUMN = re.compile(r"In CSV column #(\d+)")

#: In the order of the fields of :class:`TableColumn`. A domain is what its values are.
CATALOG = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN b.typtype = 'e' THEN 'enum' WHEN b.typnamespace = 'pg_catalog'::regnamespace OR b.typname = 'citext'
        THEN b.typname::text ELSE '' END,
    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
    has_column_privilege(c.oid, a.attnum, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE n.nspname = {schema} AND c.relname = {table} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY a.attnum
"""


@dataclass(frozen=True)
class TableColumn:
    """A column as the server's catalog has it: ``type`` in its own words, ``base`` without what refines it.

    ``granted``: the reader may read it.
    """

    name: str
    type: str
    base: str
    modifier: int
    granted: bool

    @property
    def held(self) -> "pa.DataType | None":
        """As which type its text is read; ``None``: no type of contracts is like it."""
        import pyarrow as pa

        if self.base in _TEXTS:
            return pa.string()
        if self.base in _WHOLE or (self.base == "numeric" and self._is_whole):
            return pa.int64()
        return {
            "bool": pa.bool_(),
            "float4": pa.float32(),
            "float8": pa.float64(),
            "numeric": pa.float64(),
            "timestamp": pa.timestamp("us"),
            "timestamptz": pa.timestamp("us"),
            "date": pa.date32(),
        }.get(self.base)

    @property
    def may_be_nan(self) -> bool:
        return self.base in ("float4", "float8", "numeric")

    @property
    def unfit(self) -> str:
        """What is wrong with a value that its text cannot be read of: the text itself is never shown."""
        if self.base in ("timestamp", "timestamptz", "date"):
            return f"a {self.type} is infinite, or lies outside of the years 1 to 9999"
        return f"a {self.type} is no whole number of 64 bits" if self.base == "numeric" else f"no {self.type} in UTF-8"

    @property
    def expression(self) -> "Composable":
        """What is asked for: times in UTC, and texts without the blanks that only fill ``char(n)``."""
        from psycopg import sql

        name = sql.Identifier(self.name)
        if self.base == "timestamptz":
            return sql.SQL("timezone('UTC', {})").format(name)
        return sql.SQL("{}::text").format(name) if self.base == "bpchar" else name

    @property
    def _is_whole(self) -> bool:
        """Whether it is declared without digits behind the point; its scale is eleven bits with a sign."""
        if self.modifier < 0:
            return False
        scale = (self.modifier - 4) & 0x7FF
        return scale == 0 or scale >= 0x400


class UnreadableValue(ValueError):
    """A value of the ``column`` is none that its Arrow type can hold."""

    def __init__(self, column: TableColumn) -> None:
        super().__init__(column.name)
        self.column = column


def parsed(lines: bytes, columns: Sequence[TableColumn]) -> "pa.Table":
    """What a COPY in CSV says of *columns*. Raises UnreadableValue, DataError."""
    import pyarrow as pa
    from pyarrow import csv

    names = [column.name for column in columns]
    try:
        return csv.read_csv(
            pa.BufferReader(lines),
            csv.ReadOptions(column_names=names, use_threads=False, block_size=len(lines) + 1),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={column.name: column.held for column in columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
                timestamp_parsers=[csv.ISO8601],
            ),
        )
    except pa.ArrowInvalid as error:  # its message quotes the value
        found = _IN_COLUMN.search(str(error))
        if found is None:
            raise DataError(
                "what the server sends of rows is CSV",
                value=type(error).__name__,
                remedy="Have its version looked at: PostgreSQL 12 or newer is read.",
            ) from None
        raise UnreadableValue(columns[int(found[1])]) from None


def selected(columns: Iterable[TableColumn], table: "Composable", where: "Composable") -> "Composed":
    """A COPY of the rows of *table* for which *where* holds, as :func:`parsed` reads it."""
    from psycopg import sql

    return sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT csv)").format(
        sql.SQL(", ").join(column.expression for column in columns), table, where
    )


def digested(columns: Iterable[TableColumn], table: "Composable", where: "Composable") -> "Composed":
    """A statement for the number of those rows, and two sums over them that tell whether one is another.

    Each row is a text of the server's, of which a null, an empty text and the ends of columns can be told. Its two
    hashes, of 64 bits, are those by which the server places rows in partitions, so that no version may compute others;
    they cost less than the text, where SHA-256 or MD5 doubles all. The order of rows makes no difference to the sums,
    and a row that stands twice counts twice. Another byte order of the machine, or database encoding, gives other
    sums, and so has days read again. It does not withstand somebody who may choose the rows.
    """
    from psycopg import sql

    sums = ", ".join(f"coalesce(sum(hashtextextended(line, {seed})), 0)::text" for seed in (1, 2))
    return sql.SQL(
        f"SELECT count(*), {sums} FROM (SELECT ROW({{}})::text AS line FROM {{}} WHERE {{}} OFFSET 0) AS lines"  # noqa: S608  # no text of others
    ).format(sql.SQL(", ").join(column.expression for column in columns), table, where)


def with_nan(columns: Iterable[TableColumn], table: "Composable", where: "Composable") -> "Composed":
    """A statement for whether one of *columns*, all of numbers, is NaN in one of those rows."""
    from psycopg import sql

    tests = [sql.SQL("{} = 'NaN'").format(sql.Identifier(each.name)) for each in columns]
    return sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} AND ({}))").format(table, where, sql.SQL(" OR ").join(tests))


def catalog(schema: str, table: str) -> "Composed":
    """A statement for all columns of what is called so, in their order."""
    from psycopg import sql

    return sql.SQL(CATALOG).format(schema=sql.Literal(schema), table=sql.Literal(table))
