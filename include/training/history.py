"""The trials of a project, as the ledger tells them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from include.core.events import TrialRecorded
from include.core.records import Trial, TrialState
from include.ledger import Ledger


def recorded(ledger: Ledger, trial_ids: Iterable[str]) -> Mapping[str, Trial]:
    """The outcomes of those trials that have one."""
    entries = ((trial_id, ledger.find(f"trial/{trial_id}")) for trial_id in trial_ids)
    return {
        trial_id: entry.event.trial
        for trial_id, entry in entries
        if entry is not None and isinstance(entry.event, TrialRecorded)
    }


def earlier(ledger: Ledger, project: str, *, before: datetime) -> Sequence[Trial]:
    """The complete trials of nights whose instant is earlier than *before*, oldest first."""
    events = (entry.event for entry in ledger.read(f"trials/{project}"))
    return [
        event.trial
        for event in events
        if isinstance(event, TrialRecorded) and event.instant < before and event.trial.state is TrialState.COMPLETE
    ]
