from pathlib import Path

import pytest

from include.contracts import load_folder
from include.core.records import Contract
from include.settings import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the partitions of a module's snapshots lie."""
    return tmp_path_factory.mktemp("partitions")


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    """The contracts of the demo."""
    return dict(load_folder(ROOT / "include" / "contracts"))
