"""The benchmarks are outside CI; that they begin at all is not."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
OURS = ("include", "tests")


def imported(script: Path) -> Iterator[tuple[int, str, str]]:
    """The line, module and name of each import of ours that *script* makes as it begins."""
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield from ((node.lineno, node.module, each.name) for each in node.names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_benchmark_imports_what_is_there(script: Path) -> None:
    for _, module, name in imported(script):
        found = importlib.import_module(module)
        assert hasattr(found, name) or importlib.import_module(f"{module}.{name}"), f"{module}.{name}"


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if "__main__" in each.read_text()], ids=lambda script: script.stem
)
def test_a_script_finds_the_checkout_before_it_imports_from_it(script: Path) -> None:
    lines = enumerate(script.read_text().splitlines(), 1)
    found = next((number for number, line in lines if line.startswith(("sys.path.insert", "from night import"))), None)
    first = min((line for line, _, _ in imported(script)), default=None)
    assert first is None or (found is not None and found < first)
