"""Which HTTP status a refusal has, the same over JSON and on the pages."""

from collections.abc import Mapping

from include.core.errors import (
    AccessDenied,
    AuthorityError,
    ContractError,
    DecisionConflict,
    DecisionUnusable,
    LedgerConflict,
    TrainyardError,
    UnknownId,
)

_STATUS: Mapping[type[TrainyardError], int] = {
    UnknownId: 404,
    DecisionUnusable: 422,
    DecisionConflict: 409,
    AuthorityError: 403,
    AccessDenied: 403,
    ContractError: 409,
    LedgerConflict: 409,
}


def status_of(error: TrainyardError) -> int:
    """That of the nearest kind that has one; else 503 where the same call may succeed later, and 500."""
    told = (_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    return next(told, 503 if error.retry_heals else 500)
