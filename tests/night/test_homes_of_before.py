"""A home that an earlier version made goes on: its grants, rows, features and champion count as if made today.

``golden/home-2026-11.tar.xz`` holds a home as the trees of November 2026 left it after one night, with the contract and
the project beside it: one airline's real departures of April and May 2013, drafted, scaffolded, adopted and granted on
the command line. ``golden/midway-2026-11.tar.xz`` is the same home in the middle of the next night, killed after the
first of two shards. Their keys were made for these files alone. Nothing in them is ever made again: that is what they
are for.
"""

import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
import yaml

from include import steps
from include.contracts import load
from include.core import streams
from include.core.errors import AccessDenied, CodeChanged, ContractError
from include.core.events import AccessRequested, ModelRegistered, PartitionsMade, StepFinished, StepReused
from include.core.project import Project
from include.core.records import DriftState, Evaluation, Partition, RetrainingOutcome
from include.core.runs import RunKind
from include.data.scoring import read_rows
from include.ledger.journal import begun
from include.retraining import asks
from include.runtime.code.projects import load_project
from include.runtime.nights.local import run_night
from include.runtime.nights.platform import open_platform, utc_now
from include.runtime.nights.watch import run_watch
from include.runtime.server.service import open_authority
from include.settings import Settings
from include.steps import Platform
from tests.night.yard import Night, Yard

#: The project of those homes is declared as it was then.
pytestmark = pytest.mark.filterwarnings("ignore::include.core.flat_projects.FlatDeclaration")
GOLDEN = Path(__file__).parent / "golden"
#: Two weeks after the grant, which holds for a year.
NOW = datetime(2026, 12, 15, 12, tzinfo=UTC)
#: What the one night of the home knew.
INSTANT = datetime(2013, 5, 4, tzinfo=UTC)


def clock() -> datetime:
    return NOW


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    with tarfile.open(GOLDEN / getattr(request, "param", "home-2026-11.tar.xz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "home").chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path)
    yield Settings.from_environment(
        {
            "TRAINYARD_HOME": str(tmp_path / "home"),
            "TRAINYARD_PROJECTS": str(tmp_path / "projects"),
            "TRAINYARD_CONTRACTS": str(tmp_path / "contracts"),
            "TRAINYARD_USER": "dana",
        }
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "projects"]:
        del sys.modules[name]


@pytest.fixture
def project(settings: Settings) -> Project:
    return load_project("late_southwest", settings.projects)


def requests(platform: Platform) -> int:
    return sum(1 for _ in platform.ledger.read_all(kinds=(AccessRequested,)))


def night(settings: Settings, project: Project, instant: datetime, run_id: str = "next") -> Night:
    """In this process throughout, since others have a clock of their own, and the grant of before holds for a year."""
    yard = Yard(home=settings.home, production=settings.production, contracts=settings.contracts)
    return yard.night(project, run_id=run_id, instant=instant, now=NOW)


def test_its_champion_scores_what_it_scored(settings: Settings, project: Project, tmp_path: Path) -> None:
    platform = open_platform(settings)
    before = requests(platform)
    run = steps.begin(platform, project, run_id="score", instant=INSTANT, now=NOW, kind=RunKind.SCORE)
    (read,) = steps.scope_of(platform, run).datasets
    rows = read_rows(tmp_path / "rows.csv", platform.contracts["southwest"], read.names)
    scored = steps.score(platform, project, run, rows, now=NOW).table
    recorded = (tmp_path / "rows.scored.csv").read_text().splitlines()[1:]
    assert scored["prediction"].to_pylist() == pytest.approx([float(line.split(",")[-1]) for line in recorded])
    assert requests(platform) == before, "the grant of before covers it"


def test_the_next_night_reads_the_new_days_alone_and_is_compared(settings: Settings, project: Project) -> None:
    done = night(settings, project, datetime(2013, 5, 5, tzinfo=UTC))
    assert done.evaluation.champion == 1
    assert done.evaluation.difference is not None, "with the champion of before, on the same rows"
    made = [
        part.day
        for entry in open_platform(settings).ledger.read_all(kinds=(PartitionsMade,))
        if isinstance(entry.event, PartitionsMade) and entry.event.run_id == done.run.run_id
        for part in entry.event.partitions
        if part.table == "southwest"
    ]
    assert set(made) <= {date(2013, 5, 2), date(2013, 5, 3), date(2013, 5, 4)}, "days that matured since"


@pytest.mark.parametrize("settings", ["midway-2026-11.tar.xz"], indirect=True)
def test_its_night_ends_with_the_code_that_it_began_with_and_another_takes_up_what_it_read(
    settings: Settings, project: Project
) -> None:
    platform, instant = open_platform(settings), datetime(2013, 5, 5, tzinfo=UTC)
    with pytest.raises(CodeChanged, match="Start a new run"):
        steps.begin(platform, project, run_id="midway", instant=instant, now=NOW)
    before = partitions(platform)
    done = night(settings, project, instant)
    assert done.evaluation.champion == 1
    assert done.evaluation.difference is not None, "with the champion of before, on the same rows"
    again = [part for part in partitions(platform)[len(before) :] if part.complete and part.table == "southwest"]
    assert again == [], "days that were complete are not read again"


@pytest.mark.parametrize("settings", ["midway-2026-11.tar.xz"], indirect=True)
def test_what_its_night_recorded_before_says_what_the_rest_of_it_may_take(settings: Settings, project: Project) -> None:
    """As if its code were that of today: what it recorded is enough for each later step, but for the promotion."""
    opened = open_platform(settings)
    known = begun(opened.ledger, project.name, "midway")
    assert known is not None
    platform = replace(opened, code=lambda _: known.code_digest)
    run = steps.resume(platform, project, run_id="midway", now=NOW)
    entries = platform.ledger.read(streams.run(project.name, "midway"))
    made = {entry.event.step: entry.event.output for entry in entries if isinstance(entry.event, StepFinished)}
    made |= {entry.event.step: entry.event.output for entry in entries if isinstance(entry.event, StepReused)}
    for shard in steps.shards(platform, made["plan"]):
        steps.train(platform, project, run, made["plan"], shard, now=NOW)
    model = steps.refit(platform, project, run, made["plan"], now=NOW)
    evaluated = platform.load(Evaluation, steps.evaluate(platform, project, run, made["plan"], model, now=NOW))
    assert evaluated.champion == 1


def partitions(platform: Platform) -> list[Partition]:
    return [
        part
        for entry in platform.ledger.read_all(kinds=(PartitionsMade,))
        if isinstance(entry.event, PartitionsMade)
        for part in entry.event.partitions
    ]


def test_its_watch_asks_for_a_retraining_that_replaces_the_champion(settings: Settings, project: Project) -> None:
    watched = run_watch(settings, project, run_id="watch", instant=datetime(2013, 5, 30, tzinfo=UTC), clock=clock)
    assert watched.judged is not None
    assert watched.judged.verdict.state is DriftState.RETRAIN
    assert watched.answer is not None
    ledger = open_platform(settings).ledger
    assert asks.start(ledger, project.name, "next", champion=None) is not None
    done = night(settings, project, watched.answer.instant)
    asks.answered(ledger, done.run, done.promotion)
    assert asks.known(ledger, project.name).retrainings[-1].outcome is RetrainingOutcome.PROMOTED
    registered = [entry.event for entry in ledger.read_all(kinds=(ModelRegistered,))]
    assert [getattr(event, "model_version", None) for event in registered] == [1, 2]


def test_its_contract_says_whom_it_names_at_its_next_edit_and_the_night_after_that_is_compared(
    settings: Settings, project: Project
) -> None:
    authority, access = open_authority(settings).authority, open_platform(settings).access
    file, (granted,) = settings.contracts / "southwest.odcs.yaml", access.grants(now=NOW)
    contract, document = load(file), yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ContractError, match="nothing is said about persons of departs_at, flight, origin, dest"):
        authority.adopt("southwest", user="steward")
    for said, column in zip(document["schema"][0]["properties"], contract.columns, strict=True):
        said["customProperties"] += [{"property": "personal", "value": "none"}] if column.silent else []
    file.write_text(yaml.safe_dump(document))
    authority.adopt("southwest", user="steward")
    assert access.ended_with_contract(now=NOW) == (granted,), "status names it as one to renew"
    # Its grant is of today, and so is the night: processes that train have no other clock.
    tonight = partial(run_night, settings, project, run_id="tonight", instant=datetime(2013, 5, 5, tzinfo=UTC))
    with pytest.raises(AccessDenied, match=r"never asked for|waits for a decision"):
        tonight()
    (asked,) = access.requests()
    authority.grant(asked.request_id, user="steward", reason="the same columns", days=30, now=utc_now())
    done = tonight()
    assert done.evaluation.champion == 1
    assert done.evaluation.difference is not None, "with the champion of before, on the same rows"
