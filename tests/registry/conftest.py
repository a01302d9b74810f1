import os
from collections.abc import Callable

import pytest

# MLflow reads it when it is imported, as in every process of ours: the environment that starts it says so.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient

from include.registry.versions import Versions


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Versions]:
    """A database with MLflow's schema, copied for each registry: making the schema takes seconds."""
    template = tmp_path_factory.mktemp("registry")
    MlflowClient(tracking_uri=f"sqlite:///{template}/mlflow.db").search_registered_models()

    def new() -> Versions:
        folder = tmp_path_factory.mktemp("registry")
        (folder / "mlflow.db").write_bytes((template / "mlflow.db").read_bytes())
        return Versions(uri=f"sqlite:///{folder}/mlflow.db", artifacts=folder / "models")

    return new
