"""A project's stream of signed decisions, promotions and rollbacks alike: what holds of it, and the one way into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from include.core import streams
from include.core.canonical import decode, encode
from include.core.errors import AuthorityError
from include.core.events import ChampionRolledBack, Event, PromotionDecided
from include.core.project import Gates
from include.core.records import Verdict
from include.governance.signing import Signer, Verifier
from include.ledger import Ledger
from include.registry.promotion import ProjectStanding
from include.registry.rollback import ROLLBACK_TYPE, Rollback

#: What the envelope of a decision is about; part of what is signed, so that none passes for another.
PROMOTION_TYPE = "application/vnd.trainyard.promotion+json"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the authority signs about a registered version: on which figures, by which gates, and what came of it.

    ``evaluation``, ``model`` and ``bundle`` are digests; ``champion`` is the version that was in force before.
    ``position`` is the event's place in the stream ``promotion/<project>``, so that an envelope is worth nothing
    elsewhere. ``asked_by``: the person who had an unsigned promotion of before decided again. ``standing`` is how the
    project stood then; ``None``: decided before that was recorded, by the figures alone.
    """

    project: str
    version: int
    evaluation: str
    model: str
    bundle: str
    gates: Gates
    verdict: Verdict
    champion: int | None
    position: int
    asked_by: str | None
    standing: ProjectStanding | None = None


#: Decisions by version, evaluation and bundle, each with when it was recorded.
DecisionsByModel = dict[tuple[int, str, str], tuple[Decision, datetime]]


class SignedDecisions:
    """Reads these streams of one ledger, trusting only what the authority's public key verifies."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger, self._verifier = ledger, verifier
        # An envelope proves the same for ever, and hundreds are asked for again.
        self._proved: dict[tuple[str, str], Decision | Rollback | None] = {}

    def of(self, project: str) -> tuple[DecisionsByModel, Sequence[tuple[Rollback, datetime]], int]:
        """The decisions that hold, by version, evaluation and bundle (the first about each counts), the rollbacks, and
        how many entries the stream has.
        """
        found: DecisionsByModel = {}
        rollbacks: list[tuple[Rollback, datetime]] = []
        entries = self._ledger.read(streams.promotion(project))
        for entry in entries:
            said = self._proven(entry.event)
            if said is None or (said.project, said.position) != (project, entry.stream_version):
                continue
            if isinstance(said, Rollback):
                rollbacks.append((said, entry.recorded_at))
            else:
                found.setdefault((said.version, said.evaluation, said.bundle), (said, entry.recorded_at))
        return found, rollbacks, len(entries)

    def key_of(self, project: str, position: int) -> str:
        """With which key the decision at *position* of the project's stream is signed, as its envelope names it."""
        event = self._ledger.read(streams.promotion(project))[position - 1].event
        signed = isinstance(event, PromotionDecided | ChampionRolledBack) and self._proven(event) is not None
        return self._verifier.key_id if signed else "nobody"

    def _proven(self, event: Event) -> Decision | Rollback | None:
        """What the authority signed, if *event* carries that."""
        if not isinstance(event, PromotionDecided | ChampionRolledBack):
            return None
        key = (event.kind, event.envelope)
        if key not in self._proved:
            self._proved[key] = self._verified(event)
        return self._proved[key]

    def _verified(self, event: PromotionDecided | ChampionRolledBack) -> Decision | Rollback | None:
        try:
            if isinstance(event, PromotionDecided):
                return decode(Decision, self._verifier.verify(event.envelope, PROMOTION_TYPE))
            return decode(Rollback, self._verifier.verify(event.envelope, ROLLBACK_TYPE))
        except (AuthorityError, ValueError):
            return None


def append(ledger: Ledger, signer: Signer, decision: Decision | Rollback) -> bool:
    """Sign *decision* and append it at its own place; ``False``: somebody else decided first, so fold again."""
    event: ChampionRolledBack | PromotionDecided
    if isinstance(decision, Rollback):
        envelope = signer.sign(ROLLBACK_TYPE, encode(decision))
        event = ChampionRolledBack(project=decision.project, envelope=envelope)
    else:
        envelope = signer.sign(PROMOTION_TYPE, encode(decision))
        event = PromotionDecided(project=decision.project, envelope=envelope)
    return bool(ledger.offer(streams.promotion(decision.project), event, expected_version=decision.position - 1))
