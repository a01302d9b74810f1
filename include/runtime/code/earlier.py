"""A step of a run that began with other code than lies here now, asked of the code that it began with.

In a process of its own (:mod:`include.runtime.pinned`), that imports ``include`` and the project from a copy
(:mod:`include.runtime.code.kept`) and nothing of what was deployed since.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.core import errors
from include.core.canonical import encode
from include.core.errors import StepCrashed, StepDisconnected, TrainyardError
from include.core.records import Run
from include.ledger.journal import begun, record_failure
from include.lineage.emission import ParentRuns
from include.runtime.code import kept as kept_code
from include.settings import KNOWN, ROOT, Settings
from include.steps import Platform

#: No database, in a task: but what Airflow sets there keeps it from being imported by a process that is not forked.
_AIRFLOW_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


def moved(platform: Platform, project: str, run_id: str) -> Run | None:
    """The run if the code moved since it began, and what it began with was kept. ``None``: it is of this code, say."""
    run = begun(platform.ledger, project, run_id)
    if run is None or run.code_digest == platform.code(project) or not kept_code.is_known(platform.ledger, run):
        return None
    return run


def perform(
    settings: Settings,
    platform: Platform,
    run: Run,
    step: str,
    inputs: Mapping[str, Any],
    *,
    parents: ParentRuns | None = None,
) -> str:
    """Do *step* of *run* by the code that it began with; what the step returns.

    Raises:
        CodeChanged: its copy is missing or altered.
        TrainyardError: as the step does.
    """
    call = {
        "project": run.project,
        "run_id": run.run_id,
        "step": step,
        "inputs": dict(inputs),
        "parents": None if parents is None else encode(parents).decode(),
    }
    with tempfile.TemporaryDirectory(prefix="trainyard-code-") as folder:
        try:
            projects = kept_code.unpack(settings, platform.ledger, run, Path(folder))
        except TrainyardError as error:
            record_failure(platform.ledger, error, project=run.project, run_id=run.run_id, step="resume")
            raise
        answer = _ask(call, _environment(replace(settings, projects=projects), folder))
    if "digest" in answer:
        return str(answer["digest"])
    kind: type[TrainyardError] = getattr(errors, str(answer["error"]), StepCrashed)
    raise kind(answer["rule"], value=answer["value"], remedy=answer["remedy"])


def _environment(settings: Settings, folder: str) -> dict[str, str]:
    """That of this process, with the copy before everything else that is imported."""
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != ROOT]
    kept = {name: value for name, value in os.environ.items() if name not in KNOWN}
    paths = os.pathsep.join([folder, *others])
    ours = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", _AIRFLOW_DATABASE: "sqlite://"}
    return {**kept, **settings.environment(), **ours}


def _ask(call: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "include.runtime.pinned"]
    with subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018  # they are pipes
            child.stdin.write(json.dumps(call) + "\n")
            child.stdin.flush()  # and stays open: its end is ours
            told = child.stdout.read()
        except BaseException:  # a signal too
            child.kill()
            raise
    if not told:
        return crash(StepDisconnected, f"its process ended with {child.returncode} and no word")
    answer: dict[str, Any] = json.loads(told)
    return answer


def crash(kind: type[TrainyardError], value: str) -> dict[str, Any]:
    """The answer of a process that ended with no error of ours."""
    return {
        "error": kind.__name__,
        "rule": "a step that is done by the code that its run began with ends with its result or with an error of ours",
        "value": value,
        "remedy": "It is tried again by itself."
        if kind.retry_heals
        else "Start a new run, by the code that lies here.",
    }
