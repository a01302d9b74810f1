"""What the steps work on, and what all of them do: compute once, open under grants, report to OpenLineage."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from include.core import streams
from include.core.canonical import decode, encode, record_digest
from include.core.errors import DeclarationError, LedgerError, NothingToWatch, StoreError
from include.core.events import LineageEmitted, ModelEvaluated
from include.core.project import Project
from include.core.records import Contract, Environment, Evaluation, Partition, Run, Scope
from include.engines import OpenEngine, opened
from include.ledger import Fence, Ledger, lease
from include.ledger.journal import Journal, recorded_text

if TYPE_CHECKING:
    from include.contracts import Contracts
    from include.declared.declaration import Declaration
    from include.governance.access import Access
    from include.governance.kept_contracts import KeptContracts
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.revocation_marks import RevocationMarks
    from include.governance.signing import Signer, Verifier
    from include.governance.vault import OpenedArtifacts, Vault
    from include.lineage.datasets import Dataset
    from include.lineage.emission import ParentRuns
    from include.registry.champions import Champions
    from include.registry.mlflow_nights import Commit
    from include.registry.versions import Versions
    from include.store import Store
    from include.training.progress import TrainingProgress

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the steps work on. ``store`` holds what has no personal values, ``vault`` the rest.

    ``contracts`` are the files as they are: what a run begins with. What it reads afterwards says :func:`contracts_of`.
    ``code`` maps a project's name to the digest of all code that a night of it runs, ``commit`` to the commit that its
    folder stands at; ``keep_code`` copies that code for a run that begins with it (its project and digest).
    ``source_credentials`` is the file of what signs in to servers of production data.
    ``environment`` says what this process runs in; ``None``: nobody looked.
    ``trainer_image`` says which image a project's training pods are made of; ``None``: it is trained in none.
    ``engine`` opens what computes features.
    ``separation_of_duties`` says whether the authority's key is out of this process's reach, or NOT SHOWN.
    ``await_authority`` returns once the authority has decided what the given function asks for, or not within its time.
    ``parents`` is the OpenLineage run within which the steps run (an Airflow task and its DAG run); ``None``: the night
    itself. ``on_training`` is told now and then how far a step that trains is in this process.
    """

    ledger: Ledger
    store: "Store"
    vault: "Vault"
    access: "Access"
    contracts: "Contracts"
    pseudonyms: "Pseudonyms"
    production: Path
    signer: "Signer"
    verifier: "Verifier"
    champions: "Champions"
    await_authority: Callable[[Callable[[], bool]], None]
    versions: "Versions"
    code: Callable[[str], str]
    separation_of_duties: str
    commit: "Callable[[str], Commit | None]" = lambda project: None
    source_credentials: Path | None = None
    parents: "ParentRuns | None" = None
    keep_code: Callable[[str, str], None] = lambda project, code: None
    environment: Callable[[], Environment | None] = lambda: None
    trainer_image: Callable[[Project], str | None] = lambda project: None
    engine: OpenEngine = opened
    on_training: "Callable[[str, TrainingProgress], None]" = lambda step, progress: None

    def load(self, kind: type[Record], digest: str) -> Record:
        """The manifest of type *kind* that *digest* names.

        Raises:
            StoreError: it is missing, or other code wrote it.
        """
        return loaded(self.store, kind, digest)

    def keep(self, record: object) -> str:
        """Store a manifest; its digest."""
        return self.store.put(encode(record))


def loaded(store: "Store", kind: type[Record], digest: str) -> Record:
    """The manifest of type *kind* that *digest* names in *store*.

    Raises:
        StoreError: it is missing, or other code wrote it.
    """
    data = store.get(digest)
    try:
        return decode(kind, data)
    except ValueError:
        raise StoreError(
            "a manifest is one that this version of Trainyard reads",
            value=f"{digest} is no {kind.__name__}",
            remedy="Another version wrote it: run that one, or set TRAINYARD_HOME to a new folder.",
        ) from None


def marks_of(platform: Platform) -> "RevocationMarks":
    """Which revoked grants stand behind versions and nights."""
    from include.governance.revocation_marks import RevocationMarks

    return RevocationMarks(platform.ledger, platform.access)


def scope_of(platform: Platform, run: Run) -> Scope:
    """What the run reads, as derived from its code when it began."""
    return declaration_of(platform, run).scope


def contracts_of(platform: Platform, run: Run) -> dict[str, Contract]:
    """The contracts of all that the run reads, as they were adopted: an edit of a file changes nothing for it.

    Raises:
        ContractError: one was adopted by a release that kept none, and its file is another version by now.
    """
    kept = _kept(platform)
    return {
        dataset.dataset: kept.of(dataset.dataset, dataset.contract_digest, platform.contracts)
        for dataset in scope_of(platform, run).datasets
    }


def contract_in_effect(platform: Platform, dataset: str) -> Contract:
    """The contract that a steward adopted for *dataset*, or that of its file where nobody did yet."""
    return adopted_contract(platform, dataset) or platform.contracts[dataset]


def adopted_contract(platform: Platform, dataset: str) -> Contract | None:
    """The contract that is in effect for *dataset*; ``None``: nobody ever adopted one.

    Raises:
        ContractError: it was adopted by a release that kept none, and its file is another version by now.
    """
    return _kept(platform).in_effect(dataset, platform.contracts)


def _kept(platform: Platform) -> "KeptContracts":
    from include.governance.kept_contracts import KeptContracts

    return KeptContracts(platform.ledger, platform.access, platform.contracts.read)


def declaration_of(platform: Platform, run: Run) -> "Declaration":
    from include.declared.declaration import Declaration

    inputs = record_digest((run.code_digest, run.declaration_digest))
    digest = Journal(platform.ledger, run).output("declare", inputs)
    if digest is None:
        raise DeclarationError("a run is declared when it begins", value=run.run_id, remedy="Begin the run first.")
    return platform.load(Declaration, digest)


def once(
    platform: Platform,
    project: Project,
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
    with failure_reported(platform, project, run, step, now=now):
        return journal.once(
            step,
            inputs,
            compute,
            allowed=lambda: platform.access.require(scope, now=now, run=run),
            kept=kept or platform.store.has,
        )


def known(platform: Platform, run: Run, step: str, inputs: tuple[object, ...]) -> str | None:
    """What the ledger says that :func:`once` made of *inputs*, kept or not; ``None``: it never did."""
    return Journal(platform.ledger, run).output(step, record_digest((run.code_digest, *inputs)))


def known_since(platform: Platform, run: Run, step: str, inputs: tuple[object, ...]) -> int | None:
    """The position at which the ledger holds what :func:`known` returns; ``None``: nowhere."""
    return Journal(platform.ledger, run).position(step, record_digest((run.code_digest, *inputs)))


def open_artifacts(
    platform: Platform,
    run: Run,
    step: str,
    digests: Iterable[str],
    *,
    now: datetime,
    serving: bool = False,
    under_way: Iterable[str] = (),
) -> "OpenedArtifacts":
    scope = scope_of(platform, run)
    return platform.vault.open(digests, run=run, step=step, scope=scope, now=now, serving=serving, under_way=under_way)


def evaluation_of(platform: Platform, project: str, digest: str) -> Evaluation:
    """The evaluation that *digest* names. The ledger holds it whole: a manifest that was lost is kept again.

    Raises:
        StoreError: the manifest was altered, or lost and never recorded.
    """
    if not platform.store.has(digest):
        known = platform.ledger.fact(streams.evaluated_key(project, digest), ModelEvaluated)
        if known is not None:
            platform.keep(known.evaluation)
    return platform.load(Evaluation, digest)


def contents(partitions: Sequence[Partition]) -> list[str]:
    return [partition.content for partition in partitions]


def emit(
    platform: Platform,
    project: Project,
    run: Run,
    step: str,
    inputs: "Sequence[Dataset]",
    outputs: "Sequence[Dataset]",
    *,
    now: datetime,
    parameters: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Report to OpenLineage, through the ledger, what the step took and made; *tags* say where it ran, say."""
    from include.lineage import emission

    event = emission.event(
        run=run,
        project=project,
        step=step,
        at=now,
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        tags=tags,
        parents=platform.parents,
        grants=platform.access.in_force(scope_of(platform, run), now=now, run=run),
    )
    platform.ledger.receive(streams.LINEAGE, LineageEmitted(event=event))


@contextmanager
def failure_reported(platform: Platform, project: Project, run: Run, step: str, *, now: datetime) -> Iterator[None]:
    """Report to OpenLineage, through the ledger, that the step failed, by whatever the block raises.

    What the ledger takes of the error's text is told, and no more. That there is nothing to watch is no failure.
    """
    began = time.monotonic()
    try:
        yield
    except NothingToWatch:
        raise
    except Exception as error:  # whatever ended the step is told, then raised
        at = now + timedelta(seconds=time.monotonic() - began)
        report_failure(platform, project, run, step, error, at=at)
        raise


def report_failure(
    platform: Platform, project: Project, run: Run, step: str, error: Exception, *, at: datetime
) -> None:
    """Report to OpenLineage that *step* failed with *error* at *at* (UTC), if the ledger can be reached.

    A run that another has taken over reports nothing any more.
    """
    from include.lineage import emission

    event = emission.failure(
        run=run, project=project, step=step, at=at, message=recorded_text(error), parents=platform.parents
    )
    with suppress(LedgerError):
        fence = Fence.of(run)
        if fence is None or not lease.taken_over(platform.ledger, fence):
            platform.ledger.receive(streams.LINEAGE, LineageEmitted(event=event))
