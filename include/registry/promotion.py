"""Whether an evaluated model becomes champion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from include.core.project import LEAST_DAYS, Gates, Objective
from include.core.records import DAY, Days, Evaluation, Gate, Interval, Override, Verdict

_UNNAMED = "its objective, its label or a feature that it needs is not built any more or is defined otherwise now"
_LOSS = {Objective.BINARY: "log_loss", Objective.REGRESSION: "mae"}


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version in force, the days on which it was evaluated itself, and by which recipe it was made.

    ``changed`` says what is declared otherwise now than when it was made.
    """

    version: int
    holdout: Days
    recipe: str | None = None
    changed: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What else a decision about a model rests on: how its project stands at that moment.

    ``reference`` is the best champion, kept frozen, and ``given_away`` what promotions since it gave away together by
    their own estimates; ``None``: there is no champion. ``looks`` earlier evaluations and backtests saw days of the
    model's holdout. ``recipe_day`` is the last day on which another recipe than the model's was first looked at.
    ``failing`` is the day whose verdict says that retraining does not help. ``overrides`` are in force.
    """

    reference: int | None = None
    given_away: float = 0.0
    looks: int = 0
    recipe_day: date | None = None
    failing: date | None = None
    overrides: tuple[Override, ...] = ()

    def given_away_with(self, evaluation: Evaluation) -> float | None:
        """How much more than the frozen reference the model costs: on the same rows where both were scored there, else
        by the sum of what each promotion since gave away. ``None``: nothing says.
        """
        if evaluation.reference is not None and evaluation.reference == self.reference:
            measured = evaluation.reference_difference
            if measured is not None:
                return measured.estimate
        return None if evaluation.difference is None else self.given_away + evaluation.difference.estimate


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """Whether one gate lets the model through, and the sentence that says why; nobody overrides the gate ``None``."""

    gate: Gate | None
    passed: bool
    reason: str


def decide(
    evaluation: Evaluation, gates: Gates, champion: Champion | None = None, standing: Standing | None = None
) -> Verdict:
    """The verdict of all *gates*, each with its reason: one that does not let the model through is enough.

    Every model must reach the floors and show, by the one-sided 95 % bound, more skill over the constant than
    ``gates.skill``; with fewer than 20 holdout days the estimate decides. One that replaces a champion must show, by
    the one-sided 95 % bound over at least ``gates.minimum_days`` holdout days that the champion has not learnt, that it
    loses no more than ``gates.margin`` against the champion; for binary labels its AUC on these may lie at most
    ``gates.auc_guard`` below the champion's. The project may let it supersede a champion which cannot be compared any
    more. Limits are inclusive, that of skill is not.

    A refit of the champion's own recipe is refused only where the bound shows that it loses more than the margin.
    Another recipe is compared on days after the last on which any other was first looked at. What all promotions since
    the frozen reference gave away together stays within ``gates.given_away``. Nothing is promoted while the recipe
    fails. A gate that a person overrides lets the model through, and says so.

    An evaluation of before skill was recorded is decided as then: by the floors only where nothing was compared.
    Whatever the gates say, *champion* stays if the model was not compared with it, or is of an earlier night (a
    backfill): the champion may have learnt the days that they are compared on.
    """
    standing = standing or Standing()
    outcomes: list[_Outcome] = []
    if evaluation.champion is not None and evaluation.compared is None:
        outcomes += _superseding(evaluation, gates, champion.changed if champion else ())
    elif evaluation.champion is not None:
        outcomes += _against_champion(evaluation, gates, refit=_is_refit(evaluation, champion))
        outcomes += _another_recipe(evaluation, champion, standing)
        outcomes += _given_away(evaluation, gates, standing)
    if evaluation.constant_loss is not None or evaluation.compared is None:
        outcomes += _floors(evaluation, gates)
    outcomes += _skill(evaluation, gates)
    outcomes += _calibration(evaluation, gates)
    outcomes += _slices(evaluation, gates)
    outcomes += _looked_at(standing)
    outcomes += _recipe_failing(standing)
    if champion is not None:
        outcomes += _replaces(evaluation, champion)
    overrides = {each.gate: each for each in standing.overrides}
    outcomes = [_overridden(each, overrides) for each in outcomes]
    return Verdict(promote=all(each.passed for each in outcomes), reasons=tuple(each.reason for each in outcomes))


def _is_refit(evaluation: Evaluation, champion: Champion | None) -> bool:
    return champion is not None and evaluation.recipe is not None and evaluation.recipe == champion.recipe


def _overridden(outcome: _Outcome, overrides: dict[Gate, Override]) -> _Outcome:
    override = overrides.get(outcome.gate) if outcome.gate is not None else None
    if override is None or outcome.passed:
        return outcome
    let = f"let through all the same by {override.by} until {override.until}: {override.reason}"
    return replace(outcome, passed=True, reason=f"{outcome.reason}; {let}")


def _replaces(evaluation: Evaluation, champion: Champion) -> Iterator[_Outcome]:
    name = f"champion version {champion.version}"
    if evaluation.champion != champion.version:
        reason = f"{name} stays: the model was not compared with it"
        yield _Outcome(gate=None, passed=False, reason=reason)
    last, champion_last = evaluation.holdout.last, champion.holdout.last
    if last < champion_last:
        reason = (
            f"{name} stays: its holdout ends on {champion_last}, that of this model, of an earlier night, on {last}"
        )
        yield _Outcome(gate=None, passed=False, reason=reason)


def _floors(evaluation: Evaluation, gates: Gates) -> Iterator[_Outcome]:
    name = _LOSS[evaluation.objective]
    loss = evaluation.metrics[name]
    if gates.floor_loss is not None:
        reason = f"{name} {loss:.4f}, at most {gates.floor_loss:.4f} is asked for"
        yield _Outcome(gate=Gate.FLOORS, passed=loss <= gates.floor_loss, reason=reason)
    if gates.floor_share is not None:
        yield _share(evaluation, gates.floor_share)
    if evaluation.objective is Objective.BINARY:
        auc = evaluation.metrics["auc"]
        reason = f"AUC {auc:.4f}, at least {gates.floor_auc:.4f} is asked for"
        yield _Outcome(gate=Gate.FLOORS, passed=auc >= gates.floor_auc, reason=reason)


def _share(evaluation: Evaluation, share: float) -> _Outcome:
    name, constant = _LOSS[evaluation.objective], evaluation.constant_loss
    if constant is None:
        reason = f"the {name} of the constant is not recorded: run a night of another instant"
        return _Outcome(gate=Gate.FLOORS, passed=False, reason=reason)
    loss, limit = evaluation.metrics[name], constant * (1 - share)
    reason = f"{name} {loss:.4f}, at most {limit:.4f} is asked for: {share:.1%} less than the constant's {constant:.4f}"
    return _Outcome(gate=Gate.FLOORS, passed=loss <= limit, reason=reason)


def _skill(evaluation: Evaluation, gates: Gates) -> Iterator[_Outcome]:
    if evaluation.constant_loss is None or gates.skill is None:
        return
    name = _LOSS[evaluation.objective]
    skill, estimate = evaluation.skill, evaluation.constant_loss - evaluation.metrics[name]
    reason = f"skill over the constant, whose {name} is {evaluation.constant_loss:.4f}: {estimate:+.4f}"
    if skill is not None and skill.days >= LEAST_DAYS:
        estimate = skill.lower
        reason += f", with 95 % confidence at least {estimate:+.4f}"
    else:
        reason += f" (fewer than {LEAST_DAYS} holdout days: they give no bound to rely on)"
    reason += f"; more than {gates.skill:+.4f} is asked for"
    yield _Outcome(gate=Gate.SKILL, passed=estimate > gates.skill, reason=reason)


def _against_champion(evaluation: Evaluation, gates: Gates, *, refit: bool) -> Iterator[_Outcome]:
    champion, difference = f"champion version {evaluation.champion}", evaluation.difference
    days = difference.days if difference else int(bool(evaluation.champion_metrics))
    unseen = "holdout days"
    if evaluation.compared is not None and evaluation.compared.first > evaluation.holdout.first:
        unseen += f" after {evaluation.compared.first - DAY}, the last that {champion} learnt"
    reason = f"{days} {unseen}; at least {gates.minimum_days} are asked for"
    yield _Outcome(gate=Gate.MINIMUM_DAYS, passed=days >= gates.minimum_days, reason=reason)
    if difference is None:
        reason = f"{days or 'no'} holdout day gives no bound on the difference to {champion}"
        yield _Outcome(gate=Gate.MARGIN, passed=False, reason=reason)
    else:
        yield _margin(evaluation, gates, difference, refit=refit)
    if evaluation.objective is Objective.BINARY and evaluation.champion_metrics:
        auc, rival = evaluation.compared_metrics["auc"], evaluation.champion_metrics["auc"]
        reason = f"AUC {auc:.4f} beside {rival:.4f} of {champion}; at most {gates.auc_guard:.4f} less is accepted"
        yield _Outcome(gate=Gate.AUC_GUARD, passed=rival - auc <= gates.auc_guard, reason=reason)


def _margin(evaluation: Evaluation, gates: Gates, difference: Interval, *, refit: bool) -> _Outcome:
    differs = (
        f"{_LOSS[evaluation.objective]} differs from champion version {evaluation.champion} by "
        f"{difference.estimate:+.4f}, with 95 % confidence by at "
    )
    if refit:
        reason = (
            f"a refit of the champion's recipe: {differs}least {difference.lower:+.4f}; more than {gates.margin:+.4f} "
            "for sure is refused"
        )
        return _Outcome(gate=Gate.MARGIN, passed=difference.lower <= gates.margin, reason=reason)
    reason = f"{differs}most {difference.upper:+.4f}; at most {gates.margin:+.4f} is accepted"
    noise, passed = difference.upper - difference.estimate, difference.upper <= gates.margin
    if noise > gates.margin and not passed:
        reason += f"; the noise of this holdout is {noise:.4f}, which is the smallest margin that it can show"
    return _Outcome(gate=Gate.MARGIN, passed=passed, reason=reason)


def _another_recipe(evaluation: Evaluation, champion: Champion | None, standing: Standing) -> Iterator[_Outcome]:
    if champion is None or None in (evaluation.recipe, champion.recipe) or evaluation.recipe == champion.recipe:
        return
    day, compared = standing.recipe_day, evaluation.compared
    said = f"another recipe than that of champion version {champion.version}"
    if day is None or compared is None:
        return
    passed = compared.first > day
    reason = f"{said} is compared on days after {day}, until which the last recipe was looked at"
    if not passed:
        reason += f", not on those from {compared.first} on"
    yield _Outcome(gate=Gate.RECIPE, passed=passed, reason=reason)


def _given_away(evaluation: Evaluation, gates: Gates, standing: Standing) -> Iterator[_Outcome]:
    total = standing.given_away_with(evaluation)
    if evaluation.constant_loss is None or standing.reference is None or total is None:
        return
    measured = evaluation.reference_difference if evaluation.reference == standing.reference else None
    if standing.reference == evaluation.champion:
        measured = evaluation.difference
    how = "by the sum of all estimates since" if measured is None else f"at most {measured.upper:+.4f} for sure"
    limit = gates.given_away_limit
    reason = (
        f"{_LOSS[evaluation.objective]} {total:+.4f} beside the best champion, version {standing.reference} ({how}); "
        f"all promotions since it may give away {limit:.4f} together"
    )
    yield _Outcome(gate=Gate.GIVEN_AWAY, passed=total <= limit, reason=reason)


def _calibration(evaluation: Evaluation, gates: Gates) -> Iterator[_Outcome]:
    gap = evaluation.calibration_gap
    if gap is None or gates.calibration is None:
        return
    reason = f"mean prediction minus mean label {gap:+.4f}; at most {gates.calibration:.4f} either way is accepted"
    yield _Outcome(gate=Gate.CALIBRATION, passed=abs(gap) <= gates.calibration, reason=reason)


def _slices(evaluation: Evaluation, gates: Gates) -> Iterator[_Outcome]:
    for each in evaluation.slices:
        differs, named = each.difference, f"where {each.feature} is {each.category} ({each.rows:,} rows)"
        if differs is not None and differs.days >= LEAST_DAYS and differs.lower > gates.margin:
            reason = (
                f"{named} the model loses {differs.estimate:+.4f} against champion version {evaluation.champion}, "
                f"for all slices at once {differs.lower:+.4f} at least; {gates.margin:+.4f} is accepted"
            )
            yield _Outcome(gate=Gate.SLICES, passed=False, reason=reason)
    skilled = [(each, each.skill) for each in evaluation.slices if each.skill is not None]
    if skilled:
        least, skill = min(skilled, key=lambda pair: pair[1].estimate)
        reason = (
            f"of {len(evaluation.slices)} slices, the least skill over the constant is {skill.estimate:+.4f} "
            f"({skill.lower:+.4f} to {skill.upper:+.4f} for all at once), where {least.feature} is {least.category}"
        )
        yield _Outcome(gate=None, passed=True, reason=reason)


def _looked_at(standing: Standing) -> Iterator[_Outcome]:
    if standing.looks:
        reason = f"{standing.looks} earlier evaluations and backtests of the project saw days of this holdout"
        yield _Outcome(gate=None, passed=True, reason=reason)


def _recipe_failing(standing: Standing) -> Iterator[_Outcome]:
    if standing.failing is not None:
        reason = (
            f"the recipe is FAILING by the verdict of {standing.failing}: retraining does not bring it back, and "
            "nothing is promoted until the verdict is another or a person overrides this"
        )
        yield _Outcome(gate=Gate.FAILING, passed=False, reason=reason)


def _superseding(evaluation: Evaluation, gates: Gates, changed: Sequence[str]) -> Iterator[_Outcome]:
    other = f"champion version {evaluation.champion} could not be compared: {'; '.join(changed) or _UNNAMED}"
    if gates.supersedes != evaluation.champion:
        remedy = f"put it back, or declare Gates(supersedes={evaluation.champion}) for another instant"
        yield _Outcome(gate=None, passed=False, reason=f"{other}; {remedy}")
        return
    reason = f"{other}; the project declares that it may be superseded, by the floors"
    yield _Outcome(gate=None, passed=True, reason=reason)
