"""What a project declares now, beside what a model of it learnt."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.project import Project
from include.core.records import FeatureSet, Run
from include.registry.definitions import ModelDefinition, changes
from include.steps.platform import Platform, contracts_of, declaration_of

if TYPE_CHECKING:
    from include.declared.compiled import CompiledProject


def changed(platform: Platform, project: Project, run: Run, learnt: ModelDefinition) -> tuple[str, ...]:
    """What the *run*'s declaration defines otherwise than *learnt* was, in words."""
    from include.declared.compiled import declared

    declaration = declaration_of(platform, run)
    found = _changes(project, [declaration.compiled], learnt)
    if found:  # models of earlier releases knew what `isin` lists in the order in which it was written
        before = declared(project, contracts_of(platform, run), declaration.scope, as_written=True)
        found = _changes(project, [declaration.compiled, before], learnt)
    return found


def recipe_of(project: Project, built: FeatureSet) -> str:
    """The digest of what *project* declares that decides its models, days and code apart.

    Two models of one recipe differ by the days that they learnt. How they are judged (gates, how many days are held
    out) is no part of it.
    """
    features = sorted((feature.name, feature.definition) for feature in built.features)
    window = (project.learning.window.days, project.learning.window.validation_days, project.learning.window.since)
    return record_digest((built.objective, built.label, features, window, project.learning.search))


def as_tables(project: Project, built: FeatureSet, compiled: "CompiledProject") -> FeatureSet:
    """*built* with the definitions of whole tables in the place of each column's: so earlier releases recorded them."""
    tables = {group.name: compiled.definition(group, project.learning.target.key) for group in compiled.groups}
    return replace(
        built,
        label=compiled.definition(compiled.label, project.learning.target.key),
        features=tuple(replace(feature, definition=tables[feature.group]) for feature in built.features),
    )


def _changes(project: Project, declarations: "Iterable[CompiledProject]", learnt: ModelDefinition) -> tuple[str, ...]:
    label: set[str] = set()
    features: dict[str, set[str]] = {}
    for compiled in declarations:
        label |= {*compiled.label.definitions, compiled.definition(compiled.label, project.learning.target.key)}
        for group in compiled.groups:
            whole = compiled.definition(group, project.learning.target.key)
            for place, name in enumerate(group.names):
                features.setdefault(name, set()).update({whole, *group.definitions[place : place + 1]})
    return changes(learnt, objective=project.learning.target.objective, label=label, features=features)
