"""What stands behind each model version: the grants and columns of its night, folded from receipts and partitions.

A night reads under the grants that its receipts name. What it did not read itself it took from earlier nights of its
project, and with it the grants under which these had read it. Nothing here opens data, and nothing is written: a mark
on a version follows from what is recorded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from include.core.events import ArtifactOpened, DataOpened, Event, ModelRegistered, PartitionsMade, RunStarted
from include.core.records import Days, Run
from include.ledger import Entry

#: All that :func:`fold` looks at.
KINDS: tuple[type[Event], ...] = (RunStarted, DataOpened, ArtifactOpened, PartitionsMade, ModelRegistered)

#: A table of a project on one day.
_Place = tuple[str, str, date | None]


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A registered version. ``run``: the night that made it; ``promoted``: it became champion when it was registered.

    ``grants`` are all under which it, and what its night took from earlier ones, was read or opened; ``columns`` the
    (dataset, column)s that its night read.
    """

    project: str
    number: int
    run: Run | None
    promoted: bool
    grants: frozenset[str]
    columns: frozenset[tuple[str, str]]


@dataclass(kw_only=True)
class _Night:
    run: Run | None = None
    opened: list[tuple[int, DataOpened]] = field(default_factory=list)
    grants: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class _Maker:
    position: int
    run_id: str
    complete: bool


@dataclass(kw_only=True)
class Basis:
    """The state of :func:`fold`. One project's entries are enough for what it is asked of that project."""

    nights: dict[tuple[str, str], _Night] = field(default_factory=dict)
    makers: dict[_Place, list[_Maker]] = field(default_factory=dict)
    registered: dict[str, list[ModelRegistered]] = field(default_factory=dict)

    def versions(
        self, project: str, where: Callable[[Run | None, frozenset[tuple[str, str]]], bool] = lambda run, columns: True
    ) -> tuple[RegisteredVersion, ...]:
        """The versions of *project*, oldest first, that *where* takes by their night and the columns that it read."""
        found = []
        for model in self.registered.get(project, ()):
            night = self.nights.get((model.project, model.run_id), _Night())
            if where(night.run, _columns(night)):
                found.append(self._version(model))
        return tuple(found)

    def version(self, project: str, number: int) -> RegisteredVersion | None:
        found = [model for model in self.registered.get(project, ()) if model.model_version == number]
        return self._version(found[0]) if found else None

    def projects(self) -> tuple[str, ...]:
        """Whose nights began or whose versions were registered."""
        return tuple(sorted({project for project, _ in self.nights} | set(self.registered)))

    def grants_of(self, project: str, run_id: str) -> frozenset[str]:
        """The grants behind all that the night *run_id* has read, taken or opened so far."""
        night = self.nights.get((project, run_id), _Night())
        found = set(night.grants)
        for position, opening in night.opened:
            found.add(opening.grant_id)
            found.update(self._taken(project, night, position, opening))
        return frozenset(found)

    def read_last(self, project: str) -> frozenset[tuple[str, str]]:
        """The (dataset, column)s that the newest night of *project* which read anything has read."""
        newest = [night for (owner, _), night in self.nights.items() if owner == project and night.opened]
        return _columns(max(newest, key=lambda night: night.opened[-1][0])) if newest else frozenset()

    def _version(self, model: ModelRegistered) -> RegisteredVersion:
        night = self.nights.get((model.project, model.run_id), _Night())
        return RegisteredVersion(
            project=model.project,
            number=model.model_version,
            run=night.run,
            promoted=model.verdict.promote,
            grants=self.grants_of(model.project, model.run_id),
            columns=_columns(night),
        )

    def _taken(self, project: str, night: _Night, position: int, opening: DataOpened) -> Iterator[str]:
        """The grants under which was read what *night* had when it had looked at what *opening* is about."""
        known: dict[tuple[str, bool, bool], frozenset[str]] = {}
        for day in _days(opening):
            for maker in reversed(self.makers.get((project, opening.scope.dataset, day), ())):
                key = (maker.run_id, maker.complete, maker.position > position)
                if key not in known:
                    known[key] = self._grants_of_maker(project, maker, night, position, opening)
                if known[key]:
                    break
        return (grant for under in known.values() for grant in under)

    def _grants_of_maker(
        self, project: str, maker: _Maker, night: _Night, position: int, opening: DataOpened
    ) -> frozenset[str]:
        """The grants of a partition that the night could take: read by the same rules, at no later instant."""
        other = self.nights.get((project, maker.run_id), _Night())
        if other is not night:
            if maker.position > position or other.run is None or night.run is None:
                return frozenset()
            if other.run.instant > night.run.instant:
                return frozenset()
            if not maker.complete and other.run.instant != night.run.instant:
                return frozenset()
        same = [each for _, each in other.opened if each.scope.dataset == opening.scope.dataset]
        rules = (opening.scope.contract_digest, opening.scope.columns)
        if rules not in [(each.scope.contract_digest, each.scope.columns) for each in same]:
            return frozenset()
        return frozenset(each.grant_id for each in same)


def fold(basis: Basis, entry: Entry) -> Basis:
    """*basis* with *entry* folded into it; an event of another kind changes nothing."""
    event = entry.event
    if isinstance(event, RunStarted):
        basis.nights.setdefault((event.run.project, event.run.run_id), _Night()).run = event.run
    elif isinstance(event, DataOpened):
        basis.nights.setdefault((event.project, event.run_id), _Night()).opened.append((entry.position, event))
    elif isinstance(event, ArtifactOpened):
        basis.nights.setdefault((event.project, event.run_id), _Night()).grants.update(event.grants)
    elif isinstance(event, PartitionsMade):
        for part in event.partitions:
            maker = _Maker(position=entry.position, run_id=event.run_id, complete=part.complete)
            basis.makers.setdefault((event.project, part.table, part.day), []).append(maker)
    elif isinstance(event, ModelRegistered):
        basis.registered.setdefault(event.project, []).append(event)
    return basis


def _columns(night: _Night) -> frozenset[tuple[str, str]]:
    return frozenset((each.scope.dataset, name) for _, each in night.opened for name in each.scope.names)


def _days(opening: DataOpened) -> Iterator[date | None]:
    if opening.first is None or opening.last is None:
        yield None
    else:
        yield from Days(first=opening.first, last=opening.last)
