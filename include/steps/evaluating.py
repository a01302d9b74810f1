"""How a refitted model does on days that nothing has seen, beside the champion."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core import streams
from include.core.events import ModelEvaluated
from include.core.project import Project
from include.core.records import FeatureSet, Plan, Run
from include.ledger.journal import Journal
from include.steps import benchmarks
from include.steps.definitions import changed, recipe_of
from include.steps.inputs import require_made
from include.steps.platform import (
    Platform,
    declaration_of,
    emit,
    evaluation_of,
    once,
    open_artifacts,
)
from include.steps.training import outcomes_of

if TYPE_CHECKING:
    from include.governance.vault import OpenedArtifacts
    from include.registry.champions import ChampionInForce, Version
    from include.training.evaluation import Rival


def evaluate(platform: Platform, project: Project, run: Run, plan: str, model: str, *, now: datetime) -> str:
    """Score the refitted *model* of *plan*, champion and benchmark on the holdout. Returns the digest of what it finds.

    A champion that this very plan made is not compared with itself: its own evaluation is found again.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run drew no such plan, or made no such
            model of it.
        TrainingError: the plan's benchmark was not trained.
    """
    from include.lineage import walk
    from include.training import evaluation, matrix
    from include.training.refit import winner

    require_made(platform, project, run, "evaluate", now=now, plan=plan, model=model)
    drawn = platform.load(Plan, plan)
    built = platform.load(FeatureSet, drawn.features)
    champion = platform.champions.in_force(project.name)
    if champion is not None and evaluation_of(platform, project.name, champion.registered.evaluation).plan == plan:
        champion = platform.champions.in_force(project.name, before=champion.number)
    recipe = recipe_of(project, built)
    before, frozen = _compared_with(platform, project, champion, recipe=recipe, plan=plan)
    trained = benchmarks.outcome_of(platform, drawn)
    simple = benchmarks.kept_model(platform, trained)

    def compute() -> str:
        rows, rivals = matrix.contents(built, built.split.holdout), [champion.version] if champion else []
        rivals += [frozen] if frozen else []
        bundles = [each.registered.bundle for each in rivals]
        opened = open_artifacts(platform, run, "evaluate", [model, *rows, *bundles, *simple], now=now)
        evaluated = evaluation.evaluate(
            plan=drawn,
            plan_digest=plan,
            features=built,
            best=winner(drawn, built, outcomes_of(platform, drawn).values()),
            model=model,
            opened=opened,
            champion=_rival(platform, project, run, champion.version, opened, after=before) if champion else None,
            frozen=_rival(platform, project, run, frozen, opened, after=before) if frozen else None,
            benchmark=benchmarks.rival(drawn, trained, built, simple, opened),
            recipe=recipe,
            sliced=project.quality.gates.slices,
            threads=project.operations.threads,
        )
        digest = platform.keep(evaluated)
        event = ModelEvaluated(project=project.name, run_id=run.run_id, evaluation=evaluated)
        journal.fact(streams.evaluations(project.name), event, key=streams.evaluated_key(project.name, digest))
        return digest

    journal = Journal(platform.ledger, run)
    against = champion.number if champion else None
    more = (before, frozen.number if frozen else None)
    sliced = project.quality.gates.slices
    inputs = (plan, model, against, *(more if any(more) else ()), *((sliced,) if sliced else ()))
    if trained is not None:
        inputs = (*inputs, ("benchmark", trained, *simple))
    digest = once(platform, project, run, "evaluate", inputs, compute, now=now)
    took = [*walk.features(project.name, built, declaration_of(platform, run)), *walk.model(project.name, built, model)]
    emit(platform, project, run, "evaluate", took, walk.evaluation(project.name, digest), now=now)
    return digest


def _compared_with(
    platform: Platform, project: Project, champion: "ChampionInForce | None", *, recipe: str, plan: str
) -> "tuple[date | None, Version | None]":
    """After which day a model of *recipe* is compared with *champion*, and the frozen version beside that.

    ``None``: of its own recipe, on all days; it is the frozen one itself, or that one's bundle was removed.
    """
    from include.registry.standing import Looks, frozen

    if champion is None:
        return None, None
    evaluated = evaluation_of(platform, project.name, champion.registered.evaluation)
    known = platform.champions.known(project.name)
    number, version = frozen(champion.version, evaluated, retired=known.retired).reference, None
    if number is not None and number != champion.number:
        version = known.numbered(number)
    if version is not None and not platform.vault.has(version.registered.bundle):
        version = None
    if evaluated.recipe in (None, recipe):
        return None, version
    return Looks(platform.ledger, project.name).recipe_day(recipe, plan=plan), version


def _rival(
    platform: Platform,
    project: Project,
    run: Run,
    version: "Version",
    opened: "OpenedArtifacts",
    *,
    after: date | None = None,
) -> "Rival":
    from include.registry import bundle
    from include.training.evaluation import Rival

    model = bundle.load_version(opened.bytes(version.registered.bundle), platform.verifier, version)
    return Rival(
        version=version.number,
        model=model,
        learnt_until=max(filter(None, (model.manifest.learnt_until, after))),
        changed=changed(platform, project, run, model.manifest),
    )
