"""Each recipe of docs/recipes.md builds features of real flights, and passes the probe that every night does."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from include.contracts import load_folder
from include.core.project import FeatureGroup
from include.projects import flight_delay
from include.settings import ROOT
from include.store import Store
from tests.data.nights import WINDOW, Night, freeze

FIRST, *RECIPES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "recipes.md").read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("recipes")
    return Night(folder, load_folder(ROOT / "include" / "contracts"), Store(str(folder / "vault")))


def group_of(recipe: str) -> FeatureGroup:
    """The group that the last expression of *recipe* declares."""
    names: dict[str, object] = {}
    code, _, declared = f"{FIRST}\n{recipe}".rpartition("\n\n\n")
    exec(code, names)  # noqa: S102  # our own page
    group = eval(declared, names)  # noqa: S307  # likewise
    assert isinstance(group, FeatureGroup)
    return group


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.split("(")[0].removeprefix("def ") for recipe in RECIPES])
def test_a_recipe_builds_features_that_know_only_the_past(recipe: str, night: Night, production: Path) -> None:
    project = replace(flight_delay.PROJECT, window=WINDOW, features=(group_of(recipe),))
    built = night.build(project, freeze(project, night.contracts, production, night.store))
    assert built.features


def test_there_are_recipes_of_a_join_a_lag_a_rolling_window_and_an_as_of() -> None:
    assert len(RECIPES) == 4
