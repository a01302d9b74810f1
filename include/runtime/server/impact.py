"""Impact, asked of a deployment: the fold of its ledger, with what is in force and what its nights declared."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from include.governance.impact import KINDS, Dependencies, FeaturesOf, Impact, fold, impact
from include.ledger import Ledger
from include.ledger.projection import Projection
from include.settings import Settings

if TYPE_CHECKING:
    from include.registry.champions import Champions
    from include.runtime.server.evidence import Evidence


class Impacts:
    """What stands or falls with what, for the threads of one process; each call folds what is new."""

    def __init__(self, ledger: Ledger, *, champions: Callable[[str], int | None], features_of: FeaturesOf) -> None:
        """*champions* says which version of a project is in force, *features_of* what a night builds of a column."""
        self._ledger, self._champions, self._features_of = ledger, champions, features_of
        self._lock = threading.Lock()
        self._projection = Projection(Dependencies(), fold, kinds=KINDS)

    def of(self, subject: str) -> Impact:
        """What stands or falls with *subject*. Raises as :func:`include.governance.impact.impact`."""
        with self._lock:
            state = self._projection.catch_up(self._ledger)
            return impact(state, subject, champions=self._champions, features_of=self._features_of)


def impacts_over(ledger: Ledger, evidence: "Evidence", champions: "Champions") -> Impacts:
    """That of *ledger*, features as *evidence* finds them in recorded declarations."""

    def in_force(project: str) -> int | None:
        champion = champions.known(project).champion()
        return champion.number if champion else None

    return Impacts(ledger, champions=in_force, features_of=evidence.features)


def of_deployment(settings: Settings) -> Impacts:
    """That of the deployment; nothing is decided or opened, so that no key is needed."""
    from include.runtime.deployment import champions_of
    from include.runtime.server.evidence import Evidence
    from include.store import Store

    ledger = Ledger.open(settings.ledger)
    evidence = Evidence(ledger=ledger, store=Store(settings.store), projects=settings.projects)
    return impacts_over(ledger, evidence, champions_of(settings, ledger))
