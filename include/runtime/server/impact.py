"""Impact, asked of a deployment: the fold of its ledger, with what is in force and what its nights declared."""

import threading

from include.governance.impact import KINDS, Dependencies, Impact, fold, impact
from include.ledger import Ledger
from include.ledger.projection import Projection
from include.registry.champions import Champions
from include.runtime.deployment import champions_of
from include.runtime.server.evidence import Evidence
from include.settings import Settings
from include.store import Store


class Impacts:
    """What stands or falls with what, for the threads of one process; each call folds what is new."""

    def __init__(self, ledger: Ledger, evidence: Evidence, champions: "Champions") -> None:
        """Features are those that *evidence* finds in recorded declarations."""
        self._ledger, self._evidence, self._champions = ledger, evidence, champions
        self._lock = threading.Lock()
        self._projection = Projection(Dependencies(), fold, kinds=KINDS)

    def of(self, subject: str) -> Impact:
        """What stands or falls with *subject*. Raises as :func:`include.governance.impact.impact`."""
        with self._lock:
            state = self._projection.catch_up(self._ledger)
            return impact(state, subject, champions=self._in_force, features_of=self._evidence.features)

    def _in_force(self, project: str) -> int | None:
        champion = self._champions.known(project).champion()
        return champion.number if champion else None


def of_deployment(settings: Settings) -> Impacts:
    """That of the deployment; nothing is decided or opened, so that no key is needed."""
    ledger = Ledger.open(settings.ledger)
    evidence = Evidence(ledger=ledger, store=Store(settings.store), projects=settings.projects)
    return Impacts(ledger, evidence, champions_of(settings, ledger))
