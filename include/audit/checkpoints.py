"""Checkpoints: what the authority signs of the ledger, so that its past can be held against what it was."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.audit.places import Place
from include.audit.proofs import COSIGNATURE, HASH_BYTES, SIGNATURE, Checkpoint, Key, Note, ProofError
from include.audit.tiles import Edge, TileMissing, read_tile, tiles_between
from include.core.clocks import utc_now
from include.core.errors import LedgerError, LedgerUnavailable
from include.governance.signing import PUBLIC_KEY_FILE, Signer, Verifier
from include.ledger import Ledger, leaves
from include.ledger.transaction import Transaction

log = logging.getLogger(__name__)

#: The newest checkpoint of a place, and the folder of all that were published there, by size.
LATEST, HISTORY = "checkpoint", "checkpoints"
#: What was recorded is signed at most so long afterwards, while an authority runs.
PACE = timedelta(seconds=30)

_REMEDY = (
    "Nothing is promoted until they agree. `./trainyard verify` says where they part: find out who wrote there. If the "
    "ledger was restored from a backup, restore what it lost; if it is a new one, name a new place in "
    "TRAINYARD_CHECKPOINTS."
)


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint under which a trusted key stands; ``signed_at`` is when, by the word of who signed."""

    note: Note
    checkpoint: Checkpoint
    signed_at: datetime


def origin_of(first_leaf: bytes) -> str:
    """Which ledger it is, whoever signs for it: the one that begins with this event."""
    return f"trainyard/{first_leaf.hex()[:16]}"


def trusted_keys(folder: Path) -> tuple[bytes, ...]:
    """The authority's public key in *folder* (32 bytes), then its former ones: ``authority-<anything>.pub``.

    Raises:
        AuthorityError: a file holds no such key.
    """
    former = sorted(folder.glob(PUBLIC_KEY_FILE.replace(".", "-*.")))
    found = (path for path in (folder / PUBLIC_KEY_FILE, *former) if path.exists())
    return tuple(Verifier.load(path).public for path in found)


def verified(written: bytes, publics: Sequence[bytes]) -> SignedCheckpoint:
    """The checkpoint that is *written*, signed with one of *publics*.

    Raises:
        ProofError: it is none, or none of them signed it.
    """
    try:
        note = Note.parse(written.decode())
    except UnicodeDecodeError:
        raise ProofError("a checkpoint is text") from None
    checkpoint = note.checkpoint
    for public in publics:
        key = Key(name=checkpoint.origin, kind=SIGNATURE, public=public)
        if key.signed(note) is not None:
            seconds = key.of_kind(COSIGNATURE).signed(note) or 0
            return SignedCheckpoint(note=note, checkpoint=checkpoint, signed_at=datetime.fromtimestamp(seconds, UTC))
    names = ", ".join(f"{each.name} {each.key_id.hex()}" for each in note.signatures)
    raise ProofError(f"it is signed with another key ({names})")


def said_time(note: Note) -> int:
    """When the ledger's own cosignature says that it was made, in POSIX seconds, unverified; 0: there is none."""
    name = note.checkpoint.origin
    times = [each.signature[:8] for each in note.signatures if each.name == name and len(each.signature) == 72]
    return int.from_bytes(times[0], "big") if times else 0


def newest(places: Sequence[Place], publics: Sequence[bytes]) -> tuple[SignedCheckpoint, Place] | None:
    """The largest checkpoint that lies in one of *places*, and where; ``None``: there is none yet.

    Raises:
        LedgerError: what lies there is not signed with one of *publics*.
        LedgerUnavailable: no place can be reached.
    """
    found, failed = list[tuple[SignedCheckpoint, Place]](), list[str]()
    for place in places:
        try:
            written = _latest(place)
        except OSError as error:
            log.warning("checkpoints: %s cannot be read: %s", place.shown, error)
            failed.append(place.shown)
            continue
        if written is None:
            continue
        try:
            found.append((verified(written, publics), place))
        except ProofError as error:
            raise _refused(f"what lies in {place.shown}: {error}") from None
    if len(failed) == len(places):
        raise _unreachable(", ".join(failed))
    return max(found, key=lambda each: each[0].checkpoint.size, default=None)


def _latest(place: Place) -> bytes | None:
    written = place.read(LATEST)
    if written is None and (names := place.names(HISTORY)):
        written = place.read(f"{HISTORY}/{names[-1]}")
    return written


class Checkpointer:
    """Signs what the ledger holds, and publishes that with the tree's hashes; of the process that holds the key.

    It signs nothing that does not continue the last checkpoint which lies in any of its places, so that a ledger that
    lost its end, or was restored from a backup, is not signed anew.
    """

    def __init__(
        self,
        ledger: Ledger,
        signer: Signer,
        places: Sequence[Place],
        publics: Sequence[bytes],
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """*publics* are the keys whose checkpoints may be continued, beside that of *signer*: former ones."""
        self._ledger, self._signer, self._places = ledger, signer, places
        self._publics = (signer.verifier.public, *publics)
        self._clock = clock
        self._lock = threading.Lock()
        self._last: SignedCheckpoint | None = None

    def keep_up(self) -> None:
        """Sign what was recorded, if :data:`PACE` has passed since the last time. Raises as :meth:`sign`."""
        last = self._last
        if last is not None and self._clock() - last.signed_at < PACE:
            return
        self._ledger.catch_up()
        if last is None or self._ledger.examine(leaves.size) != last.checkpoint.size:
            self.sign()

    def sign(self) -> SignedCheckpoint | None:
        """Sign all that was recorded until now, unless it is signed; ``None``: nothing was recorded yet.

        Raises:
            LedgerError: the ledger does not continue the last checkpoint, or what was published was altered.
            LedgerUnavailable: the first of the places cannot be written, or none can be read.
        """
        with self._lock, self._alone():
            self._ledger.catch_up()
            found = newest(self._places, self._publics)
            last, place = found or (None, self._places[0])
            old = last.checkpoint.size if last else 0
            origin, new = self._ledger.examine(lambda transaction: _since(transaction, old))
            if last is not None:
                _require_same_ledger(last, origin, new)
            elif not new:
                return None
            edge = self._edge(last, place)
            if last is not None and new[:HASH_BYTES] != edge.last_leaf:
                raise _refused(f"position {old} is not the event that the checkpoint of {last.signed_at} covers")
            edge.grow(new[HASH_BYTES:] if last else new)
            if last is None or edge.size > old:
                last = self._signed(Checkpoint(origin=origin, size=edge.size, root=edge.root))
            self._publish(last, edge, place)
            self._last = last
            return last

    def _signed(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        now = int(self._clock().timestamp())
        key = Key(name=checkpoint.origin, kind=SIGNATURE, public=self._signer.verifier.public)
        signatures = (
            key.sign(checkpoint.text, self._signer.signature),
            key.of_kind(COSIGNATURE).sign(checkpoint.text, self._signer.signature, time=now),
        )
        note = Note(text=checkpoint.text, signatures=signatures)
        return SignedCheckpoint(note=note, checkpoint=checkpoint, signed_at=datetime.fromtimestamp(now, UTC))

    def _edge(self, last: SignedCheckpoint | None, place: Place) -> Edge:
        """The edge of the tree that was signed last: as it was published, or computed again."""
        if last is None:
            return Edge()
        size, root = last.checkpoint.size, last.checkpoint.root
        with contextlib.suppress(TileMissing):
            edge = Edge.load(place.read, size)
            if edge.root == root:
                return edge
        edge = Edge()
        edge.grow(self._ledger.examine(lambda transaction: leaves.hashes(transaction, until=size)))
        if edge.root != root:
            raise _refused(f"the first {size} events are not those that the checkpoint of {last.signed_at} covers")
        return edge

    def _publish(self, signed: SignedCheckpoint, edge: Edge, source: Place) -> None:
        for place in self._places:
            try:
                _bring(place, signed, edge, source)
            except FileExistsError as error:
                raise _refused(f"other hashes lie at {error}") from None
            except (OSError, TileMissing) as error:
                if place is self._places[0]:
                    raise _unreachable(f"{place.shown} ({error})") from error
                log.warning("checkpoints: %s cannot be brought up to date: %s", place.shown, error)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._places[0].alone())
            except OSError as error:
                raise _unreachable(f"{self._places[0].shown} ({error})") from error
            yield


def _since(transaction: Transaction, old: int) -> tuple[str, bytes]:
    """Which ledger it is, and the leaf hashes from position *old* on (inclusive)."""
    first = leaves.hashes(transaction, until=1)
    return origin_of(first) if first else "", leaves.hashes(transaction, after=max(old - 1, 0))


def _require_same_ledger(last: SignedCheckpoint, origin: str, new: bytes) -> None:
    size = last.checkpoint.size
    if not new:
        raise _refused(f"the ledger ends before position {size}, which was signed at {last.signed_at}")
    if origin != last.checkpoint.origin:
        raise _refused(f"it begins with another event: it is {origin}, and {last.checkpoint.origin} was signed")


def _bring(place: Place, signed: SignedCheckpoint, edge: Edge, source: Place) -> None:
    """Let all of the signed tree that *place* has not lie there, and the checkpoint last."""
    written, before = str(signed.note).encode(), place.read(LATEST)
    if before == written:
        return
    size = 0 if before is None else Note.parse(before.decode()).checkpoint.size
    for tile in tiles_between(size, edge.size):
        hashes = edge.hashes(tile)
        place.keep(tile.name, read_tile(source.read, tile) if hashes is None else hashes)
        if tile.name == tile.whole:
            place.forget(tile.partial)
    name = f"{HISTORY}/{signed.checkpoint.size:012}"
    if place.read(name) is None:  # a process that died may have signed the same, a little earlier
        place.keep(name, written)
    place.replace(LATEST, written)


def _refused(found: str) -> LedgerError:
    return LedgerError("the ledger continues what was signed of it", value=found, remedy=_REMEDY)


def _unreachable(shown: str) -> LedgerUnavailable:
    return LedgerUnavailable(
        "checkpoints can be read and published",
        value=shown,
        remedy="Check the folder or bucket that TRAINYARD_CHECKPOINTS names, and that this process may write there.",
    )
