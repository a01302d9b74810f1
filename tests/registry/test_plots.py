"""The plots of a version: drawn from what the ledger records, shown in MLflow once however often they are drawn."""

import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from mlflow import MlflowClient

from include.core.events import FitRecorded, ImportanceRecorded
from include.core.project import Objective
from include.core.records import Days, Fit
from include.ledger import Ledger
from include.monitoring.fit import fit_of
from include.registry.plots import plots_of
from include.registry.versions import Versions
from include.runtime.upkeep.plots import draw_new
from tests.registry.models import PROJECT, evaluation, night, promotion
from tests.training.flights import Folder

DAYS = Days(first=date(2013, 5, 1), last=date(2013, 5, 21))
IMPORTANCE = {"hour": 0.75, "dest": 0.25}
_SVG = "{http://www.w3.org/2000/svg}"


def fit(objective: Objective = Objective.BINARY, rows: int = 2000) -> Fit:
    random = np.random.default_rng(7)
    score = random.random(rows)
    label = (random.random(rows) < score).astype(float)
    return fit_of(objective, DAYS, label=label, score=score)


@pytest.mark.parametrize(
    ("drawn_from", "names"),
    [
        (fit(), {"calibration.svg", "importance.svg", "roc.svg"}),
        (fit(Objective.REGRESSION), {"calibration.svg", "importance.svg", "residuals.svg"}),
        (fit(rows=19), {"importance.svg"}),
        (None, {"importance.svg"}),
    ],
)
def test_a_version_has_the_plots_of_its_kind_and_none_of_few_rows(drawn_from: Fit | None, names: set[str]) -> None:
    plots = plots_of("flight_delay, version 3", drawn_from, IMPORTANCE)
    assert set(plots) == names
    for drawn in plots.values():
        title = ElementTree.fromstring(drawn).find(f"{_SVG}title")  # noqa: S314  # our own drawing
        assert title is not None
        assert "flight_delay, version 3" in str(title.text)
    assert plots == plots_of("flight_delay, version 3", drawn_from, dict(reversed(IMPORTANCE.items())))


def test_the_roc_curve_rises_from_nothing_to_all_above_that_of_chance() -> None:
    drawn = plots_of("p", fit(), IMPORTANCE)["roc.svg"]
    _, curve = re.findall(r'points="([^"]+)"', drawn)
    points = [tuple(map(float, point.split(","))) for point in curve.split()]
    assert (points[0], points[-1]) == ((60.0, 360.0), (380.0, 40.0))
    assert points == sorted(points, key=lambda point: (point[0], -point[1]))
    assert all(360 - y >= x - 60 - 0.2 for x, y in points)


@pytest.mark.parametrize("constant", [-4.0, 0.0, 0.3, 1.0, 2.0, 1e9])
@pytest.mark.parametrize("missed", [0.0, 1e-16, 1.0])
def test_a_model_that_predicts_one_number_for_all_rows_is_drawn(constant: float, missed: float) -> None:
    score, label = np.full(50, constant), np.full(50, constant + missed)
    drawn = plots_of("p", fit_of(Objective.REGRESSION, DAYS, label=label, score=score), IMPORTANCE)
    assert set(drawn) == {"calibration.svg", "importance.svg", "residuals.svg"}
    for each in drawn.values():
        assert "nan" not in each
        assert len(each) < 10_000


def test_a_name_is_drawn_as_it_is_written_and_not_as_markup() -> None:
    drawn = plots_of("<b>p</b>", None, {"<script>alert(1)</script>": 1.0})["importance.svg"]
    assert "<b>" not in drawn
    assert "<script>" not in drawn


@pytest.fixture
def registry(registries: Callable[[], Versions], tmp_path: Path) -> Versions:
    """With one shown version."""
    made = registries()
    made.register(
        project=PROJECT,
        promotion=promotion(1),
        evaluation=evaluation(Folder(tmp_path), seed=1),
        night=lambda: night(1),
        champion=1,
        opened=None,
    )
    return made


@pytest.fixture
def platform(registry: Versions, tmp_path: Path) -> Any:
    """Of a ledger in which the version's fit and importance are recorded."""
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    said = {"project": PROJECT.name, "run_id": "night", "model_version": 1, "evaluation": promotion(1).evaluation}
    key = f"{PROJECT.name}/{promotion(1).evaluation}"
    ledger.record("holdout/p", FitRecorded(**said, fit=fit()), key=f"fit/{key}")
    ledger.record("drift/p", ImportanceRecorded(**said, importance=IMPORTANCE), key=f"importance/{key}")
    return SimpleNamespace(ledger=ledger, versions=registry)


def shown(registry: Versions) -> dict[str, str]:
    """The plots of the champion as MLflow hands them out."""
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    run_id = str(client.get_model_version_by_alias(PROJECT.name, "champion").run_id)
    folder = Path(client.download_artifacts(run_id, "plots"))
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_plots_of_a_new_version_are_drawn_once_and_load_from_mlflow(platform: Any) -> None:
    assert [draw_new(platform) for _ in range(2)] == [1, 0]
    assert shown(platform.versions) == dict(plots_of("flight_delay, version 1", fit(), IMPORTANCE))


def test_a_drawing_that_is_killed_is_drawn_again_and_comes_to_the_same_files(
    platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, drawn = MlflowClient.log_text, []

    def dies_at_the_second(self: MlflowClient, *given: Any) -> None:
        drawn.append(given)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_text", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            draw_new(platform)
    assert draw_new(platform) == 1
    assert shown(platform.versions) == dict(plots_of("flight_delay, version 1", fit(), IMPORTANCE))


def test_a_version_that_mlflow_does_not_show_is_passed_over(platform: Any, registries: Callable[[], Versions]) -> None:
    elsewhere = SimpleNamespace(ledger=platform.ledger, versions=registries())
    assert [draw_new(elsewhere) for _ in range(2)] == [0, 0]


def test_a_version_whose_files_lie_where_nobody_writes_holds_up_no_other(platform: Any, registry: Versions) -> None:
    folder = registry.artifacts / PROJECT.name
    shutil.rmtree(folder)
    folder.write_text("no folder any more")
    assert draw_new(platform) == 0
    folder.unlink()
    assert draw_new(platform) == 0, "passed over"
