from pathlib import Path

import pytest

from include.core.project import Objective, Window
from include.core.records import FeatureSet
from tests.training.flights import Folder, feature_set

WINDOW = Window(days=24, validation_days=4, holdout_days=6)


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(Path(tmp_path_factory.mktemp("vault")))


@pytest.fixture(scope="session")
def features(vault: Folder) -> FeatureSet:
    """Every fourth flight of 24 days in April, a binary label."""
    return feature_set(vault, window=WINDOW, every=4)


@pytest.fixture(scope="session")
def delays(vault: Folder) -> FeatureSet:
    """The same rows with the delay in minutes as label."""
    return feature_set(vault, window=WINDOW, every=4, objective=Objective.REGRESSION)
