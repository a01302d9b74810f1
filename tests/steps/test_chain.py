"""The chains: each declared once, and true of the functions that they name."""

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from include.steps import chain as chain_module
from include.steps.chain import BACKTEST, MADE_BY, NIGHT, WATCH, Chain, Step, is_step, step_named

ROOT = Path(__file__).parents[2]
CHAINS = {"night": NIGHT, "watch": WATCH, "backtest": BACKTEST}
STEPS = {step.name: step for chain in CHAINS.values() for step in chain}


@pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))
def test_a_step_names_a_function_that_takes_what_it_declares_in_that_order(step: Step) -> None:
    taken = [*step.takes, *(["shard"] if step.mapped else [])]
    parameters = list(inspect.signature(resolve_name(f"include.steps.{step.does}")).parameters)
    assert parameters == ["platform", "project", "run", *taken, "now"]
    assert step.text.endswith(".")


@pytest.mark.parametrize("chain", CHAINS.values(), ids=list(CHAINS))
def test_a_chain_makes_what_its_steps_take_before_they_take_it(chain: Chain) -> None:
    done: list[str] = []
    for step in chain:
        assert set(step.before) <= set(done), step.name
        done.append(step.name)
    assert len(done) == len(set(done))
    needed = {name for step in chain for name in step.before}
    assert set(done) - needed == {chain.last.name}, "all that is done leads to the last step"


def test_what_a_step_gives_has_one_name_and_one_maker() -> None:
    given = [step.gives for step in STEPS.values() if step.gives]
    assert len(given) == len(set(given)) == len(MADE_BY)


def test_the_ledger_calls_a_mapped_step_by_the_number_of_its_shard() -> None:
    assert step_named("train-12") is step_named("train") is STEPS["train"]
    assert all(map(is_step, ("train-0", "verdict")))
    assert not any(map(is_step, ("begin", "declare", "resume", "gate")))


def test_a_step_is_given_what_it_takes_in_order_and_what_is_lacking_is_made_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[object, ...]] = []

    def function(named: str) -> Callable[..., str]:
        name = named.partition(":")[2]
        return lambda platform, project, run, *given, now: done.append((name, *given)) or f"made by {name}"

    monkeypatch.setattr(chain_module, "resolve_name", function)

    def perform(name: str, **inputs: object) -> str:
        nothing: Any = None
        return STEPS[name].perform(nothing, nothing, nothing, inputs, clock=lambda: datetime.now(UTC))

    assert perform("train", plan="p", shard=3, model="of no use") == "made by train"
    assert perform("evaluate", model="m", plan="p") == "made by evaluate"
    assert perform("evaluate", plan="p") == "made by evaluate"
    assert done == [("train", "p", 3), ("evaluate", "p", "m"), ("refit", "p"), ("evaluate", "p", "made by refit")]


def spelt(tree: ast.AST) -> Iterator[list[str]]:
    """The texts that stand side by side: in a list, as the keys of a mapping, in a call."""
    for node in ast.walk(tree):
        for side_by_side in (getattr(node, name, None) for name in ("elts", "keys", "args")):
            if isinstance(side_by_side, list):
                yield [each.value for each in side_by_side if isinstance(each, ast.Constant)]


def test_no_other_module_spells_three_steps_in_their_order() -> None:
    names = {name: [step.name for step in chain] for name, chain in CHAINS.items()}
    following = {tuple(each[place : place + 3]) for each in names.values() for place in range(len(each) - 2)}
    place = ROOT / "include" / "steps"
    for file in sorted((ROOT / "include").rglob("*.py")):
        if file not in (place / "chain.py", place / "__init__.py"):
            for texts in spelt(ast.parse(file.read_bytes())):
                assert following.isdisjoint(zip(texts, texts[1:], texts[2:], strict=False)), file


@pytest.mark.parametrize("chain", [NIGHT, WATCH], ids=["night", "watch"])
def test_the_steps_are_drawn_in_their_order(chain: Chain) -> None:
    drawn = re.compile("gate" + "".join(rf"\W+{step.name}(\[[^]]*\])?" for step in chain) + r"\b")
    assert drawn.search(chain_module.__doc__ or "")
    pages = (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    assert any(drawn.search(page.read_text()) for page in pages)


def test_the_notebook_does_the_steps_of_a_night_in_their_order() -> None:
    cells = json.loads((ROOT / "notebooks" / "night.ipynb").read_text())["cells"]
    called = re.findall(r"steps\.(\w+)\(", "".join("".join(cell["source"]) for cell in cells))
    assert [name for name in called if is_step(name)] == [step.name for step in NIGHT]
