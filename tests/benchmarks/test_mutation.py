"""Mutation testing runs outside CI. Held here: a mutant takes its module's place; what is listed is there."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(ROOT / "benchmarks"))
    import mutation

LISTED = [(name, each) for name, listed in yaml.safe_load(mutation.SURVIVORS.read_text()).items() for each in listed]
KINDS = ("equivalent: ", "speed: ", "message: ")

TEXT = """
from dataclasses import dataclass, field
LIMIT = 3

@dataclass(frozen=True)
class Note:
    text: str = field(repr=False)

def below(value, limit=2):
    return [each for each in value if each < limit]

class Box:
    @property
    def size(self):
        return 1 + LIMIT

    @classmethod
    def made(cls):
        return cls().size + 1
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    """A module of ours, and one that imported its constant."""
    file = tmp_path / "boxes.py"
    file.write_text(TEXT)
    names = ("include.boxes", "include.boxes_user")
    made, user = (ModuleType(name) for name in names)
    made.__file__ = str(file)
    exec(compile(TEXT, str(file), "exec"), made.__dict__)  # noqa: S102 -- as an import would
    user.LIMIT = made.LIMIT  # type: ignore[attr-defined]
    sys.modules |= dict(zip(names, (made, user), strict=True))
    yield made
    for name in names:
        del sys.modules[name]


def test_a_mutant_takes_the_place_of_a_module_that_others_have_imported(module: ModuleType) -> None:
    below, box, note = module.below, module.Box, module.Note  # as who imported them has them

    def does() -> tuple[object, ...]:
        imported = sys.modules["include.boxes_user"].LIMIT
        return below([1, 2, 3]), below([1, 2, 3], 3), box().size, box.made(), imported, str(note("words"))

    before = does()
    for old, new, place in (
        ("each < limit", "each <= limit", {0, 1}),
        ("limit=2", "limit=3", {0}),
        ("1 + LIMIT", "2 + LIMIT", {2, 3}),
        (".size + 1", ".size + 2", {3}),
        ("LIMIT = 3", "LIMIT = 4", {2, 3, 4}),
        ("repr=False", "repr=True", {5}),
    ):
        assert TEXT.count(old) == 1
        mutation.put_in_place(module.__name__, TEXT.replace(old, new))
        assert {number for number, (one, other) in enumerate(zip(before, does(), strict=True)) if one != other} == place
        mutation.put_in_place(module.__name__, TEXT)
        assert does() == before


@pytest.mark.parametrize("name", mutation.LAWS)
def test_each_law_has_its_module_and_its_tests(name: str) -> None:
    module, tests = mutation.LAWS[name]
    assert (ROOT / module).exists()
    assert tests
    assert all((ROOT / each).exists() for each in tests)


@pytest.mark.parametrize(("name", "mutant"), LISTED, ids=lambda each: each if isinstance(each, str) else "")
def test_a_listed_survivor_is_a_change_of_what_its_function_says_today_and_has_a_reason(
    name: str, mutant: dict[str, object]
) -> None:
    text = (ROOT / mutation.LAWS[name][0]).read_text()
    functions = {each: node for node, each in mutation.named_functions(ast.parse(text))}
    lines = text.splitlines()
    if mutant["function"]:
        node = functions[str(mutant["function"])]
        lines = lines[node.lineno - 1 : node.end_lineno]
    assert str(mutant["before"]) in " ".join(line.strip() for line in lines), "try this module's mutants again"
    assert mutant["after"]
    assert str(mutant["reason"]).startswith(KINDS)
