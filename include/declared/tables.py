"""The tables that a project's functions see, and how those functions are called."""

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError
from include.core.names import alike
from include.core.project import Expression
from include.core.records import ColumnType, Contract, Scope, Treatment
from include.declared.allowed import check
from include.engines.port import POPULATION

if TYPE_CHECKING:
    import ibis

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
                remedy="Write it with Ibis' methods of tables and columns; a night runs it.",
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
