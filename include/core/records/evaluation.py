"""How the best of a search did on days that nothing had seen, and what is decided of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from include.core.canonical import LATER
from include.core.gates import Benchmark
from include.core.project import Objective
from include.core.records.days import Days
from include.core.records.monitoring import DayFigures
from include.core.records.training import Params


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean difference of two models' losses on the same rows, and its one-sided 95 % bounds, whole days resampled.

    Of a comparison it is candidate minus champion, of skill constant minus candidate.
    """

    estimate: float
    lower: float
    upper: float
    days: int


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A model on the rows of the holdout whose category feature has one value; at least 20, on ``days`` days.

    ``skill`` is by how much it costs less than the constant there, ``difference`` by how much more than the champion,
    with bounds that hold for all slices of the evaluation at once, with 95 % confidence; ``None``: nothing says.
    """

    feature: str
    category: str
    rows: int
    days: int
    loss: float
    skill: Interval | None = None
    difference: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class BenchmarkFigures:
    """The project's benchmark on the same holdout as a candidate.

    ``validation_loss`` is the one by which its ``penalty`` was chosen, ``model`` the vault's digest of its text.
    ``metrics`` are those on all rows of the holdout, ``compared_metrics`` on those on which the champion is compared.
    ``difference`` is by how much the candidate costs more, in the deciding loss; ``None``: one day gives no bound.
    Where its training failed ``error`` says why, and there are no figures.
    """

    kind: Benchmark
    trial_id: str
    penalty: float | None
    validation_loss: float | None
    model: str | None
    metrics: Mapping[str, float]
    compared_metrics: Mapping[str, float]
    difference: Interval | None
    error: str | None

    @property
    def in_words(self) -> str:
        """Which it is, and that it is not shown where it has no figures."""
        return f"{self.kind} benchmark" + ("" if self.error is None else f", NOT SHOWN: {self.error}")

    def beside(self, evaluation: "Evaluation") -> Mapping[str, float]:
        """Its metrics on the rows on which *evaluation* shows the candidate, and the champion if that was scored."""
        return self.compared_metrics if evaluation.champion_metrics else self.metrics


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The refitted best trial on the untouched holdout, beside the champion on the same rows.

    Metrics by name (``log_loss``, ``auc``; ``mae``, ``rmse``). ``model`` is the vault's digest of the model text.
    ``champion`` is the version compared with, ``None`` for a first model. ``compared`` are the holdout's days that it
    has not learnt (none: the first is after the last), ``compared_metrics`` and ``champion_metrics`` the two models' on
    these; ``None``: there is no champion, or what it was made for or from is defined otherwise now.

    ``constant_loss`` is what predicting the mean label of the learnt rows costs on the holdout, ``skill`` by how much
    the model costs less. Evaluations of before have neither.

    ``recipe`` is the digest of what a project declares that decides its models: two of one recipe differ by their days.
    ``reference`` is the frozen champion, other than ``champion``, that was scored on the same rows too, and
    ``reference_difference`` how the model differs from it. ``calibration_gap`` is the mean prediction minus the mean
    label, ``slices`` are those of the features that the gates name. ``benchmark`` is that which the project declares.
    """

    plan: str
    features: str
    objective: Objective
    trial_id: str
    params: Params
    model: str
    metrics: Mapping[str, float]
    champion: int | None
    compared: Days | None
    compared_metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    difference: Interval | None
    holdout: Days
    rows: int
    constant_loss: float | None = field(default=None, metadata=LATER)
    skill: Interval | None = field(default=None, metadata=LATER)
    recipe: str | None = field(default=None, metadata=LATER)
    reference: int | None = field(default=None, metadata=LATER)
    reference_difference: Interval | None = field(default=None, metadata=LATER)
    calibration_gap: float | None = field(default=None, metadata=LATER)
    slices: tuple[Slice, ...] = field(default=(), metadata=LATER)
    benchmark: BenchmarkFigures | None = field(default=None, metadata=LATER)


class Gate(StrEnum):
    """What a model must pass to become champion, each of which a person may override for a time."""

    FLOORS = "floors"
    SKILL = "skill"
    MINIMUM_DAYS = "minimum_days"
    MARGIN = "margin"
    AUC_GUARD = "auc_guard"
    GIVEN_AWAY = "given_away"
    RECIPE = "recipe"
    CALIBRATION = "calibration"
    SLICES = "slices"
    FAILING = "failing"
    BENCHMARK = "benchmark"


@dataclass(frozen=True, kw_only=True)
class Override:
    """A person lets models of a project through one gate until the end of the day ``until`` (UTC), for a reason."""

    project: str
    gate: Gate
    until: date
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the candidate becomes champion, and every reason, for and against.

    ``refusals`` are the gates, and what else stands against it, without a figure of the holdout (of before: none).
    """

    promote: bool
    reasons: tuple[str, ...]
    refusals: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A registered model version. ``bundle`` is the digest of the signed bundle's manifest."""

    evaluation: str
    version: int
    bundle: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """How the model of a plan did on its holdout, by day, in a backtest: nothing is registered or promoted of it.

    ``model`` is the vault's digest of its text, ``label`` the digest of the label's definition. Days with fewer than
    20 labelled rows have no figures.
    """

    plan: str
    model: str
    objective: Objective
    label: str
    holdout: Days
    figures: tuple[DayFigures, ...]
