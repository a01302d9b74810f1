"""What the watch judged, and the training nights that it asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from include.core.events.event import Event, RunEvent
from include.core.project import Look
from include.core.records import DayFigures, DayOfSeries, Days, DriftVerdict, Fit, LookOutcome, RetrainingOutcome


@dataclass(frozen=True, kw_only=True)
class ReferenceMade(RunEvent):
    """What a model's live rows are held against. Stream ``drift/<project>``, key ``reference/<project>/<evaluation>``.

    ``reference`` is the vault's digest of a :class:`~include.core.records.Reference`.
    """

    kind: ClassVar[str] = "reference_made"
    model_version: int
    evaluation: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class ImportanceRecorded(RunEvent):
    """How much a model uses its features. Stream ``drift/<project>``, key ``importance/<project>/<evaluation>``.

    ``importance`` are shares of the gain of all its splits, which add up to 1; one that no split uses has none.
    """

    kind: ClassVar[str] = "importance_recorded"
    model_version: int
    evaluation: str
    importance: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class FitRecorded(RunEvent):
    """How a model fits its holdout, to be drawn. Stream ``holdout/<project>``, key ``fit/<project>/<evaluation>``."""

    kind: ClassVar[str] = "fit_recorded"
    model_version: int
    evaluation: str
    fit: Fit


@dataclass(frozen=True, kw_only=True)
class HoldoutDaysRecorded(RunEvent):
    """How a registered model did on its holdout, day by day: what a policy starts from before the watch judged any.

    Stream ``holdout/<project>``, which no watch reads, key ``holdout-days/<project>/<evaluation>``.
    """

    kind: ClassVar[str] = "holdout_days_recorded"
    model_version: int
    evaluation: str
    figures: tuple[DayFigures, ...]


@dataclass(frozen=True, kw_only=True)
class PolicyDeclared(Event):
    """Stream ``drift/<project>``, key ``policy/<project>/<digest>``: recorded before any verdict under it.

    ``policy`` is the declaration as canonical JSON, ``digest`` that of these bytes.
    """

    kind: ClassVar[str] = "policy_declared"
    project: str
    digest: str
    policy: str


@dataclass(frozen=True, kw_only=True)
class DriftJudged(RunEvent):
    """Stream ``drift/<project>``, key ``judged/<project>/<run_id>``.

    ``policy`` is the digest of the policy, ``live`` that of the :class:`~include.core.records.LiveFigures`. ``days``
    are those that no earlier verdict on this version covered, ``figures`` the champion's on them.
    """

    kind: ClassVar[str] = "drift_judged"
    version: ClassVar[int] = 2
    instant: datetime
    model_version: int
    policy: str
    live: str
    days: Days
    figures: tuple[DayFigures, ...]
    verdict: DriftVerdict


@dataclass(frozen=True, kw_only=True)
class DayJudged(RunEvent):
    """A matured day was judged, once for ever. Stream ``drift/<project>``, key ``day/<project>/<day>``.

    ``run_id`` is the watch's, ``instant`` what the data knew then.
    """

    kind: ClassVar[str] = "day_judged"
    instant: datetime
    judged: DayOfSeries


@dataclass(frozen=True, kw_only=True)
class LooksDeclared(RunEvent):
    """When the model of a run, if it is promoted, is held against the champion before it, and by which errors.

    Stream ``run/<project>/<run_id>``, key ``looks/<project>/<run_id>``: recorded before any day that it could score.
    """

    kind: ClassVar[str] = "looks_declared"
    looks: tuple[Look, ...]


@dataclass(frozen=True, kw_only=True)
class LookTaken(RunEvent):
    """A declared look at ``model_version`` was due, once for ever.

    Stream ``drift/<project>``, key ``look/<project>/<model_version>/<due_days>``. ``estimate`` is the mean daily loss
    of the version minus that of the ``predecessor`` over the ``days`` that both scored, ``lower`` its bound: above 0
    the version is shown to be worse; ``None``: it was replaced before. The authority goes by the recorded days, not by
    this event.
    """

    kind: ClassVar[str] = "look_taken"
    instant: datetime
    model_version: int
    predecessor: int
    look: Look
    days: int
    estimate: float | None
    lower: float | None
    outcome: LookOutcome


@dataclass(frozen=True, kw_only=True)
class RetrainingAsked(RunEvent):
    """A verdict asked for a training night at ``instant``. Stream ``retraining/<project>``.

    ``ask_id`` is a digest of the verdict: a verdict asks once. ``run_id`` is the watch's, ``model_version`` the
    champion that it judged.
    """

    kind: ClassVar[str] = "retraining_asked"
    ask_id: str
    model_version: int
    instant: datetime


@dataclass(frozen=True, kw_only=True)
class RetrainingDeclined(RunEvent):
    """A verdict asked for a training night and gets none, for ``reason``: one is in flight, cooldown, budget.

    Stream ``retraining/<project>``.
    """

    kind: ClassVar[str] = "retraining_declined"
    ask_id: str
    model_version: int
    instant: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class RetrainingStarted(RunEvent):
    """The training night ``run_id`` answers the ask, and no other ever does. Stream ``retraining/<project>``."""

    kind: ClassVar[str] = "retraining_started"
    ask_id: str


@dataclass(frozen=True, kw_only=True)
class RetrainingEnded(RunEvent):
    """The night that answered the ask is over. ``outcome`` is what became of it: promoted, kept or failed.

    Superseded: ``run_id`` came for the ask when another champion than the judged one was in force; no night answers it.
    Stream ``retraining/<project>``.
    """

    kind: ClassVar[str] = "retraining_ended"
    ask_id: str
    outcome: RetrainingOutcome
