from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DeclarationError
from include.core.project import Gates, Objective
from include.core.records import DAY, Days, Evaluation, Gate, Interval, Override, Slice
from include.registry.promotion import ChampionGrounds, ProjectStanding, decide
from tests.registry.models import BENCHMARK, SPLIT

#: A model whose champion, version 3, needs a feature that is not built any more, or is defined otherwise.
UNSCORED = Evaluation(
    plan="", features="", objective=Objective.BINARY, trial_id="", params={}, model="",
    metrics={"log_loss": 0.5, "auc": 0.7, "brier": 0.2, "calibration_gap": 0.0},
    champion=3, compared=None, compared_metrics={}, champion_metrics={},
    difference=None, holdout=SPLIT.holdout, rows=10,
)  # fmt: skip

losses = st.floats(0, 2, allow_nan=False)
areas = st.floats(0, 1)


@st.composite
def gates(draw):
    return Gates(
        margin=draw(st.floats(0, 0.1)),
        floor_loss=draw(losses),
        floor_auc=draw(areas),
        auc_guard=draw(st.floats(0, 0.2)),
        minimum_days=draw(st.integers(1, 30)),
    )


def _metrics(draw, objective):
    if objective is Objective.BINARY:
        return {"log_loss": draw(losses), "auc": draw(areas), "brier": 0.2, "calibration_gap": 0.0}
    return {"mae": draw(losses), "rmse": draw(losses)}


@st.composite
def evaluations(draw, champion=None):
    objective = draw(st.sampled_from(Objective))
    against = draw(st.booleans()) if champion is None else champion
    scored = against and draw(st.integers(0, 9)) > 0
    lower, estimate, upper = sorted(draw(st.tuples(*[st.floats(-0.2, 0.2)] * 3)))
    interval = Interval(estimate=estimate, lower=lower, upper=upper, days=draw(st.integers(2, 30)))
    return Evaluation(
        plan="", features="", objective=objective, trial_id="", params={}, model="",
        metrics=_metrics(draw, objective),
        champion=3 if against else None,
        compared=SPLIT.holdout if scored else None,
        compared_metrics=_metrics(draw, objective) if scored else {},
        champion_metrics=_metrics(draw, objective) if scored else {},
        difference=interval if scored and draw(st.integers(0, 9)) > 0 else None,
        holdout=SPLIT.holdout,
        rows=10,
    )  # fmt: skip


def compared(difference, **changes):
    """A model beside its champion on all days of the holdout."""
    made = {"compared_metrics": UNSCORED.metrics, "champion_metrics": UNSCORED.metrics, **changes}
    return replace(UNSCORED, compared=SPLIT.holdout, difference=difference, **made)


def reasons(verdict):
    return "; ".join(verdict.reasons)


@settings(max_examples=200, deadline=None)
@given(evaluations(), gates())
def test_every_verdict_has_reasons_and_the_same_inputs_give_the_same_one(evaluation, gates):
    verdict = decide(evaluation, gates)
    assert verdict.reasons
    assert all(verdict.reasons)
    assert verdict == decide(evaluation, gates)


@settings(max_examples=300, deadline=None)
@given(evaluations(champion=True), gates())
def test_a_model_replaces_a_champion_only_if_every_gate_lets_it_through(evaluation, gates):
    difference = evaluation.difference
    expected = (
        difference is not None
        and difference.upper <= gates.margin
        and difference.days >= gates.minimum_days
        and (
            evaluation.objective is Objective.REGRESSION
            or evaluation.champion_metrics["auc"] - evaluation.compared_metrics["auc"] <= gates.auc_guard
        )
    )
    assert decide(evaluation, gates).promote == expected


@settings(max_examples=200, deadline=None)
@given(evaluations(champion=False), gates())
def test_a_first_model_is_promoted_exactly_if_it_reaches_the_floors(evaluation, gates):
    if evaluation.objective is Objective.BINARY:
        expected = evaluation.metrics["log_loss"] <= gates.floor_loss and evaluation.metrics["auc"] >= gates.floor_auc
    else:
        expected = evaluation.metrics["mae"] <= gates.floor_loss
    assert decide(evaluation, gates).promote == expected


@st.composite
def skills(draw):
    lower, estimate, upper = sorted(draw(st.tuples(*[st.floats(-0.2, 0.2)] * 3)))
    return draw(st.none() | st.just(Interval(estimate=estimate, lower=lower, upper=upper, days=21)))


@settings(max_examples=200, deadline=None)
@given(evaluations(), gates(), skills(), st.none() | st.floats(-0.1, 0.1))
def test_no_model_is_promoted_below_its_floors_or_without_skill_whatever_it_replaces(evaluation, gates, skill, least):
    gates = replace(gates, skill=least, supersedes=3)
    verdict = decide(replace(evaluation, constant_loss=0.6, skill=skill), gates)
    name = "log_loss" if evaluation.objective is Objective.BINARY else "mae"
    if evaluation.metrics[name] > gates.floor_loss or evaluation.metrics.get("auc", 1.0) < gates.floor_auc:
        assert not verdict.promote
    shown = 0.6 - evaluation.metrics[name] if skill is None else skill.lower
    if least is not None and shown <= least:
        assert not verdict.promote
        assert "skill over the constant, whose" in "; ".join(verdict.reasons)


def test_a_floor_may_be_a_share_of_what_the_constant_costs():
    made = replace(
        UNSCORED, champion=None, constant_loss=0.625, skill=Interval(estimate=0.1, lower=0.1, upper=0.2, days=21)
    )
    assert decide(made, Gates(margin=0.0, floor_share=0.2)).promote
    assert not decide(made, Gates(margin=0.0, floor_share=0.21)).promote
    assert "log_loss 0.5000, at most 0.5000 is asked for: 20.0% less than the constant's 0.6250" in reasons(
        decide(made, Gates(margin=0.0, floor_share=0.2))
    )
    unknown = decide(replace(made, constant_loss=None), Gates(margin=0.0, floor_share=0.0))
    assert not unknown.promote
    assert "the log_loss of the constant is not recorded: run a night of another instant" in reasons(unknown)
    with pytest.raises(DeclarationError, match="which loss is too much"):
        Gates(margin=0.0)


def test_skill_is_decided_by_its_estimate_where_too_few_days_give_a_bound():
    few = replace(
        UNSCORED, champion=None, constant_loss=0.51, skill=Interval(estimate=0.01, lower=-1, upper=1, days=19)
    )
    gates = Gates(margin=0.0, floor_loss=0.6)
    assert decide(few, gates).promote
    assert "fewer than 20 holdout days" in "; ".join(decide(few, gates).reasons)
    assert not decide(replace(few, constant_loss=0.5), gates).promote
    assert not decide(replace(few, skill=replace(few.skill, days=20)), gates).promote


def test_a_model_whose_mean_prediction_lies_too_far_from_the_mean_label_is_refused():
    made = replace(UNSCORED, champion=None, calibration_gap=-0.05)
    gates = Gates(margin=0.0, floor_loss=0.6, calibration=0.05)
    assert decide(made, gates).promote
    assert "mean prediction minus mean label -0.0500; at most 0.0500 either way" in reasons(decide(made, gates))
    for gap in (-0.051, 0.051):
        assert not decide(replace(made, calibration_gap=gap), gates).promote
        assert decide(replace(made, calibration_gap=gap), replace(gates, calibration=None)).promote


def test_a_slice_on_which_a_model_loses_for_sure_stops_it_and_is_only_told_of_below_20_days():
    def verdict(lower, days=21):
        differs = Interval(estimate=0.03, lower=lower, upper=0.1, days=days)
        skill = Interval(estimate=0.02, lower=-0.01, upper=0.05, days=days)
        part = Slice(feature="dest", category="BOS", rows=300, days=days, loss=0.5, skill=skill, difference=differs)
        return decide(replace(UNSCORED, slices=(part,)), Gates(margin=0.02, floor_loss=0.6, supersedes=3))

    assert verdict(0.02).promote
    assert not verdict(0.021).promote
    assert "where dest is BOS (300 rows) the model loses +0.0300" in "; ".join(verdict(0.021).reasons)
    assert not verdict(0.021, days=20).promote
    assert verdict(0.021, days=19).promote
    assert "the least skill over the constant is +0.0200" in verdict(0.021, days=19).reasons[-1]


def test_a_model_that_beats_its_champion_is_refused_below_the_floors_unless_its_evaluation_is_of_before():
    better = replace(
        UNSCORED,
        compared=SPLIT.holdout,
        compared_metrics=UNSCORED.metrics,
        champion_metrics=UNSCORED.metrics,
        difference=Interval(estimate=-0.1, lower=-0.2, upper=-0.05, days=21),
    )
    skilled = Interval(estimate=0.1, lower=0.05, upper=0.2, days=21)
    now = replace(better, constant_loss=0.6, skill=skilled)
    gates = Gates(margin=0.0, floor_loss=0.5, floor_auc=0.7)
    assert decide(now, gates).promote
    for strict in (replace(gates, floor_loss=0.49), replace(gates, floor_auc=0.71)):
        assert not decide(now, strict).promote
        assert decide(better, strict).promote


@settings(max_examples=100, deadline=None)
@given(evaluations(champion=True), gates())
def test_a_tighter_margin_never_promotes_what_a_wider_one_refuses(evaluation, wide):
    tight = Gates(
        margin=wide.margin / 2,
        floor_loss=wide.floor_loss,
        auc_guard=wide.auc_guard / 2,
        minimum_days=wide.minimum_days + 1,
    )
    assert decide(evaluation, tight).promote <= decide(evaluation, wide).promote


@settings(max_examples=100, deadline=None)
@given(evaluations(champion=True), gates(), st.integers(-30, 30))
def test_a_model_of_an_earlier_night_never_replaces_the_champion_of_a_later_one(evaluation, gates, days):
    ends = Days(first=SPLIT.holdout.first, last=SPLIT.holdout.last + days * DAY)
    verdict = decide(evaluation, gates, ChampionGrounds(version=3, holdout=ends))
    if days > 0:
        assert not verdict.promote
        assert f"champion version 3 stays: its holdout ends on {ends.last}" in "; ".join(verdict.reasons)
    else:
        assert verdict == decide(evaluation, gates)


@settings(max_examples=100, deadline=None)
@given(evaluations(), gates())
def test_a_model_that_was_not_compared_with_the_champion_does_not_replace_it(evaluation, gates):
    assert not decide(evaluation, gates, ChampionGrounds(version=4, holdout=SPLIT.holdout)).promote


def test_a_champion_that_cannot_be_scored_stays_unless_the_project_names_it_as_superseded():
    def verdict(supersedes):
        return decide(UNSCORED, Gates(margin=0.0, floor_loss=0.6, floor_auc=0.5, supersedes=supersedes))

    assert not verdict(None).promote
    assert not verdict(2).promote
    assert "Gates(supersedes=3)" in verdict(None).reasons[0]
    assert verdict(3).promote
    assert "superseded, by the floors" in verdict(3).reasons[0]


def test_the_gate_names_what_is_declared_otherwise():
    changed = ("feature 'dest' is defined otherwise", "feature 'hour' is not built any more")
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, changed=changed)
    reason = decide(UNSCORED, Gates(margin=0.0, floor_loss=0.6), champion).reasons[0]
    assert "could not be compared: feature 'dest' is defined otherwise; feature 'hour' is not built any more;" in reason


def test_a_superseding_model_must_reach_the_floors():
    gates = Gates(margin=0.0, floor_loss=0.5, floor_auc=0.5, supersedes=3)
    assert decide(UNSCORED, gates).promote
    assert not decide(replace(UNSCORED, metrics={**UNSCORED.metrics, "log_loss": 0.51}), gates).promote
    assert not decide(replace(UNSCORED, metrics={**UNSCORED.metrics, "auc": 0.49}), gates).promote


def test_each_limit_against_the_champion_is_still_accepted_and_its_reason_says_what_was_found():
    bound = Interval(estimate=0.125, lower=0.0, upper=0.25, days=21)
    model, rival = ({**UNSCORED.metrics, "auc": auc} for auc in (0.5, 0.75))
    made = compared(bound, compared_metrics=model, champion_metrics=rival)
    at = Gates(margin=0.25, floor_loss=1.0, auc_guard=0.25, minimum_days=21)
    verdict = decide(made, at)
    assert verdict.promote
    assert verdict.reasons == (
        "21 holdout days; at least 21 are asked for",
        "log_loss differs from champion version 3 by +0.1250, with 95 % confidence by at most +0.2500; "
        "at most +0.2500 is accepted",
        "AUC 0.5000 beside 0.7500 of champion version 3; at most 0.2500 less is accepted",
    )
    for limit in ({"margin": 0.24}, {"auc_guard": 0.24}, {"minimum_days": 22}):
        refused = decide(made, replace(at, **limit))
        assert not refused.promote
        assert len(refused.refusals) == 1


def test_a_refit_that_loses_the_margin_for_sure_is_still_accepted_and_another_recipe_is_not():
    made = replace(compared(Interval(estimate=0.5, lower=0.25, upper=0.75, days=21)), recipe="r")
    gates, champion = Gates(margin=0.25, floor_loss=1.0), ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r")
    assert decide(made, gates, champion).promote
    assert not decide(made, replace(gates, margin=0.24), champion).promote
    assert not decide(made, gates, replace(champion, recipe="s")).promote
    assert not decide(made, gates).promote


@pytest.mark.parametrize("looked_at", [0, 1])
def test_another_recipe_is_compared_on_days_after_those_that_were_looked_at_and_the_reason_says_which(looked_at):
    made = replace(compared(Interval(estimate=-0.1, lower=-0.2, upper=0.0, days=21)), recipe="r")
    first, champion = SPLIT.holdout.first, ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="s")
    day = first - (1 - looked_at) * DAY
    verdict = decide(made, Gates(margin=0.0, floor_loss=1.0), champion, ProjectStanding(recipe_day=day))
    assert verdict.promote is not bool(looked_at)
    said = (
        f"another recipe than that of champion version 3 is compared on days after {day}, until which a recipe or a "
        "backtest was looked at"
    )
    assert verdict.reasons[-1] == (f"{said}, not on those from {first} on" if looked_at else said)


def test_what_was_given_away_is_judged_beside_a_frozen_version_and_where_the_constant_s_loss_is_recorded():
    skill = Interval(estimate=0.1, lower=0.05, upper=0.2, days=21)
    made = replace(compared(Interval(estimate=0.4, lower=0.3, upper=0.5, days=21)), constant_loss=0.625, skill=skill)
    gates, stands = Gates(margin=1.0, floor_loss=1.0), ProjectStanding(reference=1, given_away_noise=0.0)

    def judged(evaluation, standing):
        return "give away" in reasons(decide(evaluation, gates, standing=standing))

    for reference, how in ((1, "by the sum of all promotions since"), (3, "on the same rows")):
        found = reasons(decide(made, gates, standing=replace(stands, reference=reference)))
        assert f"log_loss +0.4000 beside the frozen version {reference} ({how}), with " in found
    assert judged(made, stands)
    assert not judged(made, replace(stands, reference=None))
    assert not judged(replace(made, constant_loss=None), stands)
    assert not judged(replace(made, difference=None), stands)


@pytest.mark.parametrize("how", ["by the estimate, as before", "for a refit", "for another model"])
def test_what_promotions_may_give_away_together_is_still_accepted(how):
    skill = Interval(estimate=0.1, lower=0.05, upper=0.2, days=21)
    exactly = compared(Interval(estimate=0.25, lower=0.25, upper=0.25, days=21))
    made = replace(exactly, constant_loss=0.625, skill=skill, recipe="r")
    gates = Gates(margin=1.0, floor_loss=1.0, given_away=0.25)
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r") if how == "for a refit" else None
    stands = ProjectStanding(reference=3, given_away_noise=None if "before" in how else 0.0)
    assert decide(made, gates, champion, stands).promote
    refused = decide(made, replace(gates, given_away=0.24), champion, stands)
    assert not refused.promote
    assert "all promotions since it may give away 0.2400 together" in reasons(refused)


def test_the_noise_of_a_holdout_is_what_its_bound_lies_beyond_the_estimate_and_is_said_where_it_hides_the_margin():
    made, gates = compared(Interval(estimate=0.25, lower=0.0, upper=0.5, days=21)), Gates(margin=0.125, floor_loss=1.0)
    said = "the noise of this holdout is 0.25, which is the smallest margin that it can show"
    assert said in reasons(decide(made, gates))
    for margin in (0.25, 0.5):  # it can show the one, and shows the other
        assert "the noise of this holdout" not in reasons(decide(made, replace(gates, margin=margin)))


def test_of_the_slices_that_have_a_skill_the_least_is_named_and_decides_nothing():
    def part(category, estimate):
        skill = None if estimate is None else Interval(estimate=estimate, lower=-1.0, upper=1.0, days=21)
        return Slice(feature="dest", category=category, rows=300, days=21, loss=0.5, skill=skill, difference=None)

    parts = (part("ATL", 0.25), part("BOS", -0.5), part("SFO", None), part("JFK", 0.0))
    verdict = decide(replace(UNSCORED, champion=None, slices=parts), Gates(margin=0.0, floor_loss=0.6))
    assert verdict.promote
    assert verdict.reasons[-1] == (
        "of 4 slices, the least skill over the constant is -0.5000 (-1.0000 to +1.0000 for all at once), "
        "where dest is BOS"
    )


def test_one_day_or_none_beside_the_champion_gives_no_bound():
    gates = Gates(margin=1.0, floor_loss=1.0, minimum_days=1)
    one, none = decide(compared(None), gates), decide(compared(None, champion_metrics={}), gates)
    assert not one.promote
    assert one.reasons[:2] == (
        "1 holdout days; at least 1 are asked for",
        "1 holdout day gives no bound on the difference to champion version 3",
    )
    assert none.reasons[:2] == (
        "0 holdout days; at least 1 are asked for",
        "no holdout day gives no bound on the difference to champion version 3",
    )


@settings(max_examples=100, deadline=None)
@given(evaluations(champion=True), gates(), st.integers(1, 40))
def test_days_that_the_champion_learnt_count_for_nothing(evaluation, gates, days):
    """Only those after them do; where there are none, no figure of the champion's decides anything."""
    unseen = replace(SPLIT.holdout, first=SPLIT.holdout.first + days * DAY)
    cut = replace(evaluation, compared=unseen)
    if len(unseen) == 0:
        cut = replace(cut, compared_metrics={}, champion_metrics={}, difference=None)
        assert not decide(cut, replace(gates, supersedes=3)).promote
    learnt = SPLIT.holdout.first + (days - 1) * DAY
    assert f"holdout days after {learnt}, the last that champion version 3 learnt" in decide(cut, gates).reasons[0]
    if len(unseen) == 0:
        assert decide(cut, gates).reasons[0].startswith("0 holdout days")


ASKED = Gates(margin=0.0, floor_loss=1.0, floor_auc=0.0, beats_benchmark=True)
TOLD = replace(ASKED, beats_benchmark=False)


def _first(objective=Objective.BINARY, **benchmark):
    """A first model of the loss 0.5, beside a benchmark of 0.6 unless *benchmark* says otherwise."""
    loss = "log_loss" if objective is Objective.BINARY else "mae"
    differs = Interval(estimate=-0.1, lower=-0.2, upper=-0.01, days=21)
    figures = replace(BENCHMARK, metrics={loss: 0.6}, difference=differs)
    metrics = {loss: 0.5, **({"auc": 0.7} if objective is Objective.BINARY else {})}
    made = replace(UNSCORED, champion=None, objective=objective, metrics=metrics)
    return replace(made, benchmark=replace(figures, **benchmark))


@pytest.mark.parametrize("objective", Objective)
def test_a_model_beats_the_benchmark_only_by_its_interval_and_says_so_with_figures(objective):
    difference = _first().benchmark.difference
    loss = "log_loss" if objective is Objective.BINARY else "mae"
    for upper, beats in ((-0.0001, True), (0.0, False), (0.02, False)):
        made = _first(objective, difference=replace(difference, upper=upper))
        (reason,) = [each for each in decide(made, ASKED).reasons if "benchmark" in each]
        assert f"{loss} 0.5000 beside 0.6000 of the linear benchmark: -0.1000, with 95 % confidence" in reason
        assert reason.endswith("; beats it" if beats else "; not shown to beat it")
        assert reason in decide(made, TOLD).reasons
        assert decide(made, ASKED).promote is beats
        assert decide(made, ASKED).refusals == (() if beats else ("the gate benchmark",))
        assert decide(made, TOLD).promote


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": {}, "difference": None, "error": "it failed"}, "the linear benchmark, NOT SHOWN: it failed"),
        ({"difference": None}, "one holdout day gives no bound on the difference: not shown to beat it"),
    ],
)
def test_a_benchmark_without_figures_or_bound_stops_a_model_only_where_the_gates_ask_for_it(changes, said):
    for gates, promoted in ((ASKED, False), (TOLD, True)):
        verdict = decide(_first(**changes), gates)
        assert said in "; ".join(verdict.reasons)
        assert verdict.promote is promoted


def test_a_model_beside_which_no_benchmark_was_trained_is_not_promoted_where_the_gates_ask_for_it():
    alone = replace(_first(), benchmark=None)
    assert decide(alone, TOLD).promote
    assert not any("benchmark" in reason for reason in decide(alone, TOLD).reasons)
    assert not decide(alone, ASKED).promote
    assert "no benchmark was trained beside this model" in "; ".join(decide(alone, ASKED).reasons)


def test_a_person_lets_a_model_through_that_does_not_beat_the_benchmark():
    let = Override(project="", gate=Gate.BENCHMARK, until=date(2013, 6, 1), by="dana", reason="first look")
    worse = _first(difference=None)
    assert not decide(worse, ASKED).promote
    assert decide(worse, ASKED, standing=ProjectStanding(overrides=(let,))).promote
