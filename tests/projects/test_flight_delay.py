from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from include.core.project import Window
from include.core.records import Contract, FeatureSet
from include.data.encoding import encode_features
from include.projects.flight_delay import PROJECT
from include.store import Store
from tests.data.nights import Night, freeze

INSTANT = datetime(2013, 5, 18, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, contracts, Store(str(folder / "vault")))


@pytest.fixture(scope="module")
def built(night: Night, production: Path) -> FeatureSet:
    """Sixty days to train, two weeks to test."""
    project = PROJECT.varied(window=Window(days=75, validation_days=1, holdout_days=14))
    return night.build(project, freeze(project, night.contracts, production, night.store, INSTANT))


def _table(night: Night, built: FeatureSet, name: str) -> pa.Table:
    return pa.concat_tables([night.table(partition) for partition in built.of(name)])


def _features(night: Night, built: FeatureSet) -> pa.Table:
    columns = {}
    for group in PROJECT.learning.features:
        table = _table(night, built, group.name)
        columns |= {feature.name: table[feature.name] for feature in built.features if feature.group == group.name}
    return pa.table(columns)


def test_an_hour_before_departure_the_features_tell_late_flights_from_others(night: Night, built: FeatureSet) -> None:
    label = _table(night, built, "label")
    late, day = label["label"].to_numpy(), label["day"].to_numpy().astype("datetime64[D]")
    matrix = encode_features(_features(night, built), built.features)
    known, tested = ~np.isnan(late), day >= np.datetime64(built.split.holdout.first)
    dataset = lightgbm.Dataset(
        matrix[known & ~tested],
        late[known & ~tested],
        categorical_feature=[place for place, spec in enumerate(built.features) if spec.categories is not None],
    )
    params = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "num_threads": 1,
        "verbose": -1,
        "seed": 1,
    }
    predicted = lightgbm.train(params, dataset, 120).predict(matrix[known & tested], num_threads=1)
    outcome = late[known & tested]
    ranks = np.argsort(np.argsort(np.asarray(predicted))) + 1
    positives = outcome.sum()
    area = (ranks[outcome == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(outcome) - positives))
    assert area > 0.70


def test_half_of_the_values_at_least_are_there(night: Night, built: FeatureSet) -> None:
    features = _features(night, built)
    rare = {name for name in features.column_names if features[name].null_count > len(features) / 2}
    assert rare <= {"wind_gust"}


def test_rates_lie_between_0_and_1_and_counts_are_whole(night: Night, built: FeatureSet) -> None:
    features = _features(night, built)
    for name in features.column_names:
        values = features[name].drop_null().to_numpy() if "rate" in name or "arrivals" in name else np.zeros(1)
        assert (values >= 0).all()
        assert (values <= 1).all() if "rate" in name else (values == values.round()).all()


def test_the_tail_number_is_no_feature(built: FeatureSet) -> None:
    assert not any("tailnum" in feature.name for feature in built.features)
