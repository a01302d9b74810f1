"""Whether an evaluated model becomes champion."""

from dataclasses import replace

from include.core.project import Gates
from include.core.records import Evaluation, Gate, Override, Verdict
from include.registry import gates as gate
from include.registry.decision_grounds import ChampionGrounds, ProjectStanding

__all__ = ["ChampionGrounds", "ProjectStanding", "decide"]


def decide(
    evaluation: Evaluation,
    gates: Gates,
    champion: ChampionGrounds | None = None,
    standing: ProjectStanding | None = None,
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
    the frozen reference gave away together is held against ``gates.given_away`` alike, with the one-sided error
    ``gates.given_away_error``. While the recipe fails nothing is promoted but another recipe that is shown, by that
    bound, to lose less than the champion; where the project is watched no more, that stops nothing. A gate that a
    person overrides lets the model through, and says so.

    What the project's benchmark costs on the same rows is said; where ``gates.beats_benchmark`` asks for it, the model
    must be shown to cost less, by the one-sided 95 % bound over whatever holdout days there are.

    An evaluation of before skill was recorded is decided as then: by the floors only where nothing was compared.
    Whatever the gates say, *champion* stays if the model was not compared with it, or is of an earlier night (a
    backfill): the champion may have learnt the days that they are compared on.
    """
    standing = standing or ProjectStanding()
    outcomes: list[gate.GateOutcome] = []
    if evaluation.champion is not None and evaluation.compared is None:
        outcomes += gate.superseding(evaluation, gates, champion.changed if champion else ())
    elif evaluation.champion is not None:
        refit = champion is not None and evaluation.recipe is not None and evaluation.recipe == champion.recipe
        outcomes += gate.against_champion(evaluation, gates, refit=refit)
        outcomes += gate.another_recipe(evaluation, champion, standing)
        outcomes += gate.given_away(evaluation, gates, standing, refit=refit)
    if evaluation.constant_loss is not None or evaluation.compared is None:
        outcomes += gate.floors(evaluation, gates)
    outcomes += gate.skill(evaluation, gates)
    outcomes += gate.benchmark(evaluation, gates)
    outcomes += gate.calibration(evaluation, gates)
    outcomes += gate.slices(evaluation, gates)
    outcomes += gate.looked_at(standing)
    outcomes += gate.recipe_failing(evaluation, champion, standing)
    if champion is not None:
        outcomes += gate.replaces(evaluation, champion)
    overrides = {each.gate: each for each in standing.overrides}
    outcomes = [_overridden(each, overrides) for each in outcomes]
    refused = dict.fromkeys(each.without_figures for each in outcomes if not each.passed)
    return Verdict(promote=not refused, reasons=tuple(each.reason for each in outcomes), refusals=tuple(refused))


def _overridden(outcome: gate.GateOutcome, overrides: dict[Gate, Override]) -> gate.GateOutcome:
    override = overrides.get(outcome.gate) if outcome.gate is not None else None
    if override is None or outcome.passed:
        return outcome
    let = f"let through all the same by {override.by} until {override.until}: {override.reason}"
    return replace(outcome, passed=True, reason=f"{outcome.reason}; {let}")
