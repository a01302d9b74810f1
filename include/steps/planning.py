"""The search: its trials drawn, and the rows binned that they train on."""

from datetime import datetime

from include.core.canonical import encode
from include.core.project import Project
from include.core.records import Days, FeatureSet, Plan, Run
from include.steps.definitions import as_tables
from include.steps.inputs import require_made, require_validated
from include.steps.platform import Platform, declaration_of, emit, known, known_since, once, open_artifacts
from include.steps.training import BESIDE, is_beside
from include.training import history as trials


def plan(platform: Platform, project: Project, run: Run, features: str, *, now: datetime) -> str:
    """Draw the trials of one seeded round. Returns the digest of the :class:`Plan`; a recorded plan is reused.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run built no such features.
        ValidationFailed: this run did not validate what they are built from, or a critical expectation failed.
    """
    from include.lineage import walk

    require_made(platform, project, run, "plan", now=now, features=features)
    built = platform.load(FeatureSet, features)
    require_validated(platform, project, run, "plan", built.snapshot, now=now)
    inputs = _drawn_of(platform, run, features)

    def compute() -> str:
        return _drawn(platform, project, run, built, features, inputs, now=now)

    def kept(earlier: str) -> bool:
        if not platform.store.has(earlier):
            return False
        drawn = platform.load(Plan, earlier)
        return all(map(platform.vault.has, (*drawn.artifacts, drawn.profile)))

    digest = once(platform, project, run, "plan", inputs, compute, now=now, kept=kept)
    took = walk.features(project.name, built, declaration_of(platform, run))
    made = walk.training(project.name, built, platform.load(Plan, digest))
    emit(platform, project, run, "plan", took, made, now=now)
    return digest


def _drawn(
    platform: Platform,
    project: Project,
    run: Run,
    built: FeatureSet,
    features: str,
    inputs: tuple[object, ...],
    *,
    now: datetime,
) -> str:
    """The digest of the plan that is drawn of *inputs*: of the *features* that *built* holds, their rows binned."""
    from include.monitoring.profile import profile
    from include.training import benchmark, cores, matrix, search

    free = cores.FreeCores()
    recorded = (built, as_tables(project, built, declaration_of(platform, run).compiled))
    tasks = {search.task(each, project.learning.search) for each in recorded}

    def alike(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.load(Plan, earlier).task in tasks

    wanted = matrix.contents(built, built.split.train, built.split.validation)
    rows, training_rows = matrix.learnt(built, open_artifacts(platform, run, "plan", wanted, now=now))
    learnt = profile(rows.table, Days(first=built.split.train.first, last=built.split.validation.last))
    profiled = platform.vault.put(encode(learnt))
    threads = free.threads(project.operations.threads)
    earlier = known(platform, run, "plan", inputs)
    if earlier is not None and platform.store.has(earlier):
        # Its rows were lost. What the sampler had seen when it was drawn is not what it would see now.
        asked = project.learning.search
        search.prepare_rows(asked.learner, rows, built, asked.fixed, platform.vault, threads=threads)
        benchmark.planned(project.quality.benchmark, rows, training_rows, built, platform.vault)
        return earlier
    drawn = search.plan(
        project=project,
        features=built,
        features_digest=features,
        rows=rows,
        training_rows=training_rows,
        profile=profiled,
        vault=platform.vault,
        threads=threads,
        warm=trials.earlier(
            platform.ledger,
            project.name,
            before=run.instant,
            alike=alike,
            until=known_since(platform, run, "plan", inputs),
        ),
    )
    return platform.keep(drawn)


def _drawn_of(platform: Platform, run: Run, features: str) -> tuple[object, ...]:
    """What the plan of *run* is drawn of. A backtest takes that of a night, where it did not draw its own before."""
    own: tuple[object, ...] = (features, run.declaration_digest)
    beside = (*own, BESIDE)
    if not is_beside(run):
        return own
    return own if known(platform, run, "plan", beside) is None and known(platform, run, "plan", own) else beside
