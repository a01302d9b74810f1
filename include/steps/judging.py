"""Each due day scored by the champion that was in force before it, and by those that it is held against."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from include.core.errors import RegistryError
from include.core.project import Project
from include.core.records import DueDay, LiveScores, Run, VersionScores
from include.steps.backlog import DueDays
from include.steps.platform import Platform
from include.steps.serving import load

if TYPE_CHECKING:
    from include.data.live_rows import LiveRows
    from include.governance.vault import OpenedArtifacts
    from include.monitoring.series import Prediction
    from include.registry.bundle import Champion

#: This many models are held in memory at once: a watch after a long silence needs one for each night.
_HELD = 16


class Bench:
    """The versions that judge *due*'s days, each loaded when it is needed; the champion in force must be usable.

    Raises, by whatever it does:
        RegistryError: the champion in force learnt what is defined otherwise now.
        AccessDenied: no grant in force covers what the project reads.
    """

    def __init__(self, platform: Platform, project: Project, run: Run, due: DueDays, *, now: datetime) -> None:
        self._platform, self._project, self._run, self._due, self._now = platform, project, run, due, now
        self.model = lru_cache(maxsize=_HELD)(self._load)
        self._unusable: dict[int, str | None] = {}
        self._features: dict[int, tuple[str, ...]] = {}

    def days(self, *, first: date) -> tuple[DueDay, ...]:
        """The due days with those that can score them; days before *first* lie further back than the watch reads."""
        places = {number: place for place, number in enumerate(self._due.versions)}
        found = []
        for judges in self._due.days:
            unjudged = judges.refused
            if unjudged is None and judges.day < first:
                unjudged = f"it lies before {first}, further back than the project's window"
            if unjudged is None:
                unjudged = self._why_not(judges.champion)
            found.append(
                DueDay(
                    day=judges.day,
                    champion=judges.champion,
                    predecessor=None if unjudged else self._usable(judges.predecessor),
                    best=None if unjudged else self._best(judges.best, places),
                    unjudged=unjudged,
                )
            )
        return tuple(found)

    def features(self, due: Sequence[DueDay]) -> list[str]:
        """All features that the champion in force needs, and whoever else scores one of *due*."""
        wanted = {self._due.champion.number, *_wanted(due)}
        return sorted({name for version in wanted for name in self._features[version]})

    def scores(self, due: Sequence[DueDay], rows: "LiveRows") -> tuple[VersionScores, ...]:
        """What all but the champion in force predict for the days that need them."""
        found = []
        for version, days in sorted(_wanted(due).items()):
            if version != self._due.champion.number:
                scores = scores_of(self.model(version), rows, days)
                found.append(
                    VersionScores(
                        version=version,
                        bundle=self._due.versions[version].registered.bundle,
                        days=days,
                        scores=self._platform.vault.put(scores),
                    )
                )
        return tuple(found)

    def _best(self, ranked: Iterable[int], places: Mapping[int, int]) -> int | None:
        """The first of *ranked* that can score. What was defined otherwise for one was so for those before it."""
        after = -1
        for version in ranked:
            if places[version] > after:
                if self._why_not(version) is None:
                    return version
                after = places[version]
        return None

    def _usable(self, version: int | None) -> int | None:
        return version if version is not None and self._why_not(version) is None else None

    def _why_not(self, version: int) -> str | None:
        """Why *version* cannot score; ``None``: it can."""
        if version not in self._unusable:
            try:
                self.model(version)
                self._unusable[version] = None
            except RegistryError as error:
                if version == self._due.champion.number:
                    raise
                self._unusable[version] = str(error.value)
        return self._unusable[version]

    def _load(self, version: int) -> "Champion":
        champion = self._due.versions[version]
        if version != self._due.champion.number and not self._platform.vault.has(champion.registered.bundle):
            raise RegistryError(
                "a version is kept as long as it may judge",
                value=f"the model of version {version} is not kept any more",
                remedy="Keep models for longer.",
            )
        model = load(self._platform, self._project, self._run, champion, step="score", now=self._now)
        self._features[version] = tuple(each.name for each in model.features)
        return model


def scores_of(model: "Champion", rows: "LiveRows", days: Collection[date] | None = None) -> bytes:
    """What *model* predicts for *rows* (of *days* only, if given), one number each, as it is kept."""
    tables = (part.table if days is None else part.table.filter(part.of_days(days)) for part in rows.batches())
    return b"".join(model.predict(table).astype("<f8").tobytes() for table in tables if table.num_rows)


def predictions(live: LiveScores, rows: "LiveRows", opened: "OpenedArtifacts") -> Mapping[int, "Prediction"]:
    """What each version predicts for which of *rows*; *opened* holds all scores of *live*."""
    import numpy as np

    from include.monitoring.series import Prediction

    own = Prediction(rows=np.ones(len(rows.day), dtype=bool), score=np.frombuffer(opened.bytes(live.scores), "<f8"))
    found = {live.model_version: own}
    for each in live.others:
        score = np.frombuffer(opened.bytes(each.scores), "<f8")
        found[each.version] = Prediction(rows=rows.of_days(each.days), score=score)
    return found


def due_of(live: LiveScores) -> tuple[DueDay, ...]:
    """The days that are judged: in records of before, those that the champion in force had to."""
    return live.due or tuple(DueDay(day=day, champion=live.model_version) for day in live.since)


def _wanted(due: Iterable[DueDay]) -> Mapping[int, tuple[date, ...]]:
    days: dict[int, list[date]] = {}
    for each in due:
        if each.unjudged is None:
            for version in {each.champion, each.predecessor, each.best}:
                if version is not None:
                    days.setdefault(version, []).append(each.day)
    return {version: tuple(found) for version, found in days.items()}
