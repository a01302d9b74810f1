"""The demo's production data, landed once for all tests of this room."""

from pathlib import Path

import pytest

from include.contracts import load_folder
from include.core.records import Contract
from include.data.landing import land_flights

CONTRACTS = Path(__file__).resolve().parents[2] / "include" / "contracts"


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("production")
    land_flights(folder)
    return folder


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_folder(CONTRACTS)
