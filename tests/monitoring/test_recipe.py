"""The recipe is watched over the days of all its champions, whoever is champion now."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.project import DriftPolicy, SkillPolicy
from include.core.records import DAY, DayOfSeries, DriftState
from include.monitoring.chance import UsualDay, chance
from include.monitoring.outcomes import JudgedSeries
from include.monitoring.retrained import surely_nearer
from include.monitoring.verdict import judge
from tests.monitoring.test_verdict import REFERENCE

POLICY = DriftPolicy()
FIRST = date(2026, 1, 1)
USUAL_DAYS = 56
ASKS = {DriftState.RETRAIN, DriftState.FAILING}


def nobody_else(place: int) -> int:
    return 1


def nightly(place: int) -> int:
    return place + 1


def series(
    skills: Sequence[float], champion: Callable[[int], int] = nobody_else, *, noise: float = 0.02
) -> list[DayOfSeries]:
    """Days of the given skills after 56 days of .2, with some noise that is the same for each place."""
    chance = np.random.default_rng(7).normal(0, noise, USUAL_DAYS + len(skills))
    return [
        DayOfSeries(
            day=FIRST + place * DAY,
            champion=champion(place),
            rows=300,
            loss=0.65 - skill - float(chance[place]),
            expected_loss=0.65 - skill,
            constant_loss=0.65,
            mean_score=0.4,
            mean_label=0.4,
        )
        for place, skill in enumerate([*[0.2] * USUAL_DAYS, *skills])
    ]


def state(days: Sequence[DayOfSeries], policy: DriftPolicy = POLICY, **fields: int) -> DriftState:
    return judge(policy, days, REFERENCE, **fields).state


some_skills = st.lists(st.floats(-0.3, 0.4), max_size=80)
some_champions = st.lists(st.integers(1, 6), min_size=140, max_size=140).map(lambda numbers: numbers.__getitem__)


def test_a_recipe_that_keeps_its_skill_is_stable_whoever_is_champion():
    assert state(series([0.2] * 60)) is state(series([0.2] * 60, nightly)) is DriftState.STABLE


def test_a_verdict_says_how_often_it_asks_falsely_and_how_many_days_would_show_that_all_is_lost():
    said = judge(POLICY, series([0.2]), REFERENCE).guarantee
    assert said is not None
    assert "180 nights whose weeks are like those from 2026-01-01 to 2026-02-25" in said
    days = int(said.partition("about ")[2].partition(" days would show")[0])
    assert state(series([0.0] * (days + 1))) in ASKS
    assert judge(POLICY, series([]), REFERENCE).guarantee is not None
    assert judge(POLICY, series([])[1:], REFERENCE).guarantee is None  # 55 days tell too little


def test_the_share_of_false_asks_is_that_of_all_rules_together_and_says_which_are_outside_of_it():
    days, noise = series([0.2]), np.random.default_rng(3).normal(0, 0.2, USUAL_DAYS + 1)
    beside = [replace(each, best=9, best_loss=each.loss + float(noise[place])) for place, each in enumerate(days)]
    policy = DriftPolicy(skill=SkillPolicy(drop=0.05))

    def guaranteed(series: Sequence[DayOfSeries]) -> tuple[float, str]:
        case = JudgedSeries(
            policy=policy, reference=REFERENCE, series=series, last=series[-1].day, champion=1, blind_days=0
        )
        assert case.level is not None
        return case.level.chance.false_asks, case.level.guarantee

    (alone, left_out), (together, counted) = guaranteed(days), guaranteed(beside)
    assert together > alone + 0.05
    assert "and no loss beside the best champion's, which fewer than half of these days have" in left_out
    assert "and the loss beside the best champion's; inputs, which only warn, are not counted" in counted
    assert guaranteed([*beside[:27], *days[27:]])[0] == alone, "too few days tell"


def test_one_champion_whose_skill_is_gone_asks_for_a_retraining_though_its_loss_is_what_it_expects():
    verdict = judge(POLICY, series([0.05] * 20), REFERENCE)
    assert verdict.state is DriftState.RETRAIN
    assert verdict.began == FIRST + USUAL_DAYS * DAY
    assert verdict.figures["excess_loss"] == pytest.approx(0, abs=0.02)


def hard(days: Sequence[DayOfSeries], hardness: Callable[[int], float]) -> list[DayOfSeries]:
    """All losses of each day, by its place, so many times as great."""
    return [
        replace(
            each,
            loss=each.loss * hardness(place),
            expected_loss=each.expected_loss * hardness(place),
            constant_loss=each.constant_loss * hardness(place),
        )
        for place, each in enumerate(days)
    ]


@pytest.mark.parametrize("champion", [nobody_else, nightly])
def test_where_days_become_easy_or_hard_a_recipe_that_keeps_its_skill_score_is_stable(champion):
    def seasons(place: int) -> float:
        return 1 - 0.7 * float(np.sin(max(place - USUAL_DAYS, 0) * 2 * np.pi / 360))

    for days in (60, 120, 300):
        assert state(hard(series([0.2] * days, champion), seasons)) is DriftState.STABLE
    lost = judge(POLICY, hard(series([0.2] * 60 + [0.05] * 40), seasons), REFERENCE)
    assert lost.state is DriftState.RETRAIN
    assert abs(lost.began - (FIRST + (USUAL_DAYS + 60) * DAY)) <= 3 * DAY


def test_a_day_adds_its_skill_score_against_what_the_constant_lost_over_four_weeks():
    days = hard(series([0.2] * 60, noise=0.0), lambda place: 0.25 if place >= USUAL_DAYS else 1.0)
    figures = judge(POLICY, days, REFERENCE).figures
    assert figures["skill"] == pytest.approx(0.05)
    assert (figures["skill_score"], figures["usual_skill_score"]) == pytest.approx((0.2 / 0.65, 0.2 / 0.65))
    assert figures["tolerated_skill_score"] == pytest.approx(0.1 / 0.65)
    assert figures["usual_skill"] == pytest.approx(0.2)


def test_the_skill_score_that_is_shown_is_that_of_the_judged_days_and_no_more_than_all_of_the_loss():
    hardness = [1.0] * USUAL_DAYS + [0.2] * 40 + [1.0] * 28
    days = hard(series([0.55] * (len(hardness) - USUAL_DAYS)), lambda place: hardness[place])
    for end in range(USUAL_DAYS + 28, len(days)):
        verdict, judged = judge(POLICY, days[:end], REFERENCE), days[end - 28 : end]
        score = 1 - sum(each.loss for each in judged) / sum(each.constant_loss for each in judged)
        assert verdict.figures["skill_score"] == pytest.approx(score)
        assert f"the skill score is {score:.1%}" in " ".join(verdict.reasons)


@pytest.mark.parametrize("first", [0, USUAL_DAYS])
def test_days_on_which_the_constant_loses_nearly_nothing_weigh_as_little_as_any(first):
    days = series([0.2] * 60)
    certain = [replace(each, loss=0.001, constant_loss=1e-6) for each in days[first : first + 3]]
    verdict = judge(POLICY, [*days[:first], *certain, *days[first + 3 :]], REFERENCE)
    assert verdict.state is DriftState.STABLE
    assert verdict.figures["usual_skill"] == pytest.approx(0.2, abs=0.02)
    assert verdict.figures["missing_skill"] < 1


def test_a_declared_drop_is_in_the_unit_of_the_loss_as_on_the_usual_days():
    easy = hard(series([0.13] * 60), lambda place: 0.25 if place >= USUAL_DAYS else 1.0)
    declared = replace(POLICY, skill=SkillPolicy(drop=0.2))  # more than easy days have
    assert state(easy, declared) is DriftState.STABLE
    assert state(easy) is DriftState.RETRAIN
    assert judge(declared, easy, REFERENCE).figures["tolerated_skill"] == pytest.approx(0, abs=0.01)


def test_on_easy_days_less_is_enough_to_lie_behind_the_best_champion():
    days = [replace(each, best=1, best_loss=each.loss - 0.05) for each in series([0.2] * 60, nightly)]
    policy = replace(POLICY, skill=SkillPolicy(drop=0.1))
    assert state(days, policy) is DriftState.STABLE
    behind = [replace(each, best_loss=each.loss - 0.05) for each in hard(days, lambda place: 0.25)]
    usual = [*days[:USUAL_DAYS], *behind[USUAL_DAYS:]]
    assert state(usual, policy) in ASKS


def test_four_weeks_that_miss_no_more_in_the_mean_end_an_alarm_whoever_is_champion():
    lost, usual = [0.05] * 60, [0.2] * 30
    assert state(series(lost + usual[:10])) is DriftState.RETRAIN
    assert state(series(lost + usual)) is DriftState.STABLE
    again = judge(POLICY, series(lost + usual + [0.05] * 20), REFERENCE)
    assert again.state is DriftState.RETRAIN
    assert abs(again.began - (FIRST + (USUAL_DAYS + 90) * DAY)) <= 3 * DAY


def test_where_champions_of_after_the_change_do_no_better_the_recipe_fails():
    days = series([0.05] * 40, nightly)
    assert judge(POLICY, days, REFERENCE).state is DriftState.FAILING
    assert state(days, blind_days=24) is DriftState.RETRAIN  # no model has learnt of the change yet
    assert state(series([0.05] * 60, nightly), blind_days=24) is DriftState.FAILING


def test_a_retraining_that_brings_the_skill_back_ends_the_alarm():
    def retrained(place: int) -> int:
        return 1 if place < USUAL_DAYS + 20 else 2

    bad, good = [0.05] * 20, [0.2] * 40
    assert state(series(bad, retrained)) is DriftState.RETRAIN
    waits = judge(POLICY, series(bad, retrained), REFERENCE, champion=2)
    assert (waits.state, waits.began) == (DriftState.TOO_FEW_TO_KNOW, None)
    assert state(series(bad + good[:13], retrained)) is DriftState.TOO_FEW_TO_KNOW
    assert state(series(bad + good[:14], retrained)) is DriftState.STABLE
    assert state(series(bad + good, retrained)) is DriftState.STABLE


def test_what_is_lost_after_a_retraining_had_helped_began_after_it():
    def retrained(place: int) -> int:
        return 1 if place < USUAL_DAYS + 20 else 2

    again = judge(POLICY, series([0.05] * 20 + [0.2] * 16 + [0.05] * 20, retrained), REFERENCE)
    assert again.state is DriftState.RETRAIN
    assert again.began == FIRST + (USUAL_DAYS + 36) * DAY


def test_a_retraining_that_does_not_is_failing():
    def retrained(place: int) -> int:
        return 1 if place < USUAL_DAYS + 20 else 2

    assert state(series([0.05] * 33, retrained)) is DriftState.TOO_FEW_TO_KNOW
    assert state(series([0.05] * 34, retrained)) is DriftState.FAILING


@pytest.mark.parametrize("blind", [{}, {"blind_days": 1}, {"blind_days": 2}], ids=["0", "1", "2"])
def test_a_model_has_learnt_of_a_change_that_is_seven_days_older_than_the_days_it_is_blind_for(blind: dict[str, int]):
    learnt = 8 + sum(blind.values())
    for after, expected in ((learnt - 1, DriftState.RETRAIN), (learnt, DriftState.FAILING)):
        days = series([0.05] * (after + 40), lambda place, after=after: 1 if place < USUAL_DAYS + after else 2)
        assert state(days, **blind) is expected


#: Each has one figure alone decide, on which the days that :func:`moved` changes lie beyond the limit.
MEANS = {
    "excess": DriftPolicy(excess_loss=0.03, skill=None),
    "gap": DriftPolicy(calibration_gap=0.05, skill=None),
    "constant": DriftPolicy(excess_loss=9.0, skill=SkillPolicy(usual_days=400)),
    "best": DriftPolicy(skill=SkillPolicy(drop=0.19)),
}
AFTER = 60


def moved(bad: Callable[[int], bool], champion: Callable[[int], int], figure: str, *, days: int) -> list[DayOfSeries]:
    """Usual days, and after the first sixty those that are *bad* lie beyond the limit of *figure*."""
    found = series([0.2] * (AFTER - USUAL_DAYS + days), champion)
    changes = {
        "excess": lambda each: {"expected_loss": each.loss - 0.1},
        "gap": lambda each: {"mean_score": 0.5},
        "constant": lambda each: {"constant_loss": each.loss - 0.05},
        "best": lambda each: {"best": 1, "best_loss": each.loss - 0.3},
    }
    good = {"best": 1, "best_loss": 0.45} if figure == "best" else {}
    return [
        replace(each, **(changes[figure](each) if place >= AFTER and bad(place - AFTER) else good))
        for place, each in enumerate(found)
    ]


@pytest.mark.parametrize("figure", MEANS)
def test_a_mean_that_stays_beyond_its_limit_fails_once_models_that_learnt_since_have_judged_14_days(figure):
    blind = 24  # with seven that a model must have learnt, the first that knows of the change takes over on day 32
    state_after = {
        days: state(moved(lambda place: True, nightly, figure, days=days), MEANS[figure], blind_days=blind)
        for days in (28, 45, 46, 90)
    }
    assert state_after == {
        28: DriftState.RETRAIN,
        45: DriftState.RETRAIN,
        46: DriftState.FAILING,
        90: DriftState.FAILING,
    }
    alone = moved(lambda place: True, nobody_else, figure, days=90)
    assert state(alone, MEANS[figure], blind_days=blind) is DriftState.RETRAIN


@pytest.mark.parametrize("figure", MEANS)
def test_a_mean_is_beyond_its_limit_since_the_change_and_not_since_its_window_began(figure):
    for days in (28, 60, 90):
        judged = judge(MEANS[figure], moved(lambda place: True, nobody_else, figure, days=days), REFERENCE)
        assert judged.state is DriftState.RETRAIN
        assert abs(judged.began - (FIRST + AFTER * DAY)) <= 3 * DAY


def test_what_moves_a_mean_after_a_retraining_had_brought_it_back_is_another_change():
    def retrained(place: int) -> int:
        return 1 if place < AFTER + 30 else 2

    def bad(place: int) -> bool:
        return place < 30 or place >= 50

    for days, expected in ((43, DriftState.TOO_FEW_TO_KNOW), (47, DriftState.STABLE), (90, DriftState.RETRAIN)):
        found = moved(bad, retrained, "excess", days=days)
        judged = judge(MEANS["excess"], found, REFERENCE, champion=2, blind_days=0)
        assert judged.state is expected
    assert judged.began == FIRST + (AFTER + 50) * DAY


@given(st.floats(-9, 9))
@settings(max_examples=20)
def test_no_single_day_however_bad_asks(skill):
    steady = series([0.2] * 60)
    freak = replace(steady[-5], loss=0.65 - skill)
    assert state([*steady[:-5], freak, *steady[-4:]]) not in ASKS


@given(some_skills, some_champions)
@settings(max_examples=25)
def test_a_recipe_fails_only_if_a_champion_took_over_since_it_began(skills, champion):
    verdict = judge(POLICY, series(skills, champion), REFERENCE)
    if verdict.state is DriftState.FAILING:
        first = {}
        for each in series(skills, champion):
            first.setdefault(each.champion, each.day)
        assert max(first.values()) > verdict.began


@given(some_skills, some_champions)
@settings(max_examples=25)
def test_one_more_bad_day_never_ends_an_alarm(skills, champion):
    days = series(skills, champion)
    worse = series([*skills, -0.3], champion)[-1]
    if state(days) in ASKS:
        assert state([*days, replace(worse, champion=days[-1].champion)]) in ASKS


@given(some_skills, some_champions, st.randoms())
@settings(max_examples=30)
def test_the_order_in_which_days_arrive_does_not_matter(skills, champion, random):
    days = series(skills, champion)
    shuffled = list(days)
    random.shuffle(shuffled)
    assert judge(POLICY, shuffled, REFERENCE) == judge(POLICY, days, REFERENCE)


@given(some_skills, some_champions, st.floats(-0.5, 0.5))
@settings(max_examples=6)
def test_a_loss_that_both_model_and_constant_bear_changes_no_state(skills, champion, more):
    days = series(skills, champion)
    harder = [
        replace(each, loss=each.loss + more, expected_loss=each.expected_loss + more, constant_loss=0.65 + more)
        for each in days
    ]
    assert state(harder) is state(days)


def test_a_level_that_a_human_accepted_is_the_usual_one_from_then_on():
    days = series([0.05] * 90, nightly)
    assert state(days) is DriftState.FAILING
    accepted = replace(POLICY, skill=SkillPolicy(since=FIRST + (USUAL_DAYS + 20) * DAY))
    assert state(days, accepted) is DriftState.STABLE


def test_a_stretch_that_nobody_judged_is_not_usual():
    skills = np.random.default_rng(7).normal(0.2, 0.4, USUAL_DAYS)
    days = tuple(
        UsualDay(day=FIRST + place * DAY, skill=float(skill), excess=0.0, gap=0.0) for place, skill in enumerate(skills)
    )
    apart = tuple(replace(each, day=each.day + 70 * DAY) if place >= 28 else each for place, each in enumerate(days))
    assert chance(apart, POLICY, SkillPolicy()) == chance(days, POLICY, SkillPolicy())


# ── a part that came back ─────────────────────────────────────────────────────────────────────────────────────────────

#: A model of after the change takes over on the thirtieth day, and knows of it.
CHANGED = 30


def retrained(place: int) -> int:
    return 1 if place < AFTER + CHANGED else 2


def lying(far: Callable[[int], float], figure: str, *, days: int, restless: float = 0.005) -> list[DayOfSeries]:
    """Days that lie *far* beyond what is usual for *figure*, by their place after the first sixty."""
    found = series([0.2] * (AFTER - USUAL_DAYS + days), retrained)
    changes = {
        "excess": lambda each, by: {"expected_loss": each.loss - by},
        "gap": lambda each, by: {"mean_score": 0.4 + by},
        "constant": lambda each, by: {"constant_loss": each.loss - by},
        "best": lambda each, by: {"best": 1, "best_loss": each.loss - 0.19 - by},
        "skill": lambda each, by: {"constant_loss": each.loss + 0.1 - by},
    }
    noise = np.random.default_rng(11).normal(0, restless, len(found))
    usual = {"best": 1, "best_loss": 0.45} if figure == "best" else {}
    return [
        replace(each, **(changes[figure](each, far(place - AFTER) + float(noise[place])) if place >= AFTER else usual))
        for place, each in enumerate(found)
    ]


PARTS = MEANS | {"skill": POLICY}


@pytest.mark.parametrize("figure", PARTS)
def test_where_retraining_surely_brings_back_a_part_another_is_asked_for_and_the_verdict_says_how_much(figure):
    part = judge(PARTS[figure], lying(lambda place: 0.1 if place < CHANGED else 0.07, figure, days=60), REFERENCE)
    assert part.state is DriftState.RETRAIN
    (said,) = [each for each in part.reasons if "brought back part of it" in each]
    assert "over 28 days by models that have learnt from days since" in said


def test_what_came_back_is_said_beside_what_was_and_what_is_accepted():
    part = judge(MEANS["gap"], lying(lambda place: 0.4 if place < CHANGED else 0.1, "gap", days=60), REFERENCE)
    assert "retraining brought back part of it: +0.1006 after +0.4007, where ±0.0500 is accepted" in part.reasons[0]


@pytest.mark.parametrize("figure", PARTS)
@pytest.mark.parametrize("then", [0.1, 0.13])
def test_where_retraining_brings_back_nothing_or_does_worse_a_human_is_asked(figure, then):
    days = lying(lambda place: 0.1 if place < CHANGED else then, figure, days=60)
    assert state(days, PARTS[figure]) is DriftState.FAILING


def test_what_goes_on_to_get_worse_fails_though_each_model_knows_of_it():
    days = lying(lambda place: 0.06 + 0.002 * place, "gap", days=90)
    fading = [replace(each, champion=place + 1) for place, each in enumerate(days)]
    assert state(fading, MEANS["gap"], blind_days=24) is DriftState.FAILING


def test_fewer_than_14_days_before_do_not_show_that_a_part_came_back():
    for learnt, expected in ((13, DriftState.FAILING), (14, DriftState.RETRAIN)):
        days = lying(lambda place, learnt=learnt: 0.4 if place < learnt else 0.1, "gap", days=60)
        since = [replace(each, champion=1 if place < AFTER + learnt else 2) for place, each in enumerate(days)]
        assert state(since, MEANS["gap"]) is expected


@given(
    st.lists(st.floats(0.07, 5.0), min_size=30, max_size=30), st.lists(st.floats(0.01, 0.9), min_size=14, max_size=28)
)
@settings(max_examples=25, deadline=None)
def test_a_recipe_never_fails_where_all_days_by_models_that_know_are_nearer_than_all_before(before, shares):
    found = [*before, *(0.05 + (min(before) - 0.05) * share for share in shares)]
    days = lying(found.__getitem__, "gap", days=len(found), restless=0.0)
    assert state(days, MEANS["gap"]) is not DriftState.FAILING


@pytest.mark.parametrize("days", [(14, 14), (28, 31)])
def test_chance_alone_looks_like_a_part_that_came_back_no_more_than_1_time_in_20(days):
    random, now = np.random.default_rng(3), days[0]
    draws = [random.standard_t(3, sum(days)).tolist() for _ in range(120)]
    assert 1 <= sum(surely_nearer(each[:now], each[now:]) for each in draws) <= 6 + 2 * 2.4
