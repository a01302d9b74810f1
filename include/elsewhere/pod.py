"""One order, carried out where nothing is at hand but it: no ledger, no store, no credentials.

It imports this room, ``core``, ``learner``, ``training`` and ``data.losses`` alone, and beside the standard library
what the learners need: the image that it runs in holds nothing else.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from include.core.canonical import encode
from include.core.errors import AccessDenied, AddressRefused, MachineFault, StoreError, StoreUnavailable, TrainingError
from include.core.records import PlannedBenchmark, Refit, ResultAddresses, Shard, Trial, short_id
from include.elsewhere import document as orders
from include.elsewhere import last_words, results
from include.elsewhere.transfer import Exchange
from include.elsewhere.under_way import UnderWay
from include.learner import learner
from include.training import benchmark, engine
from include.training.checkpoints import Checkpoints
from include.training.meter import ShardMeter
from include.training.progress import ProgressCounter, TrainingProgress, every

ORDER_FILE = "/var/run/trainyard/order.json"
#: So long a round may take that began before SIGTERM: a pod is killed five seconds after it.
_ROUND_SECONDS = 3.0
#: How often it says how far it is, to whoever follows what it prints.
_PROGRESS_SECONDS = 10.0


class Exit(IntEnum):
    """How the process ends; whatever else is a bug."""

    DONE = 0
    REFUSED = 64  # the order is not the recorded one, has expired, or was made for other code
    ALTERED = 65  # an input is not what its digest says, or is not there
    UNREACHABLE = 69  # the store stayed out of reach
    DIFFERING = 70  # a stored result is not the one that is made here, or none that there can be
    FAULTY = 71  # nothing can be trained on this machine
    LAPSED = 77  # the store refuses the order's addresses: another order has others
    TERMINATED = 143  # SIGTERM: what is stored is kept


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Carry out ``train <order id> <order digest>``; the exit status. The order is a file of the environment."""
    match arguments:
        case ["train", order_id, digest]:
            pass
        case _:
            _say("usage: python -m include train ORDER_ID ORDER_DIGEST")
            return Exit.REFUSED
    checkpoints = Checkpoints()
    _end_on_sigterm(checkpoints)
    meter = ShardMeter()
    try:
        with last_words.saying(Path(environment.get("TRAINYARD_LAST_WORDS", last_words.FILE)), meter):
            order = _read(Path(environment.get("TRAINYARD_ORDER", ORDER_FILE)), order_id, digest)
            train(order, meter, checkpoints)
    except AccessDenied as error:
        return _failed(Exit.REFUSED, error)
    except StoreUnavailable as error:
        return _failed(Exit.UNREACHABLE, error)
    except AddressRefused as error:
        return _failed(Exit.LAPSED, error)
    except StoreError as error:
        return _failed(Exit.ALTERED, error)
    except MachineFault as error:
        return _failed(Exit.FAULTY, error)
    except TrainingError as error:
        return _failed(Exit.DIFFERING, error)
    return Exit.DONE


def train(document: orders.Document, meter: ShardMeter, checkpoints: Checkpoints) -> None:
    """Make what the order asks for and has no result yet, and write each result as soon as it is certain.

    *meter* counts what each trial takes, *checkpoints* keeps what is under way.

    Raises:
        AccessDenied: the store refuses what is asked.
        AddressRefused: the store refuses the order's addresses.
        StoreUnavailable: it stayed out of reach.
        StoreError: an input is missing or altered.
        MachineFault: nothing can be trained here.
        TrainingError: another result is stored, or one that there cannot be.
    """
    work = document.work
    if isinstance(work, Refit):
        largest = learner(work.winner.learner).largest_bytes
    else:
        largest = max(results.largest_bytes(work, name) for name in document.results)
    exchange = Exchange(patience_seconds=document.patience_seconds, largest_bytes=largest)
    checkpoints.state = UnderWay(document.working, patience_seconds=document.patience_seconds)
    with tempfile.TemporaryDirectory(prefix="trainyard-") as folder:
        inputs = _Inputs(document.artifacts, exchange, Path(folder))
        if isinstance(work, Refit):
            (addresses,) = document.results.values()
            _refit(document, work, addresses, exchange, inputs, meter, checkpoints)
        else:
            _train_shard(document, work, exchange, inputs, meter, checkpoints)


def _refit(
    document: orders.Document,
    work: Refit,
    addresses: ResultAddresses,
    exchange: Exchange,
    inputs: "_Inputs",
    meter: ShardMeter,
    checkpoints: Checkpoints,
) -> None:
    """Train the winner of a search on all rows, and write its model."""
    from include.training.refit import refit

    _say(f"refit of trial {short_id(work.winner.trial_id)}, {work.winner.rounds} rounds")
    found = exchange.result(addresses.read)
    if found is not None:
        learner(work.winner.learner).verify(work.winner, found)
        _say("its model is already stored")
        return
    counter = ProgressCounter(trials=1, all_rounds=work.winner.rounds, report=every(_PROGRESS_SECONDS, _say_progress))
    (name,) = document.results
    model = refit(
        work,
        opened=inputs,
        threads=document.threads,
        allowed=counter.counting(lambda: None),
        meter=meter,
        checkpoints=checkpoints,
        name=name,
        resumed=_resumed(counter),
    )
    exchange.write_result(addresses.write, model, read=addresses.read)
    _say(f"model of {len(model)} bytes stored")


def _train_shard(
    document: orders.Document,
    shard: Shard,
    exchange: Exchange,
    inputs: "_Inputs",
    meter: ShardMeter,
    checkpoints: Checkpoints,
) -> None:
    """Train the trials of *shard* that have no result yet, and write the result of each as it ends."""
    recorded = {trial.trial_id: trial for trial in document.recorded}
    planned = {trial.trial_id for trial in shard.trials}
    for trial_id, addresses in document.results.items():
        found = exchange.result(addresses.read) if trial_id in planned else None
        if found is not None:
            recorded[trial_id] = results.verified(shard, trial_id, found)
    _say(f"{document.step}, {len(shard.trials)} trials, {len(recorded)} already stored")
    done = len(recorded)

    def record(trial: Trial) -> None:
        nonlocal done
        addresses = document.results[trial.trial_id]
        exchange.write_result(addresses.write, encode(trial), read=addresses.read)
        done += 1
        loss = "" if trial.loss is None else f", loss {trial.loss:.6f}"
        _say(f"trial {short_id(trial.trial_id)} {trial.state}{loss} ({done} of {len(shard.trials)})")

    from include.training.trial import train_shard

    counter = ProgressCounter.of_shard(shard, recorded, report=every(_PROGRESS_SECONDS, _say_progress))
    train_shard(
        shard,
        opened=inputs,
        recorded=recorded,
        record=counter.recording(record),
        threads=document.threads,
        allowed=counter.counting(lambda: None),
        meter=meter,
        checkpoints=checkpoints,
        resumed=_resumed(counter),
    )
    if (beside := _benchmark_of(document)) is not None:
        _train_benchmark(document, shard, beside, exchange, inputs, meter)


def _benchmark_of(document: orders.Document) -> PlannedBenchmark | None:
    """The benchmark that the order asks for."""
    beside = document.work.benchmark if isinstance(document.work, Shard) else None
    return beside if beside is not None and beside.trial_id in document.results else None


def _train_benchmark(
    document: orders.Document,
    shard: Shard,
    beside: PlannedBenchmark,
    exchange: Exchange,
    inputs: "_Inputs",
    meter: ShardMeter,
) -> None:
    """Train the benchmark of *shard*, unless its result is stored, and write that."""
    addresses = document.results[beside.trial_id]
    found = exchange.result(addresses.read)
    if found is not None:
        benchmark.verified(shard, found)
        _say(f"{beside.kind} benchmark, already stored")
        return
    fit = benchmark.train(shard, opened=inputs, threads=document.threads, meter=meter)
    exchange.write_result(addresses.write, benchmark.written(fit), read=addresses.read)
    _say(f"{beside.kind} benchmark, {fit.error or f'loss {min(fit.losses):.6f}'}")


def _resumed(counter: ProgressCounter) -> Callable[[int], None]:
    def resumed(rounds: int) -> None:
        counter.resumed(rounds)
        if rounds:
            _say(f"a training goes on after {rounds} rounds")

    return resumed


def _say_progress(progress: TrainingProgress) -> None:
    _say(progress.line())


class _Inputs:
    """The order's artifacts, each fetched when it is asked for, and verified."""

    def __init__(self, addresses: Mapping[str, str], exchange: Exchange, folder: Path) -> None:
        self._addresses, self._exchange, self._folder = addresses, exchange, folder

    def path(self, digest: str) -> Path:
        path = self._folder / digest.removeprefix("sha256:")
        if not path.exists():
            self._exchange.download(self._addresses[digest], path, digest=digest)
        return path


def _read(path: Path, order_id: str, digest: str) -> orders.Document:
    """The order in the file *path*.

    Raises:
        AccessDenied: it is not the one that was recorded, has expired, or was made for other code.
    """
    try:
        document = orders.read(path.read_bytes(), digest=digest)
    except OSError:
        raise AccessDenied("the order can be read", value=str(path), remedy="Order it again: clear its task.") from None
    except TrainingError as error:
        raise AccessDenied(error.rule, value=error.value, remedy=error.remedy) from None
    if document.order_id != order_id:
        raise AccessDenied("an order has its own id", value=document.order_id, remedy="Order it again: clear its task.")
    if document.expires_at <= datetime.now(UTC):
        raise AccessDenied(
            "an order is carried out before it expires",
            value=f"{document.expires_at:%Y-%m-%d %H:%M:%S}Z",
            remedy="Order it again: clear its task.",
        )
    if document.engine != engine.digest():
        raise AccessDenied(
            "training elsewhere is done by the code and the packages that its night runs",
            value=f"{engine.digest()}, ordered for {document.engine}",
            remedy=engine.OTHER_CODE,
        )
    return document


def _end_on_sigterm(checkpoints: Checkpoints) -> None:
    """End soon: what is under way is kept if its round ends in time.

    As process 1, Python ignores SIGTERM, and a handler alone waits for a library's current call to return. So the
    signal wakes a thread, which needs only that the library lets go of the interpreter meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: None)

    def wait() -> None:
        while os.read(woken, 1) != bytes([signal.SIGTERM]):
            pass
        try:
            checkpoints.leave(seconds=_ROUND_SECONDS)
        finally:
            os._exit(Exit.TERMINATED)

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


def _failed(status: Exit, error: Exception) -> Exit:
    _say(str(error))
    return status


def _say(line: str) -> None:
    sys.stdout.write(f"trainyard: {line}\n")
    sys.stdout.flush()
