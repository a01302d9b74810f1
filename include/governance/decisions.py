"""What was asked and decided about one dataset of one project, folded from its stream; and what of it is proven."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from include.core import streams
from include.core.events import (
    AccessGranted,
    AccessLapsed,
    AccessRequested,
    AccessRevoked,
    QuarantineLifted,
    RequestDenied,
)
from include.core.records import Grant, RevocationKind
from include.governance.claims import GRANT_TYPE, is_signed, proven
from include.governance.signing import Verifier
from include.ledger import Entry


class RequestOutcome(StrEnum):
    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "granted, and revoked since"
    LAPSED = "lapsed"


@dataclass(frozen=True, kw_only=True)
class DecidedRequest:
    """What became of the request ``request_id``, by whom, when (UTC) and why; ``by`` is empty where it lapsed.

    ``until`` is the end of its grant.
    """

    request_id: str
    outcome: RequestOutcome
    by: str
    reason: str
    at: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M}Z" if self.until and self.outcome is RequestOutcome.GRANTED else ""
        by = f" by {self.by}" if self.by else ""
        return f"{self.outcome}{by} on {self.at:%Y-%m-%d}{until}: {self.reason}"


class Proof(StrEnum):
    """What vouches for an entry."""

    SIGNED = "signed"
    UNSIGNED = "not signed"  # nothing to prove (a request), or recorded before such decisions were signed
    BROKEN = "signature does not hold"


@dataclass(kw_only=True)
class Decisions:
    """The fold of one stream ``access/<project>/<dataset>``.

    ``grants`` holds those whose signature holds and that stand where they belong. A denial whose signature does not
    hold decides nothing either; a revocation only takes away, and ends its grant whoever wrote it. Denials and
    revocations of before they were signed count. ``unproven`` counts what decides nothing. ``asked_at`` tells when the
    ledger received a request, ``granted`` maps it to its grant. A request that lapsed waits for nobody; who asked
    for it still asked. ``entered_at`` tells when the ledger received what decided about a request, or ended a grant.

    ``revocations`` holds of each revoked grant the one that ends most, ``effects`` what is ended now, ``stopped_at``
    the position of the ledger from which on it is. Only a signed revocation says that it does less or more than to stop
    what runs; only a signed lift (``lifts``) ends a quarantine, and the grant stays revoked.
    """

    project: str
    dataset: str
    version: int = 0
    requests: dict[str, AccessRequested] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    denials: dict[str, RequestDenied] = field(default_factory=dict)
    revocations: dict[str, AccessRevoked] = field(default_factory=dict)
    effects: dict[str, RevocationKind] = field(default_factory=dict)
    stopped_at: dict[str, int] = field(default_factory=dict)
    lifts: dict[str, QuarantineLifted] = field(default_factory=dict)
    lapsed: dict[str, AccessLapsed] = field(default_factory=dict)
    entered_at: dict[str, datetime] = field(default_factory=dict)
    granted: dict[str, str] = field(default_factory=dict)
    unproven: int = 0

    @property
    def stream(self) -> str:
        return streams.access(self.project, self.dataset)

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
            if not same or (name != request_id and self._by_a_steward(name)):
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

    def ended_by(self, *effects: RevocationKind, now: datetime) -> tuple[Grant, ...]:
        """Grants that would hold *now* (UTC), had they not been revoked with one of *effects*."""
        return tuple(
            grant
            for grant in self.grants.values()
            if self.effects.get(grant.grant_id) in effects and grant.not_before <= now < grant.expires_at
        )

    @property
    def quarantined(self) -> frozenset[str]:
        return frozenset(name for name, effect in self.effects.items() if effect is RevocationKind.QUARANTINE)

    def before(self, request_id: str) -> Grant | None:
        """The last proven grant of a request that was not filed after *request_id*, and is another."""
        asked_at = self.asked_at[request_id]
        earlier = [
            grant
            for grant in self.grants.values()
            if grant.request_id != request_id and self.asked_at.get(grant.request_id, asked_at) <= asked_at
        ]
        return earlier[-1] if earlier else None

    def decided(self, request_id: str) -> DecidedRequest | None:
        """What became of the request; ``None``: nothing yet, or it was superseded."""
        outcome, until, at = RequestOutcome.LAPSED, None, self.entered_at.get(request_id)
        if at is None:
            return None
        if denial := self.denials.get(request_id):
            outcome, by, reason = RequestOutcome.DENIED, denial.steward, denial.reason
        elif lapse := self.lapsed.get(request_id):
            by, reason = "", f"nobody decided within {lapse.days} days"
        else:
            grant = self.grants[self.granted[request_id]]
            outcome, by, reason, until = RequestOutcome.GRANTED, grant.steward, grant.reason, grant.expires_at
            if revoked := self.revocations.get(grant.grant_id):
                outcome, by, reason = RequestOutcome.REVOKED, revoked.steward, revoked.reason
                at = self.entered_at[grant.grant_id]
        return DecidedRequest(request_id=request_id, outcome=outcome, by=by, reason=reason, at=at, until=until)

    def decided_before(self, request_id: str) -> DecidedRequest | None:
        """The last decision about what was asked for before *request_id*."""
        names = list(self.requests)
        earlier = [self.decided(name) for name in names[: names.index(request_id)]]
        return next((decided for decided in reversed(earlier) if decided is not None), None)

    def take(self, entry: Entry, verifier: Verifier) -> Proof:
        """Fold the stream's next entry in; what vouches for it."""
        self.version = entry.stream_version
        event = entry.event
        if isinstance(event, AccessRequested):
            if place_of(entry) is None:
                return Proof.BROKEN
            self.requests.setdefault(event.request_id, event)
            self.asked_at.setdefault(event.request_id, entry.recorded_at)
            return Proof.UNSIGNED
        proof = self._decision(entry, verifier)
        if proof is not Proof.BROKEN and isinstance(event, AccessGranted | RequestDenied | AccessLapsed):
            self.entered_at.setdefault(event.request_id, entry.recorded_at)
        elif isinstance(event, AccessRevoked):
            self.entered_at.setdefault(event.grant_id, entry.recorded_at)
        return proof

    def _decision(self, entry: Entry, verifier: Verifier) -> Proof:
        event = entry.event
        if isinstance(event, AccessGranted):
            return self._granted(event, verifier)
        if isinstance(event, RequestDenied | AccessRevoked | QuarantineLifted):
            return self._ruled(event, verifier, entry.position)
        if isinstance(event, AccessLapsed) and event.request_id in self.requests and self._undecided(event.request_id):
            self.lapsed[event.request_id] = event
            return Proof.UNSIGNED
        return Proof.BROKEN

    def _undecided(self, request_id: str) -> bool:
        return not self._by_a_steward(request_id) and request_id not in self.lapsed

    def _by_a_steward(self, request_id: str) -> bool:
        return request_id in self.granted or request_id in self.denials

    def _granted(self, event: AccessGranted, verifier: Verifier) -> Proof:
        """The grant in the envelope counts if the authority signed it and it stands in the stream it is about."""
        grant = proven(Grant, event.envelope, GRANT_TYPE, verifier)
        claimed = (event.grant_id, event.request_id, self.project, self.dataset)
        if grant is None or claimed != (grant.grant_id, grant.request_id, grant.project, grant.scope.dataset):
            self.unproven += 1
            return Proof.BROKEN
        self.grants.setdefault(grant.grant_id, grant)
        self.granted.setdefault(grant.request_id, grant.grant_id)
        return Proof.SIGNED

    def _ruled(
        self, event: RequestDenied | AccessRevoked | QuarantineLifted, verifier: Verifier, position: int
    ) -> Proof:
        proof = Proof.UNSIGNED
        if event.envelope is not None:
            place = {"project": self.project, "dataset": self.dataset}
            holds = is_signed(event, verifier, position=self.version, **place)
            proof = Proof.SIGNED if holds else Proof.BROKEN
        if isinstance(event, AccessRevoked):
            self._revoked(event, event.effect if proof is Proof.SIGNED else RevocationKind.STOP_RUNNING, position)
        elif proof is Proof.BROKEN:
            self.unproven += 1
        elif isinstance(event, RequestDenied):
            self.denials.setdefault(event.request_id, event)
        elif event.grant_id in self.quarantined:
            self.effects[event.grant_id] = RevocationKind.STOP_RUNNING
            self.lifts[event.grant_id] = event
        return proof

    def _revoked(self, event: AccessRevoked, effect: RevocationKind, position: int) -> None:
        if effect.exceeds(self.effects.get(event.grant_id)):
            self.revocations[event.grant_id] = event
            self.effects[event.grant_id] = effect
            self.stopped_at.setdefault(event.grant_id, position)
            self.lifts.pop(event.grant_id, None)


def place_of(entry: Entry) -> tuple[str, str] | None:
    """The project and the dataset about which *entry*, of access, stands where it belongs.

    ``None``: its stream is no ``access/<project>/<dataset>``, or it is a request for something else. Whoever can write
    to the ledger can write such an entry: it counts for nothing, and stops nobody.
    """
    match entry.stream.split("/"):
        case ["access", project, dataset]:
            event = entry.event
            elsewhere = isinstance(event, AccessRequested) and (event.project, event.scope.dataset) != (
                project,
                dataset,
            )
            return None if elsewhere else (project, dataset)
    return None
