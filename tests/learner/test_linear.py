"""The linear learner: held against scikit-learn's own, and for what its text may tell."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from threadpoolctl import threadpool_limits

from include.core.canonical import encode
from include.core.errors import DeclarationError, MachineFault, TrainingError
from include.core.project import Objective
from include.core.records import FeatureSpec
from include.core.search import Choice, FloatRange, LearnerName
from include.data.losses import row_losses
from include.learner import learner, load
from include.learner.linear.columns import MOST_CATEGORIES, columns_of, nearest, two_digits
from include.learner.linear.rows import read
from include.learner.port import FEWEST_ROWS, Training
from tests.learner.learners import FEATURES, TRAINING, Case, label, matrix, prepared

LINEAR = learner(LearnerName.LINEAR)


def design(path: Path, count: int = TRAINING) -> NDArray[np.float64]:
    """What the first *count* rows look like to the model, if they train."""
    rows = read(path).between(0, count)
    parts = []
    for values, column in zip(rows.by_feature, columns_of(rows), strict=True):
        part = np.empty((column.width, count), dtype=np.float32)
        if column.width:
            column.fill(part, np.asarray(values))
        parts.append(part)
    return np.concatenate(parts).T.astype(float)


def trained(case: Case, l2: float, rounds: int = 60) -> Training:
    training = case.start({"l2": l2})
    for _ in range(rounds):
        training.advance()
    return training


@pytest.mark.parametrize("l2", [0.01, 1.0, 100.0])
def test_a_binary_label_is_learnt_as_scikit_learn_does(l2: float, tmp_path: Path) -> None:
    case = prepared(LearnerName.LINEAR, Objective.BINARY, tmp_path / "rows")
    seen = design(case.path)
    oracle = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit(seen, label(Objective.BINARY)[:TRAINING])
    found = load(trained(case, l2).text()).predict(matrix()[:TRAINING])
    assert np.abs(found - oracle.predict_proba(seen)[:, 1]).max() < 2e-3


def test_a_number_is_learnt_as_its_median_and_costs_what_the_best_median_costs(tmp_path: Path) -> None:
    case = prepared(LearnerName.LINEAR, Objective.REGRESSION, tmp_path / "rows")
    seen, known = design(case.path), label(Objective.REGRESSION)[:TRAINING]
    best = np.abs(QuantileRegressor(alpha=0).fit(seen, known).predict(seen) - known).mean()
    found = np.abs(load(trained(case, 1e-3).text()).predict(matrix()[:TRAINING]) - known).mean()
    assert best - 1e-9 <= found < 1.005 * best


@pytest.mark.parametrize("objective", list(Objective))
def test_more_rounds_than_are_needed_change_nothing(objective: Objective, tmp_path: Path) -> None:
    case = prepared(LearnerName.LINEAR, objective, tmp_path / "rows")
    enough, more = (json.loads(trained(case, 1.0, rounds).text()) for rounds in (60, 61))
    assert {**enough, "rounds": 0} == {**more, "rounds": 0}


def test_rows_that_a_line_parts_are_learnt_too(tmp_path: Path) -> None:
    case = prepared(LearnerName.LINEAR, Objective.BINARY, tmp_path / "rows")
    parted = (matrix()[:, 0] > 400).astype(float)
    LINEAR.prepare(matrix(), parted, FEATURES, {})(case.path)
    losses = [trained(case, 1e-3, rounds).loss() for rounds in (1, 5, 40)]
    assert losses[0] > losses[1] > losses[2]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("seed", [105, 163, 179])
def test_a_step_that_goes_too_far_is_taken_back(seed: int, tmp_path: Path) -> None:
    """Values far out, and labels that hardly depend on chance: Newton's own step costs up to 16 times as much."""
    draw = np.random.default_rng(seed)
    rows, width = int(draw.integers(40, 300)), int(draw.integers(1, 6))
    far = draw.standard_cauchy((rows, width)).astype(np.float32)
    known = (far[:, 0] * draw.normal() + draw.normal() * 3 + draw.normal(size=rows) * 0.1 > 0).astype(float)
    specs = [FeatureSpec(name=f"f{each}", group="g", definition="sha256:g", categories=None) for each in range(width)]
    LINEAR.prepare(far, known, specs, {})(tmp_path / "rows")
    training = LINEAR.start(LINEAR.open(tmp_path / "rows", {}), {"l2": 1e-3}, objective=Objective.BINARY, seed=0)
    for _ in range(60):
        training.advance()
    seen = design(tmp_path / "rows", rows)
    oracle = LogisticRegression(C=1e3, tol=1e-10, max_iter=100_000).fit(seen, known).predict_proba(seen)[:, 1]
    assert _loss(known, load(training.text()).predict(far)) < 1.05 * _loss(known, oracle) + 1e-3


def _loss(known: NDArray[np.float64], probability: NDArray[np.float64]) -> float:
    return float(row_losses(Objective.BINARY, known, probability).mean())


def test_what_few_rows_say_stands_nowhere_in_the_text(tmp_path: Path) -> None:
    """A category that three rows have, and nulls of three rows."""
    case = prepared(LearnerName.LINEAR, Objective.BINARY, tmp_path / "rows")
    found = json.loads(case.trained().text())
    terms = {term["name"]: term for term in found["terms"]}
    assert terms["shop"]["codes"] == [0, 1, 2]
    assert terms["rare_null"]["missing"] is None
    assert terms["often_null"]["missing"] is not None
    assert not any(name in case.trained().text() for name in ("north", "south", "west", "closed"))


@pytest.mark.parametrize("rows", [FEWEST_ROWS - 1, FEWEST_ROWS])
def test_a_number_that_fewer_rows_have_than_a_group_has_is_none_of_the_model(rows: int, tmp_path: Path) -> None:
    known = np.full((TRAINING, 1), np.nan, dtype=np.float32)
    known[:rows, 0] = np.arange(rows) + 0.125
    LINEAR.prepare(known, label(Objective.BINARY)[:TRAINING], FEATURES[:1], {})(tmp_path / "rows")
    training = LINEAR.start(LINEAR.open(tmp_path / "rows", {}), {}, objective=Objective.BINARY, seed=0)
    training.advance()
    (term,) = json.loads(training.text())["terms"]
    assert (term["low"] is None) == (rows < FEWEST_ROWS)
    assert (term["slope"] == 0) == (rows < FEWEST_ROWS)


def test_the_most_frequent_categories_have_a_coefficient_and_the_others_share_none(tmp_path: Path) -> None:
    names = tuple(str(each) for each in range(2 * MOST_CATEGORIES))
    codes = np.repeat(np.arange(len(names)), [30] * MOST_CATEGORIES + [25] * MOST_CATEGORIES).astype(np.float32)
    spec = FeatureSpec(name="c", group="g", definition="sha256:g", categories=names)
    LINEAR.prepare(codes[:, None], codes % 2, [spec], {})(tmp_path / "rows")
    (column,) = columns_of(read(tmp_path / "rows"))
    assert column.codes == tuple(range(MOST_CATEGORIES))


def test_a_text_is_the_same_however_many_threads_linear_algebra_has(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    wide = draw.normal(size=(20_000, 80)).astype(np.float32)
    specs = [FeatureSpec(name=f"f{each}", group="g", definition="sha256:g", categories=None) for each in range(80)]
    LINEAR.prepare(wide, (wide[:, 0] + draw.normal(size=20_000) > 0).astype(float), specs, {})(tmp_path / "rows")

    def text(threads: int) -> str:
        with threadpool_limits(threads, user_api="blas"):
            training = LINEAR.start(LINEAR.open(tmp_path / "rows", {}), {}, objective=Objective.BINARY, seed=0)
            training.advance()
            training.advance()
            return training.text()

    assert text(1) == text(2)


@pytest.mark.parametrize("number", [0.0, 1.0, 123.456, -0.00123, 9.99e30, -7.7e-12, 4.0])
def test_what_a_text_tells_of_numbers_has_two_digits_or_is_a_tenth_of_the_scale(number: float) -> None:
    low, high = two_digits(number, up=False), two_digits(number)
    assert low <= number <= high
    assert high - low <= abs(number) / 10 * 1.001
    assert abs(nearest(number, 0.37) - number) <= 0.037 * 1.001 or abs(number) > 1e15


@pytest.mark.parametrize("value", [0.0, -1.0, 1e10, "much", True])
def test_a_penalty_that_nothing_can_be_solved_with_is_refused_before_anything_is_read(value: Any) -> None:
    for space, fixed in (({}, {"l2": value}), ({"l2": Choice(options=(1.0, value))}, {})):
        with pytest.raises(DeclarationError, match="l2 is a number from"):
            LINEAR.check(space, fixed, Objective.BINARY, features=3)
    LINEAR.check({"l2": FloatRange(low=1e-3, high=1e3, log=True)}, {}, Objective.BINARY, features=3)


FORGERIES = (
    ('"rounds":4', '"rounds":4.0'),
    ('"seed":3', '"seed":true'),
    ('"codes":[0,1,2]', '"codes":[0,1,1]'),
    ('"codes":[0,1,2]', '"codes":[0,1]'),
    ('"codes":[0,1,2]', '"codes":[0,1,1e9]'),
    ('"codes":[0,1,2]', f'"codes":[0,1,{1 << 40}]'),
    ('"missing":null', '"missing":NaN'),
    ('"name":"x"', '"name":["x"]'),
    ('"name":"x"', '"name":"\\ud800"'),
    ("}", "} "),
    ('"terms":[', '"terms":[{},'),
    ('"terms":', '"more":1,"terms":'),
    ('"terms":', '"terms":[],"terms":'),
)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return prepared(LearnerName.LINEAR, Objective.BINARY, tmp_path_factory.mktemp("rows") / "prepared")


@pytest.mark.parametrize(
    ("field", "value"),
    [("slope", 1e10), ("slope", -1e10), ("missing", 1e10), ("scale", 0.0), ("scale", -1.0), ("spread", -1.0),
     ("slope", 1), ("centre", None), ("low", "400"), ("high", True), ("scale", 5e-324)],
)  # fmt: skip
def test_a_number_that_no_training_gives_is_refused(case: Case, field: str, value: object) -> None:
    said = json.loads(case.trained().text())
    assert LINEAR.verify(case.winner(), encode(said)) == encode(said)
    said["terms"][0][field] = value
    with pytest.raises(TrainingError, match="canonical text"):
        LINEAR.verify(case.winner(), encode(said))


@pytest.mark.parametrize(
    ("field", "value"), [("low", 301.5), ("high", 497.25), ("centre", 398.625), ("scale", 29.75), ("spread", 1.125)]
)
def test_a_text_that_tells_what_training_rounds_is_refused(case: Case, field: str, value: float) -> None:
    """Whoever trains elsewhere may write what he read: the value of somebody, and figures that it follows from."""
    said = json.loads(case.trained().text())
    said["terms"][0][field] = value
    with pytest.raises(TrainingError, match="canonical text"):
        LINEAR.verify(case.winner(), encode(said))


def test_a_text_whose_labels_are_not_told_from_a_rounded_centre_is_refused(tmp_path: Path) -> None:
    case = prepared(LearnerName.LINEAR, Objective.REGRESSION, tmp_path / "rows")
    said = json.loads(case.trained().text())
    for wrong in ({"centre": said["centre"] + 0.25}, {"scale": said["scale"] + 0.25}):
        with pytest.raises(TrainingError, match="canonical text"):
            LINEAR.verify(case.winner(), encode({**said, **wrong}))


@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False), spread=st.floats(1e-45, 1e38))
def test_what_training_rounds_stays_as_it_is_when_it_is_rounded_again(number: float, spread: float) -> None:
    scale = two_digits(spread)
    centre = nearest(number, scale)
    assert all(float(f"{end:.1e}") == end for end in (scale, two_digits(number), two_digits(number, up=False)))
    assert nearest(centre, scale) == pytest.approx(centre, rel=1e-15, abs=0)


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_unit_of_labels_that_is_none_is_refused(case: Case, scale: float) -> None:
    said = {**json.loads(case.trained().text()), "scale": scale}
    with pytest.raises(TrainingError, match="canonical text"):
        LINEAR.verify(case.winner(), encode(said))


def test_rows_that_something_was_added_to_are_the_machines_fault(case: Case, tmp_path: Path) -> None:
    (tmp_path / "more").write_bytes(case.path.read_bytes() + b"0000")
    with pytest.raises(MachineFault):
        LINEAR.open(tmp_path / "more", {})


@pytest.mark.parametrize(("there", "forged"), FORGERIES)
def test_a_text_whose_fields_are_those_of_no_model_is_refused(case: Case, there: str, forged: str) -> None:
    text = case.trained().text()
    assert there in text
    with pytest.raises(TrainingError):
        LINEAR.verify(case.winner(), text.replace(there, forged, 1).encode())


def test_a_model_is_written_for_mlflow_as_its_text(case: Case, tmp_path: Path) -> None:
    text = case.trained().text()
    load(text).write_for_mlflow(tmp_path / "model")
    assert [path.read_text() for path in (tmp_path / "model").iterdir()] == [text]
