"""A signal that fades is told of, whoever is champion: one seed of each kind; twenty are the benchmark's command."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def fading():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import fading

        yield fading


@pytest.mark.parametrize("mode", ["nightly retraining", "without"])
def test_a_signal_that_fades_is_told_within_75_days_and_not_before(fading, mode):
    row = fading.watched(fading.PROJECT.quality.drift, 1, mode, every=28)
    assert row["days_to_tell"] is not None
    assert 0 < row["days_to_tell"] <= 75
    assert row["nights_that_asked_before"] == 0
    assert (row["promotions"] > 2) is (mode == "nightly retraining")


@pytest.fixture(scope="module")
def steady(fading):
    return fading.watched(fading.PROJECT.quality.drift, 2, "without")["steady"]


def test_weeks_like_the_usual_ones_ask_for_nothing(fading, steady):
    history = fading.resampled(steady, 16, fading.np.random.default_rng(1))
    assert fading.false_asks(fading.PROJECT.quality.drift, history, 56) == 0


def test_a_season_leaves_the_usual_days_goes_as_far_as_it_is_said_and_comes_back(fading, steady):
    history = fading.resampled(steady, 34, fading.np.random.default_rng(1))
    easier, noisier = (fading.season(history, depth, noise=depth > 0, usual=56) for depth in (-0.5, 0.5))
    assert easier[:57] == noisier[:57] == history[:57]
    before, half, more = history[56 + 90], easier[56 + 90], noisier[56 + 90]
    assert (half.loss, half.constant_loss) == pytest.approx((before.loss / 2, before.constant_loss / 2))
    assert more.skill == pytest.approx(before.skill), "the same amount is laid on both"
    assert more.constant_loss > 1.4 * before.constant_loss
    assert easier[56 + 180].loss == pytest.approx(history[56 + 180].loss)


def test_the_documentation_says_what_was_measured(fading):
    found = json.loads((ROOT / "benchmarks" / "fading.json").read_text())
    assert fading.table(found) in (ROOT / "docs" / "data-scientist.md").read_text()
