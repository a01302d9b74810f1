"""What the page "Drift" knows of each project, kept and folded on by what is new: nothing is read twice."""

import threading
from dataclasses import dataclass, field, replace

from include.core.canonical import decode
from include.core.errors import StoreError, StoreUnavailable
from include.core.events import (
    DriftJudged,
    Event,
    ModelRegistered,
    PolicyDeclared,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingEnded,
    RetrainingStarted,
)
from include.core.records import LiveFigures
from include.ledger import Entry, Ledger
from include.ledger.projection import Projection
from include.steps import retraining
from include.store import Store

_KINDS: tuple[type[Event], ...] = (
    DriftJudged,
    PolicyDeclared,
    ModelRegistered,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingStarted,
    RetrainingEnded,
)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """All verdicts on a project's champions, oldest first, its policy, its champion, and what drift had retrained."""

    verdicts: tuple[DriftJudged, ...] = ()
    policy: PolicyDeclared | None = None
    champion: ModelRegistered | None = None
    known: retraining.Known = field(default_factory=retraining.Known)


class Watches:
    """The watches of one ledger, for the threads of one process. What it returns is true at the moment of the call."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger, self._store = ledger, store
        self._lock = threading.Lock()
        self._projection = Projection[dict[str, Watched]]({}, _folded, kinds=_KINDS)
        self._reports: dict[str, bool] = {}

    def of(self, project: str) -> Watched:
        """What is recorded of *project* now."""
        with self._lock:
            return self._projection.catch_up(self._ledger).get(project, Watched())

    def figures(self, judged: DriftJudged) -> LiveFigures:
        """What the verdict was made of."""
        return decode(LiveFigures, self._store.get(judged.live))

    def has_report(self, judged: DriftJudged) -> bool:
        """Whether Evidently's report of the verdict's watch was made; not where its figures are lost.

        Raises:
            StoreUnavailable: the store cannot be reached.
        """
        if judged.live not in self._reports:
            try:
                self._reports[judged.live] = self.figures(judged).report is not None
            except StoreUnavailable:
                raise
            except StoreError:
                return False
        return self._reports[judged.live]


def _folded(projects: dict[str, Watched], entry: Entry) -> dict[str, Watched]:
    event, name = entry.event, entry.stream.partition("/")[2]
    project = projects.get(name, Watched())
    if isinstance(event, DriftJudged):
        project = replace(project, verdicts=(*project.verdicts, event))
    elif isinstance(event, PolicyDeclared):
        project = replace(project, policy=event)
    elif isinstance(event, ModelRegistered):
        project = replace(project, champion=event) if event.verdict.promote else project
    else:
        project = replace(project, known=retraining.following(project.known, entry))
    projects[name] = project
    return projects
