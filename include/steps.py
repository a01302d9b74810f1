"""The night, one function a step: the same from Airflow, the command line and a notebook.

    begin → [gate] → snapshot → validate ─┐
                         └────► features ─┴─► plan → train (once a shard) → evaluate → promote → end

Every step takes the platform, the project and its run, and digests of earlier manifests; it returns the digest of its
own. What was computed once is found in the ledger and not computed again, after the grants were verified again. A step
may be killed at any line and run again.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from include.core.canonical import decode, encode, record_digest
from include.core.errors import CodeChanged, DeclarationError, LedgerError, TrainyardError, ValidationFailed
from include.core.events import (
    DataValidated,
    ModelEvaluated,
    ModelRegistered,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
    TrialRecorded,
)
from include.core.project import Project, Severity
from include.core.records import (
    Contract,
    DatasetScope,
    Evaluation,
    FeatureSet,
    Plan,
    Promotion,
    Run,
    Scope,
    Snapshot,
    Trial,
    TrialState,
    Validation,
    Verdict,
)
from include.ledger import Fence, Ledger

if TYPE_CHECKING:
    from include.governance.access import Access
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.signing import Signer, Verifier
    from include.governance.vault import Opened, Vault
    from include.registry.versions import Versions
    from include.store import Store

#: A run holds its project's lease that long; each step renews it.
LEASE = timedelta(hours=24)

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


# ── the run ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin(platform: Platform, project: Project, *, run_id: str, instant: datetime, now: datetime) -> Run:
    """Start the night *run_id* of *project* at *instant*, or go on with it: a run keeps its first instant.

    Takes the project's lease and derives the scope from the code.

    Raises:
        LeaseHeld: another night of this project is running.
        CodeChanged: the run began under other code.
        DeclarationError: the project reads what its contracts do not have.
    """
    from include.ledger import lease

    fence = lease.take(platform.ledger, project.name, run_id=run_id, now=now, duration=LEASE)
    if platform.ledger.find(_stream(project.name, run_id)):
        return resume(platform, project, run_id=run_id, now=now)
    scope, declaration = _declare(platform, project)
    run = Run(
        project=project.name,
        run_id=run_id,
        instant=instant,
        code_digest=platform.code(project.name),
        declaration_digest=declaration,
        fence=fence.token,
    )
    scope_digest = platform.store.put(encode(scope))
    _finish(platform, run, "scope", inputs=declaration, output=scope_digest, attempt="")
    platform.ledger.record(
        _stream(project.name, run_id),
        RunStarted(run=run, separation_of_duties=platform.separation_of_duties),
        key=_stream(project.name, run_id),
        fence=fence,
    )
    return run


def resume(platform: Platform, project: Project, *, run_id: str, now: datetime) -> Run:
    """The run that :func:`begin` recorded, its lease renewed.

    Raises:
        LeaseHeld: another night of this project took the lease meanwhile.
        CodeChanged: the code moved under the running night.
        DeclarationError: no such run has begun.
    """
    from include.ledger import lease

    entry = platform.ledger.find(_stream(project.name, run_id))
    if entry is None or not isinstance(entry.event, RunStarted):
        raise DeclarationError("a step belongs to a run that has begun", value=run_id, remedy="Begin the run first.")
    run, code = entry.event.run, platform.code(project.name)
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
    from include.ledger import lease

    lease.release(platform.ledger, run.project, run_id=run.run_id)


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def scope_of(platform: Platform, run: Run) -> Scope:
    """What the run reads, as derived from its code when it began."""
    entry = platform.ledger.find(f"step/{run.project}/scope/{run.declaration_digest}")
    if entry is None or not isinstance(entry.event, StepFinished):
        raise DeclarationError("a run's scope is recorded when it begins", value=run.run_id, remedy="Begin the run.")
    return platform.load(Scope, entry.event.output)


def missing_access(platform: Platform, run: Run, *, now: datetime) -> tuple[DatasetScope, ...]:
    """What no grant in force covers at *now*: the gate is open when it is empty."""
    return platform.access.missing(scope_of(platform, run), now=now)


def request_access(platform: Platform, run: Run, *, requester: str, now: datetime) -> tuple[str, ...]:
    """File a request for each dataset that is missing (an identical open one is not doubled); return their ids."""
    return platform.access.request(scope_of(platform, run), requester=requester, now=now)


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def snapshot(platform: Platform, project: Project, run: Run, *, now: datetime) -> str:
    """Freeze the rows known at the run's instant. Returns the digest of the :class:`Snapshot`.

    It always looks at the source (a repaired file must be seen), but reads only partitions that it has not read yet.
    """
    from include.data import snapshot as snapshots

    with _attempt(platform, run, "snapshot") as attempt:
        taken = snapshots.take(
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
        digest = platform.store.put(encode(taken))
        inputs = record_digest((digest, run.declaration_digest))
        _finish(platform, run, "snapshot", inputs=inputs, output=digest, attempt=attempt)
        return digest


def validate(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Hold the snapshot's new days against the expectations. Returns the digest of the :class:`Validation`.

    Raises:
        ValidationFailed: a critical expectation failed; the message names expectation, dataset and days.
    """
    from include.data import validation as validations

    expectations = validations.expectations_digest(project, platform.contracts)

    def compute() -> str:
        events = (entry.event for entry in platform.ledger.read(f"validated/{run.project}"))
        checked = {
            content
            for event in events
            if isinstance(event, DataValidated)
            and event.expectations == expectations
            and event.worst is not Severity.CRITICAL
            for content in event.covered
        }
        taken = platform.load(Snapshot, snapshot)
        outcome = validations.validate(
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            contracts=platform.contracts,
            opened=_open(platform, run, "validate", [part.content for part in taken.partitions], now=now),
            store=platform.store,
            checked=checked,
        )
        digest = platform.store.put(encode(outcome))
        worst = next((severity for severity in Severity if outcome.failed(severity)), None)
        platform.ledger.record(
            f"validated/{run.project}",
            DataValidated(
                project=run.project,
                run_id=run.run_id,
                snapshot=snapshot,
                validation=digest,
                expectations=expectations,
                covered=outcome.covered,
                worst=worst,
            ),
            key=f"validated/{run.project}/{digest}",
            fence=_fence(run),
        )
        return digest

    digest = _once(platform, run, "validate", (snapshot, expectations), compute, now=now)
    failed = platform.load(Validation, digest).failed(Severity.CRITICAL)
    if failed:
        raise _validation_failed(project, failed)
    return digest


def features(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Build the point-in-time features of the new days, and probe them. Returns the digest of the FeatureSet.

    Raises:
        FeatureLeak: a feature knows the future; the message names it.
    """
    from include.data import features as feature_tables

    def compute() -> str:
        taken = platform.load(Snapshot, snapshot)
        built = feature_tables.build(
            run=run,
            snapshot=taken,
            snapshot_digest=snapshot,
            project=project,
            contracts=platform.contracts,
            vault=platform.vault,
            opened=_open(platform, run, "features", [part.content for part in taken.partitions], now=now),
            ledger=platform.ledger,
        )
        return platform.store.put(encode(built))

    return _once(platform, run, "features", (snapshot, run.declaration_digest), compute, now=now)


# ── training ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def plan(platform: Platform, project: Project, run: Run, features: str, *, now: datetime) -> str:
    """Draw the trials of one seeded round. Returns the digest of the :class:`Plan`; a recorded plan is reused."""
    from include.training import search

    def compute() -> str:
        built = platform.load(FeatureSet, features)
        drawn = search.plan(
            project=project,
            features=built,
            features_digest=features,
            opened=_open(platform, run, "plan", [part.content for part in built.partitions], now=now),
            vault=platform.vault,
            warm=_earlier_trials(platform, run),
        )
        return platform.store.put(encode(drawn))

    return _once(platform, run, "plan", (features, run.declaration_digest), compute, now=now)


def shards(platform: Platform, plan: str) -> list[int]:
    """The numbers of the plan's shards, one training task each."""
    return list(range(len(platform.load(Plan, plan).shards)))


def train(
    platform: Platform,
    project: Project,
    run: Run,
    plan: str,
    shard: int,
    *,
    now: datetime,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> str:
    """Run one shard's trials and record each as it ends; skip what is recorded. Returns a digest of the outcomes."""
    from include.training import trial as trials

    drawn = platform.load(Plan, plan)
    wanted = [drawn.trials[index].trial_id for index in drawn.shards[shard]]

    def record(trial: Trial) -> None:
        platform.ledger.record(
            f"trials/{run.project}",
            TrialRecorded(project=run.project, run_id=run.run_id, plan=plan, instant=run.instant, trial=trial),
            key=f"trial/{trial.trial_id}",
            fence=_fence(run),
        )
        on_trial(trial)

    def compute() -> str:
        trials.train_shard(
            drawn,
            shard,
            opened=_open(platform, run, "train", [drawn.binned], now=now),
            recorded=_recorded(platform, wanted),
            record=record,
            threads=project.operations.threads,
        )
        outcomes = _recorded(platform, wanted)
        return platform.store.put(encode([outcomes[trial_id] for trial_id in wanted]))

    return _once(platform, run, f"train-{shard}", (plan, shard), compute, now=now)


def evaluate(platform: Platform, project: Project, run: Run, plan: str, *, now: datetime) -> str:
    """Refit the best trial, score it and the champion on the holdout. Returns the digest of the Evaluation."""
    from include.training import evaluation as evaluations

    drawn = platform.load(Plan, plan)
    champion = champion_of(platform, run.project)
    if champion is not None and platform.load(Evaluation, champion.evaluation).plan == plan:
        champion = _champion_before(platform, run.project, champion.model_version)

    def compute() -> str:
        built = platform.load(FeatureSet, drawn.features)
        contents = [partition.content for partition in built.partitions]
        evaluated = evaluations.evaluate(
            plan=drawn,
            plan_digest=plan,
            features=built,
            trials=_recorded(platform, [trial.trial_id for trial in drawn.trials]),
            opened=_open(platform, run, "evaluate", contents, now=now),
            vault=platform.vault,
            champion=_rival(platform, run, champion, now=now) if champion else None,
            threads=project.operations.threads,
        )
        digest = platform.store.put(encode(evaluated))
        platform.ledger.record(
            f"evaluations/{run.project}",
            ModelEvaluated(project=run.project, run_id=run.run_id, evaluation=evaluated),
            key=f"evaluated/{digest}",
            fence=_fence(run),
        )
        return digest

    against = champion.model_version if champion else None
    return _once(platform, run, "evaluate", (plan, against), compute, now=now)


def promote(platform: Platform, project: Project, run: Run, evaluation: str, *, now: datetime) -> str:
    """Register the evaluated model; the gates decide whether it becomes champion. Returns the Promotion's digest."""
    from include.registry import bundle, promotion

    def compute() -> str:
        evaluated = platform.load(Evaluation, evaluation)
        verdict = promotion.decide(evaluated, project.gates, project.target.objective)
        packed = bundle.pack(
            evaluation=evaluated,
            evaluation_digest=evaluation,
            features=platform.load(FeatureSet, evaluated.features),
            project=project,
            opened=_open(platform, run, "promote", [evaluated.model], now=now),
            vault=platform.vault,
            signer=platform.signer,
        )
        version = _register(platform, run, evaluation, packed, verdict)
        return platform.store.put(
            encode(Promotion(evaluation=evaluation, version=version, bundle=packed, verdict=verdict))
        )

    digest = _once(platform, run, "promote", (evaluation,), compute, now=now)
    promoted = platform.load(Promotion, digest)
    evaluated = platform.load(Evaluation, evaluation)
    platform.versions.register(
        project=project,
        promotion=promoted,
        evaluation=evaluated,
        opened=_open(platform, run, "promote", [promoted.bundle, evaluated.model], now=now),
    )
    return digest


def champion_of(platform: Platform, project: str) -> ModelRegistered | None:
    """The model version in force: the last one that was promoted."""
    return next((model for model in reversed(_models(platform, project)) if model.verdict.promote), None)


# ── what the steps share ──────────────────────────────────────────────────────────────────────────────────────────────


def _stream(project: str, run_id: str) -> str:
    return f"run/{project}/{run_id}"


def _fence(run: Run) -> Fence:
    return Fence(project=run.project, token=run.fence)


def _declare(platform: Platform, project: Project) -> tuple[Scope, str]:
    """The project's scope, and the digest of all that it declares: its expressions as SQL, and no operations."""
    from include import lineage

    scope = lineage.scope_of(project, platform.contracts)
    expressions = lineage.expressions_of(project, platform.contracts, scope=scope)
    target = project.target
    declared = (
        scope,
        (target.dataset, target.key, target.objective),
        [lineage.sql_of(expression) for expression in expressions.all],
        [(group.name, group.lookback_days) for group in project.features],
        (project.window, project.search, project.gates, project.expectations),
    )
    return scope, record_digest(declared)


def _open(platform: Platform, run: Run, step: str, digests: list[str], *, now: datetime) -> "Opened":
    return platform.vault.open(digests, run=run, step=step, scope=scope_of(platform, run), now=now)


def _once(
    platform: Platform, run: Run, step: str, inputs: tuple[object, ...], compute: Callable[[], str], *, now: datetime
) -> str:
    """The recorded output of *step* for *inputs*, or what *compute* makes. Grants are verified either way."""
    digest = record_digest((run.code_digest, *inputs))
    with _attempt(platform, run, step) as attempt:
        platform.access.require(scope_of(platform, run), now=now)
        entry = platform.ledger.find(f"step/{run.project}/{step}/{digest}")
        known = entry is not None and isinstance(entry.event, StepFinished)
        output = entry.event.output if known else compute()
        _finish(platform, run, step, inputs=digest, output=output, attempt=attempt)
        return output


def _finish(platform: Platform, run: Run, step: str, *, inputs: str, output: str, attempt: str) -> None:
    """Record the fact that *inputs* make *output*, or, where it is known, that it was taken again."""
    key, stream = f"step/{run.project}/{step}/{inputs}", _stream(run.project, run.run_id)
    if platform.ledger.find(key) is None:
        finished = StepFinished(
            project=run.project, run_id=run.run_id, step=step, attempt=attempt, inputs=inputs, output=output
        )
        platform.ledger.record(stream, finished, key=key, fence=_fence(run))
    else:
        reused = StepReused(project=run.project, run_id=run.run_id, step=step, attempt=attempt, output=output)
        platform.ledger.record(stream, reused, fence=_fence(run))


@contextmanager
def _attempt(platform: Platform, run: Run, step: str) -> Iterator[str]:
    """Record that an attempt began and how it failed; close earlier attempts of the step that ended without a word."""
    stream, attempt = _stream(run.project, run.run_id), uuid.uuid4().hex
    _close_lost_attempts(platform, run, step)
    platform.ledger.record(
        stream, StepStarted(project=run.project, run_id=run.run_id, step=step, attempt=attempt), fence=_fence(run)
    )

    def fail(error: str, message: str) -> None:
        with suppress(LedgerError):  # unreachable now: the next attempt finds this one unfinished and closes it
            platform.ledger.record(stream, _failed(run, step, attempt, error, message))

    try:
        yield attempt
    except TrainyardError as error:
        fail(type(error).__name__, str(error))
        raise
    except Exception as error:  # recorded by its type alone, since a foreign message may quote a value; then raised
        fail(type(error).__name__, type(error).__name__)
        raise


def _close_lost_attempts(platform: Platform, run: Run, step: str) -> None:
    stream = _stream(run.project, run.run_id)
    events = [entry.event for entry in platform.ledger.read(stream)]
    ended = {event.attempt for event in events if isinstance(event, StepFinished | StepReused | StepFailed)}
    for event in events:
        if isinstance(event, StepStarted) and event.step == step and event.attempt not in ended:
            platform.ledger.record(stream, _failed(run, step, event.attempt, "Lost", "ended without a word"))


def _failed(run: Run, step: str, attempt: str, error: str, message: str) -> StepFailed:
    return StepFailed(project=run.project, run_id=run.run_id, step=step, attempt=attempt, error=error, message=message)


def _validation_failed(project: Project, failed: tuple[object, ...]) -> ValidationFailed:
    from include.data import validation as validations

    return ValidationFailed(
        f"the data of {project.name!r} meets its critical expectations",
        value=validations.summary(failed),
        remedy="Repair the named days at the source (or relax the expectation with the dataset's stewards) and clear "
        "the task: repaired days are read again.",
    )


def _recorded(platform: Platform, trial_ids: list[str]) -> dict[str, Trial]:
    entries = ((trial_id, platform.ledger.find(f"trial/{trial_id}")) for trial_id in trial_ids)
    return {
        trial_id: entry.event.trial
        for trial_id, entry in entries
        if entry is not None and isinstance(entry.event, TrialRecorded)
    }


def _earlier_trials(platform: Platform, run: Run) -> tuple[Trial, ...]:
    """What nights of an earlier instant learned, oldest first."""
    events = (entry.event for entry in platform.ledger.read(f"trials/{run.project}"))
    return tuple(
        event.trial
        for event in events
        if isinstance(event, TrialRecorded) and event.instant < run.instant and event.trial.state is TrialState.COMPLETE
    )


def _models(platform: Platform, project: str) -> list[ModelRegistered]:
    events = (entry.event for entry in platform.ledger.read(f"model/{project}"))
    return [event for event in events if isinstance(event, ModelRegistered)]


def _register(platform: Platform, run: Run, evaluation: str, bundle: str, verdict: Verdict) -> int:
    """The version under which the evaluation's model is registered: a new one, or the one that it already has."""
    models = _models(platform, run.project)
    known = next((model.model_version for model in models if model.evaluation == evaluation), None)
    if known is not None:
        return known
    version = models[-1].model_version + 1 if models else 1
    registered = ModelRegistered(
        project=run.project,
        run_id=run.run_id,
        model_version=version,
        evaluation=evaluation,
        bundle=bundle,
        verdict=verdict,
    )
    platform.ledger.append(f"model/{run.project}", [registered], expected_version=version - 1, fence=_fence(run))
    return version


def _champion_before(platform: Platform, project: str, version: int) -> ModelRegistered | None:
    earlier = [model for model in _models(platform, project) if model.model_version < version]
    return next((model for model in reversed(earlier) if model.verdict.promote), None)
