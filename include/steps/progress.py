"""How far what trains is, while it does: in the open store for whoever looks, replaced as it goes on, and no record."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.clocks import utc_now
from include.core.errors import StoreUnavailable
from include.core.records import Run
from include.steps.platform import Platform
from include.training.progress import Report, TrainingProgress

if TYPE_CHECKING:
    from include.store import Store

#: What takes no longer than that is never kept; what does is kept as often.
EVERY_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class SeenProgress:
    """How far a step was ``at`` a moment (UTC)."""

    progress: TrainingProgress
    at: datetime

    @property
    def expected_end(self) -> datetime | None:
        """When it ends if each round takes as long as those before; ``None``: there are none yet."""
        left = self.progress.left_seconds
        return None if left is None else self.at + timedelta(seconds=left)


@contextmanager
def shown(platform: Platform, run: Run, step: str) -> Iterator[Report]:
    """What is to be told how far *step* is, while it trains in the block: the platform's listener, and the store."""
    kept, due = False, time.monotonic() + EVERY_SECONDS

    def report(progress: TrainingProgress) -> None:
        nonlocal kept, due
        platform.on_training(step, progress)
        if time.monotonic() >= due:
            kept, due = True, time.monotonic() + EVERY_SECONDS
            keep(platform.store, run.project, run.run_id, step, progress, at=utc_now())

    try:
        yield report
    finally:
        if kept:
            forget(platform.store, run.project, run.run_id, step)


def keep(store: "Store", project: str, run_id: str, step: str, progress: TrainingProgress, *, at: datetime) -> None:
    """Say that *step* was so far *at* (UTC); nothing is said where the store is out of reach."""
    said = json.dumps({"at": at.isoformat(), "progress": asdict(progress)}).encode()
    with suppress(StoreUnavailable):
        store.keep_working(_name(project, run_id, step), said)


def forget(store: "Store", project: str, run_id: str, step: str) -> None:
    """Say nothing of *step* any more: it trains no more."""
    with suppress(StoreUnavailable):
        store.remove_working(_name(project, run_id, step))


def seen(store: "Store", project: str, run_id: str, step: str) -> SeenProgress | None:
    """How far *step* was when it said so last; ``None``: it has not.

    Raises:
        StoreUnavailable: nobody can say now.
    """
    said = store.working(_name(project, run_id, step))
    if said is None:
        return None
    try:
        known = json.loads(said)
        return SeenProgress(progress=TrainingProgress(**known["progress"]), at=datetime.fromisoformat(known["at"]))
    except (ValueError, TypeError, KeyError):  # another release said it otherwise
        return None


def _name(project: str, run_id: str, step: str) -> str:
    return record_digest(("progress", project, run_id, step))
