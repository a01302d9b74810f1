"""What the authority signs, and what proves an event: each claim names its place in its stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from include.core import streams
from include.core.canonical import decode, encode
from include.core.errors import AuthorityError
from include.core.events import (
    AccessRevoked,
    ContractAdopted,
    Event,
    GateOverridden,
    GateOverrideEnded,
    HoldLifted,
    HoldPlaced,
    QuarantineLifted,
    RequestDenied,
)
from include.core.records import RevocationKind
from include.governance.signing import Signer, Verifier
from include.ledger import Entry

#: What the authority's envelopes are about; part of what is signed, so that none passes for another.
GRANT_TYPE = "application/vnd.trainyard.grant+json"
ADOPTION_TYPE = "application/vnd.trainyard.contract-adoption+json"
TYPES: Mapping[type[Event], str] = {
    ContractAdopted: ADOPTION_TYPE,
    RequestDenied: "application/vnd.trainyard.refusal+json",
    AccessRevoked: "application/vnd.trainyard.revocation+json",
    QuarantineLifted: "application/vnd.trainyard.quarantine-lift+json",
    HoldPlaced: "application/vnd.trainyard.hold+json",
    HoldLifted: "application/vnd.trainyard.hold-lift+json",
    GateOverridden: "application/vnd.trainyard.override+json",
    GateOverrideEnded: "application/vnd.trainyard.override-end+json",
}
#: What a claim of an earlier release meant that did not say it: a revocation ended what ran.
_ASSUMED: Mapping[type[Event], Mapping[str, object]] = {AccessRevoked: {"effect": RevocationKind.STOP_RUNNING.value}}

_Event = TypeVar("_Event", bound=Event)
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


def signed(event: _Event, signer: Signer, *, position: int, **place: str) -> _Event:
    """*event* with the envelope that proves it at *position* of its stream; *place*: whose stream that is.

    What is signed is all that the event says, its envelope apart, and where it stands.
    """
    signable: Any = event
    said = encode(_claim(event, position, place))
    made: _Event = replace(signable, envelope=signer.sign(TYPES[type(event)], said))
    return made


def is_signed(event: Event, verifier: Verifier, *, position: int, **place: str) -> bool:
    """Whether the authority signed just what *event* says for *position* of its stream, as :func:`signed`."""
    envelope: str = vars(event)["envelope"]
    try:
        found: object = json.loads(verifier.verify(envelope, TYPES[type(event)]))
    except (AuthorityError, ValueError):
        return False
    said = json.loads(encode(_claim(event, position, place)))
    return isinstance(found, dict) and {**_ASSUMED.get(type(event), {}), **found} == said


def _claim(event: Event, position: int, place: Mapping[str, str]) -> Mapping[str, object]:
    signable: Any = event
    said = {each.name: getattr(event, each.name) for each in fields(signable) if each.name != "envelope"}
    return {**place, **said, "position": position}


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
