"""What it costs that the ledger proves itself: a hammer of 32 writers, and a million events verified.

    python benchmarks/ledger.py [--seconds 20] [--events 1000000] [--output benchmarks/ledger.json]

**hammer**: 32 processes write events of 1.4 kB into a PostgreSQL of the benchmark's own, as fast as they can, each
noting when an event was committed. Beside them the authority signs checkpoints and publishes them, ten times a second
where it can; a witness cosigns each that continues the last, and a reader verifies that each continues the one
before. Every 3 seconds a writer is killed (SIGKILL) and another takes its place. Afterwards all that was committed
must be there, once, and the whole ledger is verified. `events_per_second` counts what was signed, over the time from
the first commit to the last checkpoint; `seconds_to_signed` is what lies between an event's commit and the
publication of the first checkpoint that covers it. PostgreSQL forces nothing to disk (`fsync=off`) unless `--durable`
is given.

**verify**: a ledger of a million such events on SQLite, read through from nothing, with its tree and checkpoints; and
since the last checkpoint but one, with 1,000 events after it.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import sqlalchemy as sa  # noqa: E402  # needs the path above

from include.audit.checkpoints import Checkpointer, trusted_keys  # noqa: E402
from include.audit.places import FolderPlace  # noqa: E402
from include.audit.proofs import Checkpoint, verify_consistency  # noqa: E402
from include.audit.proving import Proofs  # noqa: E402
from include.audit.verification import verify  # noqa: E402
from include.audit.witness import Witness  # noqa: E402
from include.core.events import LineageEmitted  # noqa: E402
from include.governance.signing import Signer, create_key  # noqa: E402
from include.ledger import Ledger  # noqa: E402
from include.ledger.entry import seal  # noqa: E402
from tests import postgres_server  # noqa: E402

Answer = TypeVar("Answer")

EVENT_BYTES = 1_400
WRITERS = 32
#: Between two checkpoints: an authority that runs by itself takes half a minute.
PAUSE_SECONDS = 0.1
REACH = {"events_per_second": 1600, "p99_seconds": 1.0, "verify_seconds": 10.0, "since_seconds": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--durable", action="store_true", help="let PostgreSQL force each commit to disk")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "ledger.json")
    asked = parser.parse_args()
    found: dict[str, Any] = {"to_reach": REACH}
    folder = Path(tempfile.mkdtemp(prefix="trainyard-ledger-"))
    try:
        if asked.seconds:
            found["hammer"] = hammered(folder, asked.seconds, durable=asked.durable)
        if asked.events:
            found["verify"] = million(folder, asked.events)
    finally:
        shutil.rmtree(folder)
    asked.output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def authority(folder: Path, ledger: Ledger) -> tuple[Checkpointer, FolderPlace, tuple[bytes, ...]]:
    create_key(folder / "authority.key")
    signer = Signer.load(folder / "authority.key")
    signer.publish(folder / "authority.pub")
    place, publics = FolderPlace(folder / "checkpoints"), trusted_keys(folder)
    return Checkpointer(ledger, signer, [place], publics), place, publics


class Hammer:
    """Writers, an authority that signs, a reader and a witness, on the ledger at *url*."""

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        self.url, self.notes, self.seconds = url, folder / "notes", seconds
        self.notes.mkdir()
        self.ledger = Ledger.open(url)
        self.checkpointer, self.place, self.publics = authority(folder, self.ledger)
        self.witness = Witness(folder / "witness", "w1", self.publics)
        self.signed_at: list[tuple[float, int]] = []
        self.writers: list[Any] = []
        self.killed = self.checked = 0
        self._before: Checkpoint | None = None
        self._stop = threading.Event()

    def run(self) -> None:
        for _ in range(WRITERS):
            self.begin()
        signing = threading.Thread(target=self.keep_signing)
        signing.start()
        ends = time.time() + self.seconds
        while time.time() < ends:
            time.sleep(1.0)
            self.look()
            if self.killed < WRITERS and int(ends - time.time()) % 3 == 0:
                self.writers[self.killed].kill()
                self.killed += 1
                self.begin()
        for writer in self.writers:
            writer.join()
        self._stop.set()
        signing.join()
        self.sign()
        self.look()

    def begin(self) -> None:
        number = len(self.writers)
        given = (self.url, self.notes / str(number), number, self.seconds)
        writer = get_context("fork").Process(target=write, args=given, daemon=True)
        writer.start()
        self.writers.append(writer)

    def keep_signing(self) -> None:
        while not self._stop.is_set():
            self.sign()
            time.sleep(PAUSE_SECONDS)

    def sign(self) -> None:
        signed = self.checkpointer.sign()
        if signed is not None and (not self.signed_at or self.signed_at[-1][1] < signed.checkpoint.size):
            self.signed_at.append((time.time(), signed.checkpoint.size))

    def look(self) -> None:
        """Hold the newest checkpoint against the one before, as whoever reads only what is published can."""
        proofs = Proofs.open(self.ledger, [self.place], self.publics)
        if proofs is None:
            return
        now, before = proofs.signed.checkpoint, self._before
        if before is not None:
            verify_consistency(before.size, now.size, before.root, now.root, proofs.between(before.size))
            self.checked += 1
        self._before = now
        self.witness.look(self.place)


def hammered(folder: Path, seconds: float, *, durable: bool) -> dict[str, Any]:
    with postgres_server.started() as url:
        if durable:
            with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("ALTER SYSTEM SET fsync = on")
                connection.exec_driver_sql("SELECT pg_reload_conf()")
        hammer = Hammer(url, folder, seconds)
        hammer.run()
        figures = outcome(hammer.ledger, hammer.notes, hammer.signed_at)
        began = time.perf_counter()
        verified = verify(hammer.ledger, [hammer.place], hammer.publics)
        if verified.faults:
            raise SystemExit(f"the ledger is not whole: {verified.faults}")
        hammer.ledger.close()
    return figures | {
        "writers": WRITERS,
        "killed": hammer.killed,
        "checkpoints": len(hammer.signed_at),
        "consistency_proofs_verified": hammer.checked,
        "verify_seconds": round(time.perf_counter() - began, 2),
        "durable": durable,
    }


def write(url: str, notes: Path, number: int, seconds: float) -> None:
    """Write until *seconds* have passed; note each event after its commit."""
    ledger, ends, count = Ledger.open(url), time.time() + seconds, 0
    with notes.open("w", buffering=1) as file:
        while time.time() < ends:
            ledger.receive(f"run/{number}", LineageEmitted(event=f"{number} {count} ".ljust(EVENT_BYTES, "x")))
            file.write(f"{number} {count} {time.time()}\n")
            count += 1


def outcome(ledger: Ledger, notes: Path, signed_at: list[tuple[float, int]]) -> dict[str, Any]:
    """Nothing that was committed is lost or there twice, and how soon it was signed."""
    placed: dict[str, int] = {}
    for entry, event in ledger.all_of(LineageEmitted):
        name = " ".join(event.event.split(" ")[:2])
        if name in placed:
            raise SystemExit(f"{name} is there twice")
        placed[name] = entry.position
    waits, first = list[float](), float("inf")
    for file in notes.iterdir():
        for line in file.read_text().splitlines():
            writer, count, *committed = line.split(" ")
            if not committed:
                continue  # cut off as its writer was killed
            if f"{writer} {count}" not in placed:
                raise SystemExit(f"{line} was committed and is lost")
            position, at = placed[f"{writer} {count}"], float(committed[0])
            first = min(first, at)
            waits.append(max(0.0, next(then for then, size in signed_at if size >= position) - at))
    cuts = statistics.quantiles(waits, n=100)
    return {
        "events": len(placed),
        "events_per_second": round(len(placed) / (signed_at[-1][0] - first)),
        "seconds_to_signed": {"median": round(cuts[49], 3), "p99": round(cuts[98], 3), "most": round(max(waits), 3)},
        "lost": 0,
    }


def million(folder: Path, count: int) -> dict[str, Any]:
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = Ledger.open(url)
    with sa.create_engine(url).begin() as connection:
        for start in range(1, count + 1, 10_000):
            fill(connection, range(start, min(start + 10_000, count + 1)))
    checkpointer, place, publics = authority(folder / "million", ledger)
    first, before = timed(checkpointer.sign)
    for number in range(1_000):
        ledger.receive("run/new", LineageEmitted(event=f"{number} ".ljust(EVENT_BYTES, "x")))
    following, _ = timed(checkpointer.sign)
    whole, since = list[float](), list[float]()
    for _ in range(3):
        seconds, found = timed(lambda: verify(ledger, [place], publics))
        whole.append(seconds)
        seconds, later = timed(lambda: verify(ledger, [place], publics, since=before.checkpoint if before else None))
        since.append(seconds)
        if found.faults or later.faults or (found.root, later.read) != (later.root, 1_000):
            raise SystemExit("what is whole is not found whole")

    def prove() -> None:
        proofs = Proofs.open(ledger, [place], publics)
        for position in range(1, count, max(1, count // 1_000)):
            proofs.inclusion(position)  # type: ignore[union-attr]

    return {
        "events": count,
        "verify_seconds": round(statistics.median(whole), 2),
        "since_seconds": round(statistics.median(since), 3),
        "first_checkpoint_seconds": round(first, 2),
        "next_checkpoint_seconds": round(following, 3),
        "thousand_inclusion_proofs_seconds": round(timed(prove)[0], 3),
    }


def fill(connection: sa.Connection, numbers: range) -> None:
    """Events of 500 streams in turn, as the ledger would have them."""
    inbox, log = list[tuple[object, ...]](), list[tuple[object, ...]]()
    for number in numbers:
        stream = f"run/{number % 500}"
        event = LineageEmitted(event=f"{number} ".ljust(EVENT_BYTES, "x"))
        each = seal(stream, event, recorded_at=datetime.now(UTC))
        inbox.append((number, stream, each.kind, each.version, each.recorded_at, each.raw, each.leaf_hash))
        log.append((number, number, stream, (number - 1) // 500 + 1, each.kind))
    insert = "INSERT INTO ledger_inbox (id, stream, kind, version, recorded_at, raw, leaf_hash) VALUES"
    connection.exec_driver_sql(f"{insert} (?, ?, ?, ?, ?, ?, ?)", inbox)
    insert = "INSERT INTO ledger_log (position, inbox_id, stream, stream_version, kind) VALUES"
    connection.exec_driver_sql(f"{insert} (?, ?, ?, ?, ?)", log)


def timed(work: Callable[[], Answer]) -> tuple[float, Answer]:
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


if __name__ == "__main__":
    main()
