"""The study of warm starts on figures that are made up: what it measures says nothing here."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import warm_start

        yield warm_start


def test_a_way_draws_otherwise_exactly_if_it_takes_what_is_known(study):
    fresh = study.draw([], study.WAYS[0], seed=1)
    rungs = len(study.SEARCH.rungs)
    known = [
        study.Done(params, tuple(0.5 + params["lambda_l2"] / 100 for _ in range(rungs if place % 8 == 0 else 1)))
        for place, params in enumerate(study.draw([], study.WAYS[0], seed=2) * 6)
    ]
    for way in study.WAYS:
        assert (study.draw(known, way, seed=1) == fresh) is not way.complete, way.name
    assert len(fresh) == study.SEARCH.trials


def test_only_the_origins_count_and_each_seed_is_held_against_its_own(study):
    def chains(loss):
        early = [{"holdout": 9.0 * loss, "validation": 0.0}] * (study.NIGHTS - study.ORIGINS)
        return [early + [{"holdout": seed + loss, "validation": loss}] * study.ORIGINS for seed in range(2)]

    found = study.compared(chains(0.3), chains(0.2))
    assert found["holdout"] == found["lower"] == found["upper"] == pytest.approx(-0.1)
    assert (found["better_in"], len(found["by_origin"])) == (study.ORIGINS, study.ORIGINS)


def test_the_documentation_says_what_was_measured(study):
    found = json.loads((ROOT / "benchmarks" / "warm_start.json").read_text())
    assert study.table(found) in (ROOT / "docs" / "data-scientist.md").read_text()
