"""The text of a project's expressions: SQL as DuckDB reads it, whichever engine runs it.

It is recorded, and digests hang on it. An engine that speaks another language translates it.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError

if TYPE_CHECKING:
    import ibis
    from sqlglot.expressions import Expr

#: How sqlglot reads it, names as they are written: by itself it would take `RideID` for `rideid`.
_DIALECT = "duckdb, normalization_strategy=case_sensitive"
#: How Ibis calls the queries within a query, in any case.
_INNER = re.compile(r"t\d+", re.IGNORECASE)


def sql_of(table: "ibis.Table", *, as_written: bool = False) -> str:
    """The SQL of an expression: the same expression always gives the same text.

    What `isin` lists is sorted, since a set of Python has another order in each process; not if *as_written*.

    Raises:
        DeclarationError: a dataset has the name of a query within this one.
    """
    import ibis
    from ibis.expr import operations as ops

    if not as_written and table.op().find(ops.InValues):
        table = table.op().replace(_in_order).to_expr()
    sql = str(ibis.to_sql(table, dialect="duckdb", pretty=False))
    for dataset in table.op().find(ops.UnboundTable):
        if _INNER.fullmatch(dataset.name) and f'"{dataset.name.lower()}" AS (' in sql:
            raise DeclarationError(
                "no dataset is called as Ibis calls a query within a query, which would be read in its place",
                value=f"dataset {dataset.name!r}",
                remedy="Have the stewards rename it; any name but `t` and a number will do.",
            )
    return sql


def _in_order(node: Any, changed: Mapping[str, Any] | None) -> Any:
    """*node* with what has *changed* below it; if it is `isin` of texts, dates or times, with these sorted.

    Numbers stay as they are written: a set has them in one order everywhere.
    """
    from ibis.expr import operations as ops

    node = node.__recreate__(changed) if changed else node
    literal = isinstance(node, ops.InValues) and all(isinstance(option, ops.Literal) for option in node.options)
    if not literal or all(option.dtype.is_numeric() for option in node.options):
        return node
    options = sorted(node.options, key=lambda option: (str(option.dtype), str(option.value)))
    return ops.InValues(node.value, tuple(options))


def qualified(sql: str, columns: Mapping[str, Mapping[str, str]]) -> "Expr":
    """*sql*, parsed, with every star expanded and every column tied to its table; *columns* are those with types.

    Raises:
        OptimizeError: a column belongs to no table.
    """
    from sqlglot import parse_one
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.schema import MappingSchema

    schema = MappingSchema(dict(columns), dialect=_DIALECT, normalize=False)  # else it would parse the names as SQL
    return qualify(parse_one(sql, dialect=_DIALECT), schema=schema, dialect=_DIALECT)
