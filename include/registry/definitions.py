"""Whether a project still means what a model learnt."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from include.core.project import Objective
from include.core.records import FeatureSpec


class ModelDefinition(Protocol):
    """What a model was made for: its manifest, or the features of its night."""

    @property
    def objective(self) -> Objective: ...

    @property
    def label(self) -> str: ...

    @property
    def features(self) -> Sequence[FeatureSpec]: ...


def changes(
    learnt: ModelDefinition, *, objective: Objective, label: Collection[str], features: Mapping[str, Collection[str]]
) -> tuple[str, ...]:
    """What is declared otherwise now than *learnt* was, each in some words; none: the two can be compared.

    *label* and *features*, by name, hold every digest by which the definitions of now are known: releases of Trainyard
    told them apart by other digests.
    """
    found = []
    if learnt.objective is not objective:
        found.append(f"the objective was {learnt.objective.value} and is {objective.value}")
    if learnt.label not in label:
        found.append("the label is defined otherwise")
    for feature in learnt.features:
        if feature.name not in features:
            found.append(f"feature {feature.name!r} is not built any more")
        elif feature.definition not in features[feature.name]:
            found.append(f"feature {feature.name!r} is defined otherwise")
    return tuple(found)
