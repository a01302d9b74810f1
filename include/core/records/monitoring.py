"""The watch: how a champion does on days that came after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from include.core.canonical import LATER
from include.core.project import Objective
from include.core.records.days import Days
from include.core.records.night import Partition
from include.core.records.profile import Profile, Shape, UnfamiliarValues


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """How the champion did on one day whose labels have all matured.

    All are means over its ``rows`` (at least 20) with a label. ``loss`` is the deciding one (log loss, absolute error),
    ``expected_loss`` what the model itself expected of its predictions; ``None`` for a regression, which does not say.
    """

    day: date
    rows: int
    loss: float
    expected_loss: float | None
    mean_score: float
    mean_label: float


#: Why a day has no figures that nobody could count.
FEW_ROWS = "fewer than 20 rows with a label"


@dataclass(frozen=True, kw_only=True)
class DayOfSeries:
    """A matured day of a project's one series, judged once, by the version ``champion`` that was in force before it.

    ``loss`` is the deciding one (log loss, absolute error), ``expected_loss`` what the model itself expected of its
    predictions (``None`` for a regression), ``constant_loss`` that of the base rate of the days before, which knows no
    feature. All are means over the day's ``rows`` with a label. A day with fewer than 20 of them, or whose champion
    could not score it, has 0 rows and no figures: ``unjudged`` says why.

    Beside the champion stand, on the same rows, the ``predecessor`` that it replaced and the ``best`` champion of the
    180 days before; ``None``: there is no other, or it cannot score the day any more.
    """

    day: date
    champion: int
    rows: int
    loss: float | None = None
    expected_loss: float | None = None
    constant_loss: float | None = None
    mean_score: float | None = None
    mean_label: float | None = None
    predecessor: int | None = None
    predecessor_loss: float | None = None
    best: int | None = None
    best_loss: float | None = None
    unjudged: str | None = None

    @property
    def skill(self) -> float | None:
        """By how much the champion's loss lies below that of the constant; ``None``: there are no figures."""
        return None if self.loss is None or self.constant_loss is None else self.constant_loss - self.loss


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What later days are held against, made once for every registered model and kept in the vault.

    ``evaluation`` is the digest of the model's :class:`Evaluation`. ``learnt`` profiles the features of the rows that
    the model learnt; ``holdout`` the columns ``score`` and ``label`` of the rows that it was evaluated on, and
    ``holdout_days`` are its figures there, by day.
    """

    project: str
    evaluation: str
    objective: Objective
    learnt: Profile
    holdout: Profile
    holdout_days: tuple[DayFigures, ...]

    @property
    def last_seen(self) -> date:
        """The last day that decided on the model: it is judged on later ones only."""
        return self.holdout.last


@dataclass(frozen=True, kw_only=True)
class FitGroup:
    """Rows whose predictions lie together, at least 20: how many, and means over them."""

    rows: int
    mean_score: float
    mean_label: float
    mean_squared_error: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a model's predictions and labels lie on the holdout's ``days``, in groups by rising prediction.

    Rows of equal prediction are in one group. The groups hold all rows with a label, but for
    those of days that would tell of few; there are none below 20 of these.
    """

    objective: Objective
    days: Days
    groups: tuple[FitGroup, ...]


class DriftState(StrEnum):
    """What a verdict comes to."""

    TOO_FEW_TO_KNOW = "too_few_to_know"  # too few matured days: nothing is decided
    STABLE = "stable"  # the figures lie within the policy
    WARNING = "warning"  # inputs moved: a human looks
    RETRAIN = "retrain"  # loss or calibration moved: a retraining is asked for
    FAILING = "failing"  # the recipe lost what it knew, and retraining did not bring it back: a human is asked


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """How far a feature's newest week lies from the weeks before it that had not drifted.

    ``psi`` is the population stability index, ``limit`` what is accepted of it; ``None``: too few weeks before to tell.
    """

    feature: str
    psi: float
    limit: float | None

    @property
    def drifted(self) -> bool:
        return self.limit is not None and self.psi > self.limit


@dataclass(frozen=True, kw_only=True)
class DriftVerdict:
    """What the policy makes of the series, and every reason in plain words.

    ``days`` are the judged ones, sorted, ``figures`` the judged means by name: ``excess_loss``, ``calibration_gap``,
    ``loss``, ``expected_loss``, ``skill``; and of the recipe's watch ``usual_skill``, ``tolerated_skill``, and
    ``missing_skill`` (summed up since it began to be missed) beside ``missing_skill_limit``, where chance ends: all
    four as on days as hard as the usual ones. ``skill_score``, ``usual_skill_score`` and ``tolerated_skill_score`` are
    1 - loss / the constant's loss; older verdicts have none.
    ``inputs`` are the features from the one that moved furthest on. ``began``: since when, by the best guess, what made
    the state lasts; only in ``RETRAIN`` and ``FAILING``. ``guarantee`` says in a sentence how often this policy asks
    though nothing changed; ``None``: too few days tell.
    """

    state: DriftState
    reasons: tuple[str, ...]
    figures: Mapping[str, float]
    days: tuple[date, ...]
    inputs: tuple[FeatureDrift, ...]
    began: date | None = field(default=None, metadata=LATER)
    guarantee: str | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class DueDay:
    """A matured day that is judged: by the version ``champion``, beside its ``predecessor`` and the ``best`` before.

    ``unjudged`` says why it has no figures; ``None``: the champion scores it. The two others are those that can.
    """

    day: date
    champion: int
    predecessor: int | None = None
    best: int | None = None
    unjudged: str | None = None


@dataclass(frozen=True, kw_only=True)
class VersionScores:
    """What ``version`` predicts for the rows of ``days`` (sorted): ``scores`` is the vault's digest, a number a row."""

    version: int
    bundle: str
    days: tuple[date, ...]
    scores: str


@dataclass(frozen=True, kw_only=True)
class LiveScores:
    """The predictions of the champion in force, and of those that were, for rows that came after them.

    ``days`` are those that are scored, ``since`` those among them from the first that is judged on. ``partitions`` are
    the features and labels of ``days``; ``scores`` is the vault's digest of one number a row of the labels' partitions,
    by the champion in force. ``unfamiliar`` counts the rows of the last seven of ``days``, each count at least 20 or 0;
    ``None``: not recorded. ``due`` are the days to be judged, in their order, ``others`` the predictions of all other
    versions that they need; none in records of before: the champion in force judged the days ``since``.
    """

    snapshot: str
    model_version: int
    bundle: str
    evaluation: str
    days: Days
    since: Days
    partitions: tuple[Partition, ...]
    scores: str
    unfamiliar: tuple[UnfamiliarValues, ...] | None = None
    due: tuple[DueDay, ...] = ()
    others: tuple[VersionScores, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LiveProfiles:
    """Live rows in the bins of a :class:`Reference`: features by ``weeks``, oldest first.

    Of the days that are judged, ``inputs`` are counted in the bins of ``learnt``, ``outcomes`` (score and label) in
    those of ``holdout``.
    """

    weeks: tuple[Profile, ...]
    inputs: Profile
    outcomes: Profile


@dataclass(frozen=True, kw_only=True)
class LiveFigures:
    """What a verdict is made of: the days that are ``judged``, the champion's ``figures`` by day, its inputs by week.

    ``scored`` is the digest of the :class:`LiveScores`. In the vault lie ``reference`` (a :class:`Reference`) and
    ``profiles`` (a :class:`LiveProfiles`); ``shapes`` is what of them may be shown to whoever watches. ``report`` is
    the digest of the page that explains what moved (:mod:`include.monitoring.page`), ``report_figures`` that of the
    same as JSON; ``None``: too few rows to compare. ``figures`` are those of the champion in force on all days that
    came after it, whoever judges them; ``judged`` is empty in records of before.
    """

    scored: str
    reference: str
    profiles: str
    report: str | None
    report_figures: str | None
    shapes: tuple[Shape, ...]
    since: Days
    figures: tuple[DayFigures, ...]
    judged: tuple[DayOfSeries, ...] = ()


class LookOutcome(StrEnum):
    """What a look at a new champion beside the one before it came to."""

    STAYS = "stays"  # it is not shown to be worse
    BACK = "back"  # it is: the authority is asked to go back
    SUPERSEDED = "superseded"  # it was replaced before: nothing was compared


class RetrainingOutcome(StrEnum):
    """What became of a training night that drift asked for."""

    PROMOTED = "promoted"  # its model is champion
    KEPT = "kept"  # the gates kept the champion
    FAILED = "failed"  # the night did not end
    SUPERSEDED = "superseded"  # the champion that was judged had been replaced before a night came: none ran
