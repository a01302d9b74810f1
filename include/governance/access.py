"""Whether a scope may be read now: requests, verified grants and adopted contracts, folded from the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from include.core.canonical import decode, record_digest
from include.core.errors import AccessDenied, AuthorityError, LedgerConflict
from include.core.events import (
    AccessGranted,
    AccessRefused,
    AccessRequested,
    AccessRevoked,
    ContractAdopted,
    Event,
)
from include.core.records import DatasetScope, Grant, Scope
from include.governance.signing import Verifier
from include.ledger import Entry, Ledger

#: What the authority's envelopes are about; part of what is signed, so that none passes for another.
GRANT_TYPE = "application/vnd.trainyard.grant+json"
ADOPTION_TYPE = "application/vnd.trainyard.contract-adoption+json"

_ACCESS_KINDS: tuple[type[Event], ...] = (AccessRequested, AccessGranted, AccessRefused, AccessRevoked)
#: How often a writer folds again when others append at the same moment.
ATTEMPTS = 20


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What the authority signs when a contract takes effect.

    ``position`` is the event's place in the contract's stream, so that an old envelope is worth nothing elsewhere.
    """

    dataset: str
    contract_version: str
    digest: str
    stewards: tuple[str, ...]
    adopted_by: str
    position: int


@dataclass(kw_only=True)
class Decisions:
    """The fold of one stream ``access/<project>/<dataset>``.

    ``grants`` holds those whose signature holds and that stand where they belong; ``unproven`` counts the others, which
    decide nothing.
    """

    version: int = 0
    requests: dict[str, AccessRequested] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    refusals: dict[str, AccessRefused] = field(default_factory=dict)
    revocations: dict[str, AccessRevoked] = field(default_factory=dict)
    unproven: int = 0

    @property
    def open(self) -> tuple[AccessRequested, ...]:
        """Requests that nobody has decided, oldest first."""
        granted = {grant.request_id for grant in self.grants.values()}
        return tuple(r for r in self.requests.values() if r.request_id not in granted | self.refusals.keys())

    def in_force(self, now: datetime) -> tuple[Grant, ...]:
        """Grants that hold *now* (UTC) and are not revoked."""
        return tuple(
            grant
            for grant in self.grants.values()
            if grant.grant_id not in self.revocations and grant.not_before <= now < grant.expires_at
        )


class Access:
    """Answers for one ledger, trusting only what the authority's public key verifies. Nothing here can grant."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger, self._verifier = ledger, verifier

    def adoption(self, dataset: str) -> Adoption | None:
        """The adoption in effect, if the dataset's contract was ever adopted."""
        found = None
        for entry in self._ledger.read(f"contract/{dataset}"):
            found = self._proven_adoption(dataset, entry) or found
        return found

    def adopted(self, dataset: str) -> str | None:
        """The digest of the contract that is in effect for *dataset*."""
        adoption = self.adoption(dataset)
        return adoption.digest if adoption else None

    def request(self, scope: Scope, *, requester: str, now: datetime) -> tuple[str, ...]:
        """Ask for each dataset that no grant covers *now* (UTC); the ids of the open requests, in the scope's order.

        An identical request that is still open is returned instead of a second one.
        """
        return tuple(self._request(scope, dataset, requester) for dataset in self.missing(scope, now=now))

    def requests(self, project: str | None = None) -> tuple[AccessRequested, ...]:
        """The open requests, of one project or of all, by project and dataset."""
        return tuple(request for decisions in self._all(project) for request in decisions.open)

    def grants(self, project: str | None = None, *, now: datetime) -> tuple[Grant, ...]:
        """The verified grants in force *now* (UTC), of one project or of all, by project and dataset."""
        return tuple(grant for decisions in self._all(project) for grant in decisions.in_force(now))

    def refused(self, scope: Scope) -> tuple[AccessRefused, ...]:
        """For each dataset of *scope*, the refusal of its latest identical request, if it was refused."""
        refusals = []
        for dataset in scope.datasets:
            decisions = self.decisions(scope.project, dataset.dataset)
            same = [r for r in decisions.requests.values() if (r.purpose, r.scope) == (scope.purpose, dataset)]
            if same and same[-1].request_id in decisions.refusals:
                refusals.append(decisions.refusals[same[-1].request_id])
        return tuple(refusals)

    def missing(self, scope: Scope, *, now: datetime) -> tuple[DatasetScope, ...]:
        """The datasets of *scope* that may not be read *now* (UTC)."""
        return tuple(dataset for dataset in scope.datasets if self._grant_for(scope, dataset, now) is None)

    def require(self, scope: Scope, *, now: datetime) -> tuple[Grant, ...]:
        """The grants under which all of *scope* may be read *now* (UTC), one a dataset, in the scope's order.

        Raises:
            AccessDenied: at least one dataset is not covered; the message names each, what is missing and whom to ask.
        """
        if not scope.datasets:
            raise AccessDenied(
                f"project {scope.project!r}: a scope names what it reads", value="no dataset", remedy="Derive it again."
            )
        found = [(dataset, self._grant_for(scope, dataset, now)) for dataset in scope.datasets]
        missing = [dataset for dataset, grant in found if grant is None]
        if missing:
            raise AccessDenied(
                f"project {scope.project!r}: a grant in force at {now:%Y-%m-%d %H:%M}Z covers everything that is read",
                value="; ".join(self._lack(scope, dataset, now) for dataset in missing),
                remedy=self._remedy(missing),
            )
        return tuple(grant for _, grant in found if grant is not None)

    def decisions(self, project: str, dataset: str) -> Decisions:
        """What was asked and decided about one dataset of one project."""
        return self._fold(project, dataset, self._ledger.read(f"access/{project}/{dataset}"))

    def _grant_for(self, scope: Scope, dataset: DatasetScope, now: datetime) -> Grant | None:
        if dataset.contract_digest != self.adopted(dataset.dataset):
            return None
        held = self.decisions(scope.project, dataset.dataset).in_force(now)
        covering = [grant for grant in held if grant.covers(dataset, purpose=scope.purpose, now=now)]
        return max(covering, key=lambda grant: (grant.expires_at, grant.grant_id), default=None)

    def _request(self, scope: Scope, dataset: DatasetScope, requester: str) -> str:
        stream = f"access/{scope.project}/{dataset.dataset}"
        for _ in range(ATTEMPTS):
            decisions = self.decisions(scope.project, dataset.dataset)
            for request in decisions.open:
                if (request.purpose, request.scope) == (scope.purpose, dataset):
                    return request.request_id
            seed = (scope.project, scope.purpose, dataset, requester, decisions.version)
            asked = AccessRequested(
                request_id=identifier("r", *seed),
                project=scope.project,
                purpose=scope.purpose,
                scope=dataset,
                requester=requester,
            )
            try:
                self._ledger.append(stream, [asked], expected_version=decisions.version)
            except LedgerConflict:
                continue
            return asked.request_id
        raise crowded(stream)

    def _all(self, project: str | None) -> Iterable[Decisions]:
        streams: dict[tuple[str, str], list[Entry]] = {}
        for entry in self._ledger.read_all(kinds=_ACCESS_KINDS):
            _, owner, dataset = entry.stream.split("/", 2)
            if project in (None, owner):
                streams.setdefault((owner, dataset), []).append(entry)
        for (owner, dataset), entries in sorted(streams.items(), key=lambda item: item[0]):
            yield self._fold(owner, dataset, entries)

    def _fold(self, project: str, dataset: str, entries: Sequence[Entry]) -> Decisions:
        decisions = Decisions()
        for entry in entries:
            decisions.version = entry.stream_version
            event = entry.event
            if isinstance(event, AccessRequested):
                decisions.requests.setdefault(event.request_id, event)
            elif isinstance(event, AccessRefused):
                decisions.refusals.setdefault(event.request_id, event)
            elif isinstance(event, AccessRevoked):
                decisions.revocations.setdefault(event.grant_id, event)
            elif isinstance(event, AccessGranted):
                grant = self._proven_grant(project, dataset, event)
                if grant is None:
                    decisions.unproven += 1
                else:
                    decisions.grants.setdefault(grant.grant_id, grant)
        return decisions

    def _proven_grant(self, project: str, dataset: str, event: AccessGranted) -> Grant | None:
        """The grant in the envelope, if the authority signed it and it stands in the stream that it is about."""
        try:
            payload = self._verifier.verify(event.envelope, GRANT_TYPE)
            grant = decode(Grant, payload)
        except (AuthorityError, ValueError):
            return None
        claimed = (event.grant_id, event.request_id, project, dataset)
        return grant if claimed == (grant.grant_id, grant.request_id, grant.project, grant.scope.dataset) else None

    def _proven_adoption(self, dataset: str, entry: Entry) -> Adoption | None:
        if not isinstance(entry.event, ContractAdopted):
            return None
        try:
            adoption = decode(Adoption, self._verifier.verify(entry.event.envelope, ADOPTION_TYPE))
        except (AuthorityError, ValueError):
            return None
        return adoption if (adoption.dataset, adoption.position) == (dataset, entry.stream_version) else None

    def _lack(self, scope: Scope, dataset: DatasetScope, now: datetime) -> str:
        name, adopted = dataset.dataset, self.adopted(dataset.dataset)
        if adopted is None:
            return f"{name}: its contract was never adopted"
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
            f"days needed: {dataset.window_days or 'all'}, granted: {', '.join(days) or 'none'}"
        )

    def _remedy(self, missing: Sequence[DatasetScope]) -> str:
        adoptions = [self.adoption(dataset.dataset) for dataset in missing]
        stewards = sorted({steward for adoption in adoptions if adoption for steward in adoption.stewards})
        whom = ", ".join(stewards) or "the stewards that the contract's file names"
        return f"Ask {whom} to adopt the contract and approve the request: `./trainyard approve`."


def identifier(prefix: str, *seed: object) -> str:
    """A short name, the same for the same *seed*: ``<prefix>-<16 hex digits>``."""
    return f"{prefix}-{record_digest(list(seed)).removeprefix('sha256:')[:16]}"


def crowded(stream: str) -> LedgerConflict:
    return LedgerConflict(
        f"one writer of {stream} comes first", value=f"{ATTEMPTS} lost races", remedy="Try again in a moment."
    )
