"""One gate after the other: whether it lets a model through, and the sentence that says why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.core.project import LEAST_DAYS, Gates, Objective
from include.core.records import DAY, Evaluation, Gate, Interval
from include.core.rules import rounded_up
from include.data.resampling import at_error
from include.registry.decision_grounds import ChampionGrounds, ProjectStanding

_UNNAMED = "its objective, its label or a feature that it needs is not built any more or is defined otherwise now"
_LOSS = {Objective.BINARY: "log_loss", Objective.REGRESSION: "mae"}


@dataclass(frozen=True, kw_only=True)
class GateOutcome:
    """Whether one gate lets the model through, and the sentence that says why; nobody overrides the gate ``None``."""

    gate: Gate | None
    passed: bool
    reason: str

    @property
    def without_figures(self) -> str:
        """Which gate it is, to whoever is not to see figures of the holdout; where nobody overrides it, why."""
        return self.reason if self.gate is None else f"the gate {self.gate}"


def replaces(evaluation: Evaluation, champion: ChampionGrounds) -> Iterator[GateOutcome]:
    name = f"champion version {champion.version}"
    if evaluation.champion != champion.version:
        reason = f"{name} stays: the model was not compared with it"
        yield GateOutcome(gate=None, passed=False, reason=reason)
    last, champion_last = evaluation.holdout.last, champion.holdout.last
    if last < champion_last:
        reason = (
            f"{name} stays: its holdout ends on {champion_last}, that of this model, of an earlier night, on {last}"
        )
        yield GateOutcome(gate=None, passed=False, reason=reason)


def floors(evaluation: Evaluation, gates: Gates) -> Iterator[GateOutcome]:
    name = _LOSS[evaluation.objective]
    loss = evaluation.metrics[name]
    if gates.floor_loss is not None:
        reason = f"{name} {loss:.4f}, at most {gates.floor_loss:.4f} is asked for"
        yield GateOutcome(gate=Gate.FLOORS, passed=loss <= gates.floor_loss, reason=reason)
    if gates.floor_share is not None:
        yield _share(evaluation, gates.floor_share)
    if evaluation.objective is Objective.BINARY:
        auc = evaluation.metrics["auc"]
        reason = f"AUC {auc:.4f}, at least {gates.floor_auc:.4f} is asked for"
        yield GateOutcome(gate=Gate.FLOORS, passed=auc >= gates.floor_auc, reason=reason)


def _share(evaluation: Evaluation, share: float) -> GateOutcome:
    name, constant = _LOSS[evaluation.objective], evaluation.constant_loss
    if constant is None:
        reason = f"the {name} of the constant is not recorded: run a night of another instant"
        return GateOutcome(gate=Gate.FLOORS, passed=False, reason=reason)
    loss, limit = evaluation.metrics[name], constant * (1 - share)
    reason = f"{name} {loss:.4f}, at most {limit:.4f} is asked for: {share:.1%} less than the constant's {constant:.4f}"
    return GateOutcome(gate=Gate.FLOORS, passed=loss <= limit, reason=reason)


def skill(evaluation: Evaluation, gates: Gates) -> Iterator[GateOutcome]:
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
    yield GateOutcome(gate=Gate.SKILL, passed=estimate > gates.skill, reason=reason)


def against_champion(evaluation: Evaluation, gates: Gates, *, refit: bool) -> Iterator[GateOutcome]:
    champion, difference = f"champion version {evaluation.champion}", evaluation.difference
    days = difference.days if difference else int(bool(evaluation.champion_metrics))
    unseen = "holdout days"
    if evaluation.compared is not None and evaluation.compared.first > evaluation.holdout.first:
        unseen += f" after {evaluation.compared.first - DAY}, the last that {champion} learnt"
    reason = f"{days} {unseen}; at least {gates.minimum_days} are asked for"
    yield GateOutcome(gate=Gate.MINIMUM_DAYS, passed=days >= gates.minimum_days, reason=reason)
    if difference is None:
        reason = f"{days or 'no'} holdout day gives no bound on the difference to {champion}"
        yield GateOutcome(gate=Gate.MARGIN, passed=False, reason=reason)
    else:
        yield _margin(evaluation, gates, difference, refit=refit)
    if evaluation.objective is Objective.BINARY and evaluation.champion_metrics:
        auc, rival = evaluation.compared_metrics["auc"], evaluation.champion_metrics["auc"]
        reason = f"AUC {auc:.4f} beside {rival:.4f} of {champion}; at most {gates.auc_guard:.4f} less is accepted"
        yield GateOutcome(gate=Gate.AUC_GUARD, passed=rival - auc <= gates.auc_guard, reason=reason)


def _margin(evaluation: Evaluation, gates: Gates, difference: Interval, *, refit: bool) -> GateOutcome:
    differs = (
        f"{_LOSS[evaluation.objective]} differs from champion version {evaluation.champion} by "
        f"{difference.estimate:+.4f}, with 95 % confidence by at "
    )
    if refit:
        reason = (
            f"a refit of the champion's recipe: {differs}least {difference.lower:+.4f}; more than {gates.margin:+.4f} "
            "for sure is refused"
        )
        return GateOutcome(gate=Gate.MARGIN, passed=difference.lower <= gates.margin, reason=reason)
    reason = f"{differs}most {difference.upper:+.4f}; at most {gates.margin:+.4f} is accepted"
    passed = difference.upper <= gates.margin
    return GateOutcome(
        gate=Gate.MARGIN, passed=passed, reason=reason + _unshowable(difference, gates.margin, passed, what="margin")
    )


def another_recipe(
    evaluation: Evaluation, champion: ChampionGrounds | None, standing: ProjectStanding
) -> Iterator[GateOutcome]:
    if champion is None or None in (evaluation.recipe, champion.recipe) or evaluation.recipe == champion.recipe:
        return
    day, compared = standing.recipe_day, evaluation.compared
    said = f"another recipe than that of champion version {champion.version}"
    if day is None or compared is None:
        return
    passed = compared.first > day
    reason = f"{said} is compared on days after {day}, until which a recipe or a backtest was looked at"
    if not passed:
        reason += f", not on those from {compared.first} on"
    yield GateOutcome(gate=Gate.RECIPE, passed=passed, reason=reason)


def given_away(
    evaluation: Evaluation, gates: Gates, standing: ProjectStanding, *, refit: bool
) -> Iterator[GateOutcome]:
    total, limit = standing.given_away_with(evaluation), gates.given_away_limit
    if evaluation.constant_loss is None or standing.reference is None or total is None:
        return
    total = at_error(total, gates.given_away_error)
    how = "by the sum of all promotions since" if standing.measured(evaluation) is None else "on the same rows"
    costs = (
        f"{_LOSS[evaluation.objective]} {total.estimate:+.4f} beside the frozen version {standing.reference} ({how})"
    )
    sure = f"with {1 - gates.given_away_error:.3g} confidence at "
    together = f"all promotions since it may give away {limit:.4f} together"
    if standing.given_away_noise is None:  # as it was decided before
        passed, reason = total.estimate <= limit, f"{costs}; {together}"
    elif refit:
        passed = total.lower <= limit
        reason = f"{costs}, {sure}least {total.lower:+.4f}; {together}, and a refit that gives away more is refused"
    else:
        passed = total.upper <= limit
        reason = f"{costs}, {sure}most {total.upper:+.4f}; {together}" + _unshowable(total, limit, passed, what="limit")
    yield GateOutcome(gate=Gate.GIVEN_AWAY, passed=passed, reason=reason)


def _unshowable(difference: Interval, limit: float, passed: bool, *, what: str) -> str:
    """What is said where even a model that is just as good could not be shown to be within *limit*."""
    noise = difference.upper - difference.estimate
    if passed or noise <= max(limit, 0.0):
        return ""
    return f"; the noise of this holdout is {rounded_up(noise):g}, which is the smallest {what} that it can show"


def calibration(evaluation: Evaluation, gates: Gates) -> Iterator[GateOutcome]:
    gap = evaluation.calibration_gap
    if gap is None or gates.calibration is None:
        return
    reason = f"mean prediction minus mean label {gap:+.4f}; at most {gates.calibration:.4f} either way is accepted"
    yield GateOutcome(gate=Gate.CALIBRATION, passed=abs(gap) <= gates.calibration, reason=reason)


def slices(evaluation: Evaluation, gates: Gates) -> Iterator[GateOutcome]:
    for each in evaluation.slices:
        differs, named = each.difference, f"where {each.feature} is {each.category} ({each.rows:,} rows)"
        if differs is not None and differs.days >= LEAST_DAYS and differs.lower > gates.margin:
            reason = (
                f"{named} the model loses {differs.estimate:+.4f} against champion version {evaluation.champion}, "
                f"for all slices at once {differs.lower:+.4f} at least; {gates.margin:+.4f} is accepted"
            )
            yield GateOutcome(gate=Gate.SLICES, passed=False, reason=reason)
    skilled = [(each, each.skill) for each in evaluation.slices if each.skill is not None]
    if skilled:
        least, skill = min(skilled, key=lambda pair: pair[1].estimate)
        reason = (
            f"of {len(evaluation.slices)} slices, the least skill over the constant is {skill.estimate:+.4f} "
            f"({skill.lower:+.4f} to {skill.upper:+.4f} for all at once), where {least.feature} is {least.category}"
        )
        yield GateOutcome(gate=None, passed=True, reason=reason)


def benchmark(evaluation: Evaluation, gates: Gates) -> Iterator[GateOutcome]:
    """What the project's benchmark says of the model; only where the gates ask for it does that decide."""
    asked = Gate.BENCHMARK if gates.beats_benchmark else None
    figures = evaluation.benchmark
    if figures is None:
        if asked:
            reason = "no benchmark was trained beside this model, and the gates ask that it be beaten"
            yield GateOutcome(gate=asked, passed=False, reason=reason)
        return
    name, told = _LOSS[evaluation.objective], f"the {figures.kind} benchmark"
    if name not in figures.metrics:
        reason = f"the {figures.in_words}"
        yield GateOutcome(gate=asked, passed=asked is None, reason=reason)
        return
    beside = f"{name} {evaluation.metrics[name]:.4f} beside {figures.metrics[name]:.4f} of {told}"
    difference = figures.difference
    if difference is None:
        reason = f"{beside}; one holdout day gives no bound on the difference: not shown to beat it"
        yield GateOutcome(gate=asked, passed=asked is None, reason=reason)
        return
    beats = difference.upper < 0
    reason = (
        f"{beside}: {difference.estimate:+.4f}, with 95 % confidence at most {difference.upper:+.4f}; "
        f"{'beats it' if beats else 'not shown to beat it'}"
    )
    yield GateOutcome(gate=asked, passed=beats or asked is None, reason=reason)


def looked_at(standing: ProjectStanding) -> Iterator[GateOutcome]:
    if standing.looks:
        reason = f"{standing.looks} earlier evaluations and backtests of the project saw days of this holdout"
        yield GateOutcome(gate=None, passed=True, reason=reason)


def recipe_failing(
    evaluation: Evaluation, champion: ChampionGrounds | None, standing: ProjectStanding
) -> Iterator[GateOutcome]:
    if standing.failing is None:
        return
    said = f"the recipe is FAILING by the verdict of {standing.failing}"
    if standing.unwatched:
        reason = f"{said}, which stops nothing: the project declares no drift policy any more, and nobody watches it"
        yield GateOutcome(gate=None, passed=True, reason=reason)
        return
    difference = evaluation.difference
    changed = champion is not None and None not in (evaluation.recipe, champion.recipe)
    changed = changed and champion is not None and evaluation.recipe != champion.recipe
    if standing.unwatched is not None and changed and difference is not None and difference.upper < 0:
        reason = f"{said}; this is another recipe, which loses less than the champion: at most {difference.upper:+.4f}"
        yield GateOutcome(gate=Gate.FAILING, passed=True, reason=reason)
        return
    reason = (
        f"{said}: retraining does not bring it back, and nothing is promoted until the verdict is another, another "
        "recipe is shown to lose less than the champion, or a person overrides this"
    )
    yield GateOutcome(gate=Gate.FAILING, passed=False, reason=reason)


def superseding(evaluation: Evaluation, gates: Gates, changed: Sequence[str]) -> Iterator[GateOutcome]:
    other = f"champion version {evaluation.champion} could not be compared: {'; '.join(changed) or _UNNAMED}"
    if gates.supersedes != evaluation.champion:
        remedy = f"put it back, or declare Gates(supersedes={evaluation.champion}) for another instant"
        yield GateOutcome(gate=None, passed=False, reason=f"{other}; {remedy}")
        return
    reason = f"{other}; the project declares that it may be superseded, by the floors"
    yield GateOutcome(gate=None, passed=True, reason=reason)
