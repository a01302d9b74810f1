"""Attempts of steps that ended without a word: found, and closed."""

from datetime import datetime, timedelta

from include.core.events import StepFailed, StepFinished, StepReused, StepStarted
from include.ledger import lease
from include.ledger.costs import measured
from include.ledger.entry import Entry
from include.ledger.ledger import Ledger

#: Where :func:`close_lost` stands is kept in the ledger under this name.
_CLOSING = "closed attempts"
#: An attempt of a run that takes no lease goes on no longer than that.
WITHOUT_A_LEASE = timedelta(days=1)


def close_lost(ledger: Ledger, *, now: datetime) -> int:
    """Record the end of every attempt that ended without a word; how many.

    It ended if its run took its project's lease, holds it at *now* no more, and it began longer ago than a lease lasts.
    What watches or scores beside a night takes none, and nothing tells whether it goes on: it ended if it began a day
    ago. What a killed task leaves open is closed by its next attempt; this is for those that have none.

    Reads what was recorded since the oldest attempt that was still open the last time: all before it have an end. Where
    that was is kept in the ledger, and may be lost: then it reads everything once.
    """
    after, _ = ledger.delivered(_CLOSING)
    last = after
    opened: dict[str, tuple[Entry, StepStarted]] = {}
    for entry in ledger.read_all(after=after, kinds=(StepStarted, StepFinished, StepReused, StepFailed)):
        last, event = entry.position, entry.event
        if isinstance(event, StepStarted):
            opened[event.attempt] = (entry, event)
        elif isinstance(event, StepFinished | StepReused | StepFailed):
            opened.pop(event.attempt, None)
    lost = [(entry, started) for entry, started in opened.values() if _is_lost(ledger, entry, started, now=now)]
    for entry, started in lost:
        close(ledger, entry.stream, started)
        del opened[started.attempt]
    done = min((entry.position - 1 for entry, _ in opened.values()), default=last)
    if done > after:
        ledger.mark_delivered(_CLOSING, position=done)
    return len(lost)


def _is_lost(ledger: Ledger, entry: Entry, started: StepStarted, *, now: datetime) -> bool:
    project, run_id = started.project, started.run_id
    if entry.recorded_at + lease.DURATION > now or lease.holds(ledger, project, run_id=run_id, now=now):
        return False
    return entry.recorded_at + WITHOUT_A_LEASE <= now or lease.ever_held(ledger, project, run_id=run_id)


def close(ledger: Ledger, stream: str, started: StepStarted) -> None:
    """Record that an attempt ended without a word. What it told that it took so far is what is known of its cost."""
    lost = StepFailed(**vars(started), error="Lost", message="ended without a word")
    nothing = measured(started.project, started.run_id, started.step, started.attempt, 0.0, 0.0, so_far=True)
    ledger.record(stream, lost, beside=[nothing])
