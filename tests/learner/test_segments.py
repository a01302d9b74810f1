"""Boosting in segments: what is short is one of LightGBM's own, and what is long draws anew in each."""

from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.project import Objective
from include.core.records import Params
from include.core.search import LearnerName
from include.learner import learner
from include.learner.boosted import segments
from include.learner.boosted.segments import FEWEST_ROUNDS, NEVER, SEGMENT_CELLS, drawn_by, rounds_of
from include.learner.boosted.settings import booster_settings, dataset_settings, model_text
from tests.learner.learners import DRAWING, FEATURES, TRAINING, Case, label, matrix, prepared

BOOSTED = LearnerName.BOOSTED_TREES


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return prepared(BOOSTED, Objective.BINARY, tmp_path_factory.mktemp("rows") / "prepared")


def trained(case: Case, rounds: int, params: Params = DRAWING[BOOSTED]) -> str:
    training = case.start(params)
    for _ in range(rounds):
        training.advance()
    return training.text()


@pytest.mark.parametrize("rounds", [1, 5])
def test_what_is_no_longer_than_a_segment_has_the_bytes_of_lightgbm_at_once(
    case: Case, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_CELLS", 0)
    monkeypatch.setattr(segments, "FEWEST_ROUNDS", 5)
    params = DRAWING[BOOSTED]
    rows = lightgbm.Dataset(str(case.path), params=dataset_settings(params, threads=1)).construct()
    settings = booster_settings(params, objective=case.objective, seed=3, threads=1)
    booster = lightgbm.Booster(settings, rows.subset(range(TRAINING)).construct())
    for _ in range(rounds):
        booster.update()
    assert trained(case, rounds) == model_text(booster)


def test_a_years_flights_are_trained_in_one_segment_and_a_hundred_million_rows_in_several() -> None:
    assert rounds_of({}, rows=330_000, features=49) > 500
    assert rounds_of({}, rows=100_000_000, features=50) == FEWEST_ROUNDS


@given(rows=st.integers(1, 10**9), features=st.integers(1, 10_000))
def test_a_segment_looks_at_no_more_than_its_cells_or_has_the_fewest_rounds(rows: int, features: int) -> None:
    rounds = rounds_of({}, rows=rows, features=features)
    assert rounds >= FEWEST_ROUNDS
    assert rounds == FEWEST_ROUNDS or rounds * rows * features <= SEGMENT_CELLS


@pytest.mark.parametrize("boosting", ["dart", "rf"])
def test_boosting_that_changes_trees_of_before_or_averages_them_is_one_segment(
    case: Case, boosting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_CELLS", 0)
    monkeypatch.setattr(segments, "FEWEST_ROUNDS", 2)
    training = case.start({**DRAWING[BOOSTED], "boosting": boosting})
    for _ in range(5):
        training.advance()
    assert training.resumable == 0
    assert rounds_of({"boosting": boosting}, rows=1, features=1) == NEVER
    assert rounds_of({"boosting": "gbdt"}, rows=10**9, features=9) == 2


def test_each_segment_draws_by_seeds_of_its_own_those_of_the_project_too(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = DRAWING[BOOSTED]
    assert drawn_by(params, 3, 0) == (params, 3)
    drawn = [drawn_by(params, 3, number) for number in range(4)]
    assert len({seed for _, seed in drawn}) == len({each["bagging_seed"] for each, _ in drawn}) == 4
    assert all({**each, "bagging_seed": 8} == params for each, _ in drawn)
    monkeypatch.setattr(segments, "SEGMENT_CELLS", 0)
    monkeypatch.setattr(segments, "FEWEST_ROUNDS", 3)
    derived = trained(case, 9)
    monkeypatch.setattr(segments, "drawn_by", lambda params, seed, segment: (params, seed))
    assert trained(case, 9) != derived


def test_a_model_whose_later_segments_find_no_split_has_the_trees_of_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leaf wants more rows than there are left on either side of a split once the label is learnt."""
    monkeypatch.setattr(segments, "SEGMENT_CELLS", 0)
    monkeypatch.setattr(segments, "FEWEST_ROUNDS", 2)
    params = {"num_leaves": 3, "min_gain_to_split": 30.0, "learning_rate": 0.9}
    learner(BOOSTED).prepare(matrix(), label(Objective.BINARY), FEATURES, params)(tmp_path / "rows")
    case = Case(BOOSTED, Objective.BINARY, tmp_path / "rows")
    training = case.start(params)
    for _ in range(9):
        training.advance()
    text = training.text()
    trees = lightgbm.Booster(model_str=text).num_trees()
    assert 1 <= trees < 9
    best = replace(case.winner(9), params=params)
    assert learner(BOOSTED).verify(best, text.encode()) == text.encode()
    assert np.isfinite(training.loss())
