"""Features that read, of the very row they are asked for, what nobody knows yet when they are asked.

Found in the expressions and the contracts alone, before any data is read. Every finding is sure, but not every leak is
found (one through a window or an aggregate is not): the truncation law, checked on a night's own data, finds those.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.core.project import Project
from include.core.records import Column, Contract, KnownAt
from include.declared.compiled import LABEL, PREDICTED_AT
from include.declared.expressions import expressions_of
from include.declared.reads import known_column

if TYPE_CHECKING:
    import ibis

_UNITS = {"W": "weeks", "D": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}


@dataclass(frozen=True, kw_only=True)
class LateRead:
    """``feature`` of ``group`` reads ``column`` of the very row of ``dataset`` that it is asked for: known too late."""

    group: str
    feature: str
    dataset: str
    column: str
    known_at: KnownAt


@dataclass(frozen=True, kw_only=True)
class _PredictionTime:
    """When rows are asked for: their time in ``column`` plus ``offset``."""

    column: str
    offset: timedelta


def late_reads(project: Project, contracts: Mapping[str, Contract]) -> tuple[LateRead, ...]:
    """The reads of *project* that come too late, in the order of its groups and their features.

    A column of the target's dataset is known too late for its own row if its time is counted from the column from which
    ``predicted_at`` is, and is later; or if it is counted from where the label's is (nobody predicts a label who knows
    it) and is no earlier. The key is what a row is asked for by, and never late.

    Raises:
        DeclarationError: an expression cannot be made, as in :func:`~include.declared.scope_of`.
    """
    expressions = expressions_of(project, contracts)
    rows = _RowOrigins(dataset=project.learning.target.dataset, key=project.learning.target.key)
    contract = contracts[project.learning.target.dataset]
    asked = _asked(expressions.population, rows)
    labelled = rows.sources(expressions.label.op(), LABEL)
    outcome = _outcome([known_column(contracts, contract.dataset, column) for column in labelled], asked)

    def late(known_at: KnownAt) -> bool:
        return any(
            base is not None
            and known_at.column == base.column
            and (known_at.offset >= base.offset if base is outcome else known_at.offset > base.offset)
            for base in (asked, outcome)
        )

    found = []
    for name, table in expressions.groups.items():
        if not rows.are_those_of(table.op()):
            continue
        for feature in table.columns:
            for column in sorted(rows.sources(table.op(), feature) - set(rows.key)):
                read = known_column(contracts, contract.dataset, column)
                if late(read.known_at):
                    found.append(
                        LateRead(
                            group=name,
                            feature=feature,
                            dataset=contract.dataset,
                            column=column,
                            known_at=read.known_at,
                        )
                    )
    return tuple(found)


def _asked(population: "ibis.Table", rows: "_RowOrigins") -> _PredictionTime | None:
    """``predicted_at`` as a column and what is added to it; ``None`` where it is computed otherwise."""
    import ibis.expr.operations as ops

    value = rows.value(population.op(), PREDICTED_AT)
    if value is None:
        return None
    offset = timedelta(0)
    if isinstance(value, ops.TimestampAdd | ops.TimestampSub):
        duration = _duration(value.right)
        if duration is None:
            return None
        offset = duration if isinstance(value, ops.TimestampAdd) else -duration
        value = value.left
    column = rows.origin(value.rel, value.name) if isinstance(value, ops.Field) else None
    return None if column is None else _PredictionTime(column=column, offset=offset)


def _outcome(label: Iterable[Column], asked: _PredictionTime | None) -> _PredictionTime | None:
    """From when on the label is known, where that is counted from one column alone, another than the asking is."""
    late = [
        one
        for one in (column.known_at for column in label)
        if one.column is not None
        and not (asked is not None and one.column == asked.column and one.offset <= asked.offset)
    ]
    bases = {one.column for one in late}
    if len(bases) != 1:
        return None
    return _PredictionTime(column=str(bases.pop()), offset=max(one.offset for one in late))


def _duration(value: Any) -> timedelta | None:
    unit = getattr(getattr(value, "dtype", None), "unit", None)
    number = getattr(value, "value", None)
    name = _UNITS.get(getattr(unit, "value", ""))
    return timedelta(**{name: number}) if name and isinstance(number, int) else None


@dataclass(frozen=True, kw_only=True)
class _RowOrigins:
    """Follows columns back to the one row of ``dataset`` that an output row is, by its ``key``; elsewhere it stops."""

    dataset: str
    key: tuple[str, ...]

    def are_those_of(self, relation: Any) -> bool:
        """Whether each row of *relation* has the key of one row of the dataset, under the key's own names."""
        return all(name in relation.schema and self.origin(relation, name) == name for name in self.key)

    def origin(self, relation: Any, name: str) -> str | None:
        """The dataset's column whose value stands unchanged in *name*."""
        import ibis.expr.operations as ops

        relation = _below(relation)
        if self._is_source(relation):
            return name
        value = self._values(relation).get(name)
        return self.origin(_side(value.rel), value.name) if isinstance(value, ops.Field) else None

    def value(self, relation: Any, name: str) -> Any:
        """The expression that makes *name*, behind whatever only passes it on; ``None`` where rows are made anew."""
        import ibis.expr.operations as ops

        relation = _below(relation)
        if self._is_source(relation):
            return ops.Field(relation, name)
        value = self._values(relation).get(name)
        return self.value(_side(value.rel), value.name) if isinstance(value, ops.Field) else value

    def sources(self, relation: Any, name: str) -> frozenset[str]:
        """The dataset's columns of the same row that *name* is computed from; none where that cannot be told."""
        import ibis.expr.operations as ops

        relation = _below(relation)
        if self._is_source(relation):
            return frozenset({name})
        value = self._values(relation).get(name)
        others = (ops.Analytic, ops.Reduction, ops.WindowFunction, ops.Subquery)
        if value is None or value.find(others, filter=ops.Value):
            return frozenset()
        fields = value.find(ops.Field, filter=ops.Value)
        return frozenset[str]().union(*(self.sources(_side(field.rel), field.name) for field in fields))

    def _values(self, relation: Any) -> dict[str, Any]:
        """What each column of *relation* is made of, where its rows are those of what it is made from."""
        import ibis.expr.operations as ops

        if isinstance(relation, ops.Project):
            return dict(relation.values)
        if isinstance(relation, ops.JoinChain):
            sides = self._same_row(relation)
            return {
                name: value
                for name, value in relation.values.items()
                if all(field.rel in sides for field in value.find(ops.Field, filter=ops.Value))
            }
        return {}

    def _is_source(self, relation: Any) -> bool:
        import ibis.expr.operations as ops

        return isinstance(relation, ops.UnboundTable) and relation.name == self.dataset

    def _same_row(self, chain: Any) -> list[Any]:
        """The sides of a join that hold the same row of the dataset: the first, and those joined by the whole key."""
        sides = [chain.first] if self.are_those_of(chain.first.parent) else []
        for link in chain.rest:
            if sides and link.how in {"inner", "left"} and set(self.key) <= set(self._equated(link, sides)):
                sides.append(link.table)
        return sides

    def _equated(self, link: Any, sides: list[Any]) -> Iterator[str]:
        """The key's columns by which *link*'s table is joined to the same column of one of *sides*."""
        import ibis.expr.operations as ops

        for predicate in link.predicates:
            if isinstance(predicate, ops.Equals) and all(
                isinstance(each, ops.Field) for each in (predicate.left, predicate.right)
            ):
                ends = [each for each in (predicate.left, predicate.right) if each.rel in [*sides, link.table]]
                if len({each.rel for each in ends}) == 2 and any(each.rel is link.table for each in ends):
                    names = {self.origin(each.rel.parent, each.name) for each in ends}
                    name = names.pop()
                    if not names and name is not None:
                        yield name


def _below(relation: Any) -> Any:
    """What *relation* is, less what only leaves out rows or columns, or orders them."""
    import ibis.expr.operations as ops

    while isinstance(relation, ops.Filter | ops.Sort | ops.Limit | ops.DropColumns):
        relation = relation.parent
    return relation


def _side(relation: Any) -> Any:
    """The table that stands as a side of a join."""
    import ibis.expr.operations as ops

    return relation.parent if isinstance(relation, ops.JoinReference) else relation
