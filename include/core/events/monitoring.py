"""What the watch judged, and the training nights that it asked for."""

from collections.abc import Mapping
from datetime import datetime

from include.core.events.event import Event, RunEvent
from include.core.project import Look
from include.core.records import DayFigures, DayOfSeries, Days, DriftVerdict, Fit, LookOutcome, RetrainingOutcome


class ReferenceMade(RunEvent, kind="reference_made"):
    """What a model's live rows are held against. Stream ``drift/<project>``, key ``reference/<project>/<evaluation>``.

    ``reference`` is the vault's digest of a :class:`~include.core.records.Reference`.
    """

    model_version: int
    evaluation: str
    reference: str


class ImportanceRecorded(RunEvent, kind="importance_recorded"):
    """How much a model uses its features. Stream ``drift/<project>``, key ``importance/<project>/<evaluation>``.

    ``importance`` are shares of the gain of all its splits, which add up to 1; one that no split uses has none.
    """

    model_version: int
    evaluation: str
    importance: Mapping[str, float]


class FitRecorded(RunEvent, kind="fit_recorded"):
    """How a model fits its holdout, to be drawn. Stream ``holdout/<project>``, key ``fit/<project>/<evaluation>``."""

    model_version: int
    evaluation: str
    fit: Fit


class HoldoutDaysRecorded(RunEvent, kind="holdout_days_recorded"):
    """How a registered model did on its holdout, day by day: what a policy starts from before the watch judged any.

    Stream ``holdout/<project>``, which no watch reads, key ``holdout-days/<project>/<evaluation>``.
    """

    model_version: int
    evaluation: str
    figures: tuple[DayFigures, ...]


class PolicyDeclared(Event, kind="policy_declared"):
    """Stream ``drift/<project>``, key ``policy/<project>/<digest>``: recorded before any verdict under it.

    ``policy`` is the declaration as canonical JSON, ``digest`` that of these bytes.
    """

    project: str
    digest: str
    policy: str


class DriftJudged(RunEvent, kind="drift_judged", version=2):
    """Stream ``drift/<project>``, key ``judged/<project>/<run_id>``.

    ``policy`` is the digest of the policy, ``live`` that of the :class:`~include.core.records.LiveFigures`. ``days``
    are those that no earlier verdict on this version covered, ``figures`` the champion's on them.
    """

    instant: datetime
    model_version: int
    policy: str
    live: str
    days: Days
    figures: tuple[DayFigures, ...]
    verdict: DriftVerdict


class DayJudged(RunEvent, kind="day_judged"):
    """A matured day was judged, once for ever. Stream ``drift/<project>``, key ``day/<project>/<day>``.

    ``run_id`` is the watch's, ``instant`` what the data knew then.
    """

    instant: datetime
    judged: DayOfSeries


class LooksDeclared(RunEvent, kind="looks_declared"):
    """When the model of a run, if it is promoted, is held against the champion before it, and by which errors.

    Stream ``run/<project>/<run_id>``, key ``looks/<project>/<run_id>``: recorded before any day that it could score.
    """

    looks: tuple[Look, ...]


class LookTaken(RunEvent, kind="look_taken"):
    """A declared look at ``model_version`` was due, once for ever.

    Stream ``drift/<project>``, key ``look/<project>/<model_version>/<due_days>``. ``estimate`` is the mean daily loss
    of the version minus that of the ``predecessor`` over the ``days`` that both scored, ``lower`` its bound: above 0
    the version is shown to be worse; ``None``: it was replaced before. The authority goes by the recorded days, not by
    this event.
    """

    instant: datetime
    model_version: int
    predecessor: int
    look: Look
    days: int
    estimate: float | None
    lower: float | None
    outcome: LookOutcome


class RetrainingAsked(RunEvent, kind="retraining_asked"):
    """A verdict asked for a training night at ``instant``. Stream ``retraining/<project>``.

    ``ask_id`` is a digest of the verdict: a verdict asks once. ``run_id`` is the watch's, ``model_version`` the
    champion that it judged.
    """

    ask_id: str
    model_version: int
    instant: datetime


class RetrainingDeclined(RunEvent, kind="retraining_declined"):
    """A verdict asked for a training night and gets none, for ``reason``: one is in flight, cooldown, budget.

    Stream ``retraining/<project>``.
    """

    ask_id: str
    model_version: int
    instant: datetime
    reason: str


class RetrainingStarted(RunEvent, kind="retraining_started"):
    """The training night ``run_id`` answers the ask, and no other ever does. Stream ``retraining/<project>``."""

    ask_id: str


class RetrainingEnded(RunEvent, kind="retraining_ended"):
    """The night that answered the ask is over. ``outcome`` is what became of it: promoted, kept or failed.

    Superseded: ``run_id`` came for the ask when another champion than the judged one was in force; no night answers it.
    Stream ``retraining/<project>``.
    """

    ask_id: str
    outcome: RetrainingOutcome
