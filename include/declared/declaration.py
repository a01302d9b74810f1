"""What a project declares, seen through its compiled expressions: what it reads, and where each column comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from include.core.canonical import record_digest
from include.core.project import Project
from include.core.records import Contract, Scope
from include.declared.compiled import LABEL, CompiledProject, declared
from include.declared.expressions import expressions_of
from include.declared.reads import column_lineage, columns_read
from include.declared.scope import scope_of
from include.declared.tables import name_of, parameters


@dataclass(frozen=True, kw_only=True)
class ColumnOrigin:
    """An output column of ``table`` (a feature group, or ``label``), its type, and its (dataset, column) sources."""

    table: str
    column: str
    type: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class TableReads:
    """All (dataset, column)s that decide ``table``: those its columns come from, and those that its rows depend on."""

    table: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What :func:`declare` finds. ``digest`` is that of :func:`digest_of`.

    ``compiled`` is what the steps run: compiling takes longer than a night's new day takes to compute.
    """

    digest: str
    scope: Scope
    compiled: CompiledProject
    origins: tuple[ColumnOrigin, ...]
    readings: tuple[TableReads, ...]

    def of(self, table: str) -> tuple[ColumnOrigin, ...]:
        return tuple(origin for origin in self.origins if origin.table == table)

    def read_by(self, table: str) -> tuple[tuple[str, str], ...]:
        return next((reading.sources for reading in self.readings if reading.table == table), ())


def digest_of(project: Project, contracts: Mapping[str, Contract]) -> str:
    """The digest of what is declared: every field but owner, drift and, ``copy_model`` apart, operations.

    Functions count by their names, contracts by their digests.

    Cheap: it compiles nothing. What the functions say is covered by the digest of the project's code.
    """
    target = project.learning.target
    functions = [target.population, target.label, *(group.build for group in project.learning.features)]
    read = {name for function in functions for name in parameters(function)}
    read |= {target.dataset, *(expectation.dataset for expectation in project.quality.expectations)}
    decides: tuple[object, ...] = (
        (project.name, project.ownership.purpose, target.dataset, target.key, target.objective),
        [name_of(function) for function in functions],
        [(group.name, group.lookback_days) for group in project.learning.features],
        (project.learning.window, project.learning.search, project.quality.gates, project.quality.expectations),
        [(name, contracts[name].digest) for name in sorted(read & contracts.keys())],
    )
    if project.operations.copy_model:
        decides = (*decides, "copy_model")
    if project.quality.benchmark is not None:
        decides = (*decides, ("benchmark", project.quality.benchmark))
    return record_digest(decides)


def declare(project: Project, contracts: Mapping[str, Contract]) -> Declaration:
    """The whole declaration of *project*, its expressions compiled.

    Raises:
        DeclarationError: an expression names what its contracts do not have, or a table is not what a night can use.
    """
    scope = scope_of(project, contracts)
    expressions = expressions_of(project, contracts, scope=scope)
    origins, readings = [], []
    for name, table in {**expressions.groups, LABEL: expressions.label}.items():
        types = dict(table.schema().items())
        origins += [
            ColumnOrigin(table=name, column=column, type=str(types[column]), sources=sources)
            for column, sources in column_lineage(table, contracts).items()
        ]
        readings.append(TableReads(table=name, sources=tuple(sorted(columns_read(table, contracts)))))
    return Declaration(
        digest=digest_of(project, contracts),
        scope=scope,
        compiled=declared(project, contracts, scope),
        origins=tuple(origins),
        readings=tuple(readings),
    )
