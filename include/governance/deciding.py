"""What has to hold before a request is decided about, and the grant that comes of it."""

from datetime import datetime, timedelta

from include.core.errors import AuthorityError, DecisionConflict
from include.core.events import AccessRequested
from include.core.records import Contract, DatasetScope, Grant, Treatment
from include.governance.access import identifier
from include.governance.decisions import Decisions
from include.ledger import Ledger
from include.ledger.ledger import RESTORE


def open_request(request_id: str, decisions: Decisions) -> AccessRequested:
    request = decisions.requests[request_id]
    if request in decisions.open:
        return request
    if request in decisions.superseded:
        remedy = "Decide about the later request: what this one asked for, the project's code no longer reads."
        raise DecisionConflict(f"request {request.request_id} still stands", value="superseded", remedy=remedy)
    if request_id in decisions.lapsed:
        remedy = "Let the project ask again: its next night does."
        raise DecisionConflict(f"request {request_id} still stands", value=decisions.decided(request_id), remedy=remedy)
    denial = decisions.denials.get(request.request_id)
    found = f"denied by {denial.steward}" if denial else "granted"
    remedy = "To end a grant, revoke it; to undo a denial, let the project ask again."
    raise DecisionConflict(f"request {request.request_id} is decided once", value=found, remedy=remedy)


def require_steward(dataset: str, stewards: tuple[str, ...], user: str) -> None:
    if user not in stewards:
        remedy = f"Ask {', '.join(stewards)}."
        raise AuthorityError(f"{dataset}: only a steward of its contract decides", value=user, remedy=remedy)


def grant_of(request: AccessRequested, user: str, reason: str, now: datetime, days: int, position: int) -> Grant:
    return Grant(
        grant_id=identifier("g", request.request_id, user, now, days, position),
        request_id=request.request_id,
        project=request.project,
        purpose=request.purpose,
        scope=request.scope,
        not_before=now,
        expires_at=now + timedelta(days=days),
        requester=request.requester,
        steward=user,
        reason=reason,
    )


def require_whole(ledger: Ledger) -> None:
    """Check all of *ledger*, row by row: nothing is granted on one that somebody altered behind its back.

    Raises:
        AuthorityError: it has a gap, a trigger less, or a row that is not what was recorded.
    """
    faults = ledger.check()
    if faults:
        raise AuthorityError("nothing is granted on a ledger that was altered", value="; ".join(faults), remedy=RESTORE)


def require_columns(scope: DatasetScope, contract: Contract) -> None:
    """That *scope* asks for columns of *contract*, treated as that says."""
    for name, treatment in scope.columns:
        column = contract.column(name)
        if column is None or column.treatment is not treatment or treatment is Treatment.DROP:
            rule = f"{scope.dataset}: each column is read as its contract says"
            remedy = "Deny the request; the project's scope is to be derived again."
            raise DecisionConflict(rule, value=f"{name} as {treatment}", remedy=remedy)
