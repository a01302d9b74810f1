"""From features to a champion: the search, its trials, the evaluation and the decision."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.events import ModelEvaluated, TrialRecorded
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Plan, Promotion, Run, Trial
from include.ledger.journal import Journal
from include.registry import history as versions
from include.steps.platform import Platform, contents, declaration_of, emit, once, open_artifacts
from include.training import history as trials

if TYPE_CHECKING:
    from include.registry.promotion import Champion
    from include.training.evaluation import Rival


def plan(platform: Platform, project: Project, run: Run, features: str, *, now: datetime) -> str:
    """Draw the trials of one seeded round. Returns the digest of the :class:`Plan`; a recorded plan is reused."""
    from include.lineage import walk
    from include.training import matrix, search

    built = platform.load(FeatureSet, features)

    def alike(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.load(Plan, earlier).task == search.task(built, project.search)

    def compute() -> str:
        wanted = matrix.contents(built, built.split.train, built.split.validation)
        drawn = search.plan(
            project=project,
            features=built,
            features_digest=features,
            opened=open_artifacts(platform, run, "plan", wanted, now=now),
            vault=platform.vault,
            warm=trials.earlier(platform.ledger, project.name, before=run.instant, alike=alike),
        )
        return platform.keep(drawn)

    digest = once(platform, run, "plan", (features, run.declaration_digest), compute, now=now)
    took = walk.features(project.name, built, declaration_of(platform, run))
    made = walk.training(project.name, built, platform.load(Plan, digest))
    emit(platform, project, run, "plan", took, made, now=now)
    return digest


def shards(platform: Platform, plan: str) -> list[int]:
    """The numbers of the plan's shards, one training task each."""
    return list(range(len(platform.load(Plan, plan).shards)))


def train(platform: Platform, project: Project, run: Run, plan: str, shard: int, *, now: datetime) -> str:
    """Run one shard's trials and record each as it ends; skip what is recorded. Returns a digest of the outcomes."""
    from include.lineage import walk
    from include.training import trial as runner

    drawn = platform.load(Plan, plan)
    wanted = [drawn.trials[index].trial_id for index in drawn.shards[shard]]
    journal = Journal(platform.ledger, run)

    def record(trial: Trial) -> None:
        event = TrialRecorded(project=project.name, run_id=run.run_id, plan=plan, instant=run.instant, trial=trial)
        journal.fact(f"trials/{project.name}", event, key=f"trial/{trial.trial_id}")

    def compute() -> str:
        runner.train_shard(
            drawn,
            shard,
            opened=open_artifacts(platform, run, "train", [drawn.binned, drawn.binned_validation], now=now),
            recorded=trials.recorded(platform.ledger, wanted),
            record=record,
            threads=project.operations.threads,
        )
        outcomes = trials.recorded(platform.ledger, wanted)
        return platform.keep([outcomes[trial_id] for trial_id in wanted])

    digest = once(platform, run, f"train-{shard}", (plan, shard), compute, now=now)
    took = walk.training(project.name, platform.load(FeatureSet, drawn.features), drawn)
    made = walk.trials(project.name, shard, digest)
    emit(platform, project, run, f"train-{shard}", took, made, now=now, parameters=_searched(drawn, shard))
    return digest


def evaluate(platform: Platform, project: Project, run: Run, plan: str, *, now: datetime) -> str:
    """Refit the best trial, score it and the champion on the holdout. Returns the digest of the Evaluation.

    A champion that this very plan made is not compared with itself: its own evaluation is found again.
    """
    from include.lineage import walk
    from include.training import evaluation

    drawn = platform.load(Plan, plan)
    built = platform.load(FeatureSet, drawn.features)
    outcomes = trials.recorded(platform.ledger, [trial.trial_id for trial in drawn.trials])
    champion = versions.champion(platform.ledger, project.name)
    if champion is not None and platform.load(Evaluation, champion.evaluation).plan == plan:
        champion = versions.champion(platform.ledger, project.name, before=champion.model_version)

    def compute() -> str:
        opened = open_artifacts(
            platform,
            run,
            "evaluate",
            [*contents(built.partitions), *([champion.bundle] if champion else [])],
            now=now,
        )
        evaluated = evaluation.evaluate(
            plan=drawn,
            plan_digest=plan,
            features=built,
            trials=outcomes.values(),
            opened=opened,
            vault=platform.vault,
            champion=_rival(platform, champion.model_version, opened.bytes(champion.bundle)) if champion else None,
            threads=project.operations.threads,
        )
        digest = platform.keep(evaluated)
        event = ModelEvaluated(project=project.name, run_id=run.run_id, evaluation=evaluated)
        journal.fact(f"evaluations/{project.name}", event, key=f"evaluated/{project.name}/{digest}")
        return digest

    journal = Journal(platform.ledger, run)
    against = champion.model_version if champion else None
    digest = once(platform, run, "evaluate", (plan, against), compute, now=now)
    evaluated = platform.load(Evaluation, digest)
    took = walk.training(project.name, built, drawn)
    for shard, indices in enumerate(drawn.shards):
        recorded = record_digest([outcomes[drawn.trials[index].trial_id] for index in indices])
        took += walk.trials(project.name, shard, recorded)
    made = [*walk.model(project.name, built, evaluated), *walk.evaluation(project.name, digest)]
    emit(platform, project, run, "evaluate", took, made, now=now, parameters=evaluated.params)
    return digest


def promote(platform: Platform, project: Project, run: Run, evaluation: str, *, now: datetime) -> str:
    """Register the evaluated model; the gates decide whether it becomes champion. Returns the Promotion's digest.

    A model is decided about once. That of a backfill is registered beside the champion of a later night.
    """
    from include.lineage import walk
    from include.registry import bundle, promotion

    evaluated = platform.load(Evaluation, evaluation)
    built = platform.load(FeatureSet, evaluated.features)

    def compute() -> str:
        verdict = promotion.decide(evaluated, project.gates, _champion(platform, project))
        packed = bundle.pack(
            evaluation=evaluated,
            evaluation_digest=evaluation,
            features=built,
            project=project,
            opened=open_artifacts(platform, run, "promote", [evaluated.model], now=now),
            vault=platform.vault,
            signer=platform.signer,
        )
        model = versions.register(platform.ledger, run, evaluation=evaluation, bundle=packed, verdict=verdict)
        return platform.keep(
            Promotion(evaluation=evaluation, version=model.model_version, bundle=model.bundle, verdict=model.verdict)
        )

    digest = once(platform, run, "promote", (evaluation,), compute, now=now)
    promoted = platform.load(Promotion, digest)
    opened = open_artifacts(platform, run, "promote", [evaluated.model], now=now)
    platform.versions.register(project=project, promotion=promoted, evaluation=evaluated, opened=opened)
    took = [*walk.model(project.name, built, evaluated), *walk.evaluation(project.name, evaluation)]
    emit(platform, project, run, "promote", took, walk.registered(project.name, promoted), now=now)
    return digest


def _searched(drawn: Plan, shard: int) -> dict[str, object]:
    """What was the same for all trials of a shard, as its lineage event tells."""
    return {
        "shard": shard,
        "trials": len(drawn.shards[shard]),
        "rungs": list(drawn.rungs),
        "reduction": drawn.reduction,
        "seed": drawn.seed,
    }


def _champion(platform: Platform, project: Project) -> "Champion | None":
    from include.registry.promotion import Champion

    model = versions.champion(platform.ledger, project.name)
    if model is None:
        return None
    return Champion(version=model.model_version, holdout=platform.load(Evaluation, model.evaluation).holdout)


def _rival(platform: Platform, version: int, packed: bytes) -> "Rival":
    from include.registry import bundle
    from include.training.evaluation import Rival

    model = bundle.load(packed, platform.verifier)
    made = model.manifest
    return Rival(
        version=version, model=model, objective=made.objective, label=made.label, learnt_until=made.learnt_until
    )
