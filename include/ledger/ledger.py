"""The rules of the ledger: expected versions, facts, fences. The SQL is in ``database``."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from include.core import streams
from include.core.canonical import encode
from include.core.clocks import utc_now
from include.core.errors import LedgerConflict, LedgerError
from include.core.events import Event
from include.ledger.entry import Entry, Fence, LoggedEvent, SealedEvent, seal, unseal
from include.ledger.holder import holder

if TYPE_CHECKING:
    from include.ledger.database import Database
    from include.ledger.soundness import SoundRows
    from include.ledger.transaction import Transaction

Kind = TypeVar("Kind", bound=Event)
Found = TypeVar("Found")

RESTORE = "Restore the ledger from a backup and find out who wrote to its tables; `./trainyard status` names all of it."


class Ledger:
    """An append-only log of events in streams, shared by threads, processes and, in PostgreSQL, machines.

    An event that was recorded is never changed; an event that could not be recorded left nothing behind. Every method
    raises :class:`~include.core.errors.LedgerUnavailable` when the database cannot be reached or written.
    """

    def __init__(self, database: "Database", *, clock: Callable[[], datetime] = utc_now) -> None:
        """*clock* stamps what is recorded; see :meth:`open`."""
        self._database = database
        self._clock = clock
        self._sound: SoundRows | None = None

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], datetime] = utc_now) -> "Ledger":
        """The ledger at *url*: ``sqlite:////absolute/path.db`` or ``postgresql+psycopg://…``; made if it is not there.

        Raises:
            LedgerError: no such kind of database, or SQLite on a network file system.
            LedgerUnavailable: the database cannot be reached.
        """
        from include.ledger.database import Database  # deferred: SQLAlchemy takes a quarter of a second

        database = Database(url)
        database.create()
        return cls(database, clock=clock)

    def close(self) -> None:
        """Let go of this process's connections; a later call opens new ones."""
        self._database.close()

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int, fence: Fence | None = None) -> int:
        """Append all of *events* if *stream* still stands at *expected_version*; its new version.

        Raises:
            LedgerConflict: somebody appended first, and nothing of this was appended.
            LedgerError: a stale fence, or an unknown kind.
        """
        sealed = [self._seal(stream, event) for event in events]
        with self._database.writing() as transaction:
            transaction.insert(sealed)
            transaction.sequence()
            _check(transaction, fence)
            version = transaction.version(stream)
            if version != expected_version + len(sealed):
                raise LedgerConflict(
                    "an event is appended at the version that was read",
                    value=f"{stream!r} stands at {version - len(sealed)}, expected {expected_version}",
                    remedy="Read the stream again, decide again, and retry.",
                )
            return version

    def offer(self, stream: str, event: Event, *, expected_version: int) -> int:
        """:meth:`append` of one event; 0 where somebody appended first: fold again, and decide again."""
        try:
            return self.append(stream, [event], expected_version=expected_version)
        except LedgerConflict:
            return 0

    def record(
        self,
        stream: str,
        event: Event,
        *,
        key: str | None = None,
        fence: Fence | None = None,
        beside: Sequence[tuple[str, Event]] = (),
    ) -> Entry:
        """Record an observation, or under *key* a fact: the same fact again gives the first entry.

        *beside* are observations and their streams, recorded with it in one transaction; not where it is known.

        Raises:
            LedgerError: another fact stands under *key*, a stale fence, or an unknown kind.
        """
        return self.record_all(stream, [(event, key)], fence=fence, beside=beside)[0]

    def record_all(
        self,
        stream: str,
        events: Sequence[tuple[Event, str | None]],
        *,
        fence: Fence | None = None,
        beside: Sequence[tuple[str, Event]] = (),
    ) -> list[Entry]:
        """:meth:`record` for each event and key, all or none, in one transaction; entries in the same order."""
        offered = [self._seal(stream, event, key) for event, key in events]
        observations_beside = [self._seal(elsewhere, event) for elsewhere, event in beside]
        with self._database.writing() as transaction:
            known = transaction.by_keys({sealed.key for sealed in offered if sealed.key is not None})
            fresh = _fresh(offered, known)
            fresh += observations_beside if fresh else []
            inserted = transaction.insert(fresh)
            transaction.sequence()
            _check(transaction, fence)
            placed = transaction.by_ids(inserted)
            facts = dict(known)
            observed: list[LoggedEvent] = []
            for sealed, row in zip(fresh, inserted, strict=True):
                if sealed.key is None:
                    observed.append(placed[row])
                else:
                    facts[sealed.key] = placed[row]
            observations = iter(observed)
            return [
                unseal(next(observations)) if sealed.key is None else _same_fact(sealed, facts[sealed.key])
                for sealed in offered
            ]

    def receive(self, stream: str, event: Event) -> None:
        """Take *event* in, on PostgreSQL without waiting for other writers: the next reader gives it its place.

        The same event in the same stream is kept once (by the SHA-256 of its bytes).
        """
        sealed = seal(stream, event, recorded_at=self._clock(), once=True)
        with self._database.receiving() as transaction:
            transaction.receive(sealed)

    def read(self, stream: str, *, after: int = 0) -> list[Entry]:
        """The entries of *stream* whose version is above *after*, in order: all that was committed before this call."""
        entries = self._read(lambda transaction: transaction.of_stream(stream, after=after))
        if entries and entries[-1].stream_version != after + len(entries):
            found = (
                f"{len(entries)} events of {stream!r} above version {after}, the last with {entries[-1].stream_version}"
            )
            raise LedgerError("a stream's versions have no gap", value=found, remedy=RESTORE)
        return entries

    def read_below(self, stream: str, *, after: int, before: int | None = None) -> list[Entry]:
        """The entries of *stream* and of all streams below it (``<stream>/…``), in order.

        Of those, whose position is above *after* and below *before*. Looks at all places between these, and reads what
        it returns.
        """
        end = sys.maxsize if before is None else before
        return self._read(lambda transaction: transaction.below(stream, after=after, before=end))

    def read_all(
        self, *, after: int = 0, kinds: Collection[type[Event]] | None = None, limit: int | None = None
    ) -> list[Entry]:
        """The entries of all streams whose position is above *after*, in order; at most *limit*, only of *kinds*."""
        names = None if kinds is None else {kind.kind for kind in kinds}
        return self._read(lambda transaction: transaction.all(after=after, kinds=names, limit=limit))

    def find(self, key: str) -> Entry | None:
        """The fact that was recorded under *key*."""
        return self.find_all({key}).get(key)

    def fact(self, key: str, kind: type[Kind]) -> Kind | None:
        """The event that was recorded under *key*, if it is of *kind*."""
        entry = self.find(key)
        return entry.event if entry is not None and isinstance(entry.event, kind) else None

    def events(self, stream: str, kind: type[Kind]) -> list[Kind]:
        """The events of *stream* that are of *kind*, in order."""
        return [event for _, event in of_kind(self.read(stream), kind)]

    def all_of(self, kind: type[Kind], *, after: int = 0) -> list[tuple[Entry, Kind]]:
        """As :meth:`read_all` of one *kind*, each entry with its event."""
        return list(of_kind(self.read_all(after=after, kinds=(kind,)), kind))

    def find_all(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The facts that were recorded under *keys*, by key, in one query."""
        with self._database.reading() as transaction:
            logged = transaction.by_keys(set(keys))
        return {key: unseal(one) for key, one in logged.items()}

    def version(self, stream: str) -> int:
        """How many events *stream* has; 0 for one that does not exist."""
        self.catch_up()
        with self._database.reading() as transaction:
            return transaction.version(stream)

    def delivered(self, name: str) -> tuple[int, int]:
        """Where the delivery *name* stands: the last delivered position, and its sink's size in bytes then."""
        with self._database.reading() as transaction:
            return transaction.cursor(name)

    def mark_delivered(self, name: str, *, position: int, size_bytes: int = 0) -> None:
        """Remember where the delivery *name* stands, unless it stands further already.

        Working state: the only thing here that changes.
        """
        with self._database.writing() as transaction:
            transaction.move_cursor(name, position=position, size_bytes=size_bytes)

    def check(self) -> tuple[str, ...]:
        """What is wrong with order and triggers, and with each row, in sentences.

        Whatever it finds, somebody wrote to the tables behind the ledger's back. Reads all rows: a second for 100,000,
        and less where this process found them sound before.
        """
        from include.ledger import soundness

        self.catch_up()
        known = self._sound or soundness.SoundRows()
        faults, self._sound = self.examine(lambda transaction: soundness.check(transaction, known))
        return faults

    def catch_up(self) -> None:
        """Give every event that was committed its place, as each reading method does first."""
        with self._database.reading() as transaction:
            behind = transaction.is_behind()
        if behind:
            with self._database.writing() as transaction:
                transaction.sequence()

    def examine(self, look: "Callable[[Transaction], Found]") -> Found:
        """What *look* finds in one transaction that reads, and writes nothing: not even events get their places."""
        with self._database.reading() as transaction:
            return look(transaction)

    def require_order(self) -> None:
        """Check the order and the triggers, and read no row.

        Raises:
            LedgerError: a position or a version of a stream is missing, or a trigger.
        """
        from include.ledger import soundness

        with self._database.reading() as transaction:
            faults = soundness.order_faults(transaction)
        if faults:
            raise LedgerError(
                "a ledger has no gaps, and triggers that refuse changes", value="; ".join(faults), remedy=RESTORE
            )

    def _read(self, query: "Callable[[Transaction], list[LoggedEvent]]") -> list[Entry]:
        with self._database.reading() as transaction:
            behind = transaction.is_behind()
            logged = [] if behind else query(transaction)
        if behind:
            with self._database.writing() as transaction:
                transaction.sequence()
                logged = query(transaction)
        return [unseal(one) for one in logged]

    def _seal(self, stream: str, event: Event, key: str | None = None) -> SealedEvent:
        return seal(stream, event, key=key, recorded_at=self._clock())


def of_kind(entries: Iterable[Entry], kind: type[Kind]) -> Iterator[tuple[Entry, Kind]]:
    """Those of *entries* whose event is of *kind*, each with it."""
    return ((entry, entry.event) for entry in entries if isinstance(entry.event, kind))


def _check(transaction: "Transaction", fence: Fence | None) -> None:
    if fence is None:
        return
    held = holder(unseal(logged) for logged in transaction.newest_first(streams.lease(fence.project)))
    if held is None or held.token != fence.token:
        now = "nobody" if held is None else f"run {held.run_id!r} with token {held.token}"
        raise LedgerError(
            "only the holder of a project's lease writes for it",
            value=f"token {fence.token} for {fence.project!r}, held by {now}",
            remedy="This run was superseded: let it end, and start the night again.",
        )


def _fresh(offered: Sequence[SealedEvent], known: Collection[str]) -> list[SealedEvent]:
    """Those of *offered* that are not recorded yet: each observation, and each fact once."""
    taken = set(known)
    fresh: list[SealedEvent] = []
    for sealed in offered:
        if sealed.key is None or sealed.key not in taken:
            fresh.append(sealed)
        if sealed.key is not None:
            taken.add(sealed.key)
    return fresh


def _same_fact(offered: SealedEvent, recorded: LoggedEvent) -> Entry:
    entry = unseal(recorded)
    if (entry.stream, encode(entry.event)) != (offered.stream, offered.body) or entry.event.kind != offered.kind:
        raise LedgerError(
            "an idempotency key stands for one fact",
            value=f"key {offered.key!r} offered again with a different {offered.kind!r} or stream",
            remedy="Give the new fact a key that names all its inputs.",
        )
    return entry
