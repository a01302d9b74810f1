"""What a project's query can reach: the tables that its function was handed, in a DuckDB that opens nothing else."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError

if TYPE_CHECKING:
    import duckdb

#: What a query may be made of, in the names of DuckDB's parser, beside its tables and its expressions.
_QUERIES = ("SELECT_NODE", "SET_OPERATION_NODE")
_TABLES = ("BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "EXPRESSION_LIST", "TABLE_FUNCTION")
_ORDERS = ("ASCENDING", "DESCENDING", "ORDER_DEFAULT")
#: The functions that make rows of their arguments alone.
_ROWS_OF_ARGUMENTS = ("unnest", "range", "generate_series")
#: The one function of a value that looks past the rows that it is given: at all that the stored column holds.
_PAST_ITS_ROWS = "stats"


def lock(connection: "duckdb.DuckDBPyConnection", files: Sequence[str]) -> None:
    """Let DuckDB open *files*, and what it puts aside for want of memory, and nothing else from now on.

    It holds for all cursors of the database, and no statement can change it. A name is then no variable of the process.
    """
    connection.execute("SET allowed_paths = ?", [list(files)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def require_confined(connection: "duckdb.DuckDBPyConnection", sql: str, tables: Collection[str]) -> None:
    """Whether *sql* is one query that reads the tables or views *tables*, named without a schema, and nothing else.

    It reads no file, no other schema, no catalogue, and changes nothing. DuckDB parses the text here as it does when it
    runs it, so nothing can be read otherwise than it is checked.

    Raises:
        DeclarationError: it is anything else; the message names what it would read.
    """
    found = _parsed(connection, sql)
    if found["error"] == "true":
        raise _refused("what DuckDB cannot parse" if found["error_type"] == "parser" else "what is no query")
    if len(found["statements"]) != 1:
        raise _refused("several statements")
    pending: list[tuple[Any, frozenset[str]]] = [(found, frozenset(name.casefold() for name in tables))]
    while pending:  # without recursion: an expression may be deeper than Python's stack
        part, readable = pending.pop()
        if isinstance(part, list):
            pending += [(each, readable) for each in part]
        elif isinstance(part, dict):
            if other := _other(part, readable):
                raise _refused(other)
            # A query within a query can be read under its name from the next one on, and cannot name what it replaces.
            for within in part.pop("cte_map", {}).get("map", []):
                pending.append((within["value"], readable))
                readable |= {within["key"].casefold()}
            pending += [(each, readable) for each in part.values()]


def _parsed(connection: "duckdb.DuckDBPyConnection", sql: str) -> Any:
    """What DuckDB's parser makes of *sql*, all that is neither an object nor an array as text."""
    query = (
        "SELECT id, parent, key, type, atom ->> '$' FROM json_tree("
        "json_serialize_sql(?, skip_null := true, skip_empty := true, skip_default := true)) ORDER BY id"
    )
    parts: dict[int, Any] = {}
    for place, parent, key, kind, text in connection.execute(query, [sql]).fetchall():
        parts[place] = {} if kind == "OBJECT" else [] if kind == "ARRAY" else text
        if isinstance(within := parts.get(parent), list):
            within.append(parts[place])
        elif within is not None:
            within[key] = parts[place]
    return parts[min(parts)]


def _other(part: dict[str, Any], readable: frozenset[str]) -> str | None:
    """What the *part* of a query itself reads beside *readable*, or is beside a query."""
    kind = part.get("type", "")
    if "class" in part:
        return f"function {_PAST_ITS_ROWS!r}" if part.get("function_name", "").casefold() == _PAST_ITS_ROWS else None
    if kind == "BASE_TABLE":
        path = [part[each] for each in ("catalog_name", "schema_name", "table_name") if part.get(each)]
        return None if len(path) == 1 and path[0].casefold() in readable else f"table {'.'.join(path)!r}"
    if kind == "TABLE_FUNCTION":
        name = part["function"]["function_name"]
        return None if name in _ROWS_OF_ARGUMENTS else f"function {name!r}"
    if not isinstance(kind, str) or kind in (*_QUERIES, *_TABLES, *_ORDERS) or kind.endswith("_MODIFIER"):
        return None
    return kind.casefold().replace("_", " ")


def _refused(found: str) -> DeclarationError:
    return DeclarationError(
        "a project's query reads the tables that its function is called with, and no others",
        value=found,
        remedy="Write the function with Ibis' methods of the tables that are its parameters; a run that began before "
        "it was corrected is given up: start another.",
    )
