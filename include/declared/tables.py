"""The tables that a project's functions see, and how those functions are called."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError
from include.core.names import alike
from include.core.project import Expression
from include.core.records import ColumnType, Contract, Scope, Treatment
from include.declared.allowed import check

if TYPE_CHECKING:
    import ibis

#: A feature group's function may take the rows to predict for under this name: key, partition column, predicted_at.
POPULATION = "population"

#: How Ibis calls the queries within a query, in any case.
_INNER = re.compile(r"t\d+", re.IGNORECASE)

_IBIS_TYPES = {
    ColumnType.STRING: "string",
    ColumnType.INTEGER: "int64",
    ColumnType.NUMBER: "float64",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TIMESTAMP: "timestamp(6)",
    ColumnType.DATE: "date",
}


def tables(
    contracts: Mapping[str, Contract], names: Iterable[str], *, scope: Scope | None = None
) -> dict[str, "ibis.Table"]:
    """Unbound tables of the datasets *names*, typed as their contracts say.

    Columns that the reader drops (direct identifiers) are absent, tokens are strings. With a *scope*, only its columns
    are there: what a night may touch.

    Raises:
        DeclarationError: there is no contract for a name, or two names differ by case alone.
    """
    import ibis

    names, made = tuple(names), {}
    if pair := alike(names):
        raise DeclarationError(
            "datasets that one project reads have names that differ by more than upper and lower case",
            value=" and ".join(map(repr, pair)),
            remedy="Have the stewards rename one of them, or read one only.",
        )
    for name in names:
        if name not in contracts or name.casefold() == POPULATION:
            raise DeclarationError(
                f"a dataset has a contract and is not called {POPULATION!r}",
                value=f"dataset {name!r}",
                remedy=f"Name one of {sorted(contracts)}, or write a contract with `./trainyard contract new`.",
            )
        made[name] = ibis.table(_schema(contracts[name], scope), name=name)
    return made


def _schema(contract: Contract, scope: Scope | None) -> dict[str, str]:
    allowed = None
    if scope is not None:
        held = scope.dataset(contract.dataset)
        allowed = set(held.names) if held else set()
    return {
        column.name: "string" if column.treatment is Treatment.TOKEN else _IBIS_TYPES[column.type]
        for column in contract.columns
        if column.treatment is not Treatment.DROP and (allowed is None or column.name in allowed)
    }


def parameters(expression: Expression) -> tuple[str, ...]:
    """The names of the tables that *expression* takes."""
    return tuple(inspect.signature(expression).parameters)


def name_of(expression: Expression) -> str:
    """How an error names a project's function: its module and its name."""
    name = getattr(expression, "__qualname__", type(expression).__name__)
    return f"{getattr(expression, '__module__', '?')}.{name}"


def call(expression: Expression, tables: Mapping[str, "ibis.Table"]) -> "ibis.Table":
    """What *expression* returns for the *tables* that its parameters name.

    Raises:
        DeclarationError: a parameter names no table, the function uses a column that is not there or in a way that its
            type forbids, it returns no table, or one that is not the same each time it is computed. The message names
            the function and what it asked for.
    """
    import ibis
    from ibis.common.annotations import SignatureValidationError
    from ibis.common.exceptions import IbisError

    asked = parameters(expression)
    for parameter in asked:
        if parameter not in tables:
            raise DeclarationError(
                f"{name_of(expression)}: each parameter names a dataset",
                value=f"parameter {parameter!r}",
                remedy=f"Name one of {sorted(tables)}.",
            )
    try:
        result = expression(**{parameter: tables[parameter] for parameter in asked})
    except (AttributeError, IbisError, SignatureValidationError, TypeError) as error:
        if "unbound tables" in str(error):
            raise DeclarationError(
                f"{name_of(expression)}: a function says what is to be computed, and computes nothing",
                value="`.sql`, `.alias`, `.execute` or the like",
                remedy="Write it with Ibis' methods of tables and columns; DuckDB runs it when a night does.",
            ) from error
        columns = {parameter: sorted(tables[parameter].columns) for parameter in asked}
        raise DeclarationError(
            f"{name_of(expression)}: a function uses columns that its tables have, as their types allow",
            value=_fault(error),
            remedy=f"Columns to choose from: {columns}; direct identifiers are dropped before anyone can read them.",
        ) from error
    if not isinstance(result, ibis.Table):
        raise DeclarationError(
            f"{name_of(expression)}: a function returns an Ibis table",
            value=type(result).__name__,
            remedy="Return the table that holds the key columns and the values.",
        )
    check(name_of(expression), result, [tables[parameter] for parameter in asked])
    return result


def _fault(error: Exception) -> str:
    """What was wrong, in one line; expressions hold column names and literals of the project, never data."""
    if isinstance(error, AttributeError) and error.name:
        return f"column {error.name!r}"
    return " ".join(str(error).split())[:300]


def sql_of(table: "ibis.Table", *, as_written: bool = False) -> str:
    """The DuckDB SQL of an expression: the same expression always gives the same text.

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
                "no dataset is called as Ibis calls a query within a query: DuckDB would read that in its place",
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
