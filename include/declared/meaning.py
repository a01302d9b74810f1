"""What one column of an expression means, whatever stands beside it: a digest that two ways of writing it share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.core.canonical import record_digest
from include.engines.port import POPULATION

if TYPE_CHECKING:
    import ibis


class Meaning:
    """The meanings of the columns of tables that are asked for by the rows of *population*, by *key*.

    A column means how its value is computed and what decides the rows of its table. No other column counts, no order
    that changes nothing (of filters, of groups, of what `isin` lists), and no left join of a table that is grouped by
    what it is joined on, unless the column comes from there.
    """

    def __init__(self, population: "ibis.Table", *, key: Sequence[str], others: Sequence[str]) -> None:
        """*others* are the columns of *population* beside its key that place a row: its time, and its day."""
        self._population: Any = population.op()
        self._known: dict[tuple[object, ...], str] = {}
        self._sides: dict[tuple[Any, Any], str | None] = {}
        self._key = tuple(key)
        self._prepare(self._population)
        asked = [self._column(self._population, name) for name in (*key, *others)]
        self._asked = record_digest((self._rows(self._population), asked))

    def definition(self, table: "ibis.Table", name: str, *, lookback_days: int) -> str:
        """The digest of what the column *name* of *table* means."""
        relation = table.op()
        self._prepare(relation)
        key = [self._column(relation, each) for each in self._key]
        return record_digest(
            (self._asked, self._key, lookback_days, self._rows(relation), key, self._column(relation, name))
        )

    def _prepare(self, relation: Any) -> None:
        """Know all that lies behind *relation*, from the sources on: it may be deeper than Python's stack."""
        import ibis.expr.operations as ops
        from ibis.common.graph import Graph

        if ("rows", relation) not in self._known:
            for node in Graph.from_bfs(relation).toposort()[0]:
                if isinstance(node, ops.Relation):
                    self._rows(node)
                    for name in node.schema.names:
                        self._column(node, name)

    def _rows(self, relation: Any) -> str:
        """What decides which rows there are, and how many."""
        import ibis.expr.operations as ops

        place = ("rows", relation)
        if place in self._known:
            return self._known[place]
        if isinstance(relation, ops.UnboundTable):
            asked = relation.name == POPULATION
            found = self._rows(self._population) if asked else record_digest(("table", relation.name))
        elif isinstance(relation, ops.Reference | ops.DropColumns) or _one_to_one(relation):
            found = self._rows(relation.parent)
        elif isinstance(relation, ops.Filter):
            conditions, behind = _conditions(relation)
            found = record_digest(("filter", self._rows(behind), sorted({*map(self._value, conditions)})))
        elif isinstance(relation, ops.Sort):
            found = record_digest(("sort", self._rows(relation.parent), [self._value(key) for key in relation.keys]))
        elif isinstance(relation, ops.Aggregate):
            groups = sorted(map(self._value, relation.groups.values()))
            found = record_digest(("aggregate", self._rows(relation.parent), groups))
        elif isinstance(relation, ops.JoinChain):
            links = [self._link(relation, link) for link in self._register(relation) if not _looks_up(link)]
            found = record_digest(("join", self._rows(relation.first), links)) if links else self._rows(relation.first)
        else:
            found = self._node(relation)
        return self._known.setdefault(place, found)

    def _column(self, relation: Any, name: str) -> str:
        """How the value of the column is computed, without what decides the rows that it stands in."""
        import ibis.expr.operations as ops

        place = ("column", relation, name)
        if place in self._known:
            return self._known[place]
        if isinstance(relation, ops.UnboundTable):
            asked = relation.name == POPULATION
            source = ("column", relation.name, name, str(relation.schema[name]))
            found = self._column(self._population, name) if asked else record_digest(source)
        elif isinstance(relation, ops.Reference | ops.DropColumns | ops.Filter | ops.Sort | ops.Limit):
            found = self._column(relation.parent, name)
        elif isinstance(relation, ops.Aggregate) and name in relation.groups:
            found = self._value(relation.groups[name])
        elif isinstance(relation, ops.Aggregate):
            found = record_digest(("aggregated", self._rows(relation), self._value(relation.metrics[name])))
        elif isinstance(relation, ops.Project | ops.JoinChain):
            value, joined = relation.values[name], isinstance(relation, ops.JoinChain)
            if joined:
                self._register(relation)
            found = self._value(value, relation if joined else None)
            if value.find((*_among_rows(), ops.Unnest), filter=ops.Value):
                among = relation.parent if isinstance(relation, ops.Project) else relation
                found = record_digest(("among", self._rows(among), found))
        else:
            found = record_digest(("of", self._rows(relation), name))
        return self._known.setdefault(place, found)

    def _whole(self, relation: Any) -> str:
        columns = [(name, self._column(relation, name)) for name in sorted(relation.schema.names)]
        return record_digest(("whole", self._rows(relation), columns))

    def _value(self, node: Any, chain: Any = None, own: Any = None) -> str:
        """How a value is computed: *chain* is the join that it stands in, *own* the table that its condition joins."""
        import ibis.expr.operations as ops
        from ibis.common.graph import Graph

        if ("value", node, chain, own) not in self._known:
            for part in Graph.from_bfs(node, filter=ops.Value).toposort()[0]:
                place = ("value", part, chain, own)
                if place not in self._known:
                    self._known[place] = self._part(part, chain, own)
        return self._known["value", node, chain, own]

    def _part(self, node: Any, chain: Any, own: Any) -> str:
        """As :meth:`_value`, for a value whose arguments are known."""
        import ibis.expr.operations as ops

        if isinstance(node, ops.Field) and isinstance(node.rel, ops.JoinReference):
            side = "own" if node.rel is own else self._sides.get((chain, node.rel), str(node.rel.identifier))
            found = self._column(node.rel.parent, node.name)
            return found if side is None else record_digest(("side", side, found))
        if isinstance(node, ops.Field):
            found = self._column(node.rel, node.name)
            # beside the same table, in a query within a query
            return record_digest(("again", found)) if isinstance(node.rel, ops.SelfReference) else found
        if isinstance(node, ops.CountStar):
            where = None if node.where is None else self._value(node.where, chain, own)
            return record_digest(("count", self._rows(node.arg), where))
        if isinstance(node, ops.InValues):
            options = sorted(self._value(option, chain, own) for option in node.options)
            return record_digest(("isin", self._value(node.value, chain, own), options))
        return self._node(node, chain, own)

    def _node(self, node: Any, chain: Any = None, own: Any = None) -> str:
        """Any other node: its kind and all its arguments."""
        found = []
        for name, argument in zip(node.__argnames__, node.__args__, strict=True):
            meaning = self._argument(argument, chain, own)
            found.append((name, sorted(meaning) if name == "group_by" and isinstance(meaning, list) else meaning))
        return record_digest((type(node).__name__, found))

    def _argument(self, argument: Any, chain: Any, own: Any) -> object:
        import ibis.expr.operations as ops

        if isinstance(argument, ops.Relation):
            return self._whole(argument)
        if isinstance(argument, ops.Node):
            return self._value(argument, chain, own)
        if isinstance(argument, tuple | list):
            return [self._argument(each, chain, own) for each in argument]
        if isinstance(argument, Mapping):
            return [(str(name), self._argument(each, chain, own)) for name, each in argument.items()]
        return f"{type(argument).__name__} {argument!r}"

    def _register(self, chain: Any) -> tuple[Any, ...]:
        """Name each side of a join, the first excepted: by its place among those that decide the rows, or by how it is
        looked up.

        Returns the links of *chain*.
        """
        self._sides[chain, chain.first], place = None, 0
        for link in chain.rest:
            looked_up = _looks_up(link)
            place += not looked_up
            if (chain, link.table) not in self._sides:
                self._sides[chain, link.table] = self._link(chain, link) if looked_up else str(place)
        links: tuple[Any, ...] = chain.rest
        return links

    def _link(self, chain: Any, link: Any) -> str:
        """How a side of a join is joined."""
        conditions = sorted(self._value(predicate, chain, link.table) for predicate in link.predicates)
        return record_digest(("link", link.how, self._rows(link.table), conditions))


def _one_to_one(relation: Any) -> bool:
    """Whether *relation* has a row for each row of its parent."""
    import ibis.expr.operations as ops

    return isinstance(relation, ops.Project) and not any(
        value.find(ops.Unnest, filter=ops.Value) for value in relation.values.values()
    )


def _conditions(relation: Any) -> tuple[list[Any], Any]:
    """What *relation* is filtered by, and what lies behind: their order changes nothing, unless one looks at rows."""
    import ibis.expr.operations as ops

    conditions: list[Any] = []
    while isinstance(relation, ops.Filter | ops.DropColumns) or _one_to_one(relation):
        if isinstance(relation, ops.Filter):
            if any(each.find(_among_rows(), filter=ops.Value) for each in relation.predicates):
                return (conditions, relation) if conditions else (list(relation.predicates), relation.parent)
            conditions += relation.predicates
        relation = relation.parent
    return conditions, relation


def _among_rows() -> tuple[type[Any], ...]:
    """Values that depend on other rows than their own."""
    import ibis.expr.operations as ops

    return (ops.Reduction, ops.Analytic, ops.WindowFunction)


def _looks_up(link: Any) -> bool:
    """Whether a join adds columns alone: a left join of a table that is grouped by what it is joined on."""
    return link.how == "left" and _differ(link.table.parent, set(_equated(link)))


def _differ(relation: Any, names: set[str]) -> bool:
    """Whether it shows that no two rows of *relation* have the same values in its columns *names*."""
    import ibis.expr.operations as ops

    while isinstance(relation, ops.Filter | ops.Sort | ops.Limit | ops.DropColumns) or _one_to_one(relation):
        if isinstance(relation, ops.Project):
            behind = [relation.values[name] for name in names]
            names = {value.name for value in behind if isinstance(value, ops.Field)}
        relation = relation.parent
    return isinstance(relation, ops.Aggregate) and set(relation.groups) <= names


def _equated(link: Any) -> Iterator[str]:
    """The columns of the joined table that equal something of the sides before it."""
    import ibis.expr.operations as ops

    for predicate in link.predicates:
        if isinstance(predicate, ops.Equals):
            for own, other in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
                others = other.find(ops.Field, filter=ops.Value)
                if (
                    isinstance(own, ops.Field)
                    and own.rel is link.table
                    and all(f.rel is not link.table for f in others)
                ):
                    yield own.name
