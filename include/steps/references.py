"""Who keeps which artifact: what the ledger says that runs made and took up, with what their manifests name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from include.core.canonical import decode
from include.core.errors import StoreError, StoreUnavailable
from include.core.events import ModelRegistered
from include.core.records import (
    ArtifactKind,
    Evaluation,
    LiveFigures,
    Plan,
    Promotion,
    Validation,
)
from include.governance.retention import ArtifactReference
from include.registry.champions import ProjectVersions
from include.registry.going_back import last_in_force
from include.retraining.judges import BEST_OF_DAYS
from include.steps.platform import Platform
from include.steps.uses import ArtifactUse, Uses

#: Later than any moment.
FOR_GOOD = datetime.max.replace(tzinfo=UTC)

_Record = TypeVar("_Record")


@dataclass(frozen=True, kw_only=True)
class _PartitionUse:
    """Of a partition, all that matters here: a year's manifests name a million."""

    table: str
    content: str


@dataclass(frozen=True, kw_only=True)
class _DatasetUse:
    dataset: str


@dataclass(frozen=True, kw_only=True)
class _ScopeUse:
    datasets: tuple[_DatasetUse, ...]


@dataclass(frozen=True, kw_only=True)
class _SnapshotUse:
    """Of a :class:`~include.core.records.Snapshot`."""

    scope: _ScopeUse
    partitions: tuple[_PartitionUse, ...]


@dataclass(frozen=True, kw_only=True)
class _FeatureSetUse:
    """Of a :class:`~include.core.records.FeatureSet`."""

    snapshot: str
    partitions: tuple[_PartitionUse, ...]


@dataclass(frozen=True, kw_only=True)
class _VersionScoresUse:
    """Of a :class:`~include.core.records.VersionScores`."""

    bundle: str
    scores: str


@dataclass(frozen=True, kw_only=True)
class _LiveScoresUse:
    """Of a :class:`~include.core.records.LiveScores`."""

    bundle: str
    scores: str
    partitions: tuple[_PartitionUse, ...]
    others: tuple[_VersionScoresUse, ...] = ()


def in_use(known: ProjectVersions) -> Mapping[int, datetime]:
    """Until when each version that was ever champion was: until the decision that put another into its place, for good
    that in force and the one which the project goes back to from there.
    """
    found: dict[int, datetime] = {}
    for change, following in zip(known.changes, [*known.changes[1:], None], strict=False):
        if change.version is not None:
            found[change.version.number] = following.decided_at if following else FOR_GOOD
    last = last_in_force(known)
    before = known.champion(before=last) if last is not None else None
    return found | ({before.number: FOR_GOOD} if before else {})


def _benchmark_of(evaluated: Evaluation) -> list[str]:
    """The model of the benchmark that *evaluated* was held against, if there was one."""
    figures = evaluated.benchmark
    return [] if figures is None or figures.model is None else [figures.model]


#: What is said of an artifact: its digest, its kind, of which project, made of which datasets.
_Said = tuple[str, ArtifactKind, str, tuple[str, ...]]


class References:
    """The references that *uses* come to at *now* (UTC), and what the registered versions were made of."""

    def __init__(self, platform: Platform, uses: Uses, *, now: datetime) -> None:
        self._platform, self.uses, self._now = platform, uses, now
        self._manifests: dict[str, object] = {}
        self._parts: dict[_PartitionUse, _PartitionUse] = {}
        self._last_use: dict[_Said, datetime] = {}
        self._last_position: dict[str, int] = {}
        #: The projects of which nobody can say what is still needed: a manifest behind a champion cannot be read.
        self.unsure: set[str] = set()
        self._fold()
        #: Those of artifacts that were not removed since their last use.
        self.living = [
            ArtifactReference(artifact=artifact, kind=kind, project=project, datasets=datasets, last_use=at)
            for (artifact, kind, project, datasets), at in self._last_use.items()
            if not self.is_gone(artifact)
        ]

    def is_gone(self, digest: str) -> bool:
        """Whether the last word about *digest* is its tombstone."""
        return self.uses.removed.get(digest, 0) > self._last_position.get(digest, 0)

    def of_version(self, model: ModelRegistered) -> frozenset[str]:
        """All that the version was made of, and what was made of it."""
        found = {*self._model(model), *(part.content for part in self.rows_of(model))}
        if evaluated := self._load(Evaluation, model.evaluation):
            found.update(_benchmark_of(evaluated))
            if drawn := self._load(Plan, evaluated.plan):
                found |= {*drawn.artifacts, drawn.profile}
            if built := self._load(_FeatureSetUse, evaluated.features):
                found.update(part.content for part in built.partitions)
        return frozenset(found)

    def rows_of(self, model: ModelRegistered) -> Sequence[_PartitionUse]:
        """The rows of production data that the version was made of: with the ledger, all that a rebuilding needs."""
        taken = self._taken(model)
        return taken.partitions if taken else ()

    def _taken(self, model: ModelRegistered) -> _SnapshotUse | None:
        evaluated = self._load(Evaluation, model.evaluation)
        built = self._load(_FeatureSetUse, evaluated.features) if evaluated else None
        return self._load(_SnapshotUse, built.snapshot) if built else None

    def _fold(self) -> None:
        for (project, step, output), use in self.uses.outputs.items():
            datasets = self._datasets(project, use.run_id)
            if step == "snapshot" and (taken := self._load(_SnapshotUse, output)):
                for part in taken.partitions:
                    self._say((part.content, ArtifactKind.SNAPSHOT, project, (part.table,)), use)
            for kind, digests in self._named(step, output):
                for digest in digests:
                    self._say((digest, kind, project, datasets), use)
        for (project, model), use in self.uses.benchmarks.items():
            self._say((model, ArtifactKind.MODEL, project, self._datasets(project, use.run_id)), use)
        self._fold_partitions()
        self._fold_champions()

    def _fold_partitions(self) -> None:
        """When partitions were made. Where no manifest names one, a run was killed before it could."""
        named: dict[tuple[str, str], list[_Said]] = {}
        for said in self._last_use:
            named.setdefault((said[2], said[0]), []).append(said)
        for (project, content), (use, table) in self.uses.partitions.items():
            datasets = self._datasets(project, use.run_id)
            of_rows = (content, ArtifactKind.SNAPSHOT, project, (table,))
            derived = (content, ArtifactKind.FEATURES, project, datasets)
            guessed = of_rows if table in datasets or not datasets else derived
            for said in named.get((project, content), [guessed]):
                self._say(said, use)

    def _fold_champions(self) -> None:
        """What each version that was ever champion is and was made of is in use as long as :func:`in_use` says.

        One that only training itself would have promoted is kept as long as a champion that was replaced at once.
        """
        for project, models in self.uses.models.items():
            known = self._platform.champions.known(project)
            promoted, ends = [version.registered for version in known.versions if version.promoted], in_use(known)
            for use, model in models:
                if model in promoted:
                    end = min(ends.get(model.model_version, use.at), self._now)
                    held = min(end + timedelta(days=BEST_OF_DAYS), self._now)
                    self._keep_champion(model, replace(use, at=end), held=replace(use, at=held))
                elif model.verdict.promote:
                    self._keep_champion(model, use, held=use)

    def _keep_champion(self, model: ModelRegistered, use: ArtifactUse, *, held: ArtifactUse) -> None:
        """The rows that it was made of are in use by *use*, the model itself, which later ones are held against, by
        *held*.
        """
        if self._taken(model) is None:
            self.unsure.add(model.project)
        datasets = self._datasets(model.project, use.run_id)
        for digest in self._model(model):
            self._say((digest, ArtifactKind.MODEL, model.project, datasets), held)
        for part in self.rows_of(model):
            self._say((part.content, ArtifactKind.MODEL, model.project, (part.table,)), use)

    def _model(self, model: ModelRegistered) -> Iterator[str]:
        yield model.bundle
        if evaluated := self._load(Evaluation, model.evaluation):
            yield evaluated.model
        if reference := self.uses.reference_of.get((model.project, model.evaluation)):
            yield reference

    def _say(self, said: _Said, use: ArtifactUse) -> None:
        self._last_use[said] = max(use.at, self._last_use.get(said, use.at))
        self._last_position[said[0]] = max(use.position, self._last_position.get(said[0], 0))

    def _datasets(self, project: str, run_id: str) -> tuple[str, ...]:
        """What the run reads: all that it makes but rows is taken to be made of all of it."""
        digest = self.uses.snapshots.get((project, run_id))
        taken = self._load(_SnapshotUse, digest) if digest else None
        return tuple(sorted(read.dataset for read in taken.scope.datasets)) if taken else ()

    def _load(self, kind: type[_Record], digest: str) -> _Record | None:
        """The manifest; ``None``: it is lost, or another version wrote it."""
        if digest not in self._manifests:
            try:
                found: object = decode(kind, self._platform.store.get(digest))
            except StoreUnavailable:
                raise
            except (StoreError, ValueError):
                found = None
            if isinstance(found, _SnapshotUse | _FeatureSetUse | _LiveScoresUse):
                shared = tuple(self._parts.setdefault(part, part) for part in found.partitions)
                found = replace(found, partitions=shared)
            self._manifests[digest] = found
        known = self._manifests[digest]
        return known if isinstance(known, kind) else None

    def _named(self, step: str, output: str) -> Iterator[tuple[ArtifactKind, Sequence[str]]]:
        """What *output* of *step* names of each kind, rows of production data apart."""
        load = self._load
        if step == "refit":
            yield ArtifactKind.MODEL, [output]
        elif step == "validate" and (checked := load(Validation, output)):
            yield ArtifactKind.REPORT, [checked.report]
        elif step == "features" and (built := load(_FeatureSetUse, output)):
            yield ArtifactKind.FEATURES, [part.content for part in built.partitions]
        elif step == "plan" and (drawn := load(Plan, output)):
            yield ArtifactKind.TRAINING, list(drawn.artifacts)
            yield ArtifactKind.PROFILE, [drawn.profile]
        elif step == "evaluate" and (evaluated := load(Evaluation, output)):
            yield ArtifactKind.MODEL, _benchmark_of(evaluated)
        elif step == "promote" and (promoted := load(Promotion, output)):
            yield ArtifactKind.MODEL, [promoted.bundle]
        elif step == "score" and (scored := load(_LiveScoresUse, output)):
            yield ArtifactKind.FEATURES, [part.content for part in scored.partitions]
            yield ArtifactKind.SCORES, [scored.scores, *(each.scores for each in scored.others)]
            yield ArtifactKind.MODEL, [scored.bundle, *(each.bundle for each in scored.others)]
        elif step == "drift" and (live := load(LiveFigures, output)):
            yield ArtifactKind.PROFILE, [live.profiles]
            yield ArtifactKind.MODEL, [live.reference]
            yield ArtifactKind.REPORT, list(self._pages(live))

    def _pages(self, live: LiveFigures) -> Iterator[str]:
        from include.monitoring.page import Page

        yield from filter(None, (live.report, live.report_figures))
        page = self._load(Page, live.report) if live.report else None
        yield from page.pieces if page else ()
