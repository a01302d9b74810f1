"""The notebook runs as it is, from its first cell to its last, and is kept without what it printed."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from include.settings import ROOT
from tests.docs.conftest import Clone

NOTEBOOK = Path("notebooks") / "night.ipynb"


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(ROOT / NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.night
@pytest.mark.long
def test_it_does_by_hand_what_a_night_does(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRAINYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(clone.folder))
    notebook = nbformat.read(clone.folder / NOTEBOOK, as_version=4)
    folder = str((clone.folder / NOTEBOOK).parent)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
