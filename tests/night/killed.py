"""A night in a process of its own that dies at a chosen write, forked from one that has imported everything."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: What a night imports: paid for once.
IMPORTED = (
    "duckdb", "great_expectations", "ibis", "lightgbm", "mlflow.lightgbm", "optuna", "scipy.stats",
    "include.data.features", "include.data.snapshot", "include.data.validation", "include.training.evaluation",
    "tests.night.killed", "tests.night.yard",
)  # fmt: skip


def night(home: Path, production: Path, code: str, *, die_at: int | None) -> int:
    """Run the night in a child, to its end or to its *die_at*-th write; the child's exit status (-9: killed)."""
    return _child(_night, home, production, code, die_at)


def watch(home: Path, production: Path, code: str, *, die_at: int | None) -> int:
    """The same for the watch of :mod:`tests.night.test_watch` under its strict policy."""
    return _child(_watch, home, production, code, die_at)


def _child(target: Callable[..., None], *given: object) -> int:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    child = context.Process(target=target, args=given)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def shard(home: Path, production: Path, vault: str, given: "Given", *, die_after: int) -> int:
    """Train a shard in a child that dies after so many records; the child's exit status."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    child = context.Process(target=_shard, args=(home, production, vault, given, die_after))
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


@dataclass(frozen=True, kw_only=True)
class Given:
    """A shard to train: that of *plan* in the night *run_id*, whose search has *shards* shards."""

    run_id: str
    plan: str
    number: int
    shards: int


def _shard(home: Path, production: Path, vault: str, given: Given, die_after: int) -> None:
    from include import steps
    from include.steps import training
    from tests.night.yard import FLIGHTS, Yard

    recorded, record = 0, training.record_trial

    def counted(*arguments: Any, **named: Any) -> None:
        nonlocal recorded
        if recorded == die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        record(*arguments, **named)
        recorded += 1

    training.record_trial = counted
    yard = Yard(home=home, production=production)
    yard.settings = replace(yard.settings, vault=vault)
    project = FLIGHTS.varied(search=replace(FLIGHTS.learning.search, shards=given.shards))
    now = datetime.now(UTC)
    run = steps.resume(yard.platform, project, run_id=given.run_id, now=now)
    steps.train(yard.platform, project, run, given.plan, given.number, now=now)


def _night(home: Path, production: Path, code: str, die_at: int | None) -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from tests.night.yard import Yard

    if die_at is not None:
        _die_at(die_at)
    Yard(home=home, production=production, code=code).night()


def _watch(home: Path, production: Path, code: str, die_at: int | None) -> None:
    from tests.night.test_watch import STRICTLY_WATCHED, watched
    from tests.night.yard import Yard

    if die_at is not None:
        _die_at(die_at)
    watched(Yard(home=home, production=production, code=code), STRICTLY_WATCHED)


def _die_at(point: int) -> None:
    """Count the moments before and after each write to the ledger and to the stores; end the process at *point*."""
    from include import store
    from include.ledger import Ledger

    seen, lock = 0, threading.Lock()

    def count() -> None:
        nonlocal seen
        with lock:
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            count()
            result = write(*given, **named)
            count()
            return result

        return counted

    for owner, names in ((Ledger, ("append", "record", "receive")), (store.Store, ("put", "put_file", "put_made"))):
        for name in names:
            setattr(owner, name, around(getattr(owner, name)))
