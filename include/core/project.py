"""What a team declares: a :class:`Project` and its parts. Everything here is frozen and checked when it is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.core.canonical import LATER, encode
from include.core.card import Card
from include.core.drift_policy import LEAST_DAYS, LEAST_LOOK_DAYS, DriftPolicy, Look, SkillPolicy
from include.core.errors import DeclarationError
from include.core.flat_projects import takes_flat_fields
from include.core.gates import Benchmark, Gates
from include.core.moments import with_zones
from include.core.operations import Compute, Operations
from include.core.rules import is_number, is_whole, require, require_kind, require_kinds
from include.core.search import Choice, FloatRange, IntRange, LearnerName, Search
from include.core.words import require_sentence

if TYPE_CHECKING:
    import ibis

__all__ = [
    "LEAST_DAYS",
    "LEAST_LOOK_DAYS",
    "Benchmark",
    "Card",
    "Choice",
    "Compute",
    "DriftPolicy",
    "Expectation",
    "Expression",
    "FeatureGroup",
    "FloatRange",
    "Gates",
    "IntRange",
    "LearnerName",
    "Learning",
    "Look",
    "Objective",
    "Operations",
    "Ownership",
    "Project",
    "Quality",
    "Search",
    "Severity",
    "SkillPolicy",
    "Target",
    "Window",
]

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
class Ownership:
    """Who answers for a project.

    ``owner`` is the team that answers. ``purpose`` is what the data may be used for, on one line that a steward reads;
    it is bound into every grant. ``card`` is what they say of the model; it changes none.
    """

    owner: str
    purpose: str
    card: Card | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        require_sentence("a project's owner", self.owner)
        require_sentence("a project's purpose", self.purpose)
        if self.card is not None:
            require_kind("ownership.card", self.card, Card)


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What a project learns: ``target`` of ``features``, from the days of ``window``, by ``search``."""

    target: Target
    features: tuple[FeatureGroup, ...]
    search: Search
    window: Window = field(default_factory=Window)

    def __post_init__(self) -> None:
        require_kind("learning.target", self.target, Target)
        require_kinds("learning.features", self.features, FeatureGroup)
        require_kind("learning.search", self.search, Search)
        require_kind("learning.window", self.window, Window)
        names = [group.name for group in self.features]
        require(bool(names), "a project has at least one feature group", names, "Add a FeatureGroup.")
        require(len(set(names)) == len(names), "feature groups have different names", names, "Rename one.")

    @property
    def lookback_days(self) -> int:
        """How many days before the window the snapshot must reach."""
        return max(group.lookback_days for group in self.features)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How a project is judged: its data by ``expectations``, each version by ``gates``, the champion by ``drift``.

    ``expectations`` stand beside those of the contracts. ``drift`` says when the champion is retrained; ``None``:
    nobody watches it. ``benchmark`` is trained beside every search, and every candidate is held against it.
    """

    gates: Gates
    drift: DriftPolicy | None = None
    expectations: tuple[Expectation, ...] = ()
    benchmark: Benchmark | None = None

    def __post_init__(self) -> None:
        require_kind("quality.gates", self.gates, Gates)
        if self.drift is not None:
            require_kind("quality.drift", self.drift, DriftPolicy)
        require_kinds("quality.expectations", self.expectations, Expectation)
        known = self.benchmark is None or isinstance(self.benchmark, Benchmark)
        require(known, "a benchmark is one of Benchmark", self.benchmark, "Write Benchmark.LINEAR, or None for none.")
        beatable = self.benchmark is not None or not self.gates.beats_benchmark
        remedy = "Declare `benchmark=Benchmark.LINEAR`, or leave `beats_benchmark` out of the gates."
        require(beatable, "gates ask that a benchmark be beaten where there is one", self.benchmark, remedy)


#: The groups of a project, by the names that they have in it. No two of them share a field's name.
_GROUPS: Mapping[str, type[Any]] = {
    "ownership": Ownership,
    "learning": Learning,
    "quality": Quality,
    "operations": Operations,
}


@takes_flat_fields(_GROUPS)
@dataclass(frozen=True, kw_only=True)
class Project:
    """A model that a team declares: a folder under ``include/projects`` whose package holds ``PROJECT``.

    ``name`` equals the folder's name. ``ownership`` says who answers for it, ``learning`` what is learnt, ``quality``
    how it is judged, and ``operations`` when and where it runs.
    """

    name: str
    ownership: Ownership
    learning: Learning
    quality: Quality
    operations: Operations = field(default_factory=Operations)

    def __post_init__(self) -> None:
        require(
            self.name.isidentifier() and self.name.islower(),
            "a project's name is a lower-case identifier",
            self.name,
            "Use letters, digits and _.",
        )
        for name, kind in _GROUPS.items():
            require_kind(name, getattr(self, name), kind)

    def varied(self, **changes: Any) -> "Project":
        """This project with other values of some fields, each given by its own name, whichever group it stands in.

        ``PROJECT.varied(name="late_in_spring", window=Window(days=60), schedule="0 5 * * *")``

        Raises:
            DeclarationError: neither the project nor a group has a field of that name, or a value cannot be.
        """
        group_of = {each.name: group for group, kind in _GROUPS.items() for each in fields(kind)}
        unknown = sorted(changes.keys() - group_of.keys() - {"name", *_GROUPS})
        known = ", ".join(["name", *group_of])
        require(not unknown, "a project is varied in fields that it has", ", ".join(unknown), f"Name one of {known}.")
        whole = {name: changes.get(name, getattr(self, name)) for name in ("name", *_GROUPS)}
        for group in {group_of[name] for name in changes if name in group_of}:
            inner = {name: value for name, value in changes.items() if group_of.get(name) == group}
            whole[group] = replace(whole[group], **inner)
        return Project(**whole)
