"""A round of a search, trained to its end, and the refit of its winner."""

from collections.abc import Mapping, Sequence

from include.core.records import FeatureSet, Plan, Refit, Trial, Winner
from include.training import matrix, refit, search
from include.training.trial import train_shard
from tests.training.flights import Folder
from tests.training.projects import project

NIGHT = "sha256:" + "1" * 64
Searched = tuple[Plan, Mapping[str, Trial]]


def planned(
    features: FeatureSet,
    vault: Folder,
    warm: Sequence[Trial] = (),
    digest: str = NIGHT,
    threads: int = 1,
    **declared: object,
) -> Plan:
    """The plan of a declared search for *features*, whose partitions lie in *vault*."""
    rows, training_rows = matrix.learnt(features, vault)
    return search.plan(
        project=project(features.objective, **declared),
        features=features,
        features_digest=digest,
        rows=rows,
        training_rows=training_rows,
        profile="sha256:profile",
        vault=vault,
        threads=threads,
        warm=warm,
    )


def searched(features: FeatureSet, vault: Folder, **declared: object) -> Searched:
    """The plan, and the outcomes of its trials by id."""
    plan = planned(features, vault, **declared)
    trials: dict[str, Trial] = {}
    for shard in range(len(plan.shards)):
        train_shard(
            plan.shard(shard), opened=vault, recorded={}, record=lambda trial: trials.update({trial.trial_id: trial})
        )
    return plan, trials


def winner(found: Searched, features: FeatureSet) -> Winner:
    plan, trials = found
    return refit.winner(plan, features, trials.values())


def refitted(found: Searched, features: FeatureSet, vault: Folder, *, threads: int = 1) -> bytes:
    """The winner's model."""
    return refit.refit(work(found, features), opened=vault, threads=threads)


def work(found: Searched, features: FeatureSet) -> Refit:
    return Refit(winner=winner(found, features), binned=found[0].binned)
