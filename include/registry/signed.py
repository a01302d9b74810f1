"""The one way into a project's stream of signed decisions: promotions and rollbacks alike."""

from typing import TYPE_CHECKING

from include.core.canonical import encode
from include.core.errors import LedgerConflict
from include.core.events import ChampionRolledBack, PromotionDecided
from include.ledger import Ledger
from include.registry.champions import PROMOTION_TYPE, Decision
from include.registry.rollback import ROLLBACK_TYPE, Rollback

if TYPE_CHECKING:
    from include.governance.signing import Signer


def append(ledger: Ledger, signer: "Signer", decision: Decision | Rollback) -> bool:
    """Sign *decision* and append it at its own place; ``False``: somebody else decided first, so fold again."""
    event: ChampionRolledBack | PromotionDecided
    if isinstance(decision, Rollback):
        envelope = signer.sign(ROLLBACK_TYPE, encode(decision))
        event = ChampionRolledBack(project=decision.project, envelope=envelope)
    else:
        envelope = signer.sign(PROMOTION_TYPE, encode(decision))
        event = PromotionDecided(project=decision.project, envelope=envelope)
    try:
        ledger.append(f"promotion/{decision.project}", [event], expected_version=decision.position - 1)
    except LedgerConflict:
        return False
    return True
