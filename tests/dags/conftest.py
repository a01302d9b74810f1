"""Declared projects in a folder of their own, and DAG files parsed in a process with an empty environment."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forked import Forking

PROJECT = """
from include.core.project import *

def rows(flights):
    return flights.select("flight", predicted_at=flights.scheduled_departure)

def label(flights):
    return flights.select("flight", label=flights.arrival_delay)

PROJECT = Project(
    name="{name}",
    ownership=Ownership(
        owner="team-{name}",
        purpose="Shows what a folder with a declaration becomes",
    ),
    learning=Learning(
        target=Target(dataset="flights", key=("flight",), population=rows, label=label, objective=Objective.REGRESSION),
        features=(FeatureGroup(name="schedule", build=rows),),
        search=Search(space={{"num_leaves": IntRange(low=7, high=63)}}, shards=3),
    ),
    quality=Quality(
        gates=Gates(margin=1.0, floor_loss=99.0),
    ),
    operations=Operations(schedule="15 3 * * *", timezone="Europe/Berlin"),
)
"""

Parse = Callable[..., dict[str, Any]]


def declare(folder: Path, name: str, text: str = PROJECT) -> None:
    """Add the project *name* to *folder*."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text.format(name=name))


@pytest.fixture(scope="session")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forking]:
    """Starts processes with an empty environment that have imported what every DAG file imports of Airflow."""
    home = tmp_path_factory.mktemp("airflow")
    started = Forking.of(["airflow.sdk"], {"AIRFLOW_HOME": str(home)})
    yield started
    started.end()


@pytest.fixture
def parse(forking: Forking) -> Parse:
    """Parses ``file``: ``only`` is the DAG that is asked for, ``projects`` a folder other than the house's.

    What else is given are settings.
    """

    def parse(only: str = "", projects: Path | None = None, file: str = "train.py", **settings: str) -> dict[str, Any]:
        environment = dict(settings)
        if projects is not None:
            environment["TRAINYARD_PROJECTS"] = str(projects)
        done = forking.run("tests.dags.parsed", only, file, environment=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return parse
