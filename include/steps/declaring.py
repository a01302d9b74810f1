"""A project's declaration, checked before anything is read: by `explain`, and when a run begins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError
from include.core.project import Project
from include.core.records import ColumnType, Contract

if TYPE_CHECKING:
    from include.declared.declaration import Declaration


def declare(project: Project, contracts: Mapping[str, Contract]) -> "Declaration":
    """What *project* declares under *contracts*: scope, compiled expressions, and a search that can be made.

    It reads no data and needs no home. What it accepts may still fail on what the data hold.

    Raises:
        DeclarationError: a night of the project could not be run to its end as it is declared.
    """
    from include.data.expectations import require_known, require_moments
    from include.declared import declaration
    from include.declared.scope import columns_of
    from include.learner import learner

    declared = declaration.declare(project, contracts)
    features = sum(len(group.names) for group in declared.compiled.groups)
    _require_slices(project, {name for group in declared.compiled.groups for name in group.categories})
    objective, search = project.learning.target.objective, project.learning.search
    learner(search.learner).check(search.space, search.fixed, objective, features=features)
    for expectation in project.quality.expectations:
        require_known(expectation)
        kinds = {column.name: column.type for column in contracts[expectation.dataset].columns}
        if any(kinds.get(name) in (ColumnType.DATE, ColumnType.TIMESTAMP) for name in columns_of(expectation)):
            require_moments(expectation)
    return declared


def _require_slices(project: Project, categories: "set[str]") -> None:
    unknown = [name for name in project.quality.gates.slices if name not in categories]
    if unknown:
        raise DeclarationError(
            "a slice is by a category feature that the project builds",
            value=", ".join(unknown),
            remedy=f"Name some of {', '.join(sorted(categories)) or 'none: it builds no category'}.",
        )
