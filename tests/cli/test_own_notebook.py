"""The notebook with data and contracts of one's own, about which somebody else decides."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from include.settings import ROOT
from tests.cli.conftest import Shop, orders

pytestmark = [pytest.mark.night, pytest.mark.long]


def test_it_stops_at_the_gate_with_who_decides_and_goes_on_from_there_once_they_have(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str) -> str:
        done = shop.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shop.write(orders(40, rows_a_day=24))
    words = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")
    said("contract", "new", "orders", str(shop.orders), *words)
    shop.names_nobody()
    said("setup", "--no-flights")
    words = ("--owner", "shops", "--purpose", "Tell shops which orders will come back.")
    said("new", "returns", "--dataset", "orders", "--label", "returned", *words)

    notebook = nbformat.read(ROOT / "notebooks" / "night.ipynb", as_version=4)
    named = notebook.cells[1]
    named.source = named.source.replace('"flight_delay"', '"returns"').replace("2013, 6, 1, 4", "2024, 6, 10, 4")
    for name, value in shop.environment().items():
        monkeypatch.setenv(name, value)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}})
    gate = next(place for place, cell in enumerate(notebook.cells) if "notebook.gate(" in cell.source)
    with client.setup_kernel():
        for place in range(gate):
            client.execute_cell(notebook.cells[place], place)
        with pytest.raises(CellExecutionError, match="AccessDenied"):
            client.execute_cell(notebook.cells[gate], gate)
        (told,) = (each.text for each in notebook.cells[gate].outputs if each.get("name") == "stdout")
        assert told.startswith("orders waits for maria: ")
        commands = re.findall(r"`./trainyard ([^`]+)`", told)
        assert [words.split()[:2] for words in commands] == [["contract", "adopt"], ["access", "approve"]]
        for command in commands:
            said(*command.split())
        for place in range(gate, len(notebook.cells)):
            client.execute_cell(notebook.cells[place], place)
    listed = said("runs")
    assert re.search(r"returns: night as of 2024-06-10 04:00Z.*; version 1", listed)
    assert re.search(r"features__.*returns: features", listed)
