"""Declared projects in a folder of their own, and DAG files parsed in a process with an empty environment."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

PROJECT = """
from include.core.project import *

def rows(flights):
    return flights.select("flight", predicted_at=flights.scheduled_departure)

def label(flights):
    return flights.select("flight", label=flights.arrival_delay)

PROJECT = Project(
    name="{name}",
    purpose="Shows what a folder with a declaration becomes",
    owner="team-{name}",
    target=Target(dataset="flights", key=("flight",), population=rows, label=label, objective=Objective.REGRESSION),
    features=(FeatureGroup(name="schedule", build=rows),),
    search=Search(space={{"num_leaves": IntRange(low=7, high=63)}}, shards=3),
    gates=Gates(margin=1.0, floor_loss=99.0),
    operations=Operations(schedule="15 3 * * *"),
)
"""

Parse = Callable[..., dict[str, Any]]


def declare(folder: Path, name: str, text: str = PROJECT) -> None:
    """Add the project *name* to *folder*."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text.format(name=name))


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Parses ``file``: ``only`` is the DAG that is asked for, ``projects`` a folder other than the house's.

    What else is given are settings.
    """

    def parse(only: str = "", projects: Path | None = None, file: str = "train.py", **settings: str) -> dict[str, Any]:
        environment = {"AIRFLOW_HOME": str(tmp_path / "airflow"), **settings}
        if projects is not None:
            environment["TRAINYARD_PROJECTS"] = str(projects)
        done = subprocess.run(
            [sys.executable, "-m", "tests.dags.parsed", only, file],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return parse
