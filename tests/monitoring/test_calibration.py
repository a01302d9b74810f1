"""Proposed limits ask as seldom as is said, on days like those that they were drawn from."""

from dataclasses import replace

import pytest

from include.core.errors import DataError
from include.core.project import DriftPolicy, SkillPolicy
from include.core.records import DriftState
from include.monitoring.calibration import proposed
from include.monitoring.verdict import judge
from tests.monitoring.test_recipe import hard, series
from tests.monitoring.test_verdict import REFERENCE

DAYS = [
    replace(each, mean_score=0.4 + (index % 7 - 3) / 100 + index % 3 / 300)
    for index, each in enumerate(series([0.2] * 28))
]


def test_limits_are_proposed_that_ask_in_the_share_of_180_nights_that_is_said():
    found = proposed(DriftPolicy(), DAYS, share=0.05)
    assert 0 < found.false_asks <= 0.06  # limits together, and the skill's own
    assert (found.days, found.first, found.last) == (84, DAYS[0].day, DAYS[-1].day)
    assert found.policy.skill is not None
    assert found.policy.skill.drop == pytest.approx(0.1, abs=0.01)
    assert judge(found.policy, DAYS, REFERENCE).state is DriftState.STABLE


def test_what_may_be_lost_is_proposed_as_on_days_as_hard_as_the_usual_ones():
    easy = hard(series([0.2] * 140), lambda place: 0.25 if place >= 56 else 1.0)
    found = proposed(DriftPolicy(), easy, share=0.05).policy
    assert found.skill is not None
    assert found.skill.drop == pytest.approx(0.095, abs=0.006)  # four weeks tell what the constant loses


def test_who_accepts_more_false_asks_gets_narrower_limits():
    wide, narrow = (proposed(DriftPolicy(), DAYS, share=share).policy for share in (0.02, 0.4))
    assert narrow.excess_loss < wide.excess_loss
    assert narrow.calibration_gap < wide.calibration_gap


def test_what_is_declared_beside_the_limits_is_kept():
    declared = DriftPolicy(days=56, calendar=("hour",), skill=SkillPolicy(usual_days=84))
    made = proposed(declared, DAYS, share=0.05).policy
    assert (made.days, made.calendar, made.skill.usual_days) == (56, ("hour",), 84)


def test_fewer_than_four_weeks_propose_nothing():
    with pytest.raises(DataError, match="27 days"):
        proposed(DriftPolicy(), DAYS[:27], share=0.05)
