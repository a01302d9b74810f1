"""Small projects that a test declares, and what a test does to their nights."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.runtime.embedded.client import Client, TaskState

#: With a full window before it in the demo's data.
INSTANT = datetime(2013, 3, 1, 4, tzinfo=UTC)

#: How long a night of a test's project may take on a busy machine.
NIGHT_SECONDS = 240

PROJECT = """
import os
import time
from pathlib import Path

from include.core.project import *

KEY = ("carrier", "flight", "origin", "scheduled_departure")

# A test holds a task back with a file of this name, so that it finds it running; beside the folder, which is all code.
task = os.environ.get("_AIRFLOW_PARSING_CONTEXT_TASK_ID")
while task and Path(__file__).parent.with_name(f"hold-{name}-{{task}}").exists():
    time.sleep(0.05)


def rows(flights):
    import ibis

    return flights.select(*KEY, predicted_at=flights.scheduled_departure - ibis.interval(hours=1))


def late(flights):
    return flights.select(*KEY, label=(flights.arrival_delay >= 15).cast("int8"))


def schedule(flights):
    return flights.select(*KEY, hour_of_day=flights.hour, miles=flights.distance)


PROJECT = Project(
    name="{name}",
    ownership=Ownership(
        owner="team-{name}",
        purpose="Shows that a night runs",
    ),
    learning=Learning(
        target=Target(dataset="flights", key=KEY, population=rows, label=late, objective=Objective.BINARY),
        features=(FeatureGroup(name="schedule", build=schedule),),
        window=Window(days=6, validation_days=1, holdout_days=2),
        search=Search(
            space={{"num_leaves": IntRange(low=7, high=15)}},
            fixed={{"learning_rate": 0.2}},
            trials=2,
            shards=2,
            rungs=(5,),
        ),
    ),
    quality=Quality(
        gates=Gates(margin=1.0, floor_loss=5.0, floor_auc=0.0, minimum_days=1, skill=None),
    ),
    operations=Operations(schedule="0 4 1 1 *", {operations}),
)
"""


def declare(folder: Path, name: str, *, operations: str = "", text: str = PROJECT, copies: Path | None = None) -> str:
    """Add the project *name*, with one that it *copies* as its module `original`; returns the id of its DAG."""
    draft = folder / f"_{name}"  # not a project yet: what is half-written is never parsed
    draft.mkdir(parents=True)
    for file in copies.glob("*.py") if copies else ():
        (draft / "original").mkdir(exist_ok=True)
        code = file.read_text().replace(f"from include.projects.{file.parent.name} import", "from . import")
        (draft / "original" / file.name).write_text(
            code.replace(f"from include.projects.{file.parent.name}.", "from .")
        )
    (draft / "__init__.py").write_text(text.format(name=name, operations=operations))
    draft.rename(folder / name)
    return f"train_{name}"


def hold(folder: Path, name: str, task: str) -> Path:
    """The file that holds the project's task back as long as it is there."""
    return folder / f"hold-{name}-{task}"


def until(holds: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """What *holds* returned once it was true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found


def task(client: Client, dag_id: str, run_id: str, task_id: str) -> TaskState:
    """The state of the run's task (of its first mapped one)."""
    return next(one for one in client.tasks(dag_id, run_id) if one.task_id == task_id)


def reaches(client: Client, dag_id: str, run_id: str, task_id: str, state: str, *, seconds: float = 120) -> None:
    """Wait until the task is in *state*."""
    until(
        lambda: task(client, dag_id, run_id, task_id).state == state,
        seconds=seconds,
        what=f"{task_id} of {dag_id} is {state}",
    )


def approve(steward: Client, project: str) -> int:
    """As the steward: adopt the contracts, and grant all that *project* asks for. How many grants that were."""
    asked = [one for one in steward.call("GET", "/trainyard/requests") if one["project"] == project]
    for request in asked:
        steward.call("POST", f"/trainyard/contracts/{request['dataset']}/adopt", {})
        steward.call("POST", f"/trainyard/requests/{request['request_id']}/grant", {"reason": "a test", "days": 30})
    return len(asked)
