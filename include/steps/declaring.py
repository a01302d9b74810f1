"""A project's declaration, checked before anything is read: by `explain`, and when a run begins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from include.core.project import Project
from include.core.records import ColumnType, Contract

if TYPE_CHECKING:
    from include.lineage.declaration import Declaration


def declare(project: Project, contracts: Mapping[str, Contract]) -> "Declaration":
    """What *project* declares under *contracts*: scope, compiled expressions, and a search that can be made.

    It reads no data and needs no home. What it accepts may still fail on what the data hold.

    Raises:
        DeclarationError: a night of the project could not be run to its end as it is declared.
    """
    from include.data.expectations import require_known, require_moments
    from include.lineage import declaration
    from include.lineage.scope import columns_of
    from include.training.parameters import check_search

    declared = declaration.declare(project, contracts)
    features = sum(len(group.names) for group in declared.compiled.groups)
    check_search(project.search, project.target.objective, features=features)
    for expectation in project.expectations:
        require_known(expectation)
        kinds = {column.name: column.type for column in contracts[expectation.dataset].columns}
        if any(kinds.get(name) in (ColumnType.DATE, ColumnType.TIMESTAMP) for name in columns_of(expectation)):
            require_moments(expectation)
    return declared
