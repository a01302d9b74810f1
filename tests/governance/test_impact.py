"""Impact: what stands or falls with something, held against a walk of all events that knows nothing of the fold."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import UnknownId
from include.core.events import (
    AccessGranted,
    AccessRequested,
    ArtifactOpened,
    DataOpened,
    Event,
    LeaseReleased,
    LeaseTaken,
    ModelRegistered,
    PartitionsMade,
    RetrainingAsked,
    RetrainingStarted,
    RunStarted,
)
from include.core.records import DatasetScope, Partition, Run, Treatment, Verdict
from include.governance.impact import KINDS, Dependencies, Impact, PendingNight, fold, impact
from include.ledger import Entry

START = datetime(2024, 5, 1, 4, tzinfo=UTC)
FIRST = date(2024, 4, 1)
PROJECTS, DATASETS, COLUMNS = ("p", "q"), ("flights", "weather"), ("a", "b")


def scope_of(dataset: str, columns: Sequence[str]) -> DatasetScope:
    read = tuple((name, Treatment.CLEAR) for name in columns)
    return DatasetScope(dataset=dataset, contract_digest="sha256:c", columns=read, window_days=3)


def grant_of(project: str, dataset: str, number: int) -> str:
    return f"g-{project}-{dataset}-{number}"


def features_of(run: Run) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Every night builds one feature of each of its project's columns, and one of all."""
    return {(d, c): (f"group.{run.project}_{d}_{c}", "group.all") for d in DATASETS for c in COLUMNS}


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    """Nights of two projects; some read all anew, some take what earlier ones had read."""
    told: list[tuple[str, Event]] = []
    versions = dict.fromkeys(PROJECTS, 0)
    for number in range(draw(st.integers(2, 5))):
        project, back = draw(st.sampled_from(["p", "p", "q"])), draw(st.integers(0, 3))
        run = Run(
            project=project,
            run_id=f"run-{number}",
            instant=START + timedelta(days=number - back),
            code_digest="sha256:x",
            declaration_digest="sha256:y",
            fence=1,
        )
        told += [
            (f"lease/{project}", LeaseTaken(run_id=run.run_id, expires_at=START)),
            (f"run/{project}/{run.run_id}", RunStarted(run=run, separation_of_duties="SHOWN")),
        ]
        for dataset in draw(st.sets(st.sampled_from(DATASETS), min_size=1)):
            told += _reads(draw, run, dataset)
        if draw(st.booleans()):
            opened = [grant_of(project, draw(st.sampled_from(DATASETS)), draw(st.integers(0, 2)))]
            told.append((f"receipt/{project}", _artifact(run, opened)))
        if draw(st.booleans()):
            versions[project] += 1
            told.append((f"model/{project}", _registered(run, versions[project], draw(st.booleans()))))
        if draw(st.booleans()):
            told.append((f"lease/{project}", LeaseReleased(run_id=run.run_id)))
        if draw(st.booleans()):
            told += _retraining(draw, project, number)
    return _entries(told)


def _entries(told: Sequence[tuple[str, Event]]) -> list[Entry]:
    return [
        Entry(
            position=position,
            stream=stream,
            stream_version=position,
            recorded_at=START,
            key=None,
            event=event,
            leaf_hash="",
        )
        for position, (stream, event) in enumerate(told, start=1)
    ]


def _run(run_id: str, instant: datetime) -> Run:
    return Run(
        project="p", run_id=run_id, instant=instant, code_digest="sha256:x", declaration_digest="sha256:y", fence=1
    )


def _night(run_id: str, instant: datetime, grant: str, *, fresh: bool) -> list[tuple[str, Event]]:
    """A night of "p" that looks at three days of flights, and reads them anew if they are *fresh*."""
    run, scope = _run(run_id, instant), scope_of("flights", COLUMNS)
    opened = DataOpened(
        project="p", run_id=run_id, grant_id=grant, scope=scope, first=FIRST, last=FIRST + timedelta(days=2)
    )
    parts = tuple(_partition("flights", FIRST + timedelta(days=day), True) for day in range(3))
    made = PartitionsMade(project="p", run_id=run_id, partitions=parts)
    return [
        (f"run/p/{run_id}", RunStarted(run=run, separation_of_duties="SHOWN")),
        ("receipt/p", opened),
        *([("partitions/p", made)] if fresh else []),
    ]


def _reads(draw: st.DrawFn, run: Run, dataset: str) -> list[tuple[str, Event]]:
    scope = scope_of(dataset, draw(st.sampled_from([COLUMNS, COLUMNS[:1]])))
    grant, stream = grant_of(run.project, dataset, draw(st.integers(0, 2))), f"access/{run.project}/{dataset}"
    first = FIRST + timedelta(days=draw(st.integers(0, 1)))
    asked = AccessRequested(request_id=f"r-{grant}", project=run.project, purpose="-", scope=scope, requester="ada")
    days = draw(st.sampled_from([(), (0,), (1, 2), (0, 1, 2)]))
    fresh = tuple(_partition(dataset, first + timedelta(days=day), draw(st.booleans())) for day in days)
    told: list[tuple[str, Event]] = [
        (stream, asked),
        (stream, AccessGranted(request_id=f"r-{grant}", grant_id=grant, envelope="{}")),
        (
            f"receipt/{run.project}",
            DataOpened(
                project=run.project,
                run_id=run.run_id,
                grant_id=grant,
                scope=scope,
                first=first,
                last=first + timedelta(days=2),
            ),
        ),
    ]
    if fresh:
        made = PartitionsMade(project=run.project, run_id=run.run_id, partitions=fresh)
        told.append((f"partitions/{run.project}", made))
    return told


def _partition(table: str, day: date, complete: bool) -> Partition:
    return Partition(
        table=table, day=day, inputs="sha256:i", content="sha256:c", rows=1, size_bytes=1, complete=complete
    )


def _artifact(run: Run, grants: Sequence[str]) -> ArtifactOpened:
    return ArtifactOpened(
        project=run.project, run_id=run.run_id, step="train", grants=tuple(grants), artifacts="sha256:a", count=1
    )


def _registered(run: Run, version: int, promote: bool) -> ModelRegistered:
    return ModelRegistered(
        project=run.project,
        run_id=run.run_id,
        model_version=version,
        evaluation=f"sha256:{run.run_id}",
        bundle="sha256:b",
        verdict=Verdict(promote=promote, reasons=()),
    )


def _retraining(draw: st.DrawFn, project: str, number: int) -> list[tuple[str, Event]]:
    asked = RetrainingAsked(project=project, ask_id=f"ask-{number}", run_id="w", model_version=1, instant=START)
    started = RetrainingStarted(project=project, ask_id=f"ask-{number}", run_id="n")
    stream = f"retraining/{project}"
    return [(stream, asked), *([(stream, started)] if draw(st.booleans()) else [])]


class Walk:
    """The oracle: each answer walks all events from the first to the last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    def all(self, kind: type[Event]) -> list[Entry]:
        return [entry for entry in self.entries if isinstance(entry.event, kind)]

    def run(self, project: str, run_id: str) -> Run:
        runs = [e.event.run for e in self.all(RunStarted) if isinstance(e.event, RunStarted)]
        return next(run for run in runs if (run.project, run.run_id) == (project, run_id))

    def opened(self, project: str, run_id: str) -> list[tuple[int, DataOpened]]:
        found = [(e.position, e.event) for e in self.all(DataOpened) if isinstance(e.event, DataOpened)]
        return [(at, event) for at, event in found if (event.project, event.run_id) == (project, run_id)]

    def grants(self, project: str, run_id: str) -> set[str]:
        found = {
            grant
            for e in self.all(ArtifactOpened)
            if isinstance(e.event, ArtifactOpened) and (e.event.project, e.event.run_id) == (project, run_id)
            for grant in e.event.grants
        }
        run = self.run(project, run_id)
        for at, opening in self.opened(project, run_id):
            found.add(opening.grant_id)
            for offset in range(3):
                assert opening.first is not None
                found |= self._behind(run, at, opening, opening.first + timedelta(days=offset))
        return found

    def _behind(self, run: Run, at: int, opening: DataOpened, day: date) -> set[str]:
        last: set[str] = set()
        for entry in self.all(PartitionsMade):
            made = entry.event
            assert isinstance(made, PartitionsMade)
            for part in made.partitions:
                if (made.project, part.table, part.day) != (run.project, opening.scope.dataset, day):
                    continue
                maker = self.run(made.project, made.run_id)
                own = made.run_id == run.run_id
                known = entry.position <= at and maker.instant <= run.instant
                usable = part.complete or maker.instant == run.instant
                theirs = [o for _, o in self.opened(made.project, made.run_id) if o.scope.dataset == part.table]
                alike = any(o.scope == opening.scope for o in theirs)
                if alike and (own or (known and usable)):
                    last = {o.grant_id for o in theirs}
        return last

    def versions(self) -> dict[tuple[str, int], tuple[set[str], set[tuple[str, str]]]]:
        """The grants and the columns of each version."""
        found = {}
        for entry in self.all(ModelRegistered):
            event = entry.event
            assert isinstance(event, ModelRegistered)
            opened = self.opened(event.project, event.run_id)
            columns = {(o.scope.dataset, name) for _, o in opened for name in o.scope.names}
            found[event.project, event.model_version] = (self.grants(event.project, event.run_id), columns)
        return found

    def champion(self, project: str) -> int | None:
        promoted = [
            e.event.model_version
            for e in self.all(ModelRegistered)
            if isinstance(e.event, ModelRegistered) and e.event.project == project and e.event.verdict.promote
        ]
        return promoted[-1] if promoted else None

    def pending(self, project: str) -> set[PendingNight]:
        found = set()
        last = [e.event for e in self.entries if e.stream == f"lease/{project}"][-1:]
        if last and isinstance(last[0], LeaseTaken):
            found.add(PendingNight(project=project, run_id=last[0].run_id, ask_id=None))
        for entry in self.all(RetrainingAsked):
            event = entry.event
            assert isinstance(event, RetrainingAsked)
            started = [e.event.ask_id for e in self.all(RetrainingStarted) if isinstance(e.event, RetrainingStarted)]
            if event.project == project and event.ask_id not in started:
                found.add(PendingNight(project=project, run_id=None, ask_id=event.ask_id))
        return found


def told(entries: Sequence[Entry], subject: str) -> Impact:
    walk = Walk(entries)
    kept = [entry for entry in entries if isinstance(entry.event, KINDS)]
    state = reduce(fold, kept, Dependencies())
    return impact(state, subject, champions=walk.champion, features_of=features_of)


def same(found: Impact, walk: Walk, standing: set[tuple[str, int]]) -> None:
    """What follows from which versions stand on the subject, and which projects."""
    assert {(version.project, version.number) for version in found.versions} == standing
    in_force = {(project, number) for project, number in standing if walk.champion(project) == number}
    assert {(version.project, version.number) for version in found.champions} == in_force
    assert set(found.pending) == {each for project in found.projects for each in walk.pending(project)}


@given(entries=histories())
@settings(max_examples=40, deadline=None)
def test_every_answer_is_that_of_a_walk_of_all_events(entries: list[Entry]) -> None:
    walk = Walk(entries)
    versions = walk.versions()
    granted = {e.event.grant_id for e in walk.all(AccessGranted) if isinstance(e.event, AccessGranted)}
    for grant in granted:
        found = told(entries, grant)
        same(found, walk, {key for key, (grants, _) in versions.items() if grant in grants})
        assert found.projects == (grant.split("-")[1],)
    for dataset in DATASETS:
        for column in (None, *COLUMNS):
            wanted = {(dataset, each) for each in COLUMNS if column in (None, each)}
            standing = {key for key, (_, columns) in versions.items() if columns & wanted}
            subject = dataset if column is None else f"{dataset}.{column}"
            try:
                found = told(entries, subject)
            except UnknownId:
                assert not standing
                continue
            same(found, walk, standing)
            assert set(found.columns) <= wanted
    for (project, number), (grants, columns) in versions.items():
        found = told(entries, f"{project}@{number}")
        same(found, walk, {(project, number)})
        assert (set(found.grants), set(found.columns)) == (grants, columns)
        assert found.features == tuple(
            sorted({(project, f"group.{project}_{d}_{c}") for d, c in columns} | {(project, "group.all")})
        )


@given(entries=histories())
@settings(max_examples=20, deadline=None)
def test_a_feature_stands_on_its_columns_and_its_versions_on_it(entries: list[Entry]) -> None:
    walk = Walk(entries)
    for project in PROJECTS:
        begun = any(isinstance(e.event, RunStarted) and e.event.run.project == project for e in entries)
        feature = f"{project}_flights_a"
        if not begun:
            with pytest.raises(UnknownId, match="stands in the ledger"):
                told(entries, feature)
            continue
        for name in (feature, f"group.{feature}"):
            found = told(entries, name)
            same(found, walk, {key for key in walk.versions() if key[0] == project})
            assert found.columns == (("flights", "a"),)
            assert found.features == ((project, f"group.{feature}"),)


def test_a_backfill_takes_nothing_of_a_later_instant() -> None:
    grants = {}
    for later in (True, False):
        first = _night("run-0", START + timedelta(days=1 if later else -1), grant_of("p", "flights", 0), fresh=True)
        second = _night("run-1", START, grant_of("p", "flights", 1), fresh=False)
        told_of = [*first, *second, ("model/p", _registered(_run("run-1", START), 1, True))]
        grants[later] = told(_entries(told_of), "p@champion").grants
    assert grants == {
        True: (grant_of("p", "flights", 1),),
        False: (grant_of("p", "flights", 0), grant_of("p", "flights", 1)),
    }


def test_what_no_event_names_is_unknown() -> None:
    for subject in ("g-0", "nothing", "flights.a", "p@1", "p@champion", ""):
        with pytest.raises(UnknownId, match="stands in the ledger"):
            told([], subject)
