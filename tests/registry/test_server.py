"""A tracking server on another machine: it keeps the files itself, and whoever asks it can load them."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pytest

from include.registry.versions import Versions
from tests.registry.models import PROJECT, evaluation, night, promotion
from tests.training.flights import Folder

pytestmark = pytest.mark.long


@pytest.fixture
def server(registries: Callable[[], Versions], tmp_path: Path) -> Iterator[str]:
    """A real server with a database and a folder of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "server.log"
    options = ["--backend-store-uri", registries().uri, "--artifacts-destination", str(tmp_path / "of the server")]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--port", str(port), "--workers", "1"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 150
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", timeout=1).is_success:
                    break
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def test_a_remote_server_gets_what_a_night_shows_and_another_machine_loads_it(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an earlier release made the experiment with a folder of the worker's, too."""
    of_the_worker = tmp_path / "worker" / "mlflow"
    (tmp_path / "vault").mkdir()
    registry, vault = Versions(uri=server, artifacts=of_the_worker), Folder(tmp_path / "vault")
    client = mlflow.MlflowClient(tracking_uri=server, registry_uri=server)
    earlier = client.create_experiment(PROJECT.name, artifact_location=(of_the_worker / PROJECT.name).as_uri())
    client.create_run(earlier)
    for _ in range(2):
        registry.register(
            project=PROJECT,
            promotion=promotion(1),
            evaluation=evaluation(vault, seed=1),
            night=lambda: night(1),
            champion=1,
            opened=vault,
        )
    assert not of_the_worker.parent.exists()
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    mlflow.set_tracking_uri(server)
    mlflow.set_registry_uri(server)
    model = mlflow.lightgbm.load_model(f"models:/{PROJECT.name}@champion")
    rows = np.array([[20, 2], [3, 0]], dtype=np.float32)
    assert model.predict(rows).shape == (2,)
    version = client.get_model_version_by_alias(PROJECT.name, "champion")
    run = client.get_run(version.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert len(client.search_runs([run.info.experiment_id])) == 1 + len(night(1).trials)

    assert client.get_experiment(earlier).name == f"{PROJECT.name} (files on a worker, {earlier})"
    assert len(client.search_runs([earlier])) == 1, "what an earlier release showed there stays"

    client.delete_registered_model(PROJECT.name)
    assert registry.put_back(PROJECT.name, 1) is not None
    assert client.get_model_version_by_alias(PROJECT.name, "champion").run_id == run.info.run_id
