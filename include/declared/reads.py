"""Which columns an SQL query reads, and which columns each of its outputs comes from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError
from include.core.records import Column, Contract, Treatment
from include.engines.dialect import qualified, sql_of

if TYPE_CHECKING:
    import ibis
    from sqlglot.expressions import Expr, Table
    from sqlglot.optimizer.scope import Scope as QueryScope

Source = tuple[str, str]  # (dataset, column)


def known_column(contracts: Mapping[str, Contract], dataset: str, name: str) -> Column:
    """The contract's column *name* of *dataset*.

    Raises:
        DeclarationError: there is none; whoever goes on without it lets it pass every rule about columns.
    """
    contract = contracts.get(dataset)
    column = contract.column(name) if contract else None
    if column is None:
        raise DeclarationError(
            "what an expression reads is a column of a contract",
            value=f"{dataset}.{name}",
            remedy=f"Columns to choose from: {sorted(each.name for each in contract.columns)}."
            if contract
            else f"Datasets to choose from: {sorted(contracts)}.",
        )
    return column


def columns_read(table: "ibis.Table", contracts: Mapping[str, Contract], *, unused: bool = False) -> frozenset[Source]:
    """Every (dataset, column) whose values decide the result: outputs, join keys, filters, groupings, orderings.

    A column that an inner query only passes on and nobody uses is not read; with *unused* it counts all the same.
    """
    from sqlglot import exp
    from sqlglot.optimizer.pushdown_projections import pushdown_projections
    from sqlglot.optimizer.scope import traverse_scope

    query = _qualified(table, contracts)
    if not unused:
        query = pushdown_projections(query)
    read = set()
    for scope in traverse_scope(query):
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table):
                dataset = _dataset(source)
                known_column(contracts, dataset, column.name)
                read.add((dataset, column.name))
    return frozenset(read)


def column_lineage(table: "ibis.Table", contracts: Mapping[str, Contract]) -> dict[str, tuple[Source, ...]]:
    """For each output column the (dataset, column)s that its value is computed from, sorted.

    Joins and filters decide which rows there are and are not counted; what a window function partitions and orders by
    is. A constant has no source.
    """
    from sqlglot.optimizer.scope import build_scope

    root = build_scope(_qualified(table, contracts))
    if root is None:  # only for a statement that is no query, which Ibis never compiles to
        return {}
    traced: dict[tuple[int, str], frozenset[Source]] = {}
    found = {name: tuple(sorted(_trace(root, name, traced))) for name in table.columns}
    for dataset, column in frozenset().union(*found.values()):
        known_column(contracts, dataset, column)
    return found


def _trace(scope: "QueryScope", name: str, traced: dict[tuple[int, str], frozenset[Source]]) -> frozenset[Source]:
    """The sources of the output *name* of a query; *traced* remembers what is known already."""
    place = (id(scope), name)
    if place not in traced:
        outputs = _outputs(scope)
        position = [output.alias_or_name for output in outputs].index(name)
        if scope.set_operation_scopes:
            found = [
                _trace(part, _outputs(part)[position].alias_or_name, traced) for part in scope.set_operation_scopes
            ]
        else:
            found = [_columns_behind(scope, outputs[position], traced)]
        traced[place] = frozenset[Source]().union(*found)
    return traced[place]


def _columns_behind(
    scope: "QueryScope", output: "Expr", traced: dict[tuple[int, str], frozenset[Source]]
) -> frozenset[Source]:
    from sqlglot import exp

    found: set[Source] = set()
    for column in output.find_all(exp.Column):
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            found.add((_dataset(source), column.name))
        elif source is not None:
            found |= _trace(source, column.name, traced)
    nodes = {id(node) for node in output.walk()} if scope.subquery_scopes else set()
    for subquery in scope.subquery_scopes:  # a single value, computed by a query of its own
        if id(subquery.expression) in nodes:
            for inner in _outputs(subquery):
                found |= _trace(subquery, inner.alias_or_name, traced)
    return frozenset(found)


def _dataset(table: "Table") -> str:
    """The name of the dataset that *table* is; what stands in a schema is none, whatever it is called there."""
    return ".".join(part.name for part in table.parts)


def _outputs(scope: "QueryScope") -> "list[Expr]":
    from sqlglot import exp

    return list(scope.expression.selects) if isinstance(scope.expression, exp.Query) else []


def _qualified(table: "ibis.Table", contracts: Mapping[str, Contract]) -> "Expr":
    """The parsed query with every star expanded and every column tied to its table."""
    from sqlglot.errors import OptimizeError

    columns = {
        dataset: {
            column.name: column.type.value for column in contract.columns if column.treatment is not Treatment.DROP
        }
        for dataset, contract in contracts.items()
    }
    try:
        return qualified(sql_of(table), columns)
    except OptimizeError as error:  # names of the project, never data
        raise DeclarationError(
            "what an expression reads is a column of a contract",
            value=str(error),
            remedy="Read only the tables that the function is called with.",
        ) from error
