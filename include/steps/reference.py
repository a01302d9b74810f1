"""What a registered model's later days are held against: made when it is promoted, and kept in the vault."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.core import streams
from include.core.canonical import decode, encode
from include.core.errors import RegistryError
from include.core.events import FitRecorded, HoldoutDaysRecorded, ImportanceRecorded, ModelRegistered, ReferenceMade
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Plan, Profile, Run
from include.ledger.journal import Journal
from include.steps.platform import Platform, evaluation_of, open_artifacts

if TYPE_CHECKING:
    from include.data.labelled import LabelledRows
    from include.data.losses import Numbers


def refer(platform: Platform, project: Project, run: Run, evaluation: str, *, step: str, now: datetime) -> str:
    """The vault's digest of what later days of a registered version are held against, made once for each."""
    from include.monitoring.figures import reference_of
    from include.registry import bundle
    from include.training import matrix

    key = streams.reference_key(project.name, evaluation)
    known = platform.ledger.find(key)
    if known is not None and isinstance(known.event, ReferenceMade) and platform.vault.has(known.event.reference):
        return known.event.reference
    version = platform.champions.known(project.name).of(evaluation)
    if version is None:
        raise RegistryError("a reference is that of a registered version", value=evaluation, remedy="Promote it first.")
    model, evaluated = version.registered, evaluation_of(platform, project.name, evaluation)
    built = platform.load(FeatureSet, evaluated.features)
    drawn = platform.load(Plan, evaluated.plan)
    days = built.split.holdout
    wanted = [*matrix.contents(built, days), drawn.profile, model.bundle]
    opened = open_artifacts(platform, run, step, wanted, now=now)
    holdout = matrix.rows_of(built, days, opened, stretch="holdout")
    champion = bundle.load_version(opened.bytes(model.bundle), platform.verifier, version)
    score = champion.predict(holdout.table)
    made = reference_of(
        project=project.name,
        evaluation=evaluated,
        evaluation_digest=evaluation,
        learnt=decode(Profile, opened.bytes(drawn.profile)),
        holdout=holdout,
        holdout_days=days,
        score=score,
    )
    _record_holdout(platform, run, model, evaluated, holdout, score)
    importance = ImportanceRecorded(
        project=project.name,
        run_id=run.run_id,
        model_version=model.model_version,
        evaluation=evaluation,
        importance=champion.importance(),
    )
    journal = Journal(platform.ledger, run)
    journal.fact(streams.drift(project.name), importance, key=streams.importance_key(project.name, evaluation))
    digest = platform.vault.put(encode(made))
    event = ReferenceMade(
        project=project.name,
        run_id=run.run_id,
        model_version=model.model_version,
        evaluation=evaluation,
        reference=digest,
    )
    journal.fact(streams.drift(project.name), event, key=key)
    return digest


def _record_holdout(
    platform: Platform,
    run: Run,
    model: ModelRegistered,
    evaluated: Evaluation,
    holdout: "LabelledRows",
    score: "Numbers",
) -> None:
    """Record, in the open, how the model did on groups and days of its holdout: of none with fewer than 20 rows."""
    from include.monitoring.fit import in_the_open

    project, version, evaluation = run.project, model.model_version, model.evaluation
    objective, days, label = evaluated.objective, evaluated.holdout, holdout.label
    fit, figures = in_the_open(objective, days, day=holdout.day, label=label, score=score)
    fitted = FitRecorded(project=project, run_id=run.run_id, model_version=version, evaluation=evaluation, fit=fit)
    daily = HoldoutDaysRecorded(
        project=project, run_id=run.run_id, model_version=version, evaluation=evaluation, figures=figures
    )
    journal, stream = Journal(platform.ledger, run), streams.holdout(project)
    journal.fact(stream, fitted, key=streams.fit_key(project, evaluation))
    journal.fact(stream, daily, key=streams.holdout_days_key(project, evaluation))
