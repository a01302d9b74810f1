"""A round of a search, trained to its end, and the refit of its winner."""

from collections.abc import Mapping

from include.core.records import FeatureSet, Plan, Refit, Trial, Winner
from include.training import refit, search
from include.training.trial import train_shard
from tests.training.flights import Folder
from tests.training.projects import project

NIGHT = "sha256:" + "1" * 64
Searched = tuple[Plan, Mapping[str, Trial]]


def searched(features: FeatureSet, vault: Folder, **declared: object) -> Searched:
    """The plan, and the outcomes of its trials by id."""
    plan = search.plan(
        project=project(features.objective, **declared),
        features=features,
        features_digest=NIGHT,
        opened=vault,
        vault=vault,
    )
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
    """The winner's model, trained on rows in memory."""
    best = winner(found, features)
    rows = refit.rows_as_searched(best, found[0], features, vault, threads=threads)
    return refit.train(best, rows, threads=threads)


def work(found: Searched, features: FeatureSet, vault: Folder) -> Refit:
    """The same to be done by a process elsewhere, its rows in the vault."""
    best = winner(found, features)
    rows = refit.rows_as_searched(best, found[0], features, vault, threads=1)
    return Refit(winner=best, binned=vault.put_made(lambda path: rows.save_binary(str(path))))
