"""A model that another process stored is taken if training its winner can have made it, and refused otherwise."""

import dataclasses
import re
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import TrainingError
from include.core.project import Objective
from include.core.records import FeatureSet, Winner
from include.learner.boosted import BoostedTrees
from include.learner.boosted import verified as verification
from include.learner.boosted.settings import booster_settings, dataset_settings, model_text, rounded
from include.training.matrix import rows_of
from tests.training.flights import Folder
from tests.training.searches import refitted, searched, winner

verified = BoostedTrees().verify


@pytest.fixture(scope="module")
def made(features: FeatureSet, vault: Folder) -> tuple[Winner, str]:
    """A winner and the text of its model."""
    found = searched(features, vault)
    return winner(found, features), refitted(found, features, vault).decode()


def test_the_model_that_was_made_is_taken_as_it_is(made: tuple[Winner, str]) -> None:
    best, text = made
    assert verified(best, text.encode()) == text.encode()


def test_a_model_tells_of_a_feature_a_range_of_two_digits_and_no_value(made: tuple[Winner, str]) -> None:
    """Also one of a release that wrote the least and the greatest value."""
    best, text = made
    assert rounded(text) == text
    low, high = next((low, high) for low, high in re.findall(r"\[([^:\]]+):([^:\]]+)\]", text) if float(high) > 100)
    exact = text.replace(f"[{low}:{high}]", f"[{low}:{float(high) - 0.25:.17g}]")
    assert exact != text
    assert verified(best, exact.encode()) == text.encode()


@given(
    low=st.floats(allow_nan=False, allow_infinity=False, width=32),
    high=st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_a_range_only_widens_and_by_a_tenth_at_most(low: float, high: float) -> None:
    low, high = sorted((low, high))
    text = f"tree\nfeature_infos=[{low:.17g}:{high:.17g}] none 1:2:3\n"
    found = rounded(text)
    ends = [float(end) for end in found.splitlines()[1].removeprefix("feature_infos=[").split("]")[0].split(":")]
    assert ends[0] <= low <= high <= ends[1]
    assert abs(ends[0] - low) <= abs(low) / 10
    assert abs(ends[1] - high) <= abs(high) / 10
    assert found.endswith("] none 1:2:3\n")
    assert rounded(found) == found


@pytest.mark.parametrize(
    "params",
    [
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"boosting": "dart"},
        {"data_sample_strategy": "goss", "extra_trees": True},
        {"max_depth": 3, "num_leaves": 200, "max_cat_to_onehot": 1},  # at odds: LightGBM lowers the leaves
        {"min_data_in_leaf": 100_000},  # no split gains anything
        {"cegb_penalty_split": 0.1, "path_smooth": 1.0},  # trees end early
    ],
)
@pytest.mark.parametrize("objective", list(Objective))
def test_whatever_parameters_lightgbm_brings_into_line_its_model_is_taken(
    params: dict[str, object], objective: Objective, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random = np.random.default_rng(7)
    values = random.normal(size=(2000, 4)).astype(np.float32)
    values[:, 2] = random.integers(0, 9, 2000)
    label = (values[:, 0] + values[:, 2] / 4 + random.normal(size=2000) > 1).astype(float)
    names, how = ["a", "b", "c", "d"], dict(dataset_settings(params, threads=1))
    file = tmp_path_factory.mktemp("binned") / "rows"
    lightgbm.Dataset(values, label, feature_name=names, categorical_feature=[2], params=how).save_binary(str(file))
    booster = lightgbm.Booster(
        booster_settings(params, objective=objective, seed=3, threads=1), lightgbm.Dataset(str(file), params=how)
    )
    for _ in range(12):
        booster.update()
    best = Winner(trial_id="t", params=params, rounds=12, objective=objective, seed=3, features=tuple(names))
    text = model_text(booster)
    verified(best, text.encode())
    with pytest.raises(TrainingError, match="a tree a round"):
        verified(dataclasses.replace(best, rounds=0), text.encode())


def test_a_model_that_tells_what_is_missing_from_all_the_rest_is_taken() -> None:
    """Its threshold is infinite."""
    random = np.random.default_rng(7)
    missing = random.random(2000) < 0.4
    values = np.where(missing, np.nan, random.normal(size=2000))[:, None].astype(np.float32)
    how = dict(dataset_settings({}, threads=1))
    rows = lightgbm.Dataset(values, missing.astype(float), feature_name=["a"], params=how)
    booster = lightgbm.Booster(booster_settings({}, objective=Objective.BINARY, seed=3, threads=1), rows)
    booster.update()
    text = model_text(booster)
    assert re.search(r"^threshold=.*inf", text, re.MULTILINE)
    best = Winner(trial_id="t", params={}, rounds=1, objective=Objective.BINARY, seed=3, features=("a",))
    assert verified(best, text.encode()) == text.encode()
    with pytest.raises(TrainingError, match="a threshold that is not finite"):
        verified(best, re.sub(r"(?m)^(threshold=.*?)\binf\b", r"\g<1>nan", text).encode())


def test_a_model_of_a_device_is_taken_as_that_of_this_device_alone_and_predicts_without_it(
    made: tuple[Winner, str], features: FeatureSet, vault: Folder
) -> None:
    """No OpenCL is asked for where a model of a GPU is verified, loaded and predicts."""
    best, text = made
    on_gpu = text.replace("[device_type: cpu]", "[device_type: gpu]").replace("[gpu_use_dp: 0]", "[gpu_use_dp: 1]")
    on_gpu = on_gpu.replace("[force_row_wise: 1]", "[force_row_wise: 0]")
    on_gpu = on_gpu.replace("[force_col_wise: 0]", "[force_col_wise: 1]")
    asked = dataclasses.replace(best, params={**best.params, "device_type": "gpu", "gpu_platform_id": 99})
    assert verified(asked, on_gpu.encode()) == on_gpu.encode()
    for wanted, found in ((best, on_gpu), (asked, text)):
        with pytest.raises(TrainingError, match="device_type"):
            verified(wanted, found.encode())
    rows = rows_of(features, features.split.holdout, vault, stretch="holdout").matrix(features.features)
    here, there = (lightgbm.Booster(model_str=each).predict(rows, num_threads=1) for each in (text, on_gpu))
    assert np.array_equal(here, there)


def _first(pattern: str, replacement: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert changed != text
        return changed

    return change


def _resized(pattern: str, replacement: str) -> Callable[[str], str]:
    """The same change within the first tree, whose size is told as it is then."""

    def change(text: str) -> str:
        changed = _first(pattern, replacement)(text)
        size = int(re.search(r"^tree_sizes=(\d+)", text, re.MULTILINE)[1]) + len(changed) - len(text)
        return re.sub(r"^tree_sizes=\d+", f"tree_sizes={size}", changed, flags=re.MULTILINE)

    return change


#: None of these ends or stops LightGBM, as others do: what is for them is held by parts of a text, below.
FORGERIES: tuple[tuple[Callable[[str], str], str], ...] = (
    (lambda text: "", "is LightGBM's text"),
    (lambda text: "\x80\x04K.", "is LightGBM's text"),
    (lambda text: text.replace("Tree=1\n", "Tree=7\n"), "is LightGBM's text"),
    (lambda text: text[: text.index("parameters:")], "is LightGBM's text"),
    (lambda text: text + "and more", "is LightGBM's text"),
    (lambda text: text.replace("\n\nparameters", "\n\n\nparameters"), "is LightGBM's text"),
    (_resized(r"^leaf_value=\S+ ", "leaf_value=inf "), "is LightGBM's text"),
    (_resized(r"^is_linear=0", "is_linear=1"), "is LightGBM's text"),
    (_first(r"^(\[boosting: .*)\]$", "\\1\x1c]"), "is LightGBM's text"),  # ends a line for Python alone
    (_first(r"^num_class=1$", "num_class=2"), "the features and the objective of its plan"),
    (_first(r"^(feature_names=)\w+", r"\1another"), "the features and the objective of its plan"),
    (_first(r"^(feature_infos=)\S+ ", r"\1"), "the features and the objective of its plan"),
    (_first(r"^objective=binary", "objective=regression"), "the features and the objective of its plan"),
    (_first(r"^\[seed: \d+\]$", "[seed: 1]"), "with the parameters of its trial; found: other: seed"),
    (_first(r"^\[learning_rate: .*\]$", "[learning_rate: 9]"), "found: other: learning_rate"),
    (_resized(r"^decision_type=\d+", "decision_type=99"), "tree 0"),
    (_resized(r"^shrinkage=\S+", "shrinkage=0.5000"), "as LightGBM writes it"),
)


@pytest.mark.parametrize("number", range(len(FORGERIES)))
def test_what_its_winner_cannot_have_made_is_refused_with_the_rule_and_without_its_text(
    made: tuple[Winner, str], number: int
) -> None:
    (best, text), (forge, rule) = made, FORGERIES[number]
    with pytest.raises(TrainingError, match=rule) as raised:
        verified(best, forge(text).encode("latin-1"))
    assert not raised.value.retry_heals
    assert len(str(raised.value)) < 300


#: A tree of two splits, the second by a category, and three leaves: its fields as LightGBM orders and writes them.
TREE = {
    "num_leaves": "3", "num_cat": "1", "split_feature": "0 1", "split_gain": "2 1", "threshold": "0.5 0",
    "decision_type": "2 1", "left_child": "-1 -2", "right_child": "1 -3", "leaf_value": "0.1 0.2 0.3",
    "leaf_weight": "1 1 1", "leaf_count": "4 4 4", "internal_value": "0 0", "internal_weight": "3 2",
    "internal_count": "12 8", "cat_boundaries": "0 1", "cat_threshold": "6", "is_linear": "0", "shrinkage": "0.1",
}  # fmt: skip


def _read(**changed: str) -> verification.Tree:
    return verification.tree_of(0, "Tree=0\n" + "".join(f"{n}={v}\n" for n, v in (TREE | changed).items()) + "\n\n")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("leaf_value", "0.2 0.3"),
        ("leaf_value", "0.1 inf 0.3"),
        ("num_leaves", "0"),
        ("num_leaves", "0_3"),
        ("num_cat", "-1"),
        ("num_cat", "0"),
        ("is_linear", "1"),
        ("left_child", "-1 two"),
        ("split_gain", "2"),
    ],
)
def test_a_tree_whose_fields_are_not_as_lightgbm_writes_them_is_not_read(field: str, value: str) -> None:
    assert _read().sound(2)
    with pytest.raises(ValueError, match=r"tree 0|that is not finite|invalid literal"):
        _read(**{field: value})


def test_a_field_ends_where_lightgbm_ends_a_line_and_stands_once() -> None:
    assert verification.fields_of("a=1\x1cb=2\fc=3\n") == {"a": "1\x1cb=2\fc=3"}
    with pytest.raises(ValueError, match="twice"):
        verification.fields_of("a=1\na=2\n")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left_child", "0 -2"),  # a circle
        ("right_child", "9 -3"),
        ("right_child", "1 -2"),  # one leaf twice
        ("split_feature", "0 2"),
        ("threshold", "0.5 1"),  # no such set of categories
        ("threshold", "0.5 0.5"),
        ("decision_type", "2 17"),
        ("cat_boundaries", "0 2"),
        ("num_cat", f"{10**20}"),  # nobody counts to it
    ],
)
def test_a_tree_is_sound_if_its_nodes_lead_from_the_root_to_each_leaf(field: str, value: str) -> None:
    assert not _read(**{field: value}).sound(2)


def test_a_model_that_is_too_large_is_refused_by_its_size(
    made: tuple[Winner, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoostedTrees, "largest_bytes", 1000)
    with pytest.raises(TrainingError, match="1000 bytes at most"):
        verified(made[0], made[1].encode())


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_change_of_a_byte_crashes_it_and_what_is_taken_is_what_lightgbm_writes(
    made: tuple[Winner, str], data: st.DataObject
) -> None:
    best, text = made
    raw = bytearray(text.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        taken = verified(best, bytes(raw)).decode()
    except TrainingError:
        return
    assert model_text(lightgbm.Booster(model_str=taken)) == taken
