"""Nothing is granted on a ledger that somebody altered behind its back."""

from include.core.errors import AuthorityError
from include.ledger import Ledger
from include.ledger.ledger import RESTORE


def require_whole(ledger: Ledger) -> None:
    """Check all of *ledger*, row by row.

    Raises:
        AuthorityError: it has a gap, a trigger less, or a row that is not what was recorded.
    """
    faults = ledger.check()
    if faults:
        raise AuthorityError("nothing is granted on a ledger that was altered", value="; ".join(faults), remedy=RESTORE)
