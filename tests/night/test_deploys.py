"""A night goes on with the code that it began with, whatever is deployed meanwhile; the next one takes the new."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include import steps
from include.core.errors import CodeChanged
from include.core.events import StepFailed, StepFinished
from include.core.records import Plan
from include.runtime.airflow import tasks
from include.runtime.code.projects import load_project
from include.runtime.nights import local
from include.settings import Settings
from tests.night.conftest import MakeYard
from tests.night.yard import INSTANT, Yard
from tests.runtime.nights import declare

RUN = "night"


def begun(yard: Yard, settings: Settings) -> str:
    """A night of the project `deployed` in the home of *yard*, as far as its features: their digest."""
    now = datetime.now(UTC)
    project, platform = load_project("deployed", settings.projects), local.open_platform(settings)
    yard.grant(project, now=now)
    run = steps.begin(platform, project, run_id=RUN, instant=INSTANT, now=now)
    snapshot = steps.snapshot(platform, project, run, now=now)
    steps.validate(platform, project, run, snapshot, now=now)
    built = steps.features(platform, project, run, snapshot, now=now)
    platform.ledger.close()
    yard.platform.ledger.close()
    return built


def test_a_step_after_a_deployment_makes_what_it_would_have_made_before_and_the_next_night_takes_the_new_code(
    make_yard: MakeYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = tmp_path / "own" / "deployed_upon"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("SEED = 1\n")
    declare(projects, "deployed")
    (projects / "__init__.py").write_text("")
    yard = make_yard()
    settings = replace(yard.settings, projects=projects)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    built = begun(yard, settings)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(settings.home, undisturbed)
    before = Settings.from_environment(
        {**settings.environment(), "TRAINYARD_HOME": str(undisturbed)}
        | {f"TRAINYARD_{name}": "" for name in ("LEDGER", "STORE", "VAULT", "KEYS", "AUTHORITY_KEYS", "MLFLOW")}
    )
    platform, project = local.open_platform(before), load_project("deployed", projects)
    run = steps.resume(platform, project, run_id=RUN, now=datetime.now(UTC))
    expected = steps.plan(platform, project, run, built, now=datetime.now(UTC))

    file = projects / "deployed" / "__init__.py"
    file.write_text(file.read_text().replace("trials=2", "trials=4").replace("low=7", "low=9"))
    ours = local.open_platform(settings)
    assert ours.code("deployed") != run.code_digest
    planned = tasks.perform("plan", "deployed", RUN, {"features": built})
    assert planned == expected
    assert len(ours.load(Plan, planned).trials) == 2
    events = [entry.event for entry in ours.ledger.read(f"run/deployed/{RUN}")]
    assert not [event for event in events if isinstance(event, StepFailed)]
    assert "plan" in [event.step for event in events if isinstance(event, StepFinished)]

    steps.finish(ours, run)
    for copy in (settings.home / "code").iterdir():
        copy.write_bytes(copy.read_bytes()[:-9] + b"tampered!")
    with pytest.raises(CodeChanged, match=r"missing or altered: .*tar\.gz.*Start a new run"):
        tasks.perform("plan", "deployed", RUN, {"features": built})
    fresh = steps.begin(ours, project, run_id="next", instant=INSTANT, now=datetime.now(UTC))
    assert fresh.code_digest == ours.code("deployed") != run.code_digest
