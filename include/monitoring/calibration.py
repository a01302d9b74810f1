"""Limits proposed from a project's own days: as narrow as a share of false asks allows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import sqrt
from statistics import fmean, stdev

import numpy as np

from include.core.errors import DataError
from include.core.project import DriftPolicy, SkillPolicy
from include.core.records import DayFigures, DayOfSeries, Evaluation
from include.core.rules import rounded_up
from include.monitoring.chance import NIGHTS, UsualDay, chance, drawn_from, running
from include.monitoring.skill import hardness_of, usual_days, usual_of

#: With fewer judged days there are too few whole weeks to draw from.
LEAST_DAYS = 28
#: Of so few days nothing tells how far the next may lie.
LEAST_HOLDOUT_DAYS = 7
_LEVELS = 101


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A policy with limits from the judged ``days`` (how many, the first, the last), and how often it asks falsely.

    ``false_asks`` is the share of stretches of 180 nights, of weeks like those, in which it asks.
    """

    policy: DriftPolicy
    days: int
    first: date
    last: date
    false_asks: float


def proposed(policy: DriftPolicy, series: Sequence[DayOfSeries], *, share: float) -> Proposal:
    """*policy* with the narrowest limits that together ask in *share* of 180 nights whose weeks are like the *series*'.

    The limits of excess loss and calibration gap alone ask equally often. Half of the usual skill may be lost; a recipe
    without any is not watched by it. Limits are rounded up to two digits.

    Raises:
        DataError: fewer than 28 days tell of a skill.
    """
    usual = _usual(policy.skill or SkillPolicy(), series)
    if len(usual) < LEAST_DAYS:
        raise DataError(
            f"limits are proposed from {LEAST_DAYS} judged days at least",
            value=f"{len(usual)} days",
            remedy="Watch the project until more days have matured; the policy that `new` writes needs no limits.",
        )
    means = np.abs(running(drawn_from(usual, policy), policy.days, policy.minimum_days)[:, :, 1:3])
    greatest = np.nan_to_num(np.nanmax(np.where(np.isnan(means), 0.0, means), axis=1))
    bounds = np.zeros(2)
    for level in np.linspace(1 - share, 1, _LEVELS):
        bounds = np.quantile(greatest, level, axis=0, method="higher")
        if (greatest > bounds).any(axis=1).mean() <= share:
            break
    skill = fmean(each.skill for each in usual)
    watched = replace(policy.skill or SkillPolicy(), drop=_up(skill / 2) if skill > 0 else None, false_asks=share)
    made = replace(
        policy,
        excess_loss=_up(float(bounds[0])),
        calibration_gap=_up(float(bounds[1])),
        skill=watched if skill > 0 else None,
    )
    return Proposal(
        policy=made,
        days=len(usual),
        first=usual[0].day,
        last=usual[-1].day,
        false_asks=chance(usual, made, watched).false_asks,
    )


@dataclass(frozen=True, kw_only=True)
class StartingPolicy:
    """A policy, and by which share of the constant's loss a model should cost less (``None``: it shows no skill).

    Both from the holdout's ``days``: how many, the first, the last.
    """

    policy: DriftPolicy
    floor_share: float | None
    days: int
    first: date
    last: date


def started(
    policy: DriftPolicy, figures: Sequence[DayFigures], evaluation: Evaluation, *, share: float
) -> StartingPolicy:
    """*policy* with limits from the daily spread of an evaluation, before the watch has judged days enough.

    Each limit lies above the mean of as many days as the policy looks at, as far out as Student's t says for so many
    days as the holdout had, in all but *share* of 180 nights; days are taken as independent, since the holdout is too
    short to tell more. The floor is half of the skill that the evaluation shows with 95 % confidence.

    Raises:
        DataError: the holdout has fewer than 7 days with figures.
    """
    if len(figures) < LEAST_HOLDOUT_DAYS:
        raise DataError(
            f"limits are proposed from {LEAST_HOLDOUT_DAYS} days of a holdout at least",
            value=f"{len(figures)} days with 20 rows or more",
            remedy="Raise `holdout_days` of the window (`learning.window`).",
        )
    loss = fmean(each.loss for each in figures)
    excess = [each.loss - (loss if each.expected_loss is None else each.expected_loss) for each in figures]
    gaps = [each.mean_score - each.mean_label for each in figures]
    skill, constant, floor = evaluation.skill, evaluation.constant_loss, None
    if skill is not None and constant is not None and skill.lower > 0:
        floor = rounded_up(skill.lower / constant / 2, digits=2)
    return StartingPolicy(
        policy=replace(
            policy,
            excess_loss=_limit(excess, policy, share),
            calibration_gap=_limit(gaps, policy, share),
            skill=replace(policy.skill or SkillPolicy(), false_asks=share),
        ),
        floor_share=floor,
        days=len(figures),
        first=figures[0].day,
        last=figures[-1].day,
    )


def _limit(daily: Sequence[float], policy: DriftPolicy, share: float) -> float:
    """Two figures are watched, to either side, over so many stretches of nights that share no day."""
    from scipy.stats import t

    days, stretches = len(daily), NIGHTS / policy.days
    far = float(t.ppf(1 - share / (4 * stretches), days - 1))
    return _up(abs(fmean(daily)) + far * stdev(daily) * sqrt(1 / policy.days + 1 / days))


def _usual(policy: SkillPolicy, series: Sequence[DayOfSeries]) -> tuple[UsualDay, ...]:
    """All days, as hard as those that tell *policy* what is usual. Those of models that do not say what they expect are
    held against the mean of all.
    """
    days = [each for each in series if each.skill is not None]
    if not days:
        return ()
    constant = fmean(each.constant_loss or 0.0 for each in usual_days(policy, series) or days)
    return usual_of(days, hardness_of(series, constant), fmean(each.loss or 0.0 for each in days))


def _up(limit: float) -> float:
    """Rounded up to two digits; above 0."""
    if limit <= 0:
        return 1e-6
    return rounded_up(limit, digits=2)
