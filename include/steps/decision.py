"""From recorded trials to a champion: the evaluation and the decision."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.events import ModelEvaluated
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Plan, Promotion, Run
from include.ledger.journal import Journal
from include.registry import history as versions
from include.steps.platform import Platform, contents, emit, once, open_artifacts
from include.steps.reference import refer
from include.steps.training import while_allowed
from include.training import history as trials

if TYPE_CHECKING:
    from include.registry.promotion import Champion
    from include.training.evaluation import Rival


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
            [drawn.binned, *contents(built.partitions), *([champion.bundle] if champion else [])],
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
            allowed=while_allowed(platform, run, now=now),
        )
        digest = platform.keep(evaluated)
        event = ModelEvaluated(project=project.name, run_id=run.run_id, evaluation=evaluated)
        journal.fact(f"evaluations/{project.name}", event, key=f"evaluated/{project.name}/{digest}")
        return digest

    journal = Journal(platform.ledger, run)
    against = champion.model_version if champion else None

    def kept(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.vault.has(platform.load(Evaluation, earlier).model)

    digest = once(platform, project, run, "evaluate", (plan, against), compute, now=now, kept=kept)
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

    A model is decided about once. That of a backfill is registered beside the champion of a later night. What its later
    days are held against is made with it.
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

    def kept(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.vault.has(platform.load(Promotion, earlier).bundle)

    digest = once(platform, project, run, "promote", (evaluation,), compute, now=now, kept=kept)
    promoted = platform.load(Promotion, digest)
    opened = open_artifacts(platform, run, "promote", [evaluated.model], now=now)
    platform.versions.register(project=project, promotion=promoted, evaluation=evaluated, opened=opened)
    refer(platform, project, run, evaluation, step="promote", now=now)
    took = [*walk.model(project.name, built, evaluated), *walk.evaluation(project.name, evaluation)]
    emit(platform, project, run, "promote", took, walk.registered(project.name, promoted), now=now)
    return digest


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
