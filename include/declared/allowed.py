"""What an expression may be: of the tables that its function is called with, repeatable, and true in every engine."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from include.core.errors import DeclarationError
from include.core.names import alike

if TYPE_CHECKING:
    import ibis


def check(function: str, table: "ibis.Table", given: "Collection[ibis.Table]") -> None:
    """Whether *table*, which the project's *function* made of the tables *given* to it, may be computed.

    Raises:
        DeclarationError: it reads another table, is not the same each time, names two columns alike, or joins by
            times of different names; the message names the function.
    """
    from ibis.expr import operations as ops

    nodes = table.op().find((ops.Relation, ops.Impure))  # once: an expression has thousands
    _check_sources(function, nodes, given)
    _check_repeatable(function, nodes)
    relations = [node for node in nodes if isinstance(node, ops.Relation)]
    _check_alike(function, relations)
    _check_tolerance(function, relations)


def _check_sources(function: str, nodes: Sequence[Any], given: "Collection[ibis.Table]") -> None:
    """Only what stands in a contract is asked for, granted, read and recorded."""
    from ibis.expr import operations as ops

    kinds = (ops.PhysicalTable, ops.SQLQueryResult, ops.SQLStringView)
    allowed = {leaf for each in given for leaf in each.op().find(kinds)}
    found = sorted({_source(node) for node in nodes if isinstance(node, kinds) and node not in allowed})
    if found:
        raise DeclarationError(
            f"{function}: a function reads the tables that it is called with, and no others",
            value=", ".join(found),
            remedy="Take a dataset that has a contract as a parameter of its name, and `population` for the rows to "
            "predict for; write what you know yourself as an expression: `ibis.cases`, `isin`, `.substitute({…})`.",
        )


def _source(node: Any) -> str:
    """How whoever wrote it would know the table."""
    from ibis.expr import operations as ops

    if isinstance(node, ops.InMemoryTable):
        return "ibis.memtable"
    if isinstance(node, ops.PhysicalTable):
        place = getattr(node, "namespace", None)  # one that stands for another table has none
        name = ".".join(filter(None, (place and place.catalog, place and place.database, node.name)))
        return f"table {name!r}" if isinstance(node, ops.UnboundTable) else f"{name!r}, a file or a table of a database"
    return "SQL"


def _check_repeatable(function: str, nodes: Sequence[Any]) -> None:
    """What is computed once is used again as long as its inputs stay: the clock and chance are no inputs."""
    from ibis.expr import operations as ops

    found = sorted({type(node).__name__ for node in nodes if isinstance(node, ops.Impure | ops.Sample)})
    if found:
        raise DeclarationError(
            f"{function}: the same rows always give the same result",
            value=", ".join(found),
            remedy="Use `predicted_at` or a column of the dataset in place of the clock, and neither chance, samples "
            "nor functions that Ibis does not know.",
        )


def _check_alike(function: str, relations: Sequence[Any]) -> None:
    """An engine may take a name for another that differs by case alone, within queries as in their results."""
    for relation in relations:
        if "*" in relation.schema.names:
            raise DeclarationError(
                f"{function}: no column is called `*`, which stands for all of them in SQL",
                value=f"one of {sorted(relation.schema.names)}",
                remedy="Rename it, in its contract if it stands there.",
            )
        if pair := alike(relation.schema.names):
            raise DeclarationError(
                f"{function}: names in one table differ by more than upper and lower case",
                value=" and ".join(map(repr, pair)),
                remedy="Rename one of them; in a join, with `lname` or `rname`.",
            )


def _check_tolerance(function: str, relations: Sequence[Any]) -> None:
    """Ibis joins what `tolerance` left once more, by time = time: right only where both are called the same."""
    from ibis.expr import operations as ops

    for relation in relations:
        for left, right in _exact_ties(relation) if isinstance(relation, ops.JoinChain) else ():
            raise DeclarationError(
                f"{function}: the times that asof_join(tolerance=…) compares have one name in both tables, or Ibis "
                "keeps exact ties only",
                value=f"{left!r} and {right!r}",
                remedy=f"Rename the second table's first, `.rename({left}={right!r})` (and what is called {left!r} "
                f"there otherwise), and join on {left!r}.",
            )


def _exact_ties(chain: Any) -> Iterator[tuple[str, str]]:
    """The times of different names that *chain* equates to take up the left table's rows again after an as-of join."""
    from ibis.expr import operations as ops

    for link in chain.rest:
        within = link.table.parent
        inner = within.parent if isinstance(within, ops.Filter) else None
        if not isinstance(inner, ops.JoinChain) or inner.rest[-1].how != "asof":
            continue
        asof = inner.rest[-1].table
        later = {name for name, value in inner.values.items() if isinstance(value, ops.Field) and value.rel is asof}
        compared = [
            each
            for each in inner.rest[-1].predicates
            if isinstance(each, ops.Comparison) and not isinstance(each, ops.Equals)
        ]
        times = {side.name for each in compared for side in (each.left, each.right) if isinstance(side, ops.Field)}
        for predicate in link.predicates:
            sides = [predicate.left, predicate.right] if isinstance(predicate, ops.Equals) else []
            if len(sides) == 2 and all(isinstance(side, ops.Field) for side in sides):
                left, own = sorted(sides, key=lambda side: side.rel is link.table)
                if own.rel is link.table and own.name in later and {left.name, own.name} <= times:
                    yield left.name, own.name
