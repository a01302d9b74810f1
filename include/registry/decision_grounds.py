"""What a decision about a model rests on beside its evaluation: the champion, and how its project stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from include.core.canonical import LATER
from include.core.records import Days, Evaluation, Interval, Override


@dataclass(frozen=True, kw_only=True)
class ChampionGrounds:
    """The version in force, the days on which it was evaluated itself, and by which recipe it was made.

    ``changed`` says what is declared otherwise now than when it was made.
    """

    version: int
    holdout: Days
    recipe: str | None = None
    changed: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ProjectStanding:
    """What else a decision about a model rests on: how its project stands at that moment.

    ``reference`` is a champion that is kept frozen, and ``given_away`` what promotions since it gave away together by
    their own estimates, ``given_away_noise`` how far beyond that their one-sided 95 % bounds lie together (``None``:
    decided before it was tested, by the estimate); without a champion there is no reference. ``looks`` earlier
    evaluations and backtests saw days of the model's holdout. ``recipe_day`` is the last day on which another recipe
    than the model's was first looked at. ``failing`` is the day whose verdict says that retraining does not help;
    then ``unwatched`` says whether the model's night declared no drift policy (``None``: decided before that was asked,
    and before another recipe was let through). ``overrides`` are in force.
    """

    reference: int | None = None
    given_away: float = 0.0
    looks: int = 0
    recipe_day: date | None = None
    failing: date | None = None
    overrides: tuple[Override, ...] = ()
    given_away_noise: float | None = field(default=None, metadata=LATER)
    unwatched: bool | None = field(default=None, metadata=LATER)

    def measured(self, evaluation: Evaluation) -> Interval | None:
        """How much more than the frozen reference the model costs on the same rows; ``None``: nothing compared them."""
        if self.reference is None:
            return None
        if evaluation.reference == self.reference and evaluation.reference_difference is not None:
            return evaluation.reference_difference
        return evaluation.difference if evaluation.champion == self.reference else None

    def given_away_with(self, evaluation: Evaluation) -> Interval | None:
        """How much more than the frozen reference the model costs: as measured or, where they were not compared, by the
        sum of what each promotion since gave away, whose bounds add up too. ``None``: nothing says.
        """
        measured, last = self.measured(evaluation), evaluation.difference
        if measured is not None or last is None:
            return measured
        noise = self.given_away_noise or 0.0
        return Interval(
            estimate=self.given_away + last.estimate,
            lower=self.given_away + last.lower - noise,
            upper=self.given_away + last.upper + noise,
            days=last.days,
        )
