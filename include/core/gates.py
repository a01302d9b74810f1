"""What a model must reach to become champion, as a team declares it."""

from dataclasses import dataclass, field
from enum import StrEnum

from include.core.canonical import LATER
from include.core.rules import is_number, require, require_yes_or_no


class Benchmark(StrEnum):
    """A simple model that learns the same features from the same rows: what a candidate is held against.

    It has no knobs, so that nobody makes it weaker: of a few penalties, the one with the lowest validation loss is its.
    """

    LINEAR = "linear"  # logistic regression of a binary label, regression of the median of a number


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What a candidate must reach.

    ``margin`` is the largest loss (of the deciding metric, absolute) against the champion that is still accepted: the
    one-sided 95 % bound must exclude more. ``floor_loss``, ``floor_share`` and ``floor_auc`` hold for every version
    (``floor_auc`` for binary labels only): the loss is at most ``floor_loss``, and lies below that of the constant by
    at least ``floor_share`` of it. ``skill``: by how much a model must cost less than the constant (the mean label of
    what it learnt, predicted for every row), in the units of the loss; the one-sided 95 % bound must lie above it (with
    fewer than 20 holdout days the estimate). ``None``: skill does not decide. ``given_away``: the largest loss that all
    promotions since a champion that is kept frozen for that may have given away together (``None``: twice the margin),
    held against the one-sided bound that is wrong with the probability ``given_away_error``. ``calibration``: how far
    the mean prediction may lie from the mean label on the holdout, in the label's unit (``None``: that does not
    decide). ``slices`` names category features: for none of their values may a model be shown to lose more than the
    margin against the champion (from 20 holdout days on; before, they are reported).
    ``auc_guard``: the candidate's AUC may lie at most this far below the champion's. ``minimum_days``: with fewer
    holdout days the champion stays. ``supersedes``: the one champion version that may be replaced without a comparison,
    by the floors, because its objective, its label or a feature that it needs is not built any more or is defined
    otherwise. ``beats_benchmark``: a model must be shown to cost less than the project's benchmark on the holdout, by
    the one-sided 95 % bound.
    """

    margin: float
    floor_loss: float | None = None
    floor_auc: float = 0.5
    auc_guard: float = 0.01
    minimum_days: int = 20
    supersedes: int | None = None
    skill: float | None = field(default=0.0, metadata=LATER)
    given_away: float | None = field(default=None, metadata=LATER)
    calibration: float | None = field(default=None, metadata=LATER)
    slices: tuple[str, ...] = field(default=(), metadata=LATER)
    floor_share: float | None = field(default=None, metadata=LATER)
    given_away_error: float = field(default=0.05, metadata=LATER)
    beats_benchmark: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        given = (self.floor_loss, self.floor_share, self.skill, self.given_away, self.calibration)
        limits = [self.margin, self.floor_auc, self.auc_guard, *(limit for limit in given if limit is not None)]
        require(all(map(is_number, limits)), "gates are finite numbers", limits, "Write 1e9 for no limit.")
        require(
            self.floor_loss is not None or self.floor_share is not None,
            "a floor says which loss is too much",
            "floor_loss and floor_share are None",
            "Give `floor_loss`, or `floor_share`, a share of what the constant costs.",
        )
        share = self.floor_share
        require(share is None or 0 <= share < 1, "a share lies between 0 and 1", share, "Write 0.02 for 2 %.")
        error = self.given_away_error
        good = is_number(error) and 0 < error < 0.5
        require(good, "`given_away_error` lies between 0 and 0.5", error, "Give a probability, as 0.05.")
        listed = not isinstance(self.slices, str)
        require(listed, "`slices` lists names of category features", self.slices, "Write (name,) for one.")
        require_yes_or_no("beats_benchmark", self.beats_benchmark)

    @property
    def given_away_limit(self) -> float:
        """What all promotions since the frozen champion may give away together; nothing, if each must be better."""
        return max(0.0, 2 * self.margin) if self.given_away is None else self.given_away
