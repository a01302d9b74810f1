"""The trials of a project, as the ledger records them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice

from include.core import streams
from include.core.events import TrialRecorded
from include.core.records import Trial, TrialState
from include.ledger import Ledger

#: This many earlier trials a search learns from at most: older ones tell little, and drawing slows down with each.
WARM_TRIALS = 256

#: Those that halving stopped are evidence too: the survivors alone make a search no better (benchmarks/warm_start.py).
_EVIDENCE = (TrialState.COMPLETE, TrialState.PRUNED)


def recorded(ledger: Ledger, trial_ids: Iterable[str]) -> Mapping[str, Trial]:
    """The outcomes of those trials that have one, by a night's training or by a backtest's; in one query."""
    keys = {trial_id: (trial_key(trial_id), trial_key(trial_id, beside=True)) for trial_id in trial_ids}
    entries = ledger.find_all(key for both in keys.values() for key in both)
    found = ((trial_id, entries.get(own) or entries.get(beside)) for trial_id, (own, beside) in keys.items())
    return {
        trial_id: entry.event.trial
        for trial_id, entry in found
        if entry is not None and isinstance(entry.event, TrialRecorded)
    }


def trial_key(trial_id: str, *, beside: bool = False) -> str:
    """Under which key a night records the outcome of a trial and, *beside* nights, a backtest."""
    return streams.trial_beside_key(trial_id) if beside else streams.trial_key(trial_id)


def earlier(
    ledger: Ledger, project: str, *, before: datetime, alike: Callable[[str], bool], until: int | None = None
) -> Sequence[Trial]:
    """The latest trials that were not failures, ``WARM_TRIALS`` at most, of nights whose instant is before *before*.

    Only those of plans (told by their digests) that are *alike*; each plan is asked about once. By instant and trial
    id, latest first: the order in which they were recorded does not matter. What was recorded after the position
    *until* does not count: what was drawn then had not seen it.
    """
    entries = ledger.read(streams.trials(project))
    events = [entry.event for entry in entries if until is None or entry.position <= until]
    ended = [
        event
        for event in events
        if isinstance(event, TrialRecorded) and event.instant < before and event.trial.state in _EVIDENCE
    ]
    known = cache(alike)
    latest = sorted(ended, key=lambda event: (event.instant, event.trial.trial_id), reverse=True)
    return [event.trial for event in islice((event for event in latest if known(event.plan)), WARM_TRIALS)]
