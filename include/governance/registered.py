"""What the register of access shows of a request and of a grant."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from include.core.events import AccessRequested, AccessRevoked, QuarantineLifted, RequestDenied
from include.core.records import Grant, RevocationKind
from include.governance.decisions import DecidedRequest


class RequestStatus(StrEnum):
    WAITING = "waiting"
    UNADOPTED = "waiting for its contract"  # it asks under a version that no steward has adopted yet
    GRANTED = "granted"
    DENIED = "denied"
    LAPSED = "lapsed"  # nobody decided in time
    SUPERSEDED = "superseded"  # the project asked for something else since, or the contract was replaced


@dataclass(frozen=True, kw_only=True)
class GrantUse:
    """What receipts say of a grant: how often something was opened under it, and when, by which run, last.

    ``rows`` are those of the last read of production data; ``None``: there was none, or it did not end.
    """

    count: int
    last_at: datetime
    last_run: str
    last_step: str
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class RegisteredGrant:
    """A proven grant, its use so far, and who may revoke it; ``revocation`` if it was revoked.

    ``effect`` is what is ended now; ``lift`` says who lifted its quarantine, and why.
    """

    grant: Grant
    use: GrantUse | None
    stewards: tuple[str, ...]
    revocation: AccessRevoked | None
    effect: RevocationKind | None
    lift: QuarantineLifted | None


@dataclass(frozen=True, kw_only=True)
class RegisteredRequest:
    """A request, where it stands, and what it compares with.

    ``last`` is the last proven grant of the project for the dataset before it (whether or not it still holds), ``rows``
    what was read at most of the dataset under that. ``stewards`` decide; ``adopted`` is the digest of the contract in
    effect. ``askers`` are all who asked for exactly this since the last decision: none of them approves it. ``decided``
    is what became of it, ``before`` what became of what the project asked for before.
    """

    request: AccessRequested
    askers: tuple[str, ...]
    at: datetime
    standing: RequestStatus
    stewards: tuple[str, ...]
    adopted: str | None
    last: Grant | None
    rows: int | None
    grant: RegisteredGrant | None
    denial: RequestDenied | None
    decided: DecidedRequest | None
    before: DecidedRequest | None

    @property
    def waits(self) -> bool:
        """Whether nobody has decided about it, and it may still be decided."""
        return self.standing in (RequestStatus.WAITING, RequestStatus.UNADOPTED)
