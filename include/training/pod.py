"""One ordered shard, trained where nothing is at hand but the order: no ledger, no store, no credentials.

It imports ``core`` and ``training`` alone, and beside the standard library what LightGBM needs: the image that it runs
in holds nothing else.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from include.core.canonical import encode
from include.core.errors import AccessDenied, AddressRefused, MachineFault, StoreError, StoreUnavailable, TrainingError
from include.core.records import Trial
from include.training import order, results
from include.training.exchange import Exchange

ORDER_FILE = "/var/run/trainyard/order.json"


class Exit(IntEnum):
    """How the process ends; whatever else is a bug."""

    DONE = 0
    REFUSED = 64  # the order is not the recorded one, has expired, or was made for other code
    ALTERED = 65  # an input is not what its digest says, or is not there
    UNREACHABLE = 69  # the store stayed out of reach
    DIFFERING = 70  # the stored result of a trial is not the one that it has here, or none that it can have
    FAULTY = 71  # no trial can be trained on this machine
    LAPSED = 77  # the store refuses the order's addresses: another order has others
    TERMINATED = 143  # SIGTERM: what is stored is kept


def main(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Train the shard ``train <order id> <order digest>``; the exit status. The order is a file of the environment."""
    match arguments:
        case ["train", order_id, digest]:
            pass
        case _:
            _say("usage: python -m include train ORDER_ID ORDER_DIGEST")
            return Exit.REFUSED
    _end_at_once_on_sigterm()
    try:
        document = _read(Path(environment.get("TRAINYARD_ORDER", ORDER_FILE)), order_id, digest)
        train(document)
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


def train(document: order.Document) -> None:
    """Train the trials of the order that have no result yet, and write the result of each as it ends.

    Raises:
        AccessDenied: the store refuses what is asked.
        AddressRefused: the store refuses the order's addresses.
        StoreUnavailable: it stayed out of reach.
        StoreError: an input is missing or altered.
        MachineFault: no trial can be trained here.
        TrainingError: another result of a trial is stored, or one that it cannot have.
    """
    exchange, shard = Exchange(patience_seconds=document.patience_seconds), document.shard
    recorded = {trial.trial_id: trial for trial in document.recorded}
    for trial_id, addresses in document.results.items():
        found = exchange.result(addresses.read)
        if found is not None:
            recorded[trial_id] = results.verified(shard, trial_id, found)
    _say(f"shard {document.number}, {len(shard.trials)} trials, {len(recorded)} already stored")
    done = len(recorded)

    def record(trial: Trial) -> None:
        nonlocal done
        addresses = document.results[trial.trial_id]
        exchange.write_result(addresses.write, encode(trial), read=addresses.read)
        done += 1
        loss = "" if trial.loss is None else f", loss {trial.loss:.6f}"
        name = trial.trial_id.removeprefix("sha256:")[:12]
        _say(f"trial {name} {trial.state}{loss} ({done} of {len(shard.trials)})")

    from include.training.trial import train_shard

    with tempfile.TemporaryDirectory(prefix="trainyard-") as folder:
        inputs = _Inputs(document.artifacts, exchange, Path(folder))
        train_shard(shard, opened=inputs, recorded=recorded, record=record, threads=document.threads)


class _Inputs:
    """The order's artifacts, each fetched when it is asked for, and verified."""

    def __init__(self, addresses: Mapping[str, str], exchange: Exchange, folder: Path) -> None:
        self._addresses, self._exchange, self._folder = addresses, exchange, folder

    def path(self, digest: str) -> Path:
        path = self._folder / digest.removeprefix("sha256:")
        if not path.exists():
            self._exchange.download(self._addresses[digest], path, digest=digest)
        return path


def _read(path: Path, order_id: str, digest: str) -> order.Document:
    """The order in the file *path*.

    Raises:
        AccessDenied: it is not the one that was recorded, has expired, or was made for other code.
    """
    try:
        document = order.read(path.read_bytes(), digest=digest)
    except (OSError, TrainingError) as error:
        raise AccessDenied(
            "the order is the recorded one, and can be read",
            value=str(path) if isinstance(error, OSError) else error.value,
            remedy="Order the shard again: clear its task.",
        ) from None
    if document.order_id != order_id:
        raise AccessDenied("an order has its own id", value=document.order_id, remedy="Order the shard again.")
    if document.expires_at <= datetime.now(UTC):
        raise AccessDenied(
            "an order is carried out before it expires",
            value=f"{document.expires_at:%Y-%m-%d %H:%M:%S}Z",
            remedy="Order the shard again: clear its task.",
        )
    if document.engine != order.engine():
        raise AccessDenied(
            "a shard is trained by the code and the packages that its night runs",
            value=f"{order.engine()}, ordered for {document.engine}",
            remedy="Build the trainer image again, from the checkout that the night runs.",
        )
    return document


def _end_at_once_on_sigterm() -> None:
    """As process 1, Python ignores SIGTERM, and a handler alone waits for LightGBM's current call to return.

    So the signal wakes a thread, which needs only that LightGBM lets go of the interpreter meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(Exit.TERMINATED))

    def wait() -> None:
        while os.read(woken, 1) != bytes([signal.SIGTERM]):
            pass
        os._exit(Exit.TERMINATED)

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


def _failed(status: Exit, error: Exception) -> Exit:
    _say(str(error))
    return status


def _say(line: str) -> None:
    sys.stdout.write(f"trainyard: {line}\n")
    sys.stdout.flush()
