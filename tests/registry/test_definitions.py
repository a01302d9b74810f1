"""Two models are compared if they mean the same; what does not is named, with how it differs."""

from collections.abc import Collection, Mapping

from include.core.project import Objective
from include.registry.definitions import changes
from tests.registry.models import FEATURE_SET


def changed(
    objective: Objective = Objective.BINARY,
    label: Collection[str] = ("sha256:label",),
    features: Mapping[str, Collection[str]] | None = None,
) -> tuple[str, ...]:
    same = {feature.name: {"sha256:new", feature.definition} for feature in FEATURE_SET.features}
    return changes(FEATURE_SET, objective=objective, label=label, features=same if features is None else features)


def test_a_definition_is_known_by_any_of_its_digests_and_features_that_came_later_do_not_count() -> None:
    assert changed() == ()
    same = {feature.name: [feature.definition] for feature in FEATURE_SET.features}
    assert changed(features={**same, "later": ["sha256:later"]}) == ()


def test_all_that_changed_is_named_and_how() -> None:
    assert changed(Objective.REGRESSION, ["sha256:other"], {"hour": ["sha256:other"]}) == (
        "the objective was binary and is regression",
        "the label is defined otherwise",
        "feature 'hour' is defined otherwise",
        "feature 'dest' is not built any more",
    )
