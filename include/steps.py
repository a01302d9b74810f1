"""The night, one function a step: the same from Airflow, the command line and a notebook.

    begin → [gate] → snapshot → validate ─┐
                         └────► features ─┴─► plan → train (once a shard) → evaluate → promote → end

Every step takes the platform, the project, its run and the digests of earlier manifests, and returns the digest of its
own. What was computed once is found in the ledger and not computed again, after the grants were verified again. A step
may be killed at any line and run again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from include.core.canonical import decode, encode, record_digest
from include.core.errors import (
    CodeChanged,
    DeclarationError,
    LedgerError,
    RegistryError,
    ValidationFailed,
)
from include.core.events import DataValidated, LineageEmitted, ModelEvaluated, RunStarted, TrialRecorded
from include.core.project import Project, Severity
from include.core.records import (
    Contract,
    DatasetScope,
    Evaluation,
    FeatureSet,
    Partition,
    Plan,
    Promotion,
    Run,
    Scope,
    Snapshot,
    Trial,
    Validation,
)
from include.ledger import Ledger, lease
from include.ledger.journal import Journal, record_failure, run_stream
from include.registry import history as versions
from include.training import history as trials

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.access import Access
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.signing import Signer, Verifier
    from include.governance.vault import Opened, Vault
    from include.lineage.declaration import Declaration
    from include.lineage.emission import Dataset
    from include.registry.promotion import Champion
    from include.registry.versions import Versions
    from include.store import Store
    from include.training.evaluation import Rival

#: A run holds its project's lease that long after its last sign of life: each step renews it while it runs.
LEASE = lease.DURATION

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the steps work on. ``store`` holds what has no personal values, ``vault`` the rest.

    ``code`` maps a project's name to the digest of all code that a night of it runs. ``separation_of_duties`` says
    whether the authority's key is out of this process's reach, or NOT SHOWN.
    """

    ledger: Ledger
    store: "Store"
    vault: "Vault"
    access: "Access"
    contracts: Mapping[str, Contract]
    pseudonyms: "Pseudonyms"
    production: Path
    signer: "Signer"
    verifier: "Verifier"
    versions: "Versions"
    code: Callable[[str], str]
    separation_of_duties: str

    def load(self, kind: type[Record], digest: str) -> Record:
        """The manifest of type *kind* that *digest* names."""
        return decode(kind, self.store.get(digest))

    def keep(self, record: object) -> str:
        """Store a manifest; its digest."""
        return self.store.put(encode(record))


# ── the run ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin(
    platform: Platform, project: Project, *, run_id: str, instant: datetime, now: datetime, exclusive: bool = True
) -> Run:
    """Start the night *run_id* of *project* at *instant*, or go on with it: a run keeps its first instant.

    Takes the project's lease and derives from the code what the night reads. A run that cannot begin leaves the lease
    to the next. One that is not *exclusive* takes none: it may read and score beside a night, and register nothing.

    Raises:
        LeaseHeld: another night of this project is running.
        CodeChanged: the run began under other code.
        DeclarationError: the project reads what its contracts do not have, or *instant* has no time zone.
    """
    from include.lineage.declaration import declare, digest_of

    stream = run_stream(project.name, run_id)
    if platform.ledger.find(stream) is not None:
        return resume(platform, project, run_id=run_id, now=now)
    with _failure_recorded(platform, project, run_id, "declare"):
        declared = digest_of(project, platform.contracts)
    with _failure_recorded(platform, project, run_id, "begin"):
        if instant.tzinfo is None:
            raise DeclarationError(
                "an instant has a time zone",
                value=instant.isoformat(),
                remedy=f"Write {instant.isoformat()}Z if UTC is meant.",
            )
        code = platform.code(project.name)
        fence = lease.take(platform.ledger, project.name, run_id=run_id, now=now, duration=LEASE) if exclusive else None
    run = Run(
        project=project.name,
        run_id=run_id,
        instant=instant.astimezone(UTC),
        code_digest=code,
        declaration_digest=declared,
        fence=fence.token if fence else 0,
    )
    try:
        Journal(platform.ledger, run).once(
            "declare",
            (declared,),
            lambda: platform.keep(declare(project, platform.contracts)),
            kept=platform.store.has,
        )
        started = RunStarted(run=run, separation_of_duties=platform.separation_of_duties)
        platform.ledger.record(stream, started, key=stream, fence=fence)
    except Exception:
        with suppress(LedgerError):  # out of reach: the lease expires
            end(platform, run)
        raise
    return run


def resume(platform: Platform, project: Project, *, run_id: str, now: datetime) -> Run:
    """The run that :func:`begin` recorded, its lease renewed.

    Raises:
        LeaseHeld: another night of this project took the lease meanwhile.
        CodeChanged: the code moved under the running night.
        DeclarationError: no such run has begun.
    """
    entry = platform.ledger.find(run_stream(project.name, run_id))
    if entry is None or not isinstance(entry.event, RunStarted):
        raise DeclarationError("a step belongs to a run that has begun", value=run_id, remedy="Begin the run first.")
    run = entry.event.run
    with _failure_recorded(platform, project, run_id, "resume"):
        code = platform.code(project.name)
        if run.code_digest != code:
            raise CodeChanged(
                f"the run {run_id!r} of {project.name!r} is computed by the code that it began with",
                value=f"{code}, begun with {run.code_digest}",
                remedy="Start a new run: what did not change is found in the ledger and not computed again.",
            )
        fence = lease.take(platform.ledger, project.name, run_id=run_id, now=now, duration=LEASE)
    return replace(run, fence=fence.token)


def end(platform: Platform, run: Run) -> None:
    """Release the project's lease. Harmless if the run no longer holds it."""
    lease.release(platform.ledger, run.project, run_id=run.run_id)


@contextmanager
def _failure_recorded(platform: Platform, project: Project, run_id: str, step: str) -> Iterator[None]:
    """What fails here is before any attempt of a step: record it, whoever holds the lease."""
    try:
        yield
    except Exception as error:
        record_failure(platform.ledger, error, project=project.name, run_id=run_id, step=step)
        raise


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def scope_of(platform: Platform, run: Run) -> Scope:
    """What the run reads, as derived from its code when it began."""
    return _declaration(platform, run).scope


def missing_access(platform: Platform, run: Run, *, now: datetime) -> tuple[DatasetScope, ...]:
    """What no grant in force covers at *now*: the gate is open when it is empty."""
    return platform.access.missing(scope_of(platform, run), now=now)


def request_access(platform: Platform, run: Run, *, requester: str, now: datetime) -> tuple[str, ...]:
    """File a request for each dataset that is missing (an identical open one is not doubled); return their ids."""
    return platform.access.request(scope_of(platform, run), requester=requester, now=now)


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def snapshot(platform: Platform, project: Project, run: Run, *, now: datetime) -> str:
    """Freeze the rows known at the run's instant. Returns the digest of the :class:`Snapshot`.

    It looks at the source each time, so that a repaired file is seen, but reads only what it has not read yet.
    """
    from include.data import snapshot as reader
    from include.lineage import walk

    journal = Journal(platform.ledger, run)
    with journal.attempt("snapshot") as attempt:
        taken = reader.take(
            run=run,
            project=project,
            scope=scope_of(platform, run),
            contracts=platform.contracts,
            production=platform.production,
            vault=platform.vault,
            access=platform.access,
            ledger=platform.ledger,
            pseudonyms=platform.pseudonyms,
            now=now,
        )
        digest = platform.keep(taken)
        journal.finish("snapshot", attempt, inputs=digest, output=digest)
    _emit(platform, project, run, "snapshot", walk.sources(taken), walk.snapshots(taken), now=now)
    return digest


def validate(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Hold the days that were not checked yet against the expectations. Returns the digest of the Validation.

    Raises:
        ValidationFailed: a critical expectation failed; the message names dataset, expectation and days.
    """
    from include.data import validation

    contracts = {scope.dataset: platform.contracts[scope.dataset] for scope in scope_of(platform, run).datasets}
    expectations = validation.expectations_digest(project, contracts)

    def compute() -> str:
        taken = platform.load(Snapshot, snapshot)
        outcome = validation.validate(
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            contracts=contracts,
            opened=_open(platform, run, "validate", _contents(taken.partitions), now=now),
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
        journal.fact(f"validated/{project.name}", event, key=f"validated/{project.name}/{digest}")
        return digest

    journal = Journal(platform.ledger, run)
    digest = _once(platform, run, "validate", (snapshot, expectations), compute, now=now)
    failed = platform.load(Validation, digest).failed(Severity.CRITICAL)
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
        FeatureLeak: a feature knows the future; the message names it.
    """
    from include.data import features as tables
    from include.lineage import walk

    def compute() -> str:
        taken = platform.load(Snapshot, snapshot)
        built = tables.build(
            run=run,
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            compiled=_declaration(platform, run).compiled,
            contracts=platform.contracts,
            vault=platform.vault,
            open=lambda digests: _open(platform, run, "features", digests, now=now),
            ledger=platform.ledger,
        )
        return platform.keep(built)

    def kept(built: str) -> bool:
        """One lost partition is enough to build again: those that are not lost are reused."""
        return platform.store.has(built) and all(
            platform.vault.has(content) for content in _contents(platform.load(FeatureSet, built).partitions)
        )

    digest = _once(platform, run, "features", (snapshot, run.declaration_digest), compute, now=now, kept=kept)
    made = walk.features(project.name, platform.load(FeatureSet, digest), _declaration(platform, run))
    _emit(platform, project, run, "features", walk.snapshots(platform.load(Snapshot, snapshot)), made, now=now)
    return digest


# ── training ──────────────────────────────────────────────────────────────────────────────────────────────────────────


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
            opened=_open(platform, run, "plan", wanted, now=now),
            vault=platform.vault,
            warm=trials.earlier(platform.ledger, project.name, before=run.instant, alike=alike),
        )
        return platform.keep(drawn)

    digest = _once(platform, run, "plan", (features, run.declaration_digest), compute, now=now)
    took = walk.features(project.name, built, _declaration(platform, run))
    made = walk.training(project.name, built, platform.load(Plan, digest))
    _emit(platform, project, run, "plan", took, made, now=now)
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
            opened=_open(platform, run, "train", [drawn.binned, drawn.binned_validation], now=now),
            recorded=trials.recorded(platform.ledger, wanted),
            record=record,
            threads=project.operations.threads,
        )
        outcomes = trials.recorded(platform.ledger, wanted)
        return platform.keep([outcomes[trial_id] for trial_id in wanted])

    digest = _once(platform, run, f"train-{shard}", (plan, shard), compute, now=now)
    took = walk.training(project.name, platform.load(FeatureSet, drawn.features), drawn)
    _emit(platform, project, run, f"train-{shard}", took, walk.trials(project.name, shard, digest), now=now)
    return digest


def evaluate(platform: Platform, project: Project, run: Run, plan: str, *, now: datetime) -> str:
    """Refit the best trial, score it and the champion on the holdout. Returns the digest of the Evaluation.

    A champion that this very plan made is not compared with itself: its own evaluation is found again.
    """
    from include.lineage import walk
    from include.training import evaluation

    drawn = platform.load(Plan, plan)
    built = platform.load(FeatureSet, drawn.features)
    champion = versions.champion(platform.ledger, project.name)
    if champion is not None and platform.load(Evaluation, champion.evaluation).plan == plan:
        champion = versions.champion(platform.ledger, project.name, before=champion.model_version)

    def compute() -> str:
        opened = _open(
            platform,
            run,
            "evaluate",
            [*_contents(built.partitions), *([champion.bundle] if champion else [])],
            now=now,
        )
        evaluated = evaluation.evaluate(
            plan=drawn,
            plan_digest=plan,
            features=built,
            trials=trials.recorded(platform.ledger, [trial.trial_id for trial in drawn.trials]).values(),
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
    digest = _once(platform, run, "evaluate", (plan, against), compute, now=now)
    evaluated = platform.load(Evaluation, digest)
    took = walk.training(project.name, built, drawn)
    made = walk.model(project.name, built, evaluated)
    _emit(platform, project, run, "evaluate", took, made, now=now, parameters=evaluated.params)
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
            opened=_open(platform, run, "promote", [evaluated.model], now=now),
            vault=platform.vault,
            signer=platform.signer,
        )
        model = versions.register(platform.ledger, run, evaluation=evaluation, bundle=packed, verdict=verdict)
        return platform.keep(
            Promotion(evaluation=evaluation, version=model.model_version, bundle=model.bundle, verdict=model.verdict)
        )

    digest = _once(platform, run, "promote", (evaluation,), compute, now=now)
    promoted = platform.load(Promotion, digest)
    opened = _open(platform, run, "promote", [evaluated.model], now=now)
    platform.versions.register(project=project, promotion=promoted, evaluation=evaluated, opened=opened)
    took, made = walk.model(project.name, built, evaluated), walk.registered(project.name, promoted)
    _emit(platform, project, run, "promote", took, made, now=now)
    return digest


# ── the champion at work ──────────────────────────────────────────────────────────────────────────────────────────────


def score(platform: Platform, project: Project, run: Run, rows: "pa.Table", *, now: datetime) -> "pa.Table":
    """The champion's predictions for *rows* (typed as the contract of the target's dataset says): key, ``prediction``.

    Their features are computed by the night's own expressions, from what is known at the run's instant.

    Raises:
        RegistryError: the project has no champion yet, or one whose label or features are defined otherwise now.
        AccessDenied: no grant in force covers what the project reads.
    """
    from include.data import scoring
    from include.registry import bundle

    champion = versions.champion(platform.ledger, project.name)
    if champion is None:
        raise RegistryError("a champion scores", value=f"{project.name} has none", remedy="Run a night first.")
    opened = _open(platform, run, "score", [champion.bundle], now=now)
    model = bundle.load(opened.bytes(champion.bundle), platform.verifier)
    declared, key = _declaration(platform, run).compiled, project.target.key
    bundle.require_definitions(
        model.manifest,
        objective=project.target.objective,
        label=declared.definition(declared.label, key),
        features={name: declared.definition(group, key) for group in declared.groups for name in group.names},
        version=champion.model_version,
    )
    digest = snapshot(platform, project, run, now=now)
    taken = platform.load(Snapshot, digest)
    dataset = taken.scope.dataset(project.target.dataset)
    if dataset is None:
        raise DeclarationError("a scope holds the target's dataset", value=digest, remedy="Begin another run.")
    opened = _open(platform, run, "score", _contents(taken.partitions), now=now)
    treated = scoring.treat(rows, dataset, purpose=project.purpose, pseudonyms=platform.pseudonyms)
    contract = platform.contracts[project.target.dataset]
    joined = scoring.with_rows(taken, treated, contract, opened=opened, vault=platform.vault)
    opened = _open(platform, run, "score", _contents(joined.partitions), now=now)
    built = scoring.features_of(treated, joined, project=project, contracts=platform.contracts, opened=opened)
    return built.select(list(key)).append_column("prediction", [model.predict(built)])


# ── what the steps share ──────────────────────────────────────────────────────────────────────────────────────────────


def _declaration(platform: Platform, run: Run) -> "Declaration":
    from include.lineage.declaration import Declaration

    inputs = record_digest((run.code_digest, run.declaration_digest))
    digest = Journal(platform.ledger, run).output("declare", inputs)
    if digest is None:
        raise DeclarationError("a run is declared when it begins", value=run.run_id, remedy="Begin the run first.")
    return platform.load(Declaration, digest)


def _once(
    platform: Platform,
    run: Run,
    step: str,
    inputs: tuple[object, ...],
    compute: Callable[[], str],
    *,
    now: datetime,
    kept: Callable[[str], bool] | None = None,
) -> str:
    """What *step* made of *inputs*, computed if it never was or is not *kept*; the grants are verified either way."""
    scope = scope_of(platform, run)
    journal = Journal(platform.ledger, run)
    return journal.once(
        step,
        inputs,
        compute,
        allowed=lambda: platform.access.require(scope, now=now),
        kept=kept or platform.store.has,
    )


def _open(platform: Platform, run: Run, step: str, digests: Iterable[str], *, now: datetime) -> "Opened":
    return platform.vault.open(digests, run=run, step=step, scope=scope_of(platform, run), now=now)


def _contents(partitions: Sequence[Partition]) -> list[str]:
    return [partition.content for partition in partitions]


def _checked(platform: Platform, project: Project, expectations: str, snapshot: str) -> frozenset[str]:
    """The partitions that other nights checked with the same expectations, none of them in a critical failure.

    What was checked of this very *snapshot* does not count: an attempt that was killed is repeated whole.
    """
    events = (entry.event for entry in platform.ledger.read(f"validated/{project.name}"))
    return frozenset(
        content
        for event in events
        if isinstance(event, DataValidated)
        and event.expectations == expectations
        and event.snapshot != snapshot
        and event.worst is not Severity.CRITICAL
        for content in event.covered
    )


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


def _emit(
    platform: Platform,
    project: Project,
    run: Run,
    step: str,
    inputs: "Sequence[Dataset]",
    outputs: "Sequence[Dataset]",
    *,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Report to OpenLineage, through the ledger, what the step took and made."""
    from include.lineage import emission

    event = emission.event(
        run=run, project=project, step=step, at=now, inputs=inputs, outputs=outputs, parameters=parameters
    )
    platform.ledger.receive("lineage", LineageEmitted(event=event))
