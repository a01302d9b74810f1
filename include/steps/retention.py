"""Retention: what is due is removed, with a tombstone first; and what of a model is gone since.

    endings of all artifacts → those that are due, held by nobody and needed by no running run → tombstones → bytes

A kill at any line is harmless: what has a tombstone and was not used since is removed by the next call.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core import streams
from include.core.errors import ContractError
from include.core.events import ArtifactsRemoved, RetentionCarriedOut, StepStarted
from include.core.records import ArtifactKind
from include.governance import holds
from include.governance.retention import SHORTEST, RemovalDue, Times, endings
from include.ledger import Ledger
from include.steps.platform import Platform, adopted_contract
from include.steps.references import References
from include.steps.uses import Uses

#: How often it is carried out; what was left because something ran is tried again at once.
EVERY = timedelta(days=1)
#: Where the removal of bytes stands is kept in the ledger under this name.
_REMOVING = "removed artifacts"
#: This many artifacts are named in one tombstone, and removed between two looks at what runs.
_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """``endings``: what has an end and is not held, the earliest first. ``holds`` are in force. ``without``: by dataset
    or project why nothing of it is removed.
    """

    endings: tuple[RemovalDue, ...]
    holds: tuple[holds.Hold, ...]
    without: Mapping[str, str]


def is_due(ledger: Ledger, *, now: datetime) -> bool:
    """Whether a day has passed since it was carried out the last time, or something was left then."""
    last = next(reversed(ledger.read_all(kinds=(RetentionCarriedOut,))), None)
    if last is None or not isinstance(last.event, RetentionCarriedOut):
        return True
    return last.event.left > 0 or last.recorded_at + EVERY <= now


def carry_out(platform: Platform, *, now: datetime) -> RetentionCarriedOut:
    """Remove what is due at *now* (UTC), the wall clock's time.

    What is kept of a training that nobody took up again for :data:`SHORTEST` goes first: no contract keeps anything for
    less. Of a project of which something runs nothing is removed that it knows. Artifacts that several projects or
    datasets made alike stay until the last of them has no use for them.

    Raises:
        StoreUnavailable, LedgerUnavailable: the rest is removed by the next call.
    """
    for shelf in (platform.vault, platform.store):
        shelf.clear_working(unused_since=now - SHORTEST)
    uses = Uses.of(platform.ledger)
    known = References(platform, uses, now=now)
    sweep = _Removal(platform, known)
    busy = uses.running(platform.ledger, now=now)
    for position, tombstone in uses.tombstones:
        if position > platform.ledger.delivered(_REMOVING)[0]:
            sweep.remove(position, [each for each in tombstone.artifacts if known.is_gone(each)], tombstone, busy)
    due = [each for each in _unheld(platform, known, _times(platform, known)[0]) if each.due_since <= now]
    ready = [each for each in due if sweep.projects.get(each.artifact, frozenset()).isdisjoint(busy)]
    rows = {
        f"{model.project}/{model.model_version}": frozenset(part.content for part in known.rows_of(model))
        for models in uses.models.values()
        for _, model in models
    }
    for tombstone in _tombstones(ready, rows):
        position = platform.ledger.record(streams.RETENTION, tombstone).position
        sweep.remove(position, tombstone.artifacts, tombstone, busy)
    if sweep.done_until is not None:
        platform.ledger.mark_delivered(_REMOVING, position=sweep.done_until)
    left = sweep.left + len(due) - len(ready)
    carried = RetentionCarriedOut(removed=sweep.removed, left=left)
    if sweep.removed or is_due(platform.ledger, now=now):
        platform.ledger.record(streams.RETENTION, carried)
    return carried


def outlook(platform: Platform, *, now: datetime) -> Outlook:
    """What is removed next, and what nothing is removed of."""
    known = References(platform, Uses.of(platform.ledger), now=now)
    times, without = _times(platform, known)
    return Outlook(
        endings=tuple(sorted(_unheld(platform, known, times), key=lambda each: (each.due_since, each.artifact))),
        holds=tuple(holds.holds(platform.ledger, platform.access.verifier).values()),
        without=without,
    )


def not_rebuildable(ledger: Ledger) -> Mapping[tuple[str, int], datetime]:
    """The versions, by project and number, of whose inputs some were removed, and since when (UTC).

    It stays so, even if the same rows are read once more later.
    """
    found: dict[tuple[str, int], datetime] = {}
    for entry in ledger.read_all(kinds=(ArtifactsRemoved,)):
        for version in entry.event.versions if isinstance(entry.event, ArtifactsRemoved) else ():
            project, _, number = version.rpartition("/")
            found.setdefault((project, int(number)), entry.recorded_at)
    return found


def _times(platform: Platform, known: References) -> tuple[Times, dict[str, str]]:
    """What the contracts in effect declare, by dataset; and of which datasets or projects nothing is removed."""
    times: dict[str, Mapping[str, float]] = {}
    without: dict[str, str] = {}
    for dataset in sorted({dataset for reference in known.living for dataset in reference.datasets}):
        try:
            contract = adopted_contract(platform, dataset)
        except ContractError as error:
            without[dataset] = str(error)
            continue
        times[dataset] = contract.retention_days if contract else {}
        if not times[dataset]:
            without[dataset] = "its contract declares no retention"
    without |= {project: "what one of its champions was made of cannot be read" for project in sorted(known.unsure)}
    return times, without


def _unheld(platform: Platform, known: References, times: Times) -> list[RemovalDue]:
    held = _held(platform, known)
    held |= {each.artifact for each in known.living if each.project in known.unsure}
    return [each for digest, each in endings(known.living, times).items() if digest not in held]


def _held(platform: Platform, known: References) -> frozenset[str]:
    subjects = holds.holds(platform.ledger, platform.access.verifier)
    if not subjects:
        return frozenset()
    datasets = {each.artifact for each in known.living if not subjects.keys().isdisjoint(each.datasets)}
    models = [model for models in known.uses.models.values() for _, model in models]
    for model in models:
        if not subjects.keys().isdisjoint({model.project, f"{model.project}/{model.model_version}"}):
            datasets |= known.of_version(model)
    return frozenset(datasets)


def _tombstones(due: Iterable[RemovalDue], rows: Mapping[str, frozenset[str]]) -> Iterable[ArtifactsRemoved]:
    groups: dict[tuple[ArtifactKind, tuple[str, ...], datetime, str], list[str]] = {}
    for each in due:
        groups.setdefault((each.kind, each.datasets, each.due_since, each.rule), []).append(each.artifact)
    for (kind, datasets, due_since, rule), artifacts in groups.items():
        for start in range(0, len(artifacts), _BATCH):
            batch = tuple(sorted(artifacts)[start : start + _BATCH])
            yield ArtifactsRemoved(
                artifact_kind=kind,
                datasets=datasets,
                artifacts=batch,
                due_since=due_since,
                rule=rule,
                versions=tuple(name for name, parts in rows.items() if not parts.isdisjoint(batch)),
            )


class _Removal:
    """Removes bytes that have a tombstone, as long as nothing of their projects has begun."""

    def __init__(self, platform: Platform, known: References) -> None:
        self._platform, self._known = platform, known
        self._stopped = False
        self.removed = self.left = 0
        self.done_until: int | None = None
        self.projects: dict[str, frozenset[str]] = {}
        for each in known.living:
            self.projects[each.artifact] = self.projects.get(each.artifact, frozenset()) | {each.project}

    def remove(
        self, position: int, artifacts: Collection[str], tombstone: ArtifactsRemoved, busy: frozenset[str]
    ) -> None:
        begun = {
            entry.event.project
            for entry in self._platform.ledger.read_all(after=self._known.uses.position, kinds=(StepStarted,))
            if isinstance(entry.event, StepStarted)
        }
        for digest in artifacts:
            projects = self.projects.get(digest)
            if (begun or busy) if projects is None else not projects.isdisjoint({*begun, *busy}):
                self.left, self._stopped = self.left + 1, True
                continue
            if tombstone.artifact_kind is ArtifactKind.REPORT:
                self._platform.store.remove(digest)
            else:
                self._platform.vault.remove(digest)
            self.removed += 1
        if not self._stopped:
            self.done_until = position
