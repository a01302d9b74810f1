"""Each recipe of docs/recipes.md builds features of real flights, and passes the probe that every night does."""

import re
from datetime import timedelta
from pathlib import Path

import ibis
import pandas as pd
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
    project = flight_delay.PROJECT.varied(window=WINDOW, features=(group_of(recipe),))
    built = night.build(project, freeze(project, night.contracts, production, night.store))
    assert built.features


def test_the_lag_takes_what_was_recorded_of_the_day_before_by_the_time_of_the_prediction_and_no_later() -> None:
    departure, predicted_at = pd.Timestamp("2013-06-20 07:00"), pd.Timestamp("2013-06-20 06:00")
    recorded = {"in time": predicted_at, "late": predicted_at + timedelta(seconds=1)}
    flights = [
        {
            "carrier": carrier,
            "flight": 1,
            "origin": "JFK",
            "scheduled_departure": departure - timedelta(days=days),
            "outcome_recorded_at": at,
            "arrival_delay": 10.0 * days,
        }
        for carrier, at in recorded.items()
        for days in (1, 2)
    ]
    asked = [
        {
            "carrier": carrier,
            "flight": 1,
            "origin": "JFK",
            "scheduled_departure": departure,
            "predicted_at": predicted_at,
        }
        for carrier in recorded
    ]
    (lag,) = (group_of(recipe).build for recipe in RECIPES if "def yesterday(" in recipe)
    found = lag(ibis.memtable(pd.DataFrame(asked)), ibis.memtable(pd.DataFrame(flights))).execute()
    assert dict(zip(found.carrier, found.delay_yesterday.fillna(-1), strict=True)) == {"in time": 10.0, "late": -1}


def test_there_are_recipes_of_a_join_a_lag_a_rolling_window_and_an_as_of() -> None:
    assert len(RECIPES) == 4
