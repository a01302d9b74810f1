"""What a team declares to be searched: :class:`Search`, and where its parameters are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from include.core.canonical import LATER
from include.core.rules import is_number, is_scalar, is_whole, require


class LearnerName(StrEnum):
    """The families of models that can be trained (:mod:`include.learner`)."""

    BOOSTED_TREES = "boosted_trees"
    LINEAR = "linear"

    @property
    def words(self) -> str:
        """The family, as people call it."""
        return {"boosted_trees": "boosted trees", "linear": "linear models"}[self]


@dataclass(frozen=True, kw_only=True)
class IntRange:
    """Whole numbers from ``low`` to ``high``, both inclusive; drawn on a logarithmic scale if ``log``."""

    low: int
    high: int
    log: bool = False

    def refused(self) -> str | None:
        """Why nothing can be drawn from it; ``None``: it can."""
        whole = is_whole(self.low) and is_whole(self.high)
        return _unordered(self) if whole else "an IntRange has whole numbers as its ends"


@dataclass(frozen=True, kw_only=True)
class FloatRange:
    """Numbers from ``low`` to ``high``, both inclusive; drawn on a logarithmic scale if ``log``."""

    low: float
    high: float
    log: bool = False

    def refused(self) -> str | None:
        """Why nothing can be drawn from it; ``None``: it can."""
        numbers = is_number(self.low) and is_number(self.high)
        return _unordered(self) if numbers else "a FloatRange has finite numbers as its ends"


def _unordered(part: IntRange | FloatRange) -> str | None:
    rises = part.low <= part.high and (part.low > 0 or not part.log)
    return None if rises else "a range rises from `low` to `high`, above 0 if it is logarithmic"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of ``options``: different finite numbers, texts, or true and false."""

    options: tuple[float | int | str | bool, ...]

    def refused(self) -> str | None:
        """Why nothing can be drawn from it; ``None``: it can."""
        given = self.options if isinstance(self.options, tuple | list) else ()
        usable = bool(given) and all(map(is_scalar, given)) and len(set(given)) == len(given)
        return None if usable else "a choice has options: different finite numbers, texts, or true and false"


@dataclass(frozen=True, kw_only=True)
class Search:
    """The hyper-parameter search: ``trials`` draws from ``space``, by the names of the learner's parameters.

    Successive halving: every trial of a shard trains to the first of ``rungs`` (rounds, rising); the best ``1 /
    reduction`` go on to the next. One rung, or a reduction of 1, trains every trial fully. The best trial is refitted
    to the rung at which its loss was lowest. ``shards`` is how many tasks share the trials. ``seed`` is the only source
    of randomness. ``fixed`` holds parameters that are not searched. ``learner`` is what all
    trials train.
    """

    space: Mapping[str, IntRange | FloatRange | Choice]
    trials: int = 16
    shards: int = 2
    rungs: tuple[int, ...] = (50, 100, 200)
    reduction: int = 2
    seed: int = 20130101
    fixed: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    learner: LearnerName = field(default=LearnerName.BOOSTED_TREES, metadata=LATER)

    def __post_init__(self) -> None:
        mappings = isinstance(self.space, Mapping) and isinstance(self.fixed, Mapping)
        require(
            mappings and isinstance(self.rungs, tuple | list),
            "space and fixed are mappings from a parameter's name, rungs a tuple",
            f"{type(self.space).__name__}, {type(self.fixed).__name__} and {type(self.rungs).__name__}",
            "Write `{...}` or `(...)`.",
        )
        require(bool(self.space), "a search has a space", self.space, "Name at least one parameter of the learner.")
        known = isinstance(self.learner, LearnerName)
        names = ", ".join(f"LearnerName.{name.name}" for name in LearnerName)
        require(known, "a learner is one of LearnerName", self.learner, f"Write one of {names}.")
        counts = (self.trials, self.shards, self.reduction, self.seed, *self.rungs)
        require(all(map(is_whole, counts)), "what a search counts is whole numbers", counts, "Round what is not.")
        for name, part in self.space.items():
            kind = isinstance(part, IntRange | FloatRange | Choice)
            why = part.refused() if kind else "a parameter is searched in an IntRange, a FloatRange or a Choice"
            require(why is None, f"{why}", f"{name}: {part}", "Correct its ends or options.")
        for name, value in self.fixed.items():
            rule = "a fixed parameter is one finite number, text, true or false"
            remedy = 'Write several as a text: "1,0,-1".'
            require(is_scalar(value), rule, f"{name}: {value!r}", remedy)
        both = sorted(set(self.space) & set(self.fixed))
        require(not both, "a parameter is either searched or fixed", ", ".join(both), "Remove one of the two.")
        require(self.trials >= 1, "a search has at least one trial", self.trials, "Raise `trials`.")
        require(1 <= self.shards <= self.trials, "there are 1 to `trials` shards", self.shards, "Lower `shards`.")
        rising = all(low < high for low, high in zip(self.rungs, self.rungs[1:], strict=False))
        require(bool(self.rungs) and self.rungs[0] > 0 and rising, "rungs rise", self.rungs, "Sort them.")
        require(self.reduction >= 1, "reduction is at least 1", self.reduction, "Use 1 to train all trials fully.")
