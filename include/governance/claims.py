"""What the authority signs about access, and what proves an event: each claim names its place in its stream."""

from dataclasses import dataclass
from typing import TypeVar

from include.core import streams
from include.core.canonical import decode
from include.core.errors import AuthorityError
from include.core.events import AccessRefused, AccessRevoked, ContractAdopted, QuarantineLifted
from include.core.records import RevocationKind
from include.governance.signing import Verifier
from include.ledger import Entry

#: What the authority's envelopes are about; part of what is signed, so that none passes for another.
GRANT_TYPE = "application/vnd.trainyard.grant+json"
ADOPTION_TYPE = "application/vnd.trainyard.contract-adoption+json"
REFUSAL_TYPE = "application/vnd.trainyard.refusal+json"
REVOCATION_TYPE = "application/vnd.trainyard.revocation+json"
LIFT_TYPE = "application/vnd.trainyard.quarantine-lift+json"

_Signed = TypeVar("_Signed")


@dataclass(frozen=True, kw_only=True)
class AdoptionClaim:
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
class DenialClaim:
    """What the authority signs when a steward refuses; ``position`` is the event's place in its stream."""

    project: str
    dataset: str
    request_id: str
    steward: str
    reason: str
    position: int


@dataclass(frozen=True, kw_only=True)
class RevocationClaim:
    """What the authority signs when a steward revokes; ``position`` is the event's place in its stream.

    What was signed before revocations had an ``effect`` ended what ran.
    """

    project: str
    dataset: str
    grant_id: str
    steward: str
    reason: str
    position: int
    effect: RevocationKind = RevocationKind.STOP_RUNNING


@dataclass(frozen=True, kw_only=True)
class LiftClaim:
    """What the authority signs when a steward lifts a quarantine; ``position`` is the event's place in its stream."""

    project: str
    dataset: str
    grant_id: str
    steward: str
    reason: str
    position: int


#: The events that a steward's word is signed for, beside grants and adoptions, and what is signed.
Ruling = AccessRefused | AccessRevoked | QuarantineLifted


def claim_of(
    event: Ruling, project: str, dataset: str, *, position: int
) -> tuple[str, DenialClaim | RevocationClaim | LiftClaim]:
    """The type and payload of the envelope that proves *event* at *position* of its stream."""
    if isinstance(event, AccessRefused):
        return REFUSAL_TYPE, DenialClaim(
            project=project,
            dataset=dataset,
            request_id=event.request_id,
            steward=event.steward,
            reason=event.reason,
            position=position,
        )
    if isinstance(event, QuarantineLifted):
        return LIFT_TYPE, LiftClaim(
            project=project,
            dataset=dataset,
            grant_id=event.grant_id,
            steward=event.steward,
            reason=event.reason,
            position=position,
        )
    return REVOCATION_TYPE, RevocationClaim(
        project=project,
        dataset=dataset,
        grant_id=event.grant_id,
        steward=event.steward,
        reason=event.reason,
        position=position,
        effect=event.effect,
    )


def proven_adoption(dataset: str, entry: Entry, verifier: Verifier) -> AdoptionClaim | None:
    """The adoption in *entry*, if the authority signed it for this place of the stream ``contract/<dataset>``."""
    if not isinstance(entry.event, ContractAdopted):
        return None
    adoption = proven(AdoptionClaim, entry.event.envelope, ADOPTION_TYPE, verifier)
    here = (streams.contract(dataset), dataset, entry.stream_version)
    if adoption is None or (entry.stream, adoption.dataset, adoption.position) != here:
        return None
    return adoption


def proven(kind: type[_Signed], envelope: str, payload_type: str, verifier: Verifier) -> _Signed | None:
    """What the authority signed in *envelope*; ``None``: it did not, or signed something else."""
    try:
        return decode(kind, verifier.verify(envelope, payload_type))
    except (AuthorityError, ValueError):
        return None
