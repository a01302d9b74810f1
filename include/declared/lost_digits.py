"""Features and labels that lose digits: what they are says that they are integers greater than float32 holds.

Found in the expressions and the contracts alone, before any data is read. Every finding is sure; what only the data
shows (a sum that grows large) is told by the night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.project import Project
from include.core.records import ColumnType, Contract
from include.declared.compiled import LABEL
from include.declared.expressions import expressions_of


@dataclass(frozen=True, kw_only=True)
class RoundedColumn:
    """``feature`` of ``group`` (the label, of none) is ``kind``, which float32 does not hold exactly."""

    group: str | None
    feature: str
    kind: str


def rounded(project: Project, contracts: Mapping[str, Contract]) -> tuple[RoundedColumn, ...]:
    """The features of *project*, in its order, then its label, that are certain to be rounded for the model.

    Raises:
        DeclarationError: an expression cannot be made, as in :func:`~include.declared.scope_of`.
    """
    expressions = expressions_of(project, contracts)
    columns: list[tuple[str | None, Any, str]] = [
        (group, table.op(), name)
        for group, table in expressions.groups.items()
        for name in table.columns
        if name not in project.learning.target.key
    ]
    columns.append((None, expressions.label.op(), LABEL))
    kinds = [(group, name, _kind(_made_of(relation, name), contracts)) for group, relation, name in columns]
    return tuple(RoundedColumn(group=group, feature=name, kind=kind) for group, name, kind in kinds if kind)


def _made_of(relation: Any, name: str) -> Any:
    """The expression that makes *name*, behind whatever passes its values on, one by one or the greatest of them."""
    import ibis.expr.operations as ops

    value: Any = ops.Field(relation, name)
    while True:
        if isinstance(value, ops.Field):
            below = value.rel.values.get(value.name) if hasattr(value.rel, "values") else None
            if below is None:
                return value
            value = below
        elif isinstance(value, ops.Max | ops.Min | ops.First | ops.Last) or _is_cast_of_integer(value):
            value = value.arg
        else:
            return value


def _is_cast_of_integer(value: Any) -> bool:
    import ibis.expr.operations as ops

    return isinstance(value, ops.Cast) and value.arg.dtype.is_integer() and value.dtype.is_integer()


def _kind(value: Any, contracts: Mapping[str, Contract]) -> str | None:
    import ibis.expr.operations as ops

    if isinstance(value, ops.ExtractEpochSeconds) or (
        isinstance(value, ops.Cast) and value.arg.dtype.is_timestamp() and value.dtype.is_integer()
    ):
        return "a time counted from 1970"
    if isinstance(value, ops.Hash):
        return "a hash"
    if isinstance(value, ops.Field) and isinstance(value.rel, ops.UnboundTable) and value.rel.name in contracts:
        column = contracts[value.rel.name].column(value.name)
        if column is not None and column.key and column.type is ColumnType.INTEGER:
            return "a key"
    return None
