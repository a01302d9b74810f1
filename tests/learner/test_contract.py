"""What every learner promises, held against each of them."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from include.core.errors import DeclarationError, MachineFault, TrainingError
from include.core.project import Objective
from include.core.search import Choice, LearnerName
from include.data.losses import row_losses
from include.learner import learner, load
from include.learner.boosted import segments, sequences
from include.learner.port import ParametersRefused, Training
from tests.learner.learners import DRAWING, FEATURES, PARAMS, ROWS, TRAINING, Case, label, matrix, prepared

CASES = [(name, objective) for name in LearnerName for objective in Objective]


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{objective}" for name, objective in CASES])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return prepared(*request.param, tmp_path_factory.mktemp("rows") / "prepared")


@pytest.fixture(scope="module")
def text(case: Case) -> str:
    return case.trained().text()


def test_a_learner_is_found_by_its_name(case: Case) -> None:
    assert learner(case.name).name is case.name


def test_the_same_rows_are_prepared_as_the_same_bytes_whatever_the_threads(case: Case, tmp_path: Path) -> None:
    again = learner(case.name).prepare(matrix(), label(case.objective), FEATURES, PARAMS[case.name], threads=2)
    again(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == case.path.read_bytes()


@dataclass(frozen=True)
class Parts:
    """The rows, so many at a time."""

    sizes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return ROWS, len(FEATURES)

    def parts(self) -> Iterator[NDArray[np.float32]]:
        first = 0
        for size in itertools.cycle(self.sizes):
            if first >= ROWS:
                return
            yield matrix()[first : first + size]
            first += size


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_rows_in_parts_are_prepared_as_the_same_bytes_as_at_once(
    case: Case, tmp_path: Path, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "_TOGETHER", 128)
    fixed = {**PARAMS[case.name], **({} if case.name is LearnerName.LINEAR else {"bin_construct_sample_cnt": 300})}
    chosen, known = learner(case.name), label(case.objective)
    for name, rows in (("whole", matrix()), ("parts", Parts(tuple(sizes)))):
        chosen.prepare(rows, known, FEATURES, fixed)(tmp_path / name)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_same_training_gives_the_same_text_and_loss_whatever_the_threads(case: Case, text: str) -> None:
    other = case.trained(threads=2)
    assert (other.text(), other.loss()) == (text, case.trained().loss())


def test_advancing_in_pieces_is_advancing_at_once_and_a_loss_between_changes_nothing(case: Case, text: str) -> None:
    training = case.start()
    for _ in range(4):
        training.loss()
        training.text()
        training.advance()
    assert training.text() == text


def test_two_trainings_of_the_same_rows_do_not_disturb_each_other(case: Case, text: str) -> None:
    one, two = case.start(), case.start()
    for _ in range(4):
        one.advance()
        two.advance()
    assert one.text() == two.text() == text


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three rounds, where a learner has any."""
    monkeypatch.setattr(segments, "SEGMENT_CELLS", 0)
    monkeypatch.setattr(segments, "FEWEST_ROUNDS", 3)


def resumed(case: Case, training: Training, *, refit: bool) -> Training:
    """What goes on from the checkpoint of *training* to where that is; from nothing, where there is none."""
    kept = training.checkpoint() if training.resumable else None
    again = case.start(DRAWING[case.name], refit=refit, checkpoint=kept)
    assert again.rounds == training.resumable <= training.rounds
    while again.rounds < training.rounds:
        again.advance()
    return again


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(interruptions=st.sets(st.integers(0, 11), max_size=4), refit=st.booleans())
def test_going_on_from_a_checkpoint_at_any_rounds_is_never_having_been_interrupted(
    case: Case, short_segments: None, interruptions: set[int], refit: bool
) -> None:
    whole, training = (case.start(DRAWING[case.name], refit=refit) for _ in range(2))
    for rounds in range(11):
        if rounds in interruptions:
            training = resumed(case, training, refit=refit)
        training.advance()
        whole.advance()
    assert whole.rounds == training.rounds == 11
    assert training.text() == whole.text()
    assert refit or training.loss() == whole.loss()


def test_a_model_of_several_segments_is_one_that_its_learner_takes_and_beats_that_of_the_first(
    case: Case, short_segments: None
) -> None:
    first, whole = case.trained(3), case.trained(20)
    text = whole.text()
    assert learner(case.name).verify(case.winner(20), text.encode()) == text.encode()
    predicted = load(text).predict(matrix()[TRAINING:])
    expected = row_losses(case.objective, label(case.objective)[TRAINING:], predicted).mean()
    assert whole.loss() == pytest.approx(float(expected), rel=1e-6)
    assert whole.loss() < first.loss()


def test_trainings_of_the_same_rows_that_begin_segments_do_not_disturb_each_other(
    case: Case, short_segments: None
) -> None:
    chosen, used = learner(case.name), DRAWING[case.name]
    opened = chosen.open(case.path, used, training_rows=TRAINING)
    one, two = (chosen.start(opened, used, objective=case.objective, seed=3) for _ in range(2))
    alone = case.start(used)
    for rounds in range(10):
        one.advance()
        alone.advance()
        if rounds > 1:
            two.advance()
    assert (one.text(), one.loss()) == (alone.text(), alone.loss())
    late = chosen.start(opened, used, objective=case.objective, seed=3)
    for _ in range(2):
        two.advance()
    for _ in range(10):
        late.advance()
    assert two.text() == late.text() == alone.text()


@pytest.mark.parametrize(
    "damage", [b"", b"\x80\x04K.", b"{}", b"[" * 100_000, b'{"rounds": 3, "text": 1, "rows": [1]}\nx']
)
def test_what_is_no_checkpoint_of_a_training_is_refused(case: Case, damage: bytes, short_segments: None) -> None:
    training = case.trained(6)
    kept = training.checkpoint()
    for other in (damage, kept[:-1], kept + b"x", kept[: len(kept) // 2]):
        with pytest.raises(ValueError):  # noqa: PT011  # whichever: it is none
            case.start(checkpoint=other)


def test_a_loss_is_that_of_the_texts_predictions_on_the_rows_that_do_not_train(case: Case) -> None:
    training = case.trained()
    predicted = load(training.text()).predict(matrix()[TRAINING:])
    expected = row_losses(case.objective, label(case.objective)[TRAINING:], predicted).mean()
    assert training.loss() == pytest.approx(float(expected), rel=1e-6)


def test_training_beats_what_knows_no_feature(case: Case) -> None:
    known = label(case.objective)
    constant = known[:TRAINING].mean() if case.objective is Objective.BINARY else np.median(known[:TRAINING])
    base = row_losses(case.objective, known[TRAINING:], np.full(ROWS - TRAINING, constant)).mean()
    assert case.trained(40).loss() < 0.95 * base


def test_rows_that_do_not_train_decide_nothing_of_the_model(case: Case, text: str, tmp_path: Path) -> None:
    changed = label(case.objective).copy()
    changed[TRAINING:] = changed[TRAINING:][::-1]
    learner(case.name).prepare(matrix(), changed, FEATURES, PARAMS[case.name])(tmp_path / "other")
    assert Case(case.name, case.objective, tmp_path / "other").trained().text() == text


def test_a_refit_learns_from_all_rows(case: Case, text: str) -> None:
    training = case.start(refit=True)
    for _ in range(4):
        training.advance()
    assert training.text() != text


def test_a_text_that_was_made_is_taken_as_it_is_and_loads_to_the_same_predictions(case: Case, text: str) -> None:
    assert learner(case.name).verify(case.winner(), text.encode()) == text.encode()
    one, again = load(text), load(learner(case.name).verify(case.winner(), text.encode()).decode())
    assert (one.predict(matrix()) == again.predict(matrix(), threads=2)).all()


def test_a_prediction_is_that_of_its_row_alone(case: Case, text: str) -> None:
    model, rows = load(text), matrix()
    whole = model.predict(rows)
    assert (model.predict(np.ascontiguousarray(rows[::-1]))[::-1] == whole).all()
    assert (model.predict(rows[10:11]) == whole[10:11]).all()
    assert len(model.predict(rows[:0])) == 0


def test_what_training_never_saw_is_predicted_too_and_finitely(case: Case, text: str) -> None:
    odd = np.array([[np.nan] * 5, [np.inf, 3, -np.inf, 1e38, -1e38], [0, 77, 0, 0, 0], [-0.0, -1, 0, 0, 0]], np.float32)
    predicted = load(text).predict(odd)
    assert np.isfinite(predicted).all()
    assert case.objective is Objective.REGRESSION or ((predicted >= 0) & (predicted <= 1)).all()


def test_importance_adds_up_to_one_and_is_of_features_that_the_model_is_familiar_with(case: Case, text: str) -> None:
    model = load(text)
    shares = model.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= set(model.familiar()) <= set(range(len(FEATURES)))
    assert max(shares, key=lambda place: shares[place]) == 0
    assert 4 not in shares  # it is the same in all rows


def test_of_a_feature_a_text_tells_a_range_of_two_digits_that_holds_all_and_no_value(case: Case, text: str) -> None:
    known, values = load(text).familiar()[0], matrix()[:TRAINING, 0]
    assert known.low is not None
    assert known.high is not None
    assert known.low <= values.min() <= values.max() <= known.high
    assert all(float(f"{end:.1e}") == end for end in (known.low, known.high))
    numbers = {float(each) for each in re.findall(r"-?\d+\.\d+(?:e[-+]?\d+)?", text)}
    trained = label(case.objective)[:TRAINING]
    values = {float(each) for each in (*matrix()[:TRAINING, [0, 2, 3]].ravel(), *trained) if np.isfinite(each)}
    assert not numbers & (values - {0.0, 1.0})


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_change_of_a_byte_crashes_it_and_what_is_taken_predicts(case: Case, text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        taken = learner(case.name).verify(case.winner(), bytes(raw))
    except TrainingError:
        return
    assert len(load(taken.decode()).predict(matrix())) == ROWS


@pytest.mark.parametrize("forged", [b"", b"\x80\x04K.", b"{}", b"tree\n", b"[" * 100_000, b'{"terms":' + b"9" * 5000])
def test_what_is_no_text_is_refused_with_the_rule(case: Case, forged: bytes) -> None:
    with pytest.raises(TrainingError, match="expected: ") as raised:
        learner(case.name).verify(case.winner(), forged)
    assert not raised.value.retry_heals
    assert len(str(raised.value)) < 300


def test_the_text_of_another_trial_is_refused(case: Case, text: str) -> None:
    from dataclasses import replace

    best = case.winner()
    others = [
        replace(best, features=("x", "shop", "rare_null", "often_null", "other")),
        replace(best, objective=next(each for each in Objective if each is not case.objective)),
        replace(best, seed=4),
        replace(best, rounds=3),
        replace(best, params={**best.params, next(iter(best.params)): 3}),
    ]
    for other in others:
        with pytest.raises(TrainingError):
            learner(case.name).verify(other, text.encode())


def test_a_text_that_is_too_large_is_refused_by_its_size(case: Case) -> None:
    too_large = b" " * (learner(case.name).largest_bytes + 1)
    with pytest.raises(TrainingError, match="bytes at most"):
        learner(case.name).verify(case.winner(), too_large)


def test_the_text_of_no_learner_is_loaded_by_none() -> None:
    with pytest.raises(TrainingError, match="begins as one of a learner"):
        load("\x80\x04K.")


def test_no_learner_takes_the_text_of_another(case: Case, text: str) -> None:
    assert [name for name in LearnerName if learner(name).wrote(text)] == [case.name]


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_rows_that_are_cut_short_are_the_machines_fault(case: Case, size: int, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(case.path.read_bytes()[:size])
    with pytest.raises(MachineFault) as raised:
        learner(case.name).open(tmp_path / "cut", PARAMS[case.name], training_rows=TRAINING)
    assert raised.value.retry_heals


def test_a_parameter_that_does_not_exist_is_refused_before_anything_is_read(case: Case) -> None:
    check = learner(case.name).check
    check({}, PARAMS[case.name], case.objective, features=len(FEATURES))
    for space, fixed in (({}, {"depht": 3}), ({"depht": Choice(options=(1, 2))}, {})):
        with pytest.raises(DeclarationError, match="depht"):
            check(space, fixed, case.objective, features=len(FEATURES))


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_labels_that_no_model_can_bear_end_in_a_loss_that_is_not_finite_or_in_a_refusal(tmp_path: Path) -> None:
    for name in LearnerName:
        huge = label(Objective.REGRESSION) * 1e305
        learner(name).prepare(matrix(), huge, FEATURES, PARAMS[name])(tmp_path / name)
        try:
            loss = Case(name, Objective.REGRESSION, tmp_path / name).trained().loss()
        except ParametersRefused:
            continue
        assert not np.isfinite(loss) or loss >= 0
