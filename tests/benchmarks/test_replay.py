"""The replay of the year on losses that are made up: what it measures says nothing here."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def replay():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import replay

        patch.setattr(replay, "RANDOM", 40)
        patch.setattr(replay, "RESAMPLES", 200)
        yield replay


@pytest.fixture(scope="module")
def figures(replay):
    return made_up(date(2013, 9, 1))


def made_up(changed: date, *, nightly: bool = False):
    """A model a week, whose loss grows by .001 a day of its age; from *changed* on by .2 if it was made before."""
    from replay_matrix import LAST, Matrix, cutoffs

    cutoffs = np.array(sorted(day.toordinal() for day in cutoffs(nightly=nightly)))
    days = np.arange(cutoffs[0] - 23, LAST.toordinal() + 1)
    age = days[None, :] - cutoffs[:, None]
    expected = np.where(age >= -23, 0.5 + 0.001 * age, np.nan)
    late = (days >= changed.toordinal())[None, :] & (cutoffs < changed.toordinal())[:, None]
    return Matrix(
        cutoffs=cutoffs,
        days=days,
        loss=np.where(late, expected + 0.2, expected),
        expected=expected,
        score=np.full_like(expected, 0.3),
        label=np.full(len(days), 0.3),
        rows=np.full(len(days), 900),
    )


def test_a_path_costs_what_whoever_is_champion_costs(replay):
    walk = replay.Replay(made_up(date(2014, 1, 1)), replay.JULY, replay.LAST)
    never, weekly = walk.along([]), walk.along(walk.later)
    assert len(never.loss) == len(weekly.loss) == (replay.LAST - replay.JULY).days + 1
    assert (never.retrainings, weekly.retrainings) == (0, len(walk.later))
    assert np.diff(never.loss) == pytest.approx(0.001)
    assert weekly.loss.max() < 0.5 + 0.001 * 10
    for weeks in (1, 2, 4, 8):
        assert len(walk.fixed(weeks)) == weeks, "every phase"


def test_our_rule_asks_once_its_days_show_it_and_no_earlier(replay, figures):
    found = replay.Replay(figures, replay.JULY, replay.LAST)
    policy = replay.DriftPolicy(excess_loss=0.05, calibration_gap=0.05, skill=None)
    path = found.asked(replay.verdicts(figures, policy), cooldown=20)
    asked = [date.fromordinal(day) for day in path.made[1:]]
    assert len(asked) == 1, "a model made after labels changed expects them"
    assert date(2013, 9, 1) < asked[0] < date(2013, 10, 1)


def test_constants_are_chosen_without_a_day_of_july_or_later(replay, monkeypatch):
    figures = made_up(date(2013, 4, 25))
    july = replay.JULY.toordinal() - int(figures.days[0])
    names = ("loss", "expected", "score", "label")
    blind = replace(figures, **{
        name: np.where(np.arange(len(figures.days)) < july, getattr(figures, name), np.nan) for name in names
    })  # fmt: skip
    deaf, asks = (replay.DriftPolicy(excess_loss=limit, skill=None) for limit in (0.5, 0.05))
    monkeypatch.setattr(replay, "CHOICES", (deaf, asks))
    assert replay.chosen(figures) == replay.chosen(blind) == asks


def test_other_constants_are_refused_where_some_were_frozen(replay, tmp_path):
    first, other = replay.CHOICES[:2]
    assert replay.freeze(tmp_path, first) == replay.freeze(tmp_path, first)
    with pytest.raises(SystemExit, match="scored once"):
        replay.freeze(tmp_path, other)


def test_every_rule_is_scored_beside_ours_and_drawn(replay, figures, tmp_path):
    policy = replay.DriftPolicy(excess_loss=0.05, calibration_gap=0.05, skill=None)
    found = replay.scored(figures, policy, lambda cutoff, last: False)
    rules = {rule["rule"]: rule for rule in found["rules"]}
    assert set(rules) == {
        "ours", "ours, first scored", "never", "Evidently's default",
        "every week", "every 2 weeks", "every 4 weeks", "every 8 weeks",
    }  # fmt: skip
    assert rules["ours"]["minus_ours"] == {"mean": 0.0, "lower": 0.0, "upper": 0.0}
    assert rules["never"]["minus_ours"]["lower"] > 0
    assert rules["ours, first scored"]["made"][1:] == [str(day) for day in replay.FIRST_SCORED]
    assert found["first_scored"]["random"]["retrainings"] == len(replay.FIRST_SCORED)
    assert rules["every week"]["log_loss"] < rules["ours"]["log_loss"]
    assert found["random"]["percentile_5"] <= found["random"]["percentile_95"]
    replay.replay_plot.write(found, tmp_path)
    assert "every 8 weeks" in (tmp_path / "replay.svg").read_text()
    assert "polyline" in (tmp_path / "replay-weeks.svg").read_text()


def test_nightly_retraining_has_a_model_a_day_and_every_other_rule_those_of_the_weeks(replay, figures):
    policy = replay.DriftPolicy(excess_loss=0.05, calibration_gap=0.05, skill=None)

    def rules(matrix):
        return {rule["rule"]: rule for rule in replay.scored(matrix, policy, lambda cutoff, last: False)["rules"]}

    weeks, nights = rules(figures), rules(made_up(date(2013, 9, 1), nightly=True))
    nightly = nights.pop("nightly")
    assert nights == weeks
    assert nightly["retrainings"] == (replay.LAST - replay.JULY).days
    assert nightly["log_loss"] < weeks["every week"]["log_loss"]


def test_the_documentation_says_what_was_measured(replay):
    found = json.loads((ROOT / "benchmarks" / "replay.json").read_text())
    page = (ROOT / "docs" / "data-scientist.md").read_text()
    assert replay.table(found) in page
    assert found["policy_digest"] in page
    assert "scored a second time" in found["scored"]
    assert "scored a second time" in page
    for plot in ("replay.svg", "replay-weeks.svg"):
        assert f"images/{plot}" in page
        assert (ROOT / "docs" / "images" / plot).exists()
