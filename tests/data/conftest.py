"""The contracts of the demo's production data."""

import os
from pathlib import Path

import pytest

from include.contracts import load_folder
from include.core.records import Contract
from tests.data.places import credentials_file

CONTRACTS = Path(__file__).resolve().parents[2] / "include" / "contracts"


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_folder(CONTRACTS)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return credentials_file(tmp_path_factory.mktemp("reader"), os.environ)
