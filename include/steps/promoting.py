"""From an evaluation to a version that the authority has decided about."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.core.errors import RegistryError, RegistryUnavailable
from include.core.events import ModelRegistered
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Promotion, Run, Scope, Verdict
from include.registry import history as versions
from include.steps.definitions import changed
from include.steps.inputs import require_made, require_validated
from include.steps.platform import (
    Platform,
    emit,
    evaluation_of,
    marks_of,
    once,
    open_artifacts,
    scope_of,
)
from include.steps.reference import refer
from include.steps.showing import night_of

if TYPE_CHECKING:
    from include.registry.champions import Version
    from include.registry.promotion import ChampionGrounds, ProjectStanding


def promote(platform: Platform, project: Project, run: Run, evaluation: str, *, now: datetime) -> str:
    """Register the evaluated model; the authority decides by the gates whether it becomes champion, and signs that.

    Returns the Promotion's digest.

    A model is decided about once: gates that would decide otherwise now are refused, and not passed over. That of a
    backfill is registered beside the champion of a later night. What its later days are held against is made with it.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run evaluated no such model.
        ValidationFailed: this run did not validate what the model was made from, or a critical expectation failed.
        Quarantined: what it was made from was read under a grant in quarantine, which no steward has lifted.
        RegistryError: it was decided about, and the gates that are declared now decide otherwise.
        RegistryUnavailable: no authority decides.
    """
    from include.lineage import walk

    marks_of(platform).require_promotable(project.name, run.run_id)
    require_made(platform, project, run, "promote", now=now, evaluation=evaluation)
    evaluated = evaluation_of(platform, project.name, evaluation)
    built = platform.load(FeatureSet, evaluated.features)
    require_validated(platform, project, run, "promote", built.snapshot, now=now)

    def compute() -> str:
        return platform.keep(_decide(platform, project, run, evaluation, built, now=now))

    def kept(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.vault.has(platform.load(Promotion, earlier).bundle)

    digest = once(platform, project, run, "promote", (evaluation, project.quality.gates), compute, now=now, kept=kept)
    promoted = platform.load(Promotion, digest)
    _show(platform, project, run, promoted, evaluated, now=now)
    refer(platform, project, run, evaluation, step="promote", now=now)
    took = [*walk.model(project.name, built, evaluated.model), *walk.evaluation(project.name, evaluation)]
    made = walk.champion(project.name, promoted.version, promoted.bundle)
    emit(platform, project, run, "promote", took, made, now=now)
    return digest


def _decide(
    platform: Platform, project: Project, run: Run, evaluation: str, built: FeatureSet, *, now: datetime
) -> Promotion:
    """The model of *evaluation* packed, registered and decided about by the authority."""
    from include.registry import bundle, promotion
    from include.registry.remembered_rollbacks import remembering

    evaluated = evaluation_of(platform, project.name, evaluation)
    versions_known = platform.champions.known(project.name)
    known = versions_known.of(evaluation)
    before = known.number if known else None
    champion = _champion(platform, project, run, evaluated, before)
    stands = _standing(platform, run, evaluated, known, now=now)
    verdict = remembering(
        promotion.decide(evaluated, project.quality.gates, champion, stands),
        platform.ledger,
        versions_known,
        run,
        evaluated,
        before=before,
    )
    _require_same(project, known, verdict)
    packed = bundle.pack(
        evaluation=evaluated,
        evaluation_digest=evaluation,
        features=built,
        project=project,
        opened=open_artifacts(platform, run, "promote", [evaluated.model], now=now),
        vault=platform.vault,
        signer=platform.signer,
    )
    registered = versions.register(platform.ledger, run, evaluation=evaluation, bundle=packed, verdict=verdict)
    version = _decided(platform, registered)
    return Promotion(evaluation=evaluation, version=version.number, bundle=registered.bundle, verdict=_verdict(version))


def _require_same(project: Project, known: "Version | None", verdict: Verdict) -> None:
    """Check that *verdict* is the one that was decided about the version before, if there was one."""
    if known is not None and (known.decision or known.before) and known.promoted != verdict.promote:
        raise RegistryError(
            f"a model of {project.name!r} is decided about once",
            value=f"version {known.number} was {_words(known.promoted)}; the gates declared now would have it "
            f"{_words(verdict.promote)}",
            remedy="Put the gates back, or run a night of another --instant: these decide about its model.",
        )


def _show(
    platform: Platform, project: Project, run: Run, promoted: Promotion, evaluated: Evaluation, *, now: datetime
) -> None:
    """Show the version in MLflow, which points to the champion in force."""
    opened = None
    if copies_model(scope_of(platform, run)):
        opened = open_artifacts(platform, run, "promote", [evaluated.model], now=now)
    champion = platform.champions.in_force(project.name)
    platform.versions.register(
        project=project,
        promotion=promoted,
        evaluation=evaluated,
        night=lambda: night_of(platform, project.name, promoted.evaluation),
        opened=opened,
        champion=champion.number if champion else None,
    )


def _decided(platform: Platform, registered: ModelRegistered) -> "Version":
    """The version of *registered*, once the authority has decided about it."""
    from include.registry.authority import require_decidable

    def version() -> "Version":
        found = platform.champions.known(registered.project).of(registered.evaluation)
        assert found is not None  # noqa: S101  # it is registered
        return found

    if not version().before and version().decision is None:
        require_decidable(platform.ledger, registered)
        platform.await_authority(lambda: version().decision is not None)
    found = version()
    if not found.before and found.decision is None:
        raise RegistryUnavailable(
            f"the authority decides about version {found.number} of {registered.project!r}, and signs it",
            value="no authority has answered",
            remedy="It runs in Airflow's API server: look at `./trainyard status`; a repetition takes it up.",
        )
    return found


def _verdict(version: "Version") -> Verdict:
    """The authority's; in training's words, which know what is declared otherwise now, where both agree."""
    decision, own = version.decision, version.registered.verdict
    return own if decision is None or decision.verdict.promote == own.promote else decision.verdict


def copies_model(scope: Scope) -> bool:
    """Whether the model's bytes are put into MLflow: declared, and so part of what every dataset's stewards granted."""
    return all(dataset.copy_model for dataset in scope.datasets)


def _words(promoted: bool) -> str:
    return "promoted" if promoted else "not promoted"


def _champion(
    platform: Platform, project: Project, run: Run, candidate: Evaluation, before: int | None
) -> "ChampionGrounds | None":
    from include.registry.promotion import ChampionGrounds

    champion = platform.champions.in_force(project.name, before=before)
    if champion is None:
        return None
    evaluated = evaluation_of(platform, project.name, champion.registered.evaluation)
    otherwise: tuple[str, ...] = ()
    if candidate.compared is None:
        otherwise = changed(platform, project, run, platform.load(FeatureSet, evaluated.features))
    return ChampionGrounds(
        version=champion.number, holdout=evaluated.holdout, recipe=evaluated.recipe, changed=otherwise
    )


def _standing(
    platform: Platform, run: Run, candidate: Evaluation, known: "Version | None", *, now: datetime
) -> "ProjectStanding | None":
    """How the project stands now; for a model that was decided about, how it stood then."""
    from include.registry.standing import standing

    if known is not None and (known.decision is not None or known.before):
        return known.decision.standing if known.decision is not None else None
    champion = platform.champions.in_force(run.project)
    return standing(
        platform.ledger,
        platform.champions.overrides,
        run.project,
        candidate,
        champion=champion.version if champion else None,
        champion_evaluation=evaluation_of(platform, run.project, champion.registered.evaluation) if champion else None,
        retired=platform.champions.known(run.project).retired,
        run_id=run.run_id,
        now=now,
    )
