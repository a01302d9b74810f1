"""What a project went back from does not come again with the next night."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from include.core.canonical import record_digest
from include.core.records import Days
from include.ledger import Ledger
from tests.registry.models import evaluation
from tests.registry.test_champions import NOW, Registry
from tests.registry.test_going_back import LATER, back, stewarded
from tests.training.flights import Folder

AFTER = Days(first=LATER.date() + timedelta(days=1), last=LATER.date() + timedelta(days=21))
ACROSS = Days(first=LATER.date() - timedelta(days=1), last=AFTER.last)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """The project went back from version 2 to version 1."""
    made = stewarded(Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path)))
    made.authority.begin()
    made.night()
    made.night(loss=0.49, champion=1)
    back(made, 1, 2)
    return made


def night(
    registry: Registry, days: Days, *, upper: float, code: str = "c", instant_days: int = 30, champion: int | None = 1
) -> bool:
    """Whether the model of a night of the recipe *code* is promoted, evaluated on *days*."""
    registry.nights += 1
    registry.instant, registry.code = NOW + timedelta(days=instant_days), code
    made = replace(evaluation(registry.vault, champion=champion), holdout=days, trial_id=f"sha256:{registry.nights}")
    if made.difference is not None:
        made = replace(made, compared=days, difference=replace(made.difference, upper=upper))
    made = replace(made, recipe=registry.recipe)
    run_id = registry.recorded(f"night-{registry.nights}", made)
    event = registry.register(run_id, record_digest(made), promote=True)
    registry.authority.decide()
    return registry.in_force() == event.model_version


def test_the_same_recipe_comes_back_only_where_it_beats_the_restored_champion_on_days_after(registry: Registry) -> None:
    assert not night(registry, ACROSS, upper=-0.001), "the days of the fault are among them"
    assert not night(registry, AFTER, upper=0.001), "as good would do, had nobody gone back"
    assert night(registry, AFTER, upper=-0.001)
    assert night(registry, AFTER, upper=0.001, champion=5), "once it is promoted the rollback stands no more"


def test_another_recipe_is_decided_about_by_the_gates_alone(registry: Registry) -> None:
    assert night(registry, ACROSS, upper=0.001, code="another")


def test_a_recipe_is_what_evaluations_say_it_is_where_they_do(registry: Registry) -> None:
    back(registry, None, 1)
    registry.recipe = "sha256:r"
    assert night(registry, AFTER, upper=0.0, champion=None)
    back(registry, None, 3, instant=registry.instant)
    assert not night(registry, ACROSS, upper=0.0, champion=None, code="another")
    registry.recipe = "sha256:s"
    assert night(registry, ACROSS, upper=0.0, champion=None)


def test_a_night_of_before_the_rollback_is_not_promoted_over_it(registry: Registry) -> None:
    assert not night(registry, AFTER, upper=-0.001, code="another", instant_days=10)


def test_the_recipe_of_a_retired_champion_is_evaluated_on_days_after(registry: Registry) -> None:
    back(registry, None, 1)
    assert not night(registry, ACROSS, upper=0.0, champion=None)
    assert night(registry, AFTER, upper=0.0, champion=None)


def test_each_of_several_recipes_that_were_left_is_remembered(registry: Registry) -> None:
    assert night(registry, AFTER, upper=0.001, code="x")
    assert night(registry, AFTER, upper=0.001, code="y", champion=3)
    later = LATER + timedelta(days=15)
    back(registry, 3, 4, instant=later)
    back(registry, 1, 3, instant=later)
    for code in ("x", "y"):
        assert not night(registry, AFTER, upper=-0.001, code=code, instant_days=40)
    assert night(registry, AFTER, upper=-0.001, code="z", instant_days=40)
