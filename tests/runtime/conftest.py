"""One running Airflow for all tests that need one, on real flights, and somebody who listens to its alerts."""

import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from include.runtime import deployment
from include.runtime.embedded import process
from include.runtime.embedded.client import Client
from include.runtime.embedded.process import RunningAirflow
from include.settings import ROOT, Settings
from tests.runtime.drifting import House, in_airflow
from tests.runtime.nights import INSTANT, NIGHT_SECONDS, approve, declare, reaches, until
from tests.runtime.starter import settings_of

# Where the tests themselves import Airflow, it makes its home: not in the home of who runs the tests.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="trainyard-airflow-"))


@dataclass(frozen=True)
class Listener:
    """Takes alerts as JSON over HTTP."""

    address: str
    heard: list[dict[str, Any]]

    def titles(self) -> list[str]:
        return [alert["title"] for alert in self.heard]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings_in(folder: Path, production: Path) -> Settings:
    """A deployment of its own in *folder*, prepared, with no project yet.

    Its package of projects has a name that no other has: a process imports a name from one place only.
    """
    projects = folder / f"projects_{secrets.token_hex(4)}"
    projects.mkdir(parents=True)
    (projects / "__init__.py").touch()
    settings = settings_of(folder / "home", projects, production)
    deployment.prepare(settings)
    return settings


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class looks for this name
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Listener(address=f"json://127.0.0.1:{server.server_port}", heard=heard)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="package")  # it ends before this process goes on with other tests, beside which it would compute
def airflow(tmp_path_factory: pytest.TempPathFactory, production: Path, listener: Listener) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    alerts = folder / "alerts.txt"
    alerts.write_text(f"# where ops listen\n{listener.address}\n")
    contracts, own = folder / "contracts", folder / "production"  # a test may add to them
    contracts.mkdir()
    for file in (ROOT / "include" / "contracts").glob("*.odcs.yaml"):
        shutil.copy(file, contracts)
    shutil.copytree(production, own, copy_function=os.link)
    settings = replace(settings_in(folder, own), contracts=contracts, alerts_file=alerts)
    with process.running(settings, port=free_port()) as running:
        yield running


@pytest.fixture(scope="package")
def dana(airflow: RunningAirflow) -> Iterator[Client]:
    with airflow.client("dana") as client:
        yield client


@pytest.fixture(scope="package")
def steward(airflow: RunningAirflow) -> Iterator[Client]:
    with airflow.client("steward") as client:
        yield client


@pytest.fixture(scope="package")
def night(airflow: RunningAirflow, dana: Client, steward: Client) -> tuple[str, str]:
    """The first night of the project `punctual`: it waits at its gate until the steward approves, and succeeds."""
    dag_id = declare(airflow.settings.projects, "punctual")
    until(lambda: dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
    run_id = dana.trigger(dag_id, instant=INSTANT)
    reaches(dana, dag_id, run_id, "gate", "deferred")
    assert approve(steward, "punctual") == 1
    assert dana.wait(dag_id, run_id, timeout_seconds=NIGHT_SECONDS) == "success"
    return dag_id, run_id


@pytest.fixture(scope="package")
def house(airflow: RunningAirflow, dana: Client, steward: Client) -> House:
    """A project whose every verdict asks for a retraining, with a first champion."""
    return in_airflow(airflow, dana, steward)
