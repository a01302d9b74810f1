"""The contracts of the house."""

from pathlib import Path

import pytest

from include.contracts import load_folder
from include.core.records import Contract

CONTRACTS = Path(__file__).resolve().parents[2] / "include" / "contracts"


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_folder(CONTRACTS)
