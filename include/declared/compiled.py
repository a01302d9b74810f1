"""A project's expressions as the queries that a night runs, compiled once, when the night begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.core.names import alike
from include.core.project import Expression, Project
from include.core.records import Contract, Scope, Treatment
from include.declared.meaning import Meaning
from include.declared.reads import column_lineage, known_column
from include.declared.tables import call, parameters, tables
from include.engines.dialect import sql_of
from include.engines.port import DAY_COLUMN as DAY_COLUMN
from include.engines.port import POPULATION
from include.engines.port import PREDICTED_AT as PREDICTED_AT

if TYPE_CHECKING:
    import ibis

#: The name under which the label's table stands beside the feature groups, and that of its one column.
LABEL = "label"
#: What no learner may meet in the name of a feature, beside control characters: texts of models part names by them.
_NO_FEATURE = '",:[]{}'


@dataclass(frozen=True, kw_only=True)
class DerivedTable:
    """A table that a project derives: a feature group, or the label.

    ``sql`` is what an engine runs, over ``datasets`` of the days from ``lookback_days`` before a row's day to that day.
    ``names`` are its columns beside the key, ``categories`` those of them that are text, ``integers`` those of more
    than 16 bits. ``definitions`` are the digests of what each of ``names`` means, whatever stands beside it; runs that
    an earlier release began have none.
    """

    name: str
    sql: str
    datasets: tuple[str, ...]
    lookback_days: int
    names: tuple[str, ...]
    categories: tuple[str, ...]
    integers: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CompiledProject:
    """A project, compiled: the rows to predict for (``population``, as SQL), the label, and the feature groups."""

    population: str
    population_columns: tuple[str, ...]
    population_datasets: tuple[str, ...]
    label: DerivedTable
    groups: tuple[DerivedTable, ...]

    def definition(self, derived: DerivedTable, key: Sequence[str]) -> str:
        """The digest of what a table of this declaration means, whatever it is called: which rows, and what of them."""
        return record_digest((tuple(key), self.population, derived.sql, derived.lookback_days))


def declared(
    project: Project, contracts: Mapping[str, Contract], scope: Scope, *, as_written: bool = False
) -> CompiledProject:
    """Compile *project* over the columns of *scope*; *as_written* as :func:`~include.declared.sql_of` has it.

    Raises:
        DeclarationError: a function misses a key column, doubles a name, or returns what is neither a number nor a
            category, or a category made of personal values.
    """
    import ibis

    target = project.learning.target
    known = tables(contracts, [dataset.dataset for dataset in scope.datasets], scope=scope)
    population = call(target.population, known)
    _check_population(project, population, contracts)
    asked = ibis.table(population.schema(), name=POPULATION)
    day = contracts[target.dataset].partition_column or ""
    compile_ = _Compiler(project, Meaning(population, key=target.key, others=(PREDICTED_AT, day)), as_written)
    label = compile_.derived(LABEL, call(target.label, known), target.label, 0)
    if label.names != (LABEL,) or label.categories:
        raise DeclarationError(
            f"the label of {project.name!r} is the key and one column `label` of numbers",
            value=f"beside the key: {list(label.names)}",
            remedy="Select the key columns and label=….",
        )
    groups = []
    for group in project.learning.features:
        table = call(group.build, {**known, POPULATION: asked})
        groups.append(compile_.derived(group.name, table, group.build, group.lookback_days))
        if groups[-1].categories:
            _check_categories(groups[-1], call(group.build, {**known, POPULATION: population}), contracts)
    _check_names(project, groups)
    return CompiledProject(
        population=sql_of(population, as_written=as_written),
        population_columns=tuple(population.columns),
        population_datasets=parameters(target.population),
        label=label,
        groups=tuple(groups),
    )


def _check_population(project: Project, population: "ibis.Table", contracts: Mapping[str, Contract]) -> None:
    target = project.learning.target
    needed = {*target.key, contracts[target.dataset].partition_column, PREDICTED_AT} - {None}
    if pair := alike([*population.columns, DAY_COLUMN]):
        raise DeclarationError(
            f"no column of the population of {project.name!r} has a name that is taken",
            value=" and ".join(map(repr, pair)),
            remedy="Rename it.",
        )
    missing = needed - set(population.columns)
    if missing or not population[PREDICTED_AT].type().is_timestamp():
        raise DeclarationError(
            f"the population of {project.name!r} has the key, the partition column and a time `predicted_at`",
            value=f"missing {sorted(str(name) for name in missing)}" if missing else "predicted_at is no timestamp",
            remedy=f"Select {sorted(str(name) for name in needed)}.",
        )


@dataclass(frozen=True)
class _Compiler:
    project: Project
    meaning: Meaning
    as_written: bool

    def derived(self, name: str, table: "ibis.Table", function: Expression, lookback_days: int) -> DerivedTable:
        names = _names(self.project, name, table)
        types = {column: table[column].type() for column in names}
        return DerivedTable(
            name=name,
            sql=sql_of(table, as_written=self.as_written),
            datasets=tuple(parameter for parameter in parameters(function) if parameter != POPULATION),
            lookback_days=lookback_days,
            names=names,
            categories=tuple(column for column, kind in types.items() if kind.is_string()),
            integers=tuple(column for column, kind in types.items() if kind.is_integer() and kind.nbytes > 2),
            definitions=tuple(self.meaning.definition(table, each, lookback_days=lookback_days) for each in names),
        )


def _names(project: Project, name: str, table: "ibis.Table") -> tuple[str, ...]:
    """The columns of *table* beside the key."""
    missing = [column for column in project.learning.target.key if column not in table.columns]
    if missing:
        raise DeclarationError(
            f"{name!r} of {project.name!r} returns the target's key", value=f"missing {missing}", remedy="Select them."
        )
    names = tuple(column for column in table.columns if column not in project.learning.target.key)
    for column in names:
        kind = table[column].type()
        if not (kind.is_numeric() or kind.is_boolean() or kind.is_string() or kind.is_null()):
            raise DeclarationError(
                f"{name!r} of {project.name!r} returns numbers, booleans and categories (strings) beside the key",
                value=f"{column}: {kind}",
                remedy="Make it a number (hours since some event, say), or leave it out.",
            )
    return names


def _check_names(project: Project, groups: Sequence[DerivedTable]) -> None:
    odd = [name for group in groups for name in group.names if {*name} & {*_NO_FEATURE} or not name.isprintable()]
    if odd:
        raise DeclarationError(
            f"a model tells the features of {project.name!r} apart by their names",
            value=", ".join(map(repr, odd)),
            remedy=f"Rename them, without any of {' '.join(_NO_FEATURE)} and without control characters.",
        )
    taken = [*project.learning.target.key, LABEL, PREDICTED_AT, DAY_COLUMN]
    if pair := alike(taken):
        raise DeclarationError(
            f"no key column of {project.name!r} is called {LABEL} or {PREDICTED_AT}",
            value=" and ".join(map(repr, pair)),
            remedy="Name the key column otherwise, in population, label and features alike.",
        )
    for group in groups:
        pair = alike([*taken, *group.names])
        if pair or group.name.casefold() == LABEL or not group.names:
            raise DeclarationError(
                f"each feature of {project.name!r} has a name of its own, and each group has one at least; upper and "
                "lower case make no difference",
                value=f"group {group.name!r}: {' and '.join(map(repr, pair)) if pair else list(group.names)}",
                remedy=f"Rename it; {LABEL}, {PREDICTED_AT} and the key are taken.",
            )
        taken += group.names


def _check_categories(group: DerivedTable, table: "ibis.Table", contracts: Mapping[str, Contract]) -> None:
    """A vocabulary of categories is recorded in the open, so it must hold no token and nothing restricted."""
    sources = column_lineage(table, contracts)
    for name in group.categories:
        for dataset, column in sources[name]:
            found = known_column(contracts, dataset, column)
            if found.treatment is Treatment.TOKEN:
                raise DeclarationError(
                    f"no category of {group.name!r} is made of a personal value: its vocabulary is recorded",
                    value=f"{name} comes from {dataset}.{column}",
                    remedy="Join or count by the column, and leave it out of the features.",
                )
            if found.restricted:
                raise DeclarationError(
                    f"no category of {group.name!r} is made of a restricted column: its vocabulary is recorded",
                    value=f"{name} comes from {dataset}.{column}",
                    remedy="Ask the dataset's stewards to classify the column, or make numbers of it.",
                )
