import dataclasses
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError
from include.core.project import Objective
from include.core.records import Days, FeatureSet
from include.training import matrix
from include.training.matrix import contents, encoded, rows_of
from tests.training.flights import CATEGORICAL, Folder, flights


def _with_labels(features: FeatureSet, vault: Folder, change) -> FeatureSet:
    """The same features; *change* maps the label column of each day to another."""
    partitions = []
    for partition in features.partitions:
        if partition.table == "label":
            table = pq.read_table(vault.path(partition.content))
            position = table.column_names.index("label")
            table = table.set_column(position, "label", change(table.column("label")))
            buffer = pa.BufferOutputStream()
            pq.write_table(table, buffer)
            partition = dataclasses.replace(partition, content=vault.put(buffer.getvalue().to_pybytes()))
        partitions.append(partition)
    return dataclasses.replace(features, partitions=tuple(partitions))


def test_the_rows_of_a_stretch_are_its_labelled_flights_in_order(features, vault):
    days = features.split.train
    rows = rows_of(features, days, vault, stretch="training")
    frame = flights()
    window = frame[(frame["day"] >= features.split.train.first) & (frame["day"] <= features.split.holdout.last)]
    expected = window.iloc[::4]
    expected = expected[(expected["day"] <= days.last) & expected["arrival_delay"].notna()]
    assert rows.label.tolist() == (expected["arrival_delay"] >= 15).astype(float).tolist()
    assert rows.day.tolist() == [day.toordinal() for day in expected["day"]]
    assert rows.table.column("distance").to_pylist() == expected["distance"].tolist()


def test_a_category_is_its_position_in_the_declared_order(features, vault):
    rows = rows_of(features, features.split.train, vault, stretch="training")
    matrix = rows.matrix(features.features)
    assert matrix.dtype == np.float32
    for position, feature in enumerate(features.features):
        if feature.name in CATEGORICAL:
            codes = matrix[:, position].astype(int)
            assert [feature.categories[code] for code in codes] == rows.table.column(feature.name).to_pylist()


def test_a_matrix_that_is_large_is_encoded_in_parts_and_is_the_same(features, vault, monkeypatch):
    rows = rows_of(features, features.split.train, vault, stretch="training")
    whole = encoded(rows, features.features)
    assert isinstance(whole, np.ndarray)
    monkeypatch.setattr(matrix, "WHOLE_CELLS", whole.size - 1)
    monkeypatch.setattr(matrix, "_TOGETHER", 1000)
    parts = encoded(rows, features.features)
    assert parts.shape == whole.shape
    for _ in range(2):  # as often as it is asked
        assert np.array_equal(np.concatenate(list(parts.parts())), whole, equal_nan=True)
    assert max(len(part) for part in parts.parts()) == 1000


def test_reading_a_stretch_opens_its_days_and_no_other(features, vault):
    vault.opened.clear()
    rows_of(features, features.split.validation, vault, stretch="validation")
    assert sorted(vault.opened) == sorted(contents(features, features.split.validation))
    assert set(vault.opened).isdisjoint(contents(features, features.split.train, features.split.holdout))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_label_of_one_class_is_refused_with_rule_and_remedy(features, vault, value):
    one_class = _with_labels(features, vault, lambda column: pa.array([value] * len(column)))
    with pytest.raises(
        DataError, match=r"both classes .*; found: one class only .* validation days .*Widen the window"
    ):
        rows_of(one_class, features.split.validation, vault, stretch="validation")


def test_a_binary_label_that_is_neither_0_nor_1_is_refused_without_its_value(features, vault):
    odd = _with_labels(features, vault, lambda column: pa.array([7.25, *column.to_pylist()[1:]]))
    with pytest.raises(DataError, match="a binary label is 0, 1 or null") as raised:
        rows_of(odd, features.split.validation, vault, stretch="validation")
    assert "7.25" not in str(raised.value)


def test_days_without_a_label_are_refused(features, vault):
    none = _with_labels(features, vault, lambda column: pa.nulls(len(column), pa.float64()))
    with pytest.raises(DataError, match="rows with a label; found: none in the holdout days"):
        rows_of(none, features.split.holdout, vault, stretch="holdout")
    before = features.split.train.first - timedelta(days=9)
    with pytest.raises(DataError, match="rows with a label"):
        rows_of(features, Days(first=before, last=before), vault, stretch="holdout")


def test_as_many_rows_of_other_keys_are_refused(features, vault):
    first, second = list(features.split.holdout)[:2]
    days = {first: second, second: first}
    partitions = [
        dataclasses.replace(part, day=days.get(part.day, part.day)) if part.table == "weather" else part
        for part in features.partitions
    ]
    swapped = sorted(partitions, key=lambda part: (part.table, part.day))
    with pytest.raises(DataError, match="group weather"):
        rows_of(
            dataclasses.replace(features, partitions=tuple(swapped)), features.split.holdout, vault, stretch="holdout"
        )


def test_groups_that_hold_other_rows_than_the_label_are_refused(features, vault):
    partitions = [
        partition
        for partition in features.partitions
        if not (partition.table == "weather" and partition.day == features.split.holdout.first)
    ]
    with pytest.raises(
        DataError, match=f"group weather, {features.split.holdout.first} to {features.split.holdout.last}"
    ):
        rows_of(
            dataclasses.replace(features, partitions=tuple(partitions)),
            features.split.holdout,
            vault,
            stretch="holdout",
        )


def test_a_regression_takes_any_finite_label(delays, vault):
    assert delays.objective is Objective.REGRESSION
    rows = rows_of(delays, delays.split.train, vault, stretch="training")
    assert rows.label.min() < 0 < rows.label.max()
    infinite = _with_labels(delays, vault, lambda column: pa.array([float("inf")] * len(column)))
    with pytest.raises(DataError, match="finite number or null"):
        rows_of(infinite, delays.split.train, vault, stretch="training")
