"""What a project declares of its watch: when a recipe is trained again, fails, or goes back to the one before."""

from dataclasses import dataclass, field
from datetime import date

from include.core.canonical import LATER
from include.core.rules import is_number, is_whole, require

#: No verdict rests on fewer matured days: days of one week are too alike to tell chance from drift.
LEAST_DAYS = 20
#: No look rests on fewer days, for the same reason.
LEAST_LOOK_DAYS = 7


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
