"""The runs of a deployment are found by their ids; the lineage that is shown unasked is the champion's."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.cli.lineage import runs
from include.core import streams
from include.core.events import (
    LineageEmitted,
    ModelRegistered,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
)
from include.core.records import Run, Verdict
from include.governance.signing import Signer, create_key
from include.ledger import Ledger
from include.lineage import emission, walk
from include.runtime import deployment
from include.runtime.nights.runs import last_runs
from include.runtime.upkeep.lineage import graph
from include.settings import Settings
from tests.registry.models import PROJECT

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)
NAME = PROJECT.name


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    tmp_path.chmod(0o700)
    create_key(tmp_path / "authority.key")
    Signer.load(tmp_path / "authority.key").publish(made.keys / deployment.AUTHORITY_PUBLIC_KEY)
    return made


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger.open(settings.ledger, clock=lambda: AT)


def begin(ledger: Ledger, run_id: str, *, project: str = NAME, fence: int = 0) -> Run:
    run = Run(project=project, run_id=run_id, instant=AT, code_digest="", declaration_digest="", fence=fence)
    stream = streams.run(project, run_id)
    ledger.record(stream, RunStarted(run=run, separation_of_duties=""), key=stream)
    return run


def attempt(ledger: Ledger, run: Run, step: str, *, error: str | None = None, ends: bool = True) -> None:
    at = {"project": run.project, "run_id": run.run_id, "step": step, "attempt": f"{run.run_id}-{step}"}
    stream = streams.run(run.project, run.run_id)
    ledger.record(stream, StepStarted(**at))
    if error:
        ledger.record(stream, StepFailed(**at, error=error, message=""))
    elif ends:
        ledger.record(stream, StepFinished(**at, inputs=f"sha256:{run.run_id}", output="sha256:"))


def promoted(ledger: Ledger, run: Run) -> None:
    model = ModelRegistered(
        project=run.project,
        run_id=run.run_id,
        model_version=1,
        evaluation="sha256:1",
        bundle="sha256:b",
        verdict=Verdict(promote=True, reasons=()),
    )
    ledger.append(f"model/{run.project}", [model], expected_version=0)


def test_runs_are_listed_with_what_they_are_and_came_to_the_newest_last(ledger: Ledger) -> None:
    night = begin(ledger, "scheduled__1", fence=1)
    attempt(ledger, night, "promote")
    promoted(ledger, night)
    attempt(ledger, begin(ledger, "watch__scheduled__2"), "drift", error="DataError")
    attempt(ledger, begin(ledger, "score__2026"), "score")
    attempt(ledger, begin(ledger, "scheduled__3", fence=2), "train-0", ends=False)
    begin(ledger, "elsewhere", project="another", fence=3)
    assert [(each.run.run_id, each.run.kind, each.stands) for each in last_runs(ledger, NAME, count=20)] == [
        ("scheduled__1", "night", "version 1"),
        ("watch__scheduled__2", "watch", "drift failed: DataError"),
        ("score__2026", "score", "score is done"),
        ("scheduled__3", "night", "train-0 began"),
    ]
    assert [each.run.run_id for each in last_runs(ledger, count=2)] == ["scheduled__3", "elsewhere"]
    assert last_runs(ledger, "unheard_of", count=2) == ()


def test_an_id_is_printed_whole_on_one_line(
    settings: Settings, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.prepare(settings)
    monkeypatch.setenv("TRAINYARD_HOME", str(settings.home))
    run_id = f"manual__2026-03-01T04:00:00+00:00__{'9' * 80}"
    begin(ledger, run_id)
    runs(NAME)
    assert (
        f"{run_id}  {NAME}: night as of 2026-03-01 04:00Z, began 2026-03-01 04:00Z; begun\n" in capsys.readouterr().out
    )


def test_lineage_that_is_asked_for_without_a_run_is_the_champions_not_that_of_the_last_score(
    settings: Settings, ledger: Ledger
) -> None:
    night, score = begin(ledger, "night", fence=1), begin(ledger, "score__2026")
    model = walk.champion(NAME, 1, "sha256:b")
    for run, step, inputs, outputs in ((night, "promote", [], model), (score, "score", model, [])):
        text = emission.event(run=run, project=PROJECT, step=step, at=AT, inputs=inputs, outputs=outputs)
        ledger.record("lineage", LineageEmitted(event=text.replace("T04:00", "T05:00") if run is score else text))
    assert graph(settings, NAME).run == "score__2026", "no champion yet"
    promoted(ledger, night)
    assert graph(settings, NAME).run == "night"
    assert graph(settings, NAME, run="score__2026").run == "score__2026"
