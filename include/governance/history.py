"""The history of access: one line for each request, decision and adoption, with what vouches for it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from include.core.events import (
    AccessGranted,
    AccessLapsed,
    AccessRequested,
    AccessRevoked,
    QuarantineLifted,
    RequestDenied,
)
from include.core.records import RevocationKind
from include.governance.claims import AdoptionClaim
from include.governance.decisions import Decisions, Proof
from include.ledger import Entry


class Act(StrEnum):
    REQUESTED = "requested"
    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "revoked"
    LAPSED = "lapsed"
    ADOPTED = "contract adopted"
    LIFTED = "quarantine lifted"


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """One line of the history. ``at`` (UTC) is when the ledger received it; ``subject`` the id that it is about.

    ``who`` and ``reason`` are empty where the entry proves neither. ``project`` is empty for a contract, and ``effect``
    for all but a revocation.
    """

    position: int
    at: datetime
    act: Act
    project: str
    dataset: str
    who: str
    reason: str
    subject: str
    request_id: str
    proof: Proof
    effect: str = ""


def adoption_line(entry: Entry, dataset: str, digest: str, adoption: AdoptionClaim | None) -> HistoryLine:
    """The line of the contract that *entry* puts into effect; *adoption* is what it proves."""
    return HistoryLine(
        position=entry.position,
        at=entry.recorded_at,
        act=Act.ADOPTED,
        project="",
        dataset=dataset,
        who=adoption.adopted_by if adoption else "",
        reason=f"version {adoption.contract_version}" if adoption else "",
        subject=digest,
        request_id="",
        proof=Proof.SIGNED if adoption else Proof.BROKEN,
    )


def decision_line(entry: Entry, decisions: Decisions, proof: Proof) -> HistoryLine:
    """The line of *entry*, which *decisions* have taken in and *proof* vouches for."""
    effect = ""
    match entry.event:
        case AccessRequested() as event:
            act, subject, request_id = Act.REQUESTED, event.request_id, event.request_id
            who, reason = event.requester, event.purpose
        case AccessGranted() as event:
            act, subject, request_id = Act.GRANTED, event.grant_id, event.request_id
            grant = decisions.grants.get(event.grant_id)
            who, reason = (grant.steward, grant.reason) if grant else ("", "")
        case RequestDenied() as event:
            act, subject, request_id = Act.DENIED, event.request_id, event.request_id
            who, reason = event.steward, event.reason
        case AccessLapsed() as event:
            act, subject, request_id = Act.LAPSED, event.request_id, event.request_id
            who, reason = "nobody", f"decided within {event.days} days"
        case AccessRevoked() | QuarantineLifted() as event:
            grant = decisions.grants.get(event.grant_id)
            subject, request_id = event.grant_id, grant.request_id if grant else ""
            act = Act.REVOKED if isinstance(event, AccessRevoked) else Act.LIFTED
            effect = _effect(event, proof)
            who, reason = event.steward, event.reason
        case other:
            raise TypeError(other.kind)
    proven = proof is not Proof.BROKEN
    return HistoryLine(
        position=entry.position,
        at=entry.recorded_at,
        act=act,
        project=decisions.project,
        dataset=decisions.dataset,
        who=who if proven else "",
        reason=reason if proven else "",
        subject=subject,
        request_id=request_id,
        proof=proof,
        effect=effect,
    )


def _effect(event: AccessRevoked | QuarantineLifted, proof: Proof) -> str:
    """What a revocation ends; one that is not signed ends what runs, whatever it says."""
    if isinstance(event, QuarantineLifted):
        return ""
    return event.effect if proof is Proof.SIGNED else RevocationKind.STOP_RUNNING
