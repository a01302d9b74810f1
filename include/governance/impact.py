"""What stands or falls with a dataset, a column, a grant, a feature or a model: a fold, and questions to it.

Both ways: down to the columns and grants that the subject rests on, and up to the projects, versions, champions in
force and nights to come that rest on it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from include.core.errors import UnknownId
from include.core.events import (
    AccessGranted,
    AccessRequested,
    Event,
    LeaseFreed,
    LeaseReleased,
    LeaseTaken,
    RetrainingAsked,
    RetrainingEnded,
    RetrainingStarted,
)
from include.core.records import DatasetScope, Run
from include.governance import basis
from include.governance.basis import Basis, RegisteredVersion
from include.governance.decisions import place_of
from include.ledger import Entry

#: All that :func:`fold` looks at: few events a night, none of a trial or a step.
KINDS: tuple[type[Event], ...] = (
    *basis.KINDS,
    AccessRequested,
    AccessGranted,
    LeaseTaken,
    LeaseReleased,
    LeaseFreed,
    RetrainingAsked,
    RetrainingStarted,
    RetrainingEnded,
)
#: Of a night that began, its features (``table.column``) and label by the (dataset, column) that they are made of.
FeaturesOf = Callable[[Run], Mapping[tuple[str, str], tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class PendingNight:
    """A night to come: one that holds its project's lease (``run_id``), or that drift asked for (``ask_id``)."""

    project: str
    run_id: str | None
    ask_id: str | None


@dataclass(frozen=True, kw_only=True)
class Impact:
    """The answer. ``columns`` are (dataset, column)s, ``features`` (project, ``table.column``)s; all are sorted."""

    subject: str
    columns: tuple[tuple[str, str], ...]
    grants: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    projects: tuple[str, ...]
    versions: tuple[RegisteredVersion, ...]
    champions: tuple[RegisteredVersion, ...]
    pending: tuple[PendingNight, ...]


@dataclass(kw_only=True)
class Dependencies:
    """The state of :func:`fold`: the latest request of each project and dataset, its grants, and what is to come."""

    basis: Basis = field(default_factory=Basis)
    asked: dict[tuple[str, str], DatasetScope] = field(default_factory=dict)
    requested: dict[str, DatasetScope] = field(default_factory=dict)
    granted: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # grant: project, dataset, request
    leases: dict[str, str] = field(default_factory=dict)
    retrainings: dict[str, dict[str, None]] = field(default_factory=dict)

    def pending(self, project: str) -> Iterator[PendingNight]:
        if project in self.leases:
            yield PendingNight(project=project, run_id=self.leases[project], ask_id=None)
        for ask_id in self.retrainings.get(project, ()):
            yield PendingNight(project=project, run_id=None, ask_id=ask_id)

    def reads(self, project: str) -> frozenset[tuple[str, str]]:
        """The (dataset, column)s that the project read last or asked for last."""
        asked = {(dataset, name) for (p, dataset), scope in self.asked.items() if p == project for name in scope.names}
        return self.basis.read_last(project) | asked

    def projects(self) -> tuple[str, ...]:
        return tuple(sorted({project for project, _ in self.asked} | set(self.basis.projects())))


def fold(state: Dependencies, entry: Entry) -> Dependencies:
    """*state* with *entry* folded into it; an event of another kind changes nothing."""
    basis.fold(state.basis, entry)
    event, place = entry.event, place_of(entry)
    if isinstance(event, LeaseTaken | LeaseReleased | LeaseFreed):
        project = entry.stream.removeprefix("lease/")
        if isinstance(event, LeaseTaken):
            state.leases[project] = event.run_id
        elif state.leases.get(project) == event.run_id:
            del state.leases[project]
    elif isinstance(event, RetrainingAsked):
        state.retrainings.setdefault(event.project, {})[event.ask_id] = None
    elif isinstance(event, RetrainingStarted | RetrainingEnded):
        state.retrainings.get(event.project, {}).pop(event.ask_id, None)
    elif place is not None and isinstance(event, AccessRequested):
        state.asked[place] = event.scope
        state.requested[event.request_id] = event.scope
    elif place is not None and isinstance(event, AccessGranted):
        state.granted.setdefault(event.grant_id, (*place, event.request_id))
    return state


def impact(
    state: Dependencies, subject: str, *, champions: Callable[[str], int | None], features_of: FeaturesOf
) -> Impact:
    """What stands or falls with *subject*: ``DATASET``, ``DATASET.COLUMN``, a grant's id, ``[TABLE.]FEATURE``,
    ``PROJECT`` (its champion) or ``PROJECT@VERSION``; the first of these that it names.

    *champions* says which version of a project is in force.

    Raises:
        UnknownId: nothing of that name was ever asked for, granted, read, built or registered.
    """
    asks = _Asks(state, champions, features_of)
    for answer in (asks.of_grant, asks.of_dataset, asks.of_model, asks.of_feature):
        found = answer(subject)
        if found is not None:
            return found
    remedy = "Name a DATASET, DATASET.COLUMN, grant (g-…), FEATURE, or PROJECT@VERSION: `./trainyard status`."
    raise UnknownId("something of that name stands in the ledger", value=subject, remedy=remedy)


class _Asks:
    """One question to *state*; what nights declared is looked up once."""

    def __init__(self, state: Dependencies, champions: Callable[[str], int | None], features_of: FeaturesOf) -> None:
        self._state, self._champions, self._features_of = state, champions, features_of
        self._declared: dict[tuple[str, str, str], Mapping[tuple[str, str], tuple[str, ...]]] = {}

    def of_grant(self, name: str) -> Impact | None:
        """Versions that rest on it, and the project that it lets read."""
        if name not in self._state.granted:
            return None
        project, dataset, request = self._state.granted[name]
        scope = self._state.requested.get(request) or self._state.asked.get((project, dataset))
        columns = {(dataset, column) for column in scope.names} if scope else set[tuple[str, str]]()
        standing = [version for version in self._state.basis.versions(project) if name in version.grants]
        return self._told(name, projects={project}, versions=standing, columns=columns, grants={name})

    def of_dataset(self, name: str) -> Impact | None:
        """Versions whose night read it, and projects that read or asked for it last."""
        dataset, _, column = name.partition(".")
        versions: list[RegisteredVersion] = []
        projects, columns, grants = set[str](), set[tuple[str, str]](), set[str]()
        for project in self._state.projects():
            reads = _within(self._state.reads(project), dataset, column)
            standing = self._state.basis.versions(project, lambda _, read: bool(_within(read, dataset, column)))
            if reads or standing:
                projects.add(project)
                versions += standing
                columns.update(reads, *(_within(version.columns, dataset, column) for version in standing))
                grants.update(self._granted(project, {dataset}))
        if not projects:
            return None
        return self._told(name, projects=projects, versions=versions, columns=columns, grants=grants)

    def of_model(self, name: str) -> Impact | None:
        """The version, all that it rests on, and its project."""
        project, _, number = name.partition("@")
        wanted = self._champions(project) if number in ("", "champion") else None
        if number.isascii() and number.isdigit():
            wanted = int(number)
        version = self._state.basis.version(project, wanted) if wanted is not None else None
        if version is None:
            return None
        told = self._told(name, projects={project}, versions=[version], columns=version.columns, grants=version.grants)
        return told

    def of_feature(self, name: str) -> Impact | None:
        """Versions whose night built it, and projects whose newest night did."""
        versions: list[RegisteredVersion] = []
        projects, columns, grants = set[str](), set[tuple[str, str]](), set[str]()
        for project in self._state.projects():
            sources = self._sources(self._newest(project), name)
            standing = self._state.basis.versions(project, lambda run, _: bool(self._sources(run, name)))
            if sources or standing:
                projects.add(project)
                versions += standing
                columns.update(sources, *(self._sources(version.run, name) for version in standing))
                grants.update(self._granted(project, {dataset for dataset, _ in columns}))
        if not projects:
            return None
        told = self._told(name, projects=projects, versions=versions, columns=columns, grants=grants, feature=name)
        return told

    def _told(
        self,
        subject: str,
        *,
        projects: set[str],
        versions: list[RegisteredVersion],
        columns: set[tuple[str, str]] | frozenset[tuple[str, str]],
        grants: set[str] | frozenset[str],
        feature: str | None = None,
    ) -> Impact:
        features = {
            (project, made)
            for project, run in self._runs(projects, versions)
            for column, names in self._made(run).items()
            for made in names
            if column in columns and (feature is None or _is(made, feature))
        }
        return Impact(
            subject=subject,
            columns=tuple(sorted(columns)),
            grants=tuple(sorted(grants)),
            features=tuple(sorted(features)),
            projects=tuple(sorted(projects)),
            versions=tuple(versions),
            champions=tuple(each for each in versions if self._champions(each.project) == each.number),
            pending=tuple(each for project in sorted(projects) for each in self._state.pending(project)),
        )

    def _runs(self, projects: set[str], versions: list[RegisteredVersion]) -> Iterator[tuple[str, Run | None]]:
        """The nights whose declarations say what is built: those of *versions*, and the newest where there is none."""
        yield from ((version.project, version.run) for version in versions)
        made = {version.project for version in versions}
        yield from ((project, self._newest(project)) for project in sorted(projects - made))

    def _newest(self, project: str) -> Run | None:
        nights = [night.run for (owner, _), night in self._state.basis.nights.items() if owner == project]
        return next(reversed([run for run in nights if run is not None]), None)

    def _sources(self, run: Run | None, feature: str) -> set[tuple[str, str]]:
        return {column for column, names in self._made(run).items() if any(_is(made, feature) for made in names)}

    def _made(self, run: Run | None) -> Mapping[tuple[str, str], tuple[str, ...]]:
        if run is None:
            return {}
        key = (run.project, run.code_digest, run.declaration_digest)
        if key not in self._declared:
            self._declared[key] = self._features_of(run)
        return self._declared[key]

    def _granted(self, project: str, datasets: set[str]) -> Iterator[str]:
        return (
            grant
            for grant, (owner, dataset, _) in self._state.granted.items()
            if owner == project and dataset in datasets
        )


def _within(columns: frozenset[tuple[str, str]], dataset: str, column: str) -> set[tuple[str, str]]:
    """Those of *columns* that are of *dataset*, and *column* if it is given."""
    return {(table, name) for table, name in columns if table == dataset and column in ("", name)}


def _is(made: str, feature: str) -> bool:
    return feature in (made, made.partition(".")[2])
