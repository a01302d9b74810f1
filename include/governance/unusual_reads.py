"""Reads that a steward would want to know of, found in the receipts."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from include.core.events import DataOpened, DataRead, Event, RunStarted, RunTriggered
from include.core.records import Trigger
from include.ledger import Entry

#: The events from which :func:`unusual_reads` finds them.
KINDS: tuple[type[Event], ...] = (DataOpened, DataRead, RunStarted, RunTriggered)
#: A read is compared with this many before it, and unusual if it is more than that many times as large as any of them.
READS, TIMES = 30, 1.5


@dataclass(frozen=True, kw_only=True)
class UnusualRead:
    """A read of *dataset* by a run, and ``why`` it is unusual, in a sentence; ``kind`` is a word for that."""

    project: str
    dataset: str
    run_id: str
    grant_id: str
    at: datetime
    kind: str
    why: str


def unusual_reads(entries: Iterable[Entry]) -> Iterator[UnusualRead]:
    """The unusual among the reads in *entries* (all of :data:`KINDS`, in order), each for each reason once a run.

    A run of which no trigger is recorded counts as started by nobody, unless it began before triggers were recorded.
    """
    past: dict[tuple[str, str], deque[tuple[int, int]]] = {}
    begun: dict[tuple[str, str], bool] = {}  # whether what started the run is known, or was not recorded then
    told: set[tuple[str, str, str, str]] = set()
    recorded = False
    for entry in entries:
        event = entry.event
        if isinstance(event, RunTriggered):
            recorded = True
            begun[event.project, event.run_id] = event.trigger is not Trigger.UNKNOWN
        elif isinstance(event, RunStarted):
            begun.setdefault((event.run.project, event.run.run_id), not recorded)
        elif isinstance(event, DataOpened | DataRead):
            key = (event.project, event.scope.dataset)
            known = begun.get((event.project, event.run_id), not recorded)
            for kind, why in _reasons(event, past.get(key), known=known):
                name = (*key, event.run_id, kind)
                if name not in told:
                    told.add(name)
                    yield UnusualRead(
                        project=event.project,
                        dataset=event.scope.dataset,
                        run_id=event.run_id,
                        grant_id=event.grant_id,
                        at=entry.recorded_at,
                        kind=kind,
                        why=why,
                    )
            reads = past.setdefault(key, deque(maxlen=READS))
            if isinstance(event, DataRead):
                reads.append((event.rows, _days(event.first, event.last)))


def _reasons(
    event: DataOpened | DataRead, past: deque[tuple[int, int]] | None, *, known: bool
) -> Iterator[tuple[str, str]]:
    if not known:
        yield "nobody", "no schedule and no recorded login started its run"
    if past is None:
        yield "first", "it is the first time that the project reads it"
    if not past:
        return
    most_rows, most_days = (max(read[place] for read in past) for place in (0, 1))
    days = _days(event.first, event.last)
    if days > TIMES * most_days:
        yield "days", f"it covers {days:,} days; the last {len(past)} reads covered at most {most_days:,}"
    if isinstance(event, DataRead) and event.rows > TIMES * most_rows:
        yield "rows", f"it read {event.rows:,} rows; the last {len(past)} reads had at most {most_rows:,}"


def _days(first: date | None, last: date | None) -> int:
    """0 for an undivided table."""
    return (last - first).days + 1 if first is not None and last is not None else 0
