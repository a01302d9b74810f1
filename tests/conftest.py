"""What all rooms' tests share: a real PostgreSQL server and a real object store, used only if a test asks for them.

A test that needs PostgreSQL takes the fixture ``postgres_url`` and is marked ``postgres`` by that; one that needs an
object store takes ``s3_url``, or ``own_s3`` to kill it, and is marked ``s3``.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import buckets, object_server, postgres_server

# A property is about what holds, not about how fast a shared machine shows it.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if getattr(config.option, "loadgroup", False):  # in one of several processes: the longest groups come first
        items.sort(key=lambda item: _rank(group_of(item.nodeid)))
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
        if {"s3_url", "own_s3"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.s3)


#: Rooms whose slow tests share one running system, an Airflow or a cluster, and so one process.
SHARED = {"runtime": "airflow", "runtime_pods": "kubernetes", "docker": "kubernetes"}
_FIRST = ("kubernetes", "airflow")


def group_of(nodeid: str) -> str:
    """What of ``--dist loadgroup`` runs in one process, one after the other: the tests of a file or of such rooms."""
    file = nodeid.split("::")[0]
    return SHARED.get(file.split("/")[1], file)


def _rank(group: str) -> int:
    return _FIRST.index(group) if group in _FIRST else len(_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Groups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's production data, landed once for all rooms and all processes of a run; nobody alters it."""
    from include.demo.flights import land_flights

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own in that of the run
    land_flights(folder / "production")  # once, whoever comes first
    return folder / "production"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of the tests' own, whose account may create databases.

    ``TRAINYARD_TEST_POSTGRES`` names a server to use; otherwise one is started on a Unix socket in a temporary folder.
    Where none is installed the test is skipped, but in CI it fails.
    """
    given = os.environ.get("TRAINYARD_TEST_POSTGRES")
    if given:
        yield given
        return
    if postgres_server.programs() is None:
        reason = (
            "PostgreSQL is not installed: neither in PATH nor under /usr/lib/postgresql (apt-get install postgresql)"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with postgres_server.started() as url:
        yield url


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """The URL of a bucket of the tests' own in the object store that ``AWS_ENDPOINT_URL`` and ``AWS_…`` name.

    Where none is named the test is skipped, but in CI it fails.
    """
    if not os.environ.get("AWS_ENDPOINT_URL"):
        reason = "no object store: AWS_ENDPOINT_URL and credentials (AWS_ACCESS_KEY_ID, …) name one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with buckets.temporary() as url:
        yield url


@pytest.fixture
def s3_url(s3_bucket: str) -> str:
    """A place of this test's own in that bucket."""
    return f"{s3_bucket}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def object_server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return object_server.program(tmp_path_factory.mktemp("object-server"))


@pytest.fixture
def own_s3(
    object_server_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[object_server.ObjectServer]:
    """An object store of this test's own, started, that the environment names meanwhile."""
    from s3fs import S3FileSystem

    folder = tmp_path / "object-server"
    folder.mkdir()
    server = object_server.ObjectServer(object_server_program, folder)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # they keep the endpoint that they were made with
    server.start()
    try:
        yield server
    finally:
        server.kill()
        S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try: these tests are about what is said, not about how long it is tried."""
    from include.store.s3 import OPTIONS

    config = OPTIONS["config_kwargs"]
    monkeypatch.setitem(config, "retries", {"mode": "standard", "max_attempts": 1})
