"""What was asked and decided about one dataset of one project, folded from its stream; and what of it is proven."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from include.core.canonical import decode
from include.core.errors import AuthorityError
from include.core.events import AccessGranted, AccessRefused, AccessRequested, AccessRevoked, ContractAdopted
from include.core.records import Grant
from include.governance.signing import Verifier
from include.ledger import Entry

#: What the authority's envelopes are about; part of what is signed, so that none passes for another.
GRANT_TYPE = "application/vnd.trainyard.grant+json"
ADOPTION_TYPE = "application/vnd.trainyard.contract-adoption+json"
REFUSAL_TYPE = "application/vnd.trainyard.refusal+json"
REVOCATION_TYPE = "application/vnd.trainyard.revocation+json"

_Signed = TypeVar("_Signed")


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


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the authority signs when a steward refuses; ``position`` is the event's place in its stream."""

    project: str
    dataset: str
    request_id: str
    steward: str
    reason: str
    position: int


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """What the authority signs when a steward revokes; ``position`` is the event's place in its stream."""

    project: str
    dataset: str
    grant_id: str
    steward: str
    reason: str
    position: int


@dataclass(kw_only=True)
class Decisions:
    """The fold of one stream ``access/<project>/<dataset>``.

    ``grants`` holds those whose signature holds and that stand where they belong. A refusal whose signature does not
    hold decides nothing either; a revocation only takes away, and ends its grant whoever wrote it. Refusals and
    revocations of before they were signed count. ``signed`` holds the ids of requests whose refusal, and of grants
    whose revocation, is proven; ``unproven`` counts the grants and refusals that decide nothing. ``granted`` maps a
    request to its grant.
    """

    project: str
    dataset: str
    version: int = 0
    requests: dict[str, AccessRequested] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    refusals: dict[str, AccessRefused] = field(default_factory=dict)
    revocations: dict[str, AccessRevoked] = field(default_factory=dict)
    granted: dict[str, str] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    unproven: int = 0

    @property
    def stream(self) -> str:
        return f"access/{self.project}/{self.dataset}"

    @property
    def open(self) -> tuple[AccessRequested, ...]:
        """The request that waits for a decision, if the latest one does: what a project reads is one scope."""
        return tuple(self.requests[name] for name in list(self.requests)[-1:] if self._undecided(name))

    @property
    def superseded(self) -> tuple[AccessRequested, ...]:
        """Requests that nobody decided before the project asked for something else, oldest first."""
        return tuple(self.requests[name] for name in list(self.requests)[:-1] if self._undecided(name))

    def askers(self, request_id: str) -> tuple[str, ...]:
        """All who asked for what *request_id* asks for since somebody decided last, or something else was asked for."""
        names = list(self.requests)
        asked, found = self.requests[request_id], list[str]()
        for name in reversed(names[: names.index(request_id) + 1]):
            earlier = self.requests[name]
            same = (earlier.purpose, earlier.scope) == (asked.purpose, asked.scope)
            if not same or (name != request_id and not self._undecided(name)):
                break
            found.append(earlier.requester)
        return tuple(dict.fromkeys(reversed(found)))

    def in_force(self, now: datetime) -> tuple[Grant, ...]:
        """Grants that hold *now* (UTC) and are not revoked."""
        return tuple(
            grant
            for grant in self.grants.values()
            if grant.grant_id not in self.revocations and grant.not_before <= now < grant.expires_at
        )

    def take(self, entry: Entry, verifier: Verifier) -> bool:
        """Fold the stream's next entry in; whether it is proven (a request needs no proof: it decides nothing)."""
        self.version = entry.stream_version
        event = entry.event
        if isinstance(event, AccessRequested):
            self.requests.setdefault(event.request_id, event)
            return True
        if isinstance(event, AccessGranted):
            return self._granted(event, verifier)
        if isinstance(event, AccessRefused):
            return self._refused(event, entry.stream_version, verifier)
        if isinstance(event, AccessRevoked):
            return self._revoked(event, entry.stream_version, verifier)
        return False

    def _undecided(self, request_id: str) -> bool:
        return request_id not in self.granted and request_id not in self.refusals

    def _granted(self, event: AccessGranted, verifier: Verifier) -> bool:
        """The grant in the envelope counts if the authority signed it and it stands in the stream it is about."""
        grant = _proven(Grant, event.envelope, GRANT_TYPE, verifier)
        claimed = (event.grant_id, event.request_id, self.project, self.dataset)
        if grant is None or claimed != (grant.grant_id, grant.request_id, grant.project, grant.scope.dataset):
            self.unproven += 1
            return False
        self.grants.setdefault(grant.grant_id, grant)
        self.granted.setdefault(grant.request_id, grant.grant_id)
        return True

    def _refused(self, event: AccessRefused, position: int, verifier: Verifier) -> bool:
        claimed = Refusal(
            project=self.project,
            dataset=self.dataset,
            request_id=event.request_id,
            steward=event.steward,
            reason=event.reason,
            position=position,
        )
        proven = _proven(Refusal, event.envelope, REFUSAL_TYPE, verifier) == claimed
        if not proven and event.envelope is not None:
            self.unproven += 1
            return False
        if self.refusals.setdefault(event.request_id, event) is event and proven:
            self.signed.add(event.request_id)
        return proven

    def _revoked(self, event: AccessRevoked, position: int, verifier: Verifier) -> bool:
        claimed = Revocation(
            project=self.project,
            dataset=self.dataset,
            grant_id=event.grant_id,
            steward=event.steward,
            reason=event.reason,
            position=position,
        )
        proven = _proven(Revocation, event.envelope, REVOCATION_TYPE, verifier) == claimed
        if self.revocations.setdefault(event.grant_id, event) is event and proven:
            self.signed.add(event.grant_id)
        return proven


def proven_adoption(dataset: str, entry: Entry, verifier: Verifier) -> Adoption | None:
    """The adoption in *entry*, if the authority signed it for this place of the stream ``contract/<dataset>``."""
    if not isinstance(entry.event, ContractAdopted):
        return None
    adoption = _proven(Adoption, entry.event.envelope, ADOPTION_TYPE, verifier)
    if adoption is None or (adoption.dataset, adoption.position) != (dataset, entry.stream_version):
        return None
    return adoption


def _proven(kind: type[_Signed], envelope: str | None, payload_type: str, verifier: Verifier) -> _Signed | None:
    if envelope is None:
        return None
    try:
        return decode(kind, verifier.verify(envelope, payload_type))
    except (AuthorityError, ValueError):
        return None
