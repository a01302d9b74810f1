"""An event as the ledger keeps it: sealed bytes with their leaf hash, and the entry read back from them."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json.encoder import encode_basestring

from include.core.errors import LedgerError
from include.core.events import Event
from include.core.records import Run
from include.ledger import kinds

_LEAF_PREFIX = b"\x00"


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The right to write as the holder of *project*'s lease; ``token`` is what the lease was taken with."""

    project: str
    token: int

    @classmethod
    def of(cls, run: Run) -> "Fence | None":
        """The fence of *run*; ``None`` if it holds no lease."""
        return cls(project=run.project, token=run.fence) if run.fence else None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event in the log.

    ``position`` counts all events from 1 without gaps, ``stream_version`` those of its stream likewise. ``recorded_at``
    (UTC) is when the ledger received it. ``key`` is the idempotency key of a fact. ``leaf_hash`` (64 hex digits) is the
    RFC 9162 leaf hash of the sealed bytes, which are ``raw``.
    """

    position: int
    stream: str
    stream_version: int
    recorded_at: datetime
    key: str | None
    event: Event
    leaf_hash: str
    raw: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class SealedEvent:
    """An event's bytes, fixed for ever, and what of them is repeated in columns.

    ``raw`` is two lines of canonical JSON: who, where and when (``key``, ``kind``, ``recorded_at``, ``stream``,
    ``version``), then the event. The hash so covers everything that an entry says but its place in the order.
    """

    stream: str
    kind: str
    version: int
    key: str | None
    recorded_at: str
    raw: bytes
    leaf_hash: str

    @property
    def body(self) -> bytes:
        """The event's canonical bytes."""
        return self.raw.partition(b"\n")[2]


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    """A sealed event with its place in the order, and what the log repeats of it there (stream and kind)."""

    inbox_id: int
    position: int
    stream_version: int
    placed_as: tuple[str, str]
    sealed: SealedEvent


def leaf_hash(raw: bytes) -> str:
    """SHA-256(0x00 || *raw*) in hex: the leaf hash of RFC 9162, section 2.1.1."""
    return hashlib.sha256(_LEAF_PREFIX + raw).hexdigest()


def seal(
    stream: str, event: Event, *, recorded_at: datetime, key: str | None = None, once: bool = False
) -> SealedEvent:
    """The bytes to keep for *event*, under *key*, or with *once* under a key made of all that is said but the time.

    Raises:
        LedgerError: the kind is unknown, a field is not of its declared type, or has no canonical form.
    """
    kind, version, body = kinds.encode_event(event)
    if once:
        key = "received/" + hashlib.sha256(f"{stream}\n{kind}\n{version}\n".encode() + body).hexdigest()
    moment = recorded_at.astimezone(UTC).isoformat()
    raw = header(stream, kind, version, key, moment) + body
    return SealedEvent(
        stream=stream, kind=kind, version=version, key=key, recorded_at=moment, raw=raw, leaf_hash=leaf_hash(raw)
    )


def unseal(logged: LoggedEvent) -> Entry:
    """The entry that the bytes say.

    Raises:
        LedgerError: the bytes are not those that were hashed, the columns say something else, or the kind is unknown.
    """
    sealed = logged.sealed
    if not is_as_sealed(sealed, placed_as=logged.placed_as):
        raise LedgerError(
            "a ledger row is what was recorded",
            value=f"position {logged.position} was altered",
            remedy="Restore the ledger from a backup and find out who wrote to its tables.",
        )
    return Entry(
        position=logged.position,
        stream=sealed.stream,
        stream_version=logged.stream_version,
        recorded_at=datetime.fromisoformat(sealed.recorded_at),
        key=sealed.key,
        event=kinds.decode_event(sealed.kind, sealed.version, sealed.body),
        leaf_hash=sealed.leaf_hash,
        raw=sealed.raw,
    )


def is_as_sealed(columns: SealedEvent, *, placed_as: tuple[str, str]) -> bool:
    """Whether the bytes are those that were hashed, and inbox and log (*placed_as*) say in their columns what they do.

    A row of the inbox will do for *columns*.
    """
    begins = header(columns.stream, columns.kind, columns.version, columns.key, columns.recorded_at)
    return (
        leaf_hash(columns.raw) == columns.leaf_hash
        and columns.raw.startswith(begins)
        and placed_as == (columns.stream, columns.kind)
    )


def header(stream: str, kind: str, version: int, key: str | None, recorded_at: str) -> bytes:
    """The first line of the sealed bytes: canonical JSON, spelled here, since every row that is read is compared."""
    spelled = "null" if key is None else encode_basestring(key)
    return (
        f'{{"key":{spelled},"kind":{encode_basestring(kind)},"recorded_at":{encode_basestring(recorded_at)},'
        f'"stream":{encode_basestring(stream)},"version":{version}}}\n'
    ).encode()
