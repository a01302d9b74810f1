"""What a team declares: a :class:`Project` and its parts. Everything here is frozen and checked when it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from include.core.canonical import LATER, encode
from include.core.errors import DeclarationError
from include.core.gates import Gates
from include.core.moments import with_zones
from include.core.rules import is_label, is_number, is_taint, is_whole, require
from include.core.schedules import require_schedule, require_timezone
from include.core.search import Choice, FloatRange, IntRange, Search
from include.core.words import require_sentence

if TYPE_CHECKING:
    import ibis

__all__ = [
    "LEAST_DAYS",
    "LEAST_LOOK_DAYS",
    "Choice",
    "Compute",
    "DriftPolicy",
    "Expectation",
    "Expression",
    "FeatureGroup",
    "FloatRange",
    "Gates",
    "IntRange",
    "Look",
    "Objective",
    "Operations",
    "Project",
    "Search",
    "Severity",
    "SkillPolicy",
    "Target",
    "Window",
]

#: No look rests on fewer days, for the same reason.
LEAST_LOOK_DAYS = 7
#: No verdict rests on fewer matured days: days of one week are too alike to tell chance from drift.
LEAST_DAYS = 20

#: Takes Ibis tables, one per parameter, each named like a dataset; returns an Ibis table.
Expression = Callable[..., "ibis.Table"]


class Objective(StrEnum):
    """What the label is, and so what is optimised and reported."""

    BINARY = "binary"  # log loss decides, AUC guards
    REGRESSION = "regression"  # mean absolute error decides


class Severity(StrEnum):
    """What a failed expectation does: ``CRITICAL`` stops the night, ``WARNING`` is reported."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One Great Expectations check on the new days of a dataset.

    ``kind`` is the snake-case name of the expectation, ``arguments`` its keyword arguments
    (``{"column": "distance", "min_value": 1}``); a time without a zone is UTC.
    """

    dataset: str
    kind: str
    arguments: Mapping[str, object]
    severity: Severity = Severity.CRITICAL

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", with_zones(self.arguments))
        try:
            encode(self.arguments)
        except TypeError as error:
            raise DeclarationError(
                f"{self.dataset}: arguments of {self.kind} are texts, finite numbers, dates, lists and mappings",
                value=error,
                remedy="Write a list where there is a set.",
            ) from None

    @property
    def limits(self) -> str:
        """The numbers and times among the arguments, and no text or list: those may name what the data holds."""
        said = self.arguments.items()
        return ", ".join(f"{name} {value}" for name, value in said if is_number(value) or isinstance(value, date))


@dataclass(frozen=True, kw_only=True)
class Target:
    """The rows to predict for, when, and what.

    ``population`` returns the key columns and ``predicted_at`` (UTC): the moment at which the prediction is asked for.
    Features of a row may know only what was known at that moment. ``label`` returns the key columns and ``label``
    (0/1 or a number; null where there is none). ``key`` names the columns that identify a row. ``dataset`` is the
    partitioned dataset that the rows come from: a row belongs to the UTC day of that dataset's partition column.
    """

    dataset: str
    key: tuple[str, ...]
    population: Expression
    label: Expression
    objective: Objective

    def __post_init__(self) -> None:
        listed = bool(self.key) and not isinstance(self.key, str)
        require(listed, "a target names its key columns", self.key, "List the columns that identify a row.")
        known = isinstance(self.objective, Objective)
        require(known, "an objective is one of Objective", self.objective, "Write Objective.BINARY or .REGRESSION.")


@dataclass(frozen=True, kw_only=True)
class FeatureGroup:
    """Features computed together by one Ibis function.

    ``build`` returns the target's key columns and one column a feature (numbers, or strings for categories). A row of
    day D may use rows of the days from D - ``lookback_days`` (inclusive) to D (inclusive) as far as they were known at
    ``predicted_at``. Beside datasets it may take ``population``: the rows to predict for, as the target's population
    returns them (the way to reach rows whose key is not known yet, tomorrow's hours say).
    """

    name: str
    build: Expression
    lookback_days: int = 0

    def __post_init__(self) -> None:
        require(
            self.name.isidentifier(), "a feature group's name is an identifier", self.name, "Use letters, digits and _."
        )
        whole = is_whole(self.lookback_days) and self.lookback_days >= 0
        require(whole, "lookback_days is at least 0", self.lookback_days, "Give whole days.")


@dataclass(frozen=True, kw_only=True)
class Window:
    """The days that a night learns from, all counted back from the last matured day (whole UTC days).

    The last ``holdout_days`` are never touched before evaluation; the ``validation_days`` before them choose among
    trials; the rest trains. ``days`` counts all three. ``since``: no earlier day is learnt, and none before the
    lookback of its features is read; so a young recording is learnt whole, and ``days`` is what it may grow to.
    """

    days: int = 90
    validation_days: int = 7
    holdout_days: int = 21
    since: date | None = None

    def __post_init__(self) -> None:
        counts = (self.days, self.validation_days, self.holdout_days)
        require(all(map(is_whole, counts)), "a window counts whole days", counts, "Round what is not.")
        train = self.days - self.validation_days - self.holdout_days
        require(
            train >= 1 and self.validation_days >= 1 and self.holdout_days >= 1,
            "a window holds at least one day each to train, to validate and to hold out",
            f"{train}, {self.validation_days} and {self.holdout_days} days",
            "Raise `days` or lower the others.",
        )


@dataclass(frozen=True, kw_only=True)
class Look:
    """After ``days`` days that a new champion and the one before it both scored, these are compared.

    The project goes back where the new one loses more, shown with the one-sided error probability ``error``.
    """

    days: int
    error: float

    def __post_init__(self) -> None:
        require(
            is_whole(self.days) and self.days >= LEAST_LOOK_DAYS,
            "a look rests on 7 days at least",
            self.days,
            "Raise it.",
        )
        good = is_number(self.error) and 0 < self.error < 1
        require(good, "a look's error lies between 0 and 1", self.error, "Give a probability, as 0.01.")


@dataclass(frozen=True, kw_only=True)
class SkillPolicy:
    """How much of what it knew the recipe may lose, whichever version is champion.

    Watched is the *skill score*, 1 - loss / reference loss: by how much the champion's loss lies below that of the
    constant, the base rate of the weeks before, divided by what the constant lost over four weeks, since on easy days
    there is less to know. The first ``usual_days`` judged days say what is usual: those of the project or, after a
    human accepted a new level, those from ``since`` on. ``drop`` of it may be lost, in the unit of the loss on days as
    hard as those; divided by the constant's mean loss over them, it is a skill score. ``None``: half. What is missing
    is summed up by day, and how much of that chance brings is drawn from the whole weeks of the usual days: in the
    share ``false_asks`` of stretches of 180 nights, at most, there is more though nothing changed.
    """

    drop: float | None = None
    since: date | None = None
    usual_days: int = 56
    false_asks: float = 0.05

    def __post_init__(self) -> None:
        require(
            self.drop is None or (is_number(self.drop) and self.drop > 0),
            "`drop` is a finite number above 0, in the unit of the loss",
            self.drop,
            "Leave it out for half of the usual skill.",
        )
        require(
            is_whole(self.usual_days) and self.usual_days >= 28,
            "it takes 28 days at least to show what is usual",
            self.usual_days,
            "Raise `usual_days`.",
        )
        require(
            is_number(self.false_asks) and 0.005 <= self.false_asks <= 0.5,
            "`false_asks` is a share from 0.005 to 0.5",
            self.false_asks,
            "Write 0.05 for one stretch of 180 nights in twenty.",
        )


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """When the figures of matured days ask for a retraining, or for a human, and when inputs warn one.

    Judged are the last ``days`` matured days, each by the champion that was in force before it, and each counting once
    whatever its rows. They are days of the calendar: one without rows or labels is missing of them, and with fewer than
    ``minimum_days`` nothing is decided. A retraining is asked for where the mean
    daily excess loss (the loss minus the loss that the model itself expects; for a regression minus that of its
    evaluation) is above ``excess_loss``, or the mean prediction lies further than ``calibration_gap`` from the mean
    label; both in the units of loss and label, both limits still accepted. ``None``: that figure does not decide.
    ``skill`` watches what the recipe knows at all; ``None``: nothing does.

    Where champions that have learnt from the days of a change do no better, the recipe fails: a human is asked, and
    with ``stops_promotion`` no refit is promoted until it is back, or the new level was accepted.

    Inputs only warn: a feature has drifted if the newest week's population stability index against the
    ``baseline_weeks`` before is above ``psi`` and above ``psi_factor`` times its own greatest in these, drifted weeks
    left out. ``calendar`` names features that move with the season by themselves: they are not judged.

    A retraining is asked for at most every ``cooldown_days``, and at most ``monthly_budget`` times in any 30 days.

    After each promotion the ``looks`` decide whether the project goes back to the champion before; their errors add up
    to 0.05 at most. A night's own are declared when it begins, before any of its days. ``()``: only people go back.
    """

    excess_loss: float | None = None
    calibration_gap: float | None = None
    days: int = 28
    minimum_days: int = 20
    psi: float = 0.1
    psi_factor: float = 1.5
    baseline_weeks: int = 8
    calendar: tuple[str, ...] = ()
    cooldown_days: int = 20
    monthly_budget: int = 1
    skill: SkillPolicy | None = field(default=SkillPolicy(), metadata=LATER)
    stops_promotion: bool = field(default=True, metadata=LATER)
    looks: tuple[Look, ...] = field(default=(Look(days=14, error=0.01), Look(days=28, error=0.04)), metadata=LATER)

    def __post_init__(self) -> None:
        days = [look.days for look in self.looks]
        spent = round(sum(look.error for look in self.looks), 9)
        require(
            days == sorted(set(days)) and spent <= 0.05,
            "looks come at rising days, and their errors add up to 0.05 at most",
            f"days {days}, errors of {spent}",
            "Leave one out, or lower the errors.",
        )
        limits = [limit for limit in (self.excess_loss, self.calibration_gap) if limit is not None]
        require(
            (bool(limits) or self.skill is not None) and all(is_number(limit) and limit > 0 for limit in limits),
            "a figure decides, and its limit is a finite number above 0",
            f"excess_loss {self.excess_loss}, calibration_gap {self.calibration_gap}, skill {self.skill}",
            "Give at least one limit, or leave `skill` in.",
        )
        require(
            LEAST_DAYS <= self.minimum_days <= self.days,
            f"a verdict rests on {LEAST_DAYS} days at least",
            f"minimum_days {self.minimum_days} of {self.days}",
            "Raise `minimum_days`, or `days`.",
        )
        listed = not isinstance(self.calendar, str)
        require(listed, "`calendar` lists names of features", self.calendar, "Write (name,) for one.")
        require(self.psi > 0 and self.psi_factor >= 1, "psi is above 0, psi_factor at least 1", self.psi, "Raise it.")
        require(self.baseline_weeks >= 4, "a baseline has at least 4 weeks", self.baseline_weeks, "Raise it.")
        require(
            self.cooldown_days >= 1 and self.monthly_budget >= 0,
            "cooldown_days is at least 1, monthly_budget at least 0",
            f"{self.cooldown_days} and {self.monthly_budget}",
            "Raise them.",
        )


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What one training shard may take, and for how long, where the deployment places it in a pod.

    ``pool`` is the Airflow pool that it takes ``accelerators`` slots of (one slot, if it takes no accelerator).
    ``cpus``, ``memory_mib`` and ``ephemeral_storage_mib`` are the pod's requests and limits at once. ``image`` replaces
    the deployment's trainer image. ``spot``: it may run on nodes that are taken away at any moment.
    ``maximum_minutes`` bounds waiting for a place and running together. ``node_selector`` names labels that its nodes
    have, ``tolerations`` taints that do not keep it from them, each as ``kubectl taint`` writes it
    (``sku=gpu:NoSchedule``; what is left out may be anything). ``queue`` is the Kueue queue, of the pods' namespace, in
    which it waits.
    """

    pool: str = "training"
    accelerators: int = 0
    cpus: float = 1.0
    memory_mib: int = 2048
    ephemeral_storage_mib: int = 1024
    image: str | None = None
    spot: bool = False
    maximum_minutes: int = 240
    node_selector: Mapping[str, str] | None = field(default=None, metadata=LATER)
    tolerations: tuple[str, ...] = field(default=(), metadata=LATER)
    queue: str | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.accelerators >= 0, "a shard takes 0 or more accelerators", self.accelerators, "Raise it.")
        positive = (self.cpus, self.memory_mib, self.ephemeral_storage_mib, self.maximum_minutes)
        require(min(positive) > 0, "what a shard takes is above 0", positive, "Raise what is not.")
        labelled = self.node_selector is None or isinstance(self.node_selector, Mapping)
        require(
            labelled and all(is_label(*each) for each in (self.node_selector or {}).items()),
            "`node_selector` maps labels of nodes to their values",
            self.node_selector,
            'Write {"cloud.google.com/gke-accelerator": "nvidia-l4"}, say.',
        )
        listed = not isinstance(self.tolerations, str)
        require(
            listed and all(map(is_taint, self.tolerations)),
            "`tolerations` lists taints of nodes",
            self.tolerations,
            'Write ("sku=gpu:NoSchedule",), say.',
        )
        queued = self.queue is None or (self.queue != "" and is_label("queue", self.queue))
        require(queued, "`queue` is the name of a queue of Kueue", self.queue, "Write its LocalQueue's name.")


@dataclass(frozen=True, kw_only=True)
class Operations:
    """When and where it runs. Recorded, but no part of a digest, ``copy_model`` apart: it changes no result.

    ``schedule`` is a cron line, ``watch_schedule`` that of the drift watch, both in ``timezone``, an IANA name: on the
    two nights of a year on which its clocks change they run when Airflow's own timetable says. ``threads`` is what one
    training task may use; what is alone in its night, as the refit is, takes the cores that are idle.
    ``gate_patience_minutes`` is how long the gate waits for a steward, at most; ``late_after_minutes`` when ops are
    told that a run is late (the steward's time not counted). ``compute`` is what a training shard takes where it runs
    in a pod. ``copy_model``: each registered model is copied into MLflow, where it opens without grant and receipt;
    stewards are asked for that.
    """

    schedule: str = "0 4 * * *"
    watch_schedule: str = "0 6 * * *"
    timezone: str = "UTC"
    threads: int = 1
    gate_patience_minutes: int = 20 * 60
    late_after_minutes: int = 4 * 60
    compute: Compute = field(default_factory=Compute)
    copy_model: bool = False

    def __post_init__(self) -> None:
        require_schedule("schedule", self.schedule)
        require_schedule("watch_schedule", self.watch_schedule)
        require_timezone(self.timezone)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A model that a team declares: a folder under ``include/projects`` whose package holds ``PROJECT``.

    ``name`` equals the folder's name. ``purpose`` is what the data may be used for, on one line that a steward reads;
    it is bound into every grant. ``owner`` is the team that answers. ``drift`` says when the champion is retrained;
    ``None``: nobody watches it.
    """

    name: str
    purpose: str
    owner: str
    target: Target
    features: tuple[FeatureGroup, ...]
    search: Search
    gates: Gates
    window: Window = field(default_factory=Window)
    expectations: tuple[Expectation, ...] = ()
    drift: DriftPolicy | None = None
    operations: Operations = field(default_factory=Operations)

    def __post_init__(self) -> None:
        require(
            self.name.isidentifier() and self.name.islower(),
            "a project's name is a lower-case identifier",
            self.name,
            "Use letters, digits and _.",
        )
        require_sentence("a project's purpose", self.purpose)
        require_sentence("a project's owner", self.owner)
        names = [group.name for group in self.features]
        require(bool(names), "a project has at least one feature group", names, "Add a FeatureGroup.")
        require(len(set(names)) == len(names), "feature groups have different names", names, "Rename one.")

    @property
    def lookback_days(self) -> int:
        """How many days before the window the snapshot must reach."""
        return max(group.lookback_days for group in self.features)
