"""The chains: each declared once, and true of the functions that they name."""

import inspect
from pkgutil import resolve_name

import pytest

from include.steps.chain import BACKTEST, MADE_BY, NIGHT, WATCH, Chain, Step, is_step, step_named

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
