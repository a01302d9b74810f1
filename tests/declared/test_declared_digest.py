"""What is recorded of a declaration has the digests that it had before its fields stood in groups."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.canonical import record_digest
from include.core.flat_projects import FlatDeclaration
from include.core.project import (
    DriftPolicy,
    Expectation,
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Operations,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
    Window,
)
from include.data.validation import expectations_digest
from include.declared.declaration import digest_of
from include.steps.definitions import recipe_of
from include.training.search import task


def rows(flights: Any) -> Any:
    raise AssertionError("a digest compiles nothing")


FIELDS: dict[str, Any] = {
    "owner": "punctuality",
    "purpose": "Shows that a digest stays",
    "target": Target(dataset="flights", key=("id",), population=rows, label=rows, objective=Objective.BINARY),
    "features": (FeatureGroup(name="known", build=rows, lookback_days=3),),
    "window": Window(days=40, validation_days=4, holdout_days=5, since=date(2013, 2, 1)),
    "search": Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}, fixed={"num_leaves": 8}, rungs=(5, 10)),
    "gates": Gates(margin=0.1, floor_loss=1.0, slices=("airport",)),
    "drift": DriftPolicy(excess_loss=0.05, calendar=("weekday",)),
    "expectations": (Expectation(dataset="flights", kind="expect_table_row_count_to_equal", arguments={"value": 1}),),
    "operations": Operations(threads=2, copy_model=True),
}
BUILT: Any = SimpleNamespace(objective=Objective.BINARY, label="sha256:label", features=())

#: Of release 0.1.
RECORDED = {
    "declaration": "sha256:e2be44b2e6b435ff526eed3b389b116094be15f5ecd920f9b42519c7753e5e10",
    "recipe": "sha256:bdf3057f16eb907c107ba0d018b0647c485625caad46020ae3873889348ab79e",
    "task": "sha256:302485f66a0e641ef5fcde7f44e629b4718b77d00332bf9d7526c0f75faca304",
    "drift": "sha256:b775cba27db55ed307db3f35fb6b7f4257503530870fe33968de39dc1f79c873",
    "gates": "sha256:31b86d5be9b7c7a58dc2698cdf2963545f00200b5d36062d2193b636ce1f4c55",
    "expectations": "sha256:5d88778e9a0a3b91a1040bf0ce6e4cc6a9a8b8dbf336233d37b8da8d3b22a8f1",
    "operations": "sha256:6c8f48213d24262f65be6492827cd070881a4423251ba8f3a49f655fafe533d6",
}


def flat() -> Project:
    with pytest.warns(FlatDeclaration):
        return Project(name="late", **FIELDS)  # type: ignore[call-arg]


def in_groups() -> Project:
    def of(*names: str) -> dict[str, Any]:
        return {name: FIELDS[name] for name in names}

    return Project(
        name="late",
        ownership=Ownership(**of("owner", "purpose")),
        learning=Learning(**of("target", "features", "window", "search")),
        quality=Quality(**of("gates", "drift", "expectations")),
        operations=FIELDS["operations"],
    )


def recorded(project: Project) -> dict[str, str]:
    """All that a night or a watch records of a declaration, by what it is for."""
    return {
        "declaration": digest_of(project, {}),
        "recipe": recipe_of(project, BUILT),
        "task": task(BUILT, project.learning.search),
        "drift": record_digest(project.quality.drift),
        "gates": record_digest(project.quality.gates),
        "expectations": expectations_digest(project, {}),
        "operations": record_digest(project.operations),
    }


@pytest.mark.parametrize("declared", [flat, in_groups])
def test_a_declaration_has_the_digests_of_0_1_whether_it_is_flat_or_in_groups(declared: Any) -> None:
    assert recorded(declared()) == RECORDED
