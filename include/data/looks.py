"""What sources said of days when these were looked at, and which days were corrected since.

Each night looks at the days that may still be corrected, and at those that it knows nothing of; what it found is
recorded: of files only what is new, since each night looks at all of them. A day of a server before
:attr:`~include.data.sources.Source.settled_before` is taken for what it was at its last look, until somebody asks for
another.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import DataError, SourceUnavailable
from include.core.events import DaysDigested, LookAgainAsked
from include.core.records import DatasetScope, Days, Run
from include.data.sources import Source, SourceDay
from include.ledger import Ledger, of_kind
from include.ledger.journal import begun


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a day was at its last look, by its ``digest``, and when that was (UTC)."""

    digest: str
    position: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A ``day`` (``None``: an undivided table) that was found to be another than at the last look, at ``at`` (UTC)."""

    day: date | None
    at: datetime


@dataclass(kw_only=True)
class Looks:
    """The looks at a dataset's days that one run needs, and those that it takes."""

    ledger: Ledger
    run: Run
    scope: DatasetScope
    source: Source
    found: dict[date | None, str] = field(default_factory=dict)

    def standing(self, day: date | None) -> str | None:
        """The digest that *day* stands with; ``None``: it has to be looked at."""
        settled = self.source.settled_before
        if day is None or settled is None or day >= settled or (look := self._known.get(day)) is None:
            return None
        return None if any(day in days and look.position < place for place, days in self._again) else look.digest

    def at(self, day: date | None) -> SourceDay:
        """Load *day*, and keep what it was found to be."""
        held = self.source.load(day)
        self.found[day] = held.digest
        return held

    def end(self) -> None:
        """Record what was found, whatever came of reading it, and let go of the source."""
        self.source.close()
        found = self.found if self.source.settled_before is not None else self._news()
        if found:
            digests = tuple(sorted(found.items(), key=lambda each: each[0] or date.min))
            run, dataset = self.run, self.scope.dataset
            event = DaysDigested(
                project=run.project, run_id=run.run_id, dataset=dataset, asked=self._asked, digests=digests
            )
            self.ledger.record(streams.digests(run.project, dataset), event)

    def _news(self) -> dict[date | None, str]:
        """What is found for the first time, or is another now; a run of an earlier instant than that has none."""
        if not self.found or (self._newest is not None and self.run.instant < self._newest):
            return {}
        known = self._known
        return {day: digest for day, digest in self.found.items() if day not in known or known[day].digest != digest}

    @cached_property
    def _newest(self) -> datetime | None:
        """The instant of the last run that found something new."""
        events = of_kind(self.ledger.read(streams.digests(self.run.project, self.scope.dataset)), DaysDigested)
        last = max(events, key=lambda each: each[0].position, default=None)
        maker = begun(self.ledger, self.run.project, last[1].run_id) if last else None
        return maker.instant if maker else None

    @property
    def _asked(self) -> str:
        return record_digest((self.scope.contract_digest, self.scope.names))

    @cached_property
    def _known(self) -> Mapping[date | None, Look]:
        seen = _digested(self.ledger, self.run.project, self.scope.dataset)
        return {day: look for asked, day, look in seen if asked == self._asked}

    @cached_property
    def _again(self) -> list[tuple[int, Days]]:
        events = of_kind(self.ledger.read(streams.look_again(self.scope.dataset)), LookAgainAsked)
        return [(entry.position, Days(first=event.first, last=event.last)) for entry, event in events]


def changed(ledger: Ledger, project: str, source: Source, days: Days) -> list[date]:
    """Those *days* that *source* now holds otherwise than *project* last found them, or no more.

    Raises as a source does, but for a day that is not there.
    """
    known = _last(_digested(ledger, project, source.contract.dataset))
    return [day for day in days if day in known and _digest(source, day) != known[day].digest]


def _digest(source: Source, day: date) -> str | None:
    try:
        return source.load(day).digest
    except SourceUnavailable:
        raise
    except DataError:
        return None


def look_again(ledger: Ledger, dataset: str, days: Days, *, user: str) -> None:
    """Have the next night of each project that reads *dataset* look at *days* again."""
    event = LookAgainAsked(dataset=dataset, first=days.first, last=days.last, user=user)
    ledger.record(streams.look_again(dataset), event)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a project knows of a dataset's days by looks: since when the oldest stands, and what was corrected."""

    days: int
    since: datetime
    corrections: tuple[Correction, ...]

    @classmethod
    def of(cls, ledger: Ledger, project: str, dataset: str) -> "Standing | None":
        """That of the columns which were asked for last; ``None``: no server's days were ever looked at."""
        seen = list(_digested(ledger, project, dataset))
        if not seen:
            return None
        asked, known, corrections = seen[-1][0], dict[date | None, Look](), []
        for of, day, look in seen:
            if of != asked:
                continue
            if day in known and known[day].digest != look.digest:
                corrections.append(Correction(day=day, at=look.at))
            known[day] = look
        oldest = min(look.at for look in known.values())
        return cls(days=len(known), since=oldest, corrections=tuple(corrections))

    def in_words(self) -> str:
        """Of days of a server."""
        told = f"{self.days:,} looked at; they stand as they were read, the oldest since {self.since:%Y-%m-%d %H:%M}Z"
        return f"{told}; {self.corrected_in_words() or 'none was corrected'}"

    def corrected_in_words(self) -> str:
        """Which days were corrected, if any."""
        if not self.corrections:
            return ""
        newest = self.corrections[-1]
        day = newest.day or "the whole table"
        return f"corrections: {len(self.corrections):,}, the last of {day}, found {newest.at:%Y-%m-%d %H:%M}Z"


def _digested(ledger: Ledger, project: str, dataset: str) -> Iterator[tuple[str, date | None, Look]]:
    """All looks in their order: at which columns, at which day, what was found."""
    for entry in ledger.read(streams.digests(project, dataset)):
        if isinstance(entry.event, DaysDigested):
            for day, digest in entry.event.digests:
                yield entry.event.asked, day, Look(digest=digest, position=entry.position, at=entry.recorded_at)


def _last(seen: Iterable[tuple[str, date | None, Look]]) -> dict[date | None, Look]:
    """The last look at each day, of the columns that were asked for last."""
    of_asked: dict[str, dict[date | None, Look]] = {}
    asked = ""
    for asked, day, look in seen:
        of_asked.setdefault(asked, {})[day] = look
    return of_asked.get(asked, {})
