"""A project's functions, all called: the expressions that it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.project import Project
from include.core.records import Contract, Scope
from include.declared.tables import call, parameters, tables
from include.engines.port import POPULATION

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True, kw_only=True)
class Expressions:
    """``groups`` maps each feature group's name to its table, in the project's order."""

    population: "ibis.Table"
    label: "ibis.Table"
    groups: "Mapping[str, ibis.Table]"

    @property
    def all(self) -> "tuple[ibis.Table, ...]":
        return (self.population, self.label, *self.groups.values())

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets whose rows are used, sorted."""
        import ibis.expr.operations as ops

        return tuple(sorted({table.name for each in self.all for table in each.op().find(ops.UnboundTable)}))


def expressions_of(
    project: Project,
    contracts: Mapping[str, Contract],
    *,
    scope: Scope | None = None,
) -> Expressions:
    """The expressions of *project* over its contracts' tables, or only the columns of *scope*.

    A group that takes ``population`` is given the project's own, as an expression, so that its columns can be traced to
    their sources.

    Raises:
        DeclarationError: a function names a dataset or a column that is not there, or returns no table.
    """
    target = project.learning.target
    functions = [target.population, target.label, *(group.build for group in project.learning.features)]
    named = {name for function in functions for name in parameters(function)} - {POPULATION}
    known = tables(contracts, sorted(named & contracts.keys()), scope=scope)  # `call` refuses what has no contract
    asked = call(target.population, known)
    given = {**known, POPULATION: asked}
    return Expressions(
        population=asked,
        label=call(target.label, known),
        groups={group.name: call(group.build, given) for group in project.learning.features},
    )
