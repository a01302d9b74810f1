"""Whether a scope may be read now: requests, verified grants and adopted contracts, folded from the ledger."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import AccessDenied, LedgerConflict
from include.core.events import (
    AccessRequested,
    ContractAdopted,
    RequestDenied,
)
from include.core.names import among
from include.core.records import DatasetScope, Grant, RevocationKind, Run, Scope
from include.core.words import require_sentence
from include.governance.claims import AdoptionClaim
from include.governance.decisions import Decisions
from include.governance.fold import KINDS, AccessFold, fold
from include.governance.signing import Verifier
from include.ledger import Entry, Ledger
from include.ledger.journal import under_way

#: How often a writer folds again when others append at the same moment.
ATTEMPTS = 20


class Access:
    """Answers for one ledger, trusting only what the authority's public key verifies. Nothing here can grant."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self.ledger, self.verifier = ledger, verifier

    def adoption(self, dataset: str) -> AdoptionClaim | None:
        """The adoption in effect, if the dataset's contract was ever adopted."""
        return next(reversed(self._adoptions(dataset)), None)

    def adoptions(self) -> dict[str, AdoptionClaim]:
        found = self._fold(self.ledger.read_all(kinds=(ContractAdopted,))).adoptions
        return {name: adoptions[-1] for name, adoptions in sorted(found.items())}

    def adopted(self, dataset: str) -> str | None:
        """The digest of the contract that is in effect for *dataset*."""
        adoption = self.adoption(dataset)
        return adoption.digest if adoption else None

    def request(self, scope: Scope, *, requester: str, now: datetime) -> tuple[str, ...]:
        """Ask for each dataset that no grant covers *now* (UTC); the ids of the open requests, in the scope's order.

        An identical request that is still open is returned if *requester* is among those who asked for it. Otherwise
        it is filed again in their name: nobody who asked approves it.

        Raises:
            DeclarationError: *requester* is blank, or hides something.
        """
        require_sentence("the name of who asks", requester)
        return tuple(self._request(scope, dataset, requester) for dataset in self.missing(scope, now=now))

    def requests(self, project: str | None = None) -> tuple[AccessRequested, ...]:
        """The open requests, of one project or of all, by project and dataset."""
        return tuple(request for decisions in self._all(project) for request in decisions.open)

    def grants(self, project: str | None = None, *, now: datetime) -> tuple[Grant, ...]:
        """The verified grants in force *now* (UTC), of one project or of all, by project and dataset."""
        return tuple(grant for decisions in self._all(project) for grant in decisions.in_force(now))

    def ended_with_contract(self, *, now: datetime) -> tuple[Grant, ...]:
        """The grants that would hold *now* (UTC), had not another version of their contract been adopted since.

        Those whose project was granted the dataset again for the same purpose are not among them.
        """
        found: list[Grant] = []
        for decisions in self._all(None):
            adopted, held = self.adopted(decisions.dataset), decisions.in_force(now)
            renewed = {grant.purpose for grant in held if grant.scope.contract_digest == adopted}
            latest = {grant.purpose: grant for grant in held if grant.purpose not in renewed}
            found += latest.values()
        return tuple(found)

    def denied(self, scope: Scope) -> tuple[RequestDenied, ...]:
        """For each dataset of *scope*, the denial of its latest identical request, if it was denied."""
        denials = []
        for dataset in scope.datasets:
            decisions = self.decisions(scope.project, dataset.dataset)
            same = [r for r in decisions.requests.values() if (r.purpose, r.scope) == (scope.purpose, dataset)]
            if same and same[-1].request_id in decisions.denials:
                denials.append(decisions.denials[same[-1].request_id])
        return tuple(denials)

    def unasked(self, scope: Scope, *, now: datetime) -> tuple[DatasetScope, ...]:
        """The datasets of *scope* that may not be read *now* (UTC) and that no open request asks for."""
        return tuple(
            dataset
            for dataset in self.missing(scope, now=now)
            if (scope.purpose, dataset)
            not in [(r.purpose, r.scope) for r in self.decisions(scope.project, dataset.dataset).open]
        )

    def missing(self, scope: Scope, *, now: datetime) -> tuple[DatasetScope, ...]:
        """The datasets of *scope* that may not be read *now* (UTC)."""
        return tuple(dataset for dataset in scope.datasets if self._grant_for(scope, dataset, now) is None)

    def in_force(self, scope: Scope, *, now: datetime, run: Run | None = None) -> tuple[Grant, ...]:
        """What :meth:`require` returns, without the datasets that nothing covers."""
        found = (self._grant_for(scope, dataset, now, run) for dataset in scope.datasets)
        return tuple(grant for grant in found if grant is not None)

    def require(
        self, scope: Scope, *, now: datetime, run: Run | None = None, serving: bool = False
    ) -> tuple[Grant, ...]:
        """The grants under which all of *scope* may be read *now* (UTC), one a dataset, in the scope's order.

        What *run* has begun goes on under a grant that was revoked meanwhile, if that was to stop only what is new.
        *serving*: a champion is opened to predict, which a revocation ends only if it is a quarantine.

        Raises:
            AccessDenied: at least one dataset is not covered; the message names each, what is missing and whom to ask.
        """
        if not scope.datasets:
            raise AccessDenied(
                f"project {scope.project!r}: a scope names what it reads", value="no dataset", remedy="Derive it again."
            )
        found = [(dataset, self._grant_for(scope, dataset, now, run, serving=serving)) for dataset in scope.datasets]
        missing = [dataset for dataset, grant in found if grant is None]
        if missing:
            raise AccessDenied(
                f"project {scope.project!r}: a grant in force at {now:%Y-%m-%d %H:%M}Z covers everything that is read",
                value="; ".join(self._lack(scope, dataset, now) for dataset in missing),
                remedy=self._remedy(missing),
            )
        return tuple(grant for _, grant in found if grant is not None)

    def quarantined(self, scope: Scope) -> frozenset[str]:
        """The grants for the datasets of *scope*, of its project, that are in quarantine."""
        folded = (self.decisions(scope.project, dataset.dataset) for dataset in scope.datasets)
        return frozenset(grant for decisions in folded for grant in decisions.quarantined)

    def decisions(self, project: str, dataset: str) -> Decisions:
        """What was asked and decided about one dataset of one project."""
        return self._fold(self.ledger.read(streams.access(project, dataset))).of(project, dataset)

    def replaced(self, scope: Scope) -> tuple[str, ...]:
        """The datasets of *scope* of whose contract another version is in effect than the one it was derived from."""
        pairs = [(dataset, self.adopted(dataset.dataset)) for dataset in scope.datasets]
        return tuple(dataset.dataset for dataset, now in pairs if now not in (None, dataset.contract_digest))

    def _adoptions(self, dataset: str) -> list[AdoptionClaim]:
        """All of them, oldest first."""
        return self._fold(self.ledger.read(streams.contract(dataset))).adoptions.get(dataset, [])

    def _grant_for(
        self, scope: Scope, dataset: DatasetScope, now: datetime, run: Run | None = None, *, serving: bool = False
    ) -> Grant | None:
        if dataset.contract_digest != self.adopted(dataset.dataset):
            return None
        decisions = self.decisions(scope.project, dataset.dataset)
        for held in (decisions.in_force(now), self._spared(decisions, now, run, serving=serving)):
            covering = [grant for grant in held if grant.covers(dataset, purpose=scope.purpose, now=now)]
            if covering:
                return max(covering, key=lambda grant: (grant.expires_at, grant.grant_id))
        return None

    def _spared(self, decisions: Decisions, now: datetime, run: Run | None, *, serving: bool) -> tuple[Grant, ...]:
        """The revoked grants that still allow what *run* has begun, or a champion to serve."""
        if serving:
            return decisions.ended_by(RevocationKind.STOP_NEW, RevocationKind.STOP_RUNNING, now=now)
        if run is None:
            return ()
        return tuple(
            grant
            for grant in decisions.ended_by(RevocationKind.STOP_NEW, now=now)
            if under_way(self.ledger, run, position=decisions.stopped_at[grant.grant_id])
        )

    def _request(self, scope: Scope, dataset: DatasetScope, requester: str) -> str:
        stream = streams.access(scope.project, dataset.dataset)
        for _ in range(ATTEMPTS):
            decisions = self.decisions(scope.project, dataset.dataset)
            for request in decisions.open:
                same = (request.purpose, request.scope) == (scope.purpose, dataset)
                if same and among(requester, decisions.askers(request.request_id)):
                    return request.request_id
            seed = (scope.project, scope.purpose, dataset, requester, decisions.version)
            asked = AccessRequested(
                request_id=identifier("r", *seed),
                project=scope.project,
                purpose=scope.purpose,
                scope=dataset,
                requester=requester,
            )
            if self.ledger.offer(stream, asked, expected_version=decisions.version):
                return asked.request_id
        raise crowded(stream)

    def _all(self, project: str | None) -> list[Decisions]:
        found = self._fold(self.ledger.read_all(kinds=KINDS)).decided
        return [decisions for place, decisions in sorted(found.items()) if project in (None, place[0])]

    def _fold(self, entries: Iterable[Entry]) -> AccessFold:
        return reduce(fold, entries, AccessFold(verifier=self.verifier))

    def _lack(self, scope: Scope, dataset: DatasetScope, now: datetime) -> str:
        name, ever = dataset.dataset, [adoption.digest for adoption in self._adoptions(dataset.dataset)]
        if not ever:
            return f"{name}: its contract was never adopted"
        adopted = ever[-1]
        if dataset.contract_digest != adopted and dataset.contract_digest in ever:
            return f"{name}: its contract was replaced: another version is in effect than the one that this reads under"
        if dataset.contract_digest != adopted:
            return f"{name}: its contract file is not the adopted version ({dataset.contract_digest[:14]}…)"
        decisions = self.decisions(scope.project, name)
        fitting = [
            g for g in decisions.in_force(now) if (g.purpose, g.scope.contract_digest) == (scope.purpose, adopted)
        ]
        granted = {column for grant in fitting for column in grant.scope.columns}
        never = sorted(column for column, treatment in dataset.columns if (column, treatment) not in granted)
        days = sorted(str(g.scope.window_days or "all") for g in fitting)
        return (
            f"{name}: {len(fitting)} grants in force for this purpose and contract, "
            f"{len(decisions.revocations)} revoked, {decisions.unproven} whose signature does not hold; "
            f"columns not granted: {', '.join(never) or 'none'}; "
            f"days needed: {dataset.window_days or 'all'}, granted: {', '.join(days) or 'none'}; "
            f"{_filed(decisions, scope.purpose, dataset)}"
        )

    def _remedy(self, missing: Sequence[DatasetScope]) -> str:
        adoptions = [self.adoption(dataset.dataset) for dataset in missing]
        stewards = sorted({steward for adoption in adoptions if adoption for steward in adoption.stewards})
        whom = ", ".join(stewards) or "the stewards that the contract's file names"
        ever = {adoption.digest for dataset in missing for adoption in self._adoptions(dataset.dataset)[:-1]}
        if any(dataset.contract_digest in ever for dataset in missing):
            return (
                "Start another run, which asks under the version in effect; what did not change is not computed "
                f"again. Where a contract's file is not that version, ask {whom} to adopt it first."
            )
        in_effect = {adoption.digest for adoption in adoptions if adoption}
        adopt = "" if all(dataset.contract_digest in in_effect for dataset in missing) else "adopt the contract and "
        return f"Ask {whom} to {adopt}approve the request: `./trainyard access approve`."


def _filed(decisions: Decisions, purpose: str, dataset: DatasetScope) -> str:
    """What became of the latest request for exactly this."""
    same = [r.request_id for r in decisions.requests.values() if (r.purpose, r.scope) == (purpose, dataset)]
    if not same:
        return "never asked for"
    if any(request.request_id == same[-1] for request in decisions.open):
        before = decisions.decided_before(same[-1])
        told = f" ({before.request_id}, before it, was {before})" if before else ""
        return f"request {same[-1]} waits for a decision{told}"
    return f"request {same[-1]} was {decisions.decided(same[-1]) or 'superseded'}"


def identifier(prefix: str, *seed: object) -> str:
    """A short name, the same for the same *seed*: ``<prefix>-<16 hex digits>``."""
    return f"{prefix}-{record_digest(list(seed)).removeprefix('sha256:')[:16]}"


def crowded(stream: str) -> LedgerConflict:
    return LedgerConflict(
        f"one writer of {stream} comes first", value=f"{ATTEMPTS} lost races", remedy="Try again in a moment."
    )
