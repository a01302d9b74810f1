"""From production data to features: what was known, whether it is sound, and what is learnt from."""

from datetime import datetime
from itertools import takewhile

from include.core import streams
from include.core.errors import ValidationFailed
from include.core.events import DataValidated
from include.core.project import Project, Severity
from include.core.records import FeatureSet, Run, Snapshot, Validation
from include.ledger.journal import Journal
from include.retraining import asks
from include.steps.inputs import require_made
from include.steps.platform import (
    Platform,
    contents,
    contracts_of,
    declaration_of,
    emit,
    failure_reported,
    once,
    open_artifacts,
    scope_of,
)


def snapshot(platform: Platform, project: Project, run: Run, *, now: datetime) -> str:
    """Freeze the rows known at the run's instant. Returns the digest of the :class:`Snapshot`.

    It looks at the source each time, so that a repaired file is seen, but reads only what it has not read yet.
    """
    from include.data import snapshot as reader
    from include.lineage import walk

    journal = Journal(platform.ledger, run)
    with failure_reported(platform, project, run, "snapshot", now=now), journal.attempt("snapshot") as attempt:
        taken = reader.take(
            run=run,
            project=project,
            scope=scope_of(platform, run),
            contracts=contracts_of(platform, run),
            production=platform.production,
            credentials=platform.source_credentials,
            vault=platform.vault,
            access=platform.access,
            ledger=platform.ledger,
            pseudonyms=platform.pseudonyms,
            now=now,
        )
        digest = platform.keep(taken)
        journal.finish("snapshot", attempt, inputs=digest, output=digest)
    contracts = contracts_of(platform, run)
    took = list(walk.sources(taken, contracts))
    verdict = asks.verdict_behind(platform.ledger, run)
    if verdict is not None:
        took += walk.verdict(project.name, verdict)
    emit(platform, project, run, "snapshot", took, walk.snapshots(taken, contracts), now=now)
    return digest


def validate(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Hold the days that were not checked yet against the expectations. Returns the digest of the Validation.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run took no such snapshot.
        ValidationFailed: a critical expectation failed; the message names dataset, expectation and days.
    """
    from include.data import validation
    from include.lineage import walk

    require_made(platform, project, run, "validate", now=now, snapshot=snapshot)
    contracts = contracts_of(platform, run)
    expectations = validation.expectations_digest(project, contracts)

    def compute() -> str:
        taken = platform.load(Snapshot, snapshot)
        outcome = validation.validate(
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            contracts=contracts,
            opened=open_artifacts(platform, run, "validate", contents(taken.partitions), now=now),
            production=platform.production,
            credentials=platform.source_credentials,
            store=platform.store,
            checked=_checked(platform, project, expectations, snapshot),
        )
        digest = platform.keep(outcome)
        event = DataValidated(
            project=project.name,
            run_id=run.run_id,
            snapshot=snapshot,
            validation=digest,
            expectations=expectations,
            covered=outcome.covered,
            worst=next((severity for severity in Severity if outcome.failed(severity)), None),
        )
        journal.fact(streams.validated(project.name), event, key=streams.validated_key(project.name, digest))
        return digest

    journal = Journal(platform.ledger, run)

    def kept(earlier: str) -> bool:
        return platform.store.has(earlier) and platform.store.has(platform.load(Validation, earlier).report)

    digest = once(platform, project, run, "validate", (snapshot, expectations), compute, now=now, kept=kept)
    outcome = platform.load(Validation, digest)
    took = walk.validation(platform.load(Snapshot, snapshot), contracts, outcome)
    emit(platform, project, run, "validate", took, walk.validated(project.name, digest), now=now)
    failed = outcome.failed(Severity.CRITICAL)
    if failed:
        raise ValidationFailed(
            f"the data of {project.name!r} meets its critical expectations",
            value=validation.summary(failed),
            remedy="Repair the named days at the source (or have the expectation changed by its owner), then clear the "
            "task `snapshot`: a repaired day is read again.",
        )
    return digest


def features(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Build the point-in-time features of the new days, and probe them. Returns the digest of the FeatureSet.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run took no such snapshot.
        FeatureLeak: a feature knows the future; the message names it.
    """
    from include.data import features as tables
    from include.lineage import walk

    require_made(platform, project, run, "features", now=now, snapshot=snapshot)

    def compute() -> str:
        taken = platform.load(Snapshot, snapshot)
        built = tables.build(
            run=run,
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            compiled=declaration_of(platform, run).compiled,
            contracts=contracts_of(platform, run),
            vault=platform.vault,
            open=lambda digests: open_artifacts(platform, run, "features", digests, now=now),
            ledger=platform.ledger,
            engine=platform.engine,
        )
        return platform.keep(built)

    def kept(built: str) -> bool:
        """One lost partition is enough to build again: those that are not lost are reused."""
        return platform.store.has(built) and all(
            platform.vault.has(content) for content in contents(platform.load(FeatureSet, built).partitions)
        )

    digest = once(platform, project, run, "features", (snapshot, run.declaration_digest), compute, now=now, kept=kept)
    made = walk.features(project.name, platform.load(FeatureSet, digest), declaration_of(platform, run))
    took = walk.snapshots(platform.load(Snapshot, snapshot), contracts_of(platform, run))
    emit(platform, project, run, "features", took, made, now=now)
    return digest


def _checked(platform: Platform, project: Project, expectations: str, snapshot: str) -> frozenset[str]:
    """The partitions that earlier nights checked with the same expectations, none of them in a critical failure.

    What was recorded since this very *snapshot* was first checked does not count: an attempt that was killed, and a
    validation that was lost, are repeated as they were.
    """
    events = (entry.event for entry in platform.ledger.read(streams.validated(project.name)))
    alike = (event for event in events if isinstance(event, DataValidated) and event.expectations == expectations)
    return frozenset(
        content
        for event in takewhile(lambda event: event.snapshot != snapshot, alike)
        if event.worst is not Severity.CRITICAL
        for content in event.covered
    )
