"""What people wrote stands on the command line as they wrote it."""

import io
from pathlib import Path

import pytest
import yaml
from rich.table import Table

from include.cli import access, contract, demo, explain, lineage, night, scaffold, service, status, watch
from include.cli.console import PlainConsole, bold, line
from include.settings import ROOT
from tests.cli.conftest import Shop

WRITTEN = ["weight [kg]", "[/x]", "[bold]", ":smile:", "a\\[red]", "[link=http://x]y"]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_looks_like_markup_stands_as_it_was_written_in_lines_and_in_tables(text: str) -> None:
    console = PlainConsole()
    console.file = io.StringIO()
    table = Table("column", title=text)
    table.add_row(text)
    for shown in (text, line("a ", bold(text)), table):
        console.file.truncate(0)
        console.print(shown, soft_wrap=True)
        assert text in console.file.getvalue()


def test_no_control_that_somebody_wrote_reaches_the_terminal() -> None:
    console = PlainConsole()
    console.file = io.StringIO()
    table = Table("column")
    table.add_row("x\x1b[2Jy\u202e")
    console.print("x\x1b[2Jy\u202e", bold("x\x1b[2Jy\u202e"), table)
    assert console.file.getvalue().count(r"x\x1b[2Jy\u202e") == 3


def test_all_commands_print_through_that_console() -> None:
    for module in (access, contract, demo, explain, lineage, night, scaffold, service, status, watch):
        assert isinstance(module.console, PlainConsole), module.__name__
    for file in (ROOT / "include" / "cli").glob("*.py"):
        assert file.name == "console.py" or "Console(" not in file.read_text(), file.name


@pytest.mark.parametrize("name", ["Jane Doe", "mallory:admin", "[/x]"])
def test_an_odd_name_in_one_file_stops_nobody_who_works_with_another_dataset(adopted: Shop, name: str) -> None:
    document = yaml.safe_load((adopted.contracts / "orders.odcs.yaml").read_text())
    document["schema"][0]["name"] = "returns"
    document["roles"][0]["firstLevelApprovers"] = name
    file: Path = adopted.contracts / "returns.odcs.yaml"
    file.write_text(yaml.safe_dump(document))
    told = adopted.call("status")
    assert told.returncode == 0, told.stderr
    rule = f"{file}, roles, firstLevelApprovers: a steward is called as they"
    assert f"broken contract returns: expected: {rule}" in told.stdout
    assert repr(name) in " ".join(told.stdout.split())
    listed = adopted.call("access", "list", "--as", "maria")
    assert listed.returncode == 0, listed.stderr
    refused = adopted.call("contract", "adopt", "returns", "--as", name)
    assert (refused.returncode, "a steward is called as they sign in" in refused.stderr) == (1, True)
