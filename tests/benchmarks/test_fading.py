"""A signal that fades is told of, whoever is champion: one seed of each kind; twenty are the benchmark's command."""

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
    row = fading.watched(fading.PROJECT.drift, 1, mode, every=28)
    assert row["days_to_tell"] is not None
    assert 0 < row["days_to_tell"] <= 75
    assert row["nights_that_asked_before"] == 0
    assert (row["promotions"] > 2) is (mode == "nightly retraining")


def test_weeks_like_the_usual_ones_ask_for_nothing(fading):
    days = fading.watched(fading.PROJECT.drift, 2, "without")["steady"]
    history = fading.resampled(days, 16, fading.np.random.default_rng(1))
    assert fading.false_asks(fading.PROJECT.drift, history, 56) == 0
