"""Looks declared beforehand: whether a new champion stays, by the later days that it and the one before it both scored.

Training takes a look and records it; the authority computes it again from the recorded days, and goes back by that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.core import streams
from include.core.canonical import record_digest
from include.core.events import DayJudged, LooksDeclared, LookTaken
from include.core.project import Look
from include.core.records import DayOfSeries, LookOutcome
from include.ledger import Entry, Ledger, of_kind
from include.registry.champions import ProjectVersions, Version

_RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class LookResult:
    """What a look at ``version`` beside its ``predecessor`` comes to, ``instant`` being that of its last day's watch.

    ``estimate`` and ``lower`` are ``None`` where the version was replaced before it had the ``look``'s days.
    """

    version: int
    predecessor: int
    look: Look
    days: int
    instant: datetime | None
    estimate: float | None
    lower: float | None

    @property
    def outcome(self) -> LookOutcome:
        if self.lower is None:
            return LookOutcome.SUPERSEDED
        return LookOutcome.BACK if self.lower > 0 else LookOutcome.STAYS

    def in_words(self) -> str:
        """What it came to, figures and all."""
        if self.estimate is None or self.lower is None:
            return f"version {self.version} was replaced before its look at {self.look.days} days"
        return (
            f"over {self.days} days version {self.version} loses {self.estimate:+.4f} against version "
            f"{self.predecessor} a day, at least {self.lower:+.4f} with an error probability of {self.look.error:g}"
        )


def looks_to_take(ledger: Ledger, known: ProjectVersions, project: str) -> Iterator[LookResult]:
    """The looks that are due and not recorded: of the version in force, and of those that were replaced before."""
    declared = {entry.key: event.looks for entry, event in ledger.all_of(LooksDeclared) if event.project == project}
    entries = ledger.read(streams.drift(project)) if declared else []
    taken, judged = {entry.key for entry in entries if isinstance(entry.event, LookTaken)}, _judged(entries)
    for change in known.changes:
        version = change.version if change.rollback is None else None
        looks = declared.get(streams.looks_key(project, version.registered.run_id), ()) if version else ()
        for look in looks:
            if version is not None and streams.look_key(project, version.number, look.days) not in taken:
                found = _looked(known, project, version, look, judged)
                if found is not None:
                    yield found


def look_at(ledger: Ledger, known: ProjectVersions, project: str, taken: LookTaken) -> LookResult | None:
    """The look that *taken* says it is of, computed from the recorded days; ``None``: it is not due or not declared."""
    version = known.numbered(taken.model_version)
    if version is None or taken.look not in declared_looks(ledger, project, version):
        return None
    return _looked(known, project, version, taken.look, _judged(ledger.read(streams.drift(project))))


def declared_looks(ledger: Ledger, project: str, version: Version) -> tuple[Look, ...]:
    """The looks that the version's night declared when it began."""
    declared = ledger.fact(streams.looks_key(project, version.registered.run_id), LooksDeclared)
    return declared.looks if declared is not None else ()


def lower_bound(differences: Sequence[float], error: float, *, seed: int) -> float:
    """The one-sided bound below the mean of *differences* (one a day) that holds but for *error*, days resampled.

    With few days the percentiles of a bootstrap are too narrow; they are moved outwards as Hesterberg (What Teachers
    Should Know About the Bootstrap, 2015, section 4.1) derives from Student's t.
    """
    import numpy as np
    from scipy.stats import norm, t

    values, days = np.asarray(differences), len(differences)
    drawn = np.random.default_rng(seed).integers(0, days, (_RESAMPLES, days))
    level = norm.cdf(np.sqrt(days / (days - 1)) * t.ppf(error, days - 1))
    return float(np.quantile(values[drawn].mean(axis=1), level))


def _looked(
    known: ProjectVersions, project: str, version: Version, look: Look, judged: Sequence[tuple[DayOfSeries, datetime]]
) -> LookResult | None:
    """The look at *version*; ``None``: it has too few days yet, or replaced nothing."""
    before, champion = known.champion(before=version.number), known.change()
    if before is None or champion is None:
        return None
    pairs = [
        (day.loss - day.predecessor_loss, instant)
        for day, instant in judged
        if (day.champion, day.predecessor) == (version.number, before.number)
        and day.loss is not None
        and day.predecessor_loss is not None
    ][: look.days]
    # One that somebody went back to has no look any more.
    replaced = champion.rollback is not None or champion.version is None or champion.version.number != version.number
    if len(pairs) < look.days and not replaced:
        return None
    if replaced:
        return LookResult(
            version=version.number,
            predecessor=before.number,
            look=look,
            days=len(pairs),
            instant=None,
            estimate=None,
            lower=None,
        )
    differences = [difference for difference, _ in pairs]
    digest = record_digest((project, version.number, look)).removeprefix("sha256:")
    return LookResult(
        version=version.number,
        predecessor=before.number,
        look=look,
        days=len(pairs),
        instant=pairs[-1][1],
        estimate=sum(differences) / len(differences),
        lower=lower_bound(differences, look.error, seed=int(digest[:15], 16)),
    )


def _judged(entries: Iterable[Entry]) -> list[tuple[DayOfSeries, datetime]]:
    """The judged days in the order of their recording, the first record of each: later days change no earlier look."""
    found: dict[object, tuple[DayOfSeries, datetime]] = {}
    for _, event in of_kind(entries, DayJudged):
        found.setdefault(event.judged.day, (event.judged, event.instant))
    return list(found.values())
