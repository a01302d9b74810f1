from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from include.core.project import Window
from include.core.records import Contract, FeatureSet
from include.projects.temperature_tomorrow import PROJECT
from include.store import Store
from tests.data.nights import Night, freeze

INSTANT = datetime(2013, 5, 18, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, contracts, Store(str(folder / "vault")))


@pytest.fixture(scope="module")
def built(night: Night, production: Path) -> FeatureSet:
    project = PROJECT.varied(window=Window(days=20, validation_days=2, holdout_days=4))
    return night.build(project, freeze(project, night.contracts, production, night.store, INSTANT))


def _table(night: Night, built: FeatureSet, name: str) -> pa.Table:
    return pa.concat_tables([night.table(partition) for partition in built.of(name)])


def test_only_weather_and_airports_are_read(contracts: dict[str, Contract]) -> None:
    from include.declared import scope_of

    assert [dataset.dataset for dataset in scope_of(PROJECT, contracts).datasets] == ["airports", "weather"]


def test_an_hour_is_predicted_from_what_was_observed_24_hours_before(night: Night, built: FeatureSet) -> None:
    label, seen = _table(night, built, "label"), _table(night, built, "observations")
    asked = dict(
        zip(
            zip(label["origin"].to_pylist(), label["observed_at"].to_pylist(), strict=True),
            label["label"].to_pylist(),
            strict=True,
        )
    )
    for origin, hour, at, temperature in zip(
        label["origin"].to_pylist(),
        label["observed_at"].to_pylist(),
        label["predicted_at"].to_pylist(),
        seen["temperature_24_hours"].to_pylist(),
        strict=True,
    ):
        assert at == hour - timedelta(hours=24)
        if (origin, at) in asked and asked[origin, at] is not None:
            assert temperature == pytest.approx(asked[origin, at], rel=1e-6)


def test_the_season_lies_on_a_circle_and_the_airport_on_the_map(night: Night, built: FeatureSet) -> None:
    table = _table(night, built, "calendar")
    for name in ("hour", "season"):
        sine, cosine = table[f"{name}_sine"].to_numpy(), table[f"{name}_cosine"].to_numpy()
        assert np.allclose(sine**2 + cosine**2, 1, atol=1e-5)
    assert set(table["latitude"].to_numpy().round()) == {41.0}
