"""What the page "Drift" knows of each project, kept and folded on by what is new: nothing is read twice."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from include.core import streams
from include.core.canonical import decode
from include.core.errors import StoreError, StoreUnavailable
from include.core.events import (
    AccessRevoked,
    ArtifactsRemoved,
    ChampionRolledBack,
    DayJudged,
    DriftJudged,
    Event,
    ImportanceRecorded,
    ModelRegistered,
    PolicyDeclared,
    PromotionDecided,
    QuarantineLifted,
)
from include.core.records import DayOfSeries, LiveFigures, Override
from include.ledger import Entry, Ledger
from include.ledger.projection import Projection
from include.registry.champions import ChampionInForce, Champions, Tenure
from include.retraining import asks, series
from include.retraining.helped import RetrainingEffects, helped
from include.store import Store

_KINDS: tuple[type[Event], ...] = (
    DriftJudged,
    DayJudged,
    ImportanceRecorded,
    ModelRegistered,
    PromotionDecided,
    ChampionRolledBack,
    PolicyDeclared,
    *asks.KINDS,
    ArtifactsRemoved,
    AccessRevoked,
    QuarantineLifted,
)


@dataclass(frozen=True, kw_only=True)
class ProjectWatches:
    """All verdicts on a project's champions, oldest first, its policy, its champion, and what drift had retrained.

    ``days`` is the series of judged days, ``tenures`` are those of all champions, in the order of their decisions.
    ``retired`` says by whom and why nothing is in force any more. ``stale``: something was recorded that may have made
    another champion, or changed what is said beside it.
    ``not_rebuildable``: the versions of whose rows some were removed. ``importance`` says of a version what share of it
    each feature has.
    """

    verdicts: tuple[DriftJudged, ...] = ()
    days: Mapping[date, DayOfSeries] = field(default_factory=dict)
    tenures: tuple[Tenure, ...] = ()
    importance: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    policy: PolicyDeclared | None = None
    champion: ChampionInForce | None = None
    retired: str | None = None
    stale: bool = False
    known: asks.RetrainingHistory = field(default_factory=asks.RetrainingHistory)
    not_rebuildable: frozenset[int] = frozenset()


class Watches:
    """The watches of one ledger, for the threads of one process. What it returns is true at the moment of the call."""

    def __init__(self, ledger: Ledger, store: Store, champions: Champions) -> None:
        self._ledger, self._store, self._champions = ledger, store, champions
        self._lock = threading.Lock()
        self._projection = Projection[dict[str, ProjectWatches]]({}, _folded, kinds=_KINDS)
        self._reports: dict[str, bool] = {}
        self._helped: dict[str, tuple[int, RetrainingEffects]] = {}

    def of(self, project: str) -> ProjectWatches:
        """What is recorded of *project* now."""
        with self._lock:
            projects = self._projection.catch_up(self._ledger)
            watched = projects.get(project, ProjectWatches())
            if watched.stale:
                champion, tenures = self._champions.in_force(project), self._champions.tenures(project)
                change = None if champion else self._champions.known(project).change()
                retired = change.rollback.in_words() if change and change.rollback else None
                watched = replace(watched, champion=champion, tenures=tenures, retired=retired, stale=False)
                projects[project] = watched
            return watched

    def helped(self, project: str, watched: ProjectWatches) -> RetrainingEffects:
        """What the series says of *project*'s retrainings: worked out again when a day has come to it."""
        known = self._helped.get(project)
        if known is None or known[0] != len(watched.days):
            known = len(watched.days), helped(day for _, day in sorted(watched.days.items()))
            self._helped[project] = known
        return known[1]

    def overrides(self, project: str) -> tuple[Override, ...]:
        """Which gates of *project* a person lets models through now."""
        return self._champions.overrides.in_force(project, now=datetime.now(UTC))

    def figures(self, judged: DriftJudged) -> LiveFigures:
        """What the verdict was made of."""
        return decode(LiveFigures, self._store.get(judged.live))

    def has_report(self, judged: DriftJudged) -> bool:
        """Whether Evidently's report of the verdict's watch is there; not where its figures are lost.

        Raises:
            StoreUnavailable: the store cannot be reached.
        """
        if judged.live not in self._reports:
            try:
                report = self.figures(judged).report
                self._reports[judged.live] = report is not None and self._store.has(report)
            except StoreUnavailable:
                raise
            except StoreError:
                return False
        return self._reports[judged.live]


def _folded(projects: dict[str, ProjectWatches], entry: Entry) -> dict[str, ProjectWatches]:
    event, name = entry.event, streams.subject(entry.stream)
    if isinstance(event, ArtifactsRemoved):
        for version in event.versions:
            name, _, number = version.rpartition("/")
            project = projects.get(name, ProjectWatches())
            projects[name] = replace(project, not_rebuildable=project.not_rebuildable | {int(number)})
        return projects
    if isinstance(event, AccessRevoked | QuarantineLifted):
        name = name.partition("/")[0]  # the stream is that of a project and a dataset
        projects[name] = replace(projects.get(name, ProjectWatches()), stale=True)
        return projects
    project = projects.get(name, ProjectWatches())
    if isinstance(event, DriftJudged | DayJudged):
        judged = {each.day: each for each in series.fold([entry])}
        project = replace(project, days={**judged, **project.days})
        if isinstance(event, DriftJudged):
            project = replace(project, verdicts=(*project.verdicts, event))
    elif isinstance(event, ImportanceRecorded):
        project = replace(project, importance={**project.importance, event.model_version: event.importance})
    elif isinstance(event, PolicyDeclared):
        project = replace(project, policy=event)
    elif isinstance(event, ModelRegistered | PromotionDecided | ChampionRolledBack):
        project = replace(project, stale=True)
    else:
        project = replace(project, known=asks.following(project.known, entry))
    projects[name] = project
    return projects
